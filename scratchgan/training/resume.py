"""Where a run is resumed: from its newest checkpoint or a given one, bit for bit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from scratchgan.backend import resolve_device
from scratchgan.datasets.catalogue import find_dataset
from scratchgan.datasets.format.dataset import Dataset, open_dataset
from scratchgan.errors import DatasetError
from scratchgan.synthetic.first_use import Report
from scratchgan.training.config import TrainConfig
from scratchgan.training.loop import TrainResult, train
from scratchgan.training.run.folder import find_checkpoint, run_of_checkpoint
from scratchgan.training.run.state import load_state, read_config
from scratchgan.training.settings import choose_settings, refuse_fixed
from scratchgan.training.start import from_any_folder, prepare_device


def resume_run(
    run: str | None,
    options: dict[str, Any],
    runs: Path,
    data_dir: str | Path | None = None,
    *,
    report: Report | None = None,
    show_progress: bool = False,
) -> TrainResult | None:
    """Go on with a run where its checkpoint is; return None if it is complete.

    The weights, Adam's moments, the state of the random numbers and the place in the
    data are those of the checkpoint, so N + M steps are the same as N, and M more. A
    time limit holds for one stretch only.

    Parameters
    ----------
    run : str or None
        As `find_checkpoint` takes it; None for the newest.
    options : dict
        What changes, as for `choose_settings`: of `CHANGEABLE_ON_RESUME` only.
    runs : Path
        Folder that holds the run folders.
    data_dir : str or Path, optional
        See `data_folder`.
    report : callable, optional
        Called with each line for the user.
    show_progress : bool, default=False
        Draw a progress bar on stderr.

    Raises
    ------
    OptionError
        If an option is fixed once a run has begun.
    CheckpointError, DatasetError
        If there is no such run, it is damaged, or its images are not there any more.
    ScratchGANError
        As `loop.train`.
    """
    refuse_fixed(options)
    checkpoint = find_checkpoint(run, runs)
    folder = run_of_checkpoint(checkpoint)
    before = read_config(checkpoint)
    device = resolve_device(options.get("device") or before.device)
    config = choose_settings(replace(before, max_minutes=None), options)
    prepare_device(config, device)
    state = load_state(checkpoint, device)
    path = find_dataset(config.dataset, data_dir)
    state.config = config = from_any_folder(config, path)
    with open_dataset(path) as dataset:
        check_same_data(config, dataset)
        total = config.total_steps(len(dataset.rows_of_split(config.split)))
        complete = state.step >= total
        if report:
            report(
                f"run: {folder.path}, from step {state.step:,} to {total:,} on {device}"
            )
            if complete:
                report(f"the run is complete; --steps {2 * state.step} would go on")
        if complete:
            return None
        return train(state, dataset, folder, device, show_progress=show_progress)


def check_same_data(config: TrainConfig, dataset: Dataset) -> None:
    """Raise DatasetError if a run would be continued on other images than it had."""
    if config.dataset_sha256 != dataset.sha256:
        raise DatasetError(
            f"{dataset.path} does not hold the images this run was started on (its "
            "sha256 differs); put that file back with --data-dir, or start a new run"
        )
