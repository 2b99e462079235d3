import pytest
from tiny import write_dataset


@pytest.fixture
def dataset_file(tmp_path):
    return write_dataset(tmp_path / "data" / "tiny.h5")
