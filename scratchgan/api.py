"""What ``import scratchgan`` offers: train, resume, open a run, read a dataset.

Nothing is printed unless ``progress=True``. What a user can mend is raised as a
`ScratchGANError` of one line, which names options as the command line does
(``--batch-size`` is ``batch_size`` here); any other exception is a bug or a mistake in
the calling program.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from scratchgan.backend import resolve_device
from scratchgan.datasets.format import dataset as dataset_format
from scratchgan.datasets.format.dataset import Dataset
from scratchgan.datasets.loader import BatchLoader, LoadedBatch
from scratchgan.synthetic.first_use import Bar, Report, find_or_draw
from scratchgan.training.config import TrainConfig, batches_an_epoch
from scratchgan.training.loop import TrainResult
from scratchgan.training.presets import DEFAULT_PRESET
from scratchgan.training.resume import resume_run
from scratchgan.training.run.folder import DEFAULT_RUNS, find_checkpoint
from scratchgan.training.run.open_run import Run
from scratchgan.training.run.state import read_config
from scratchgan.training.settings import check_option, choose_settings, find_preset
from scratchgan.training.start import start_run


def train(
    dataset: str | Path | Dataset,
    preset: str | TrainConfig = DEFAULT_PRESET,
    *,
    runs: str | Path = DEFAULT_RUNS,
    data_dir: str | Path | None = None,
    progress: bool = False,
    **options: Any,
) -> Run:
    """Train a DCGAN in a new run folder and return the run.

    The same as ``scratchgan train``: equal options give equal weights, bit for bit.
    Ctrl-C, SIGTERM and SIGHUP save after the current step and raise
    KeyboardInterrupt, whose text says how to go on.

    Parameters
    ----------
    dataset : str, Path or Dataset
        Name or file of a prepared dataset, or an open one; ``"faces"``,
        ``"bedrooms"`` and ``"digits"`` are drawn on first use.
    preset : str or TrainConfig, default="dcgan64"
        One of `PRESETS` by name, or settings of your own.
    runs : str or Path, default="runs"
        Folder that holds the run folders.
    data_dir : str or Path, optional
        Folder of the prepared files; by default ``SCRATCHGAN_DATA``, or ``data``.
    progress : bool, default=False
        Report on stderr, with progress bars.
    **options : Any
        In place of the preset's: ``steps`` or ``epochs``, ``max_minutes``,
        ``batch_size``, ``size`` (S or (height, width), in pixels),
        ``base_channels``, ``conditional``, ``lr``, ``seed``, ``device`` ("auto",
        "cpu", "gpu", "gpu:N"), and every other option of ``scratchgan train``, with
        ``_`` for ``-``. None means the preset's.

    Returns
    -------
    Run
        As it was saved last. With ``max_minutes``, perhaps not all steps.

    Raises
    ------
    ScratchGANError
        Its children say what does not fit, and what to do.
    KeyboardInterrupt
        If a signal asked to stop; everything is saved.

    Examples
    --------
    >>> import tempfile
    >>> from scratchgan.synthetic.prepare import prepare_synthetic
    >>> folder = tempfile.TemporaryDirectory()
    >>> data = prepare_synthetic("digits", folder.name, count=40, workers=1).path
    >>> run = train(data, "mnist28c", steps=2, batch_size=4, base_channels=2,
    ...             device="cpu", runs=folder.name)
    >>> run.step, run.path.name
    (2, '00001-digits-mnist28c')
    >>> run.generate(range(6), labels=3).shape
    (6, 28, 28, 1)
    >>> resume(run, steps=3).step
    3
    >>> folder.cleanup()
    """
    config = find_preset(preset) if isinstance(preset, str) else preset
    config = choose_settings(config, {"dataset": _name(dataset)} | _given(options))
    report, bar = _reporting(progress)
    result = start_run(config, Path(runs), data_dir, report=report, bar=bar)
    return _finished(result, config.device)


def resume(
    run: Run | str | int | Path | None = None,
    *,
    runs: str | Path = DEFAULT_RUNS,
    data_dir: str | Path | None = None,
    progress: bool = False,
    **options: Any,
) -> Run:
    """Go on with a run exactly where it was, and return it as it is then.

    Signals do what they do in `train`. A run that is complete is returned as it is.

    Parameters
    ----------
    run : Run, str, int, Path or None
        As for `open_run`; by default the newest run.
    runs, data_dir, progress
        As for `train`.
    **options : Any
        What may change: ``steps`` or ``epochs`` in all, ``max_minutes``, ``dataset``,
        ``device``, ``tf32``, ``cuda_graph``, ``gpu_memory``, ``log_every``,
        ``sample_every``, ``checkpoint_every``, ``keep_last``, ``keep_every``.

    Returns
    -------
    Run

    Raises
    ------
    ScratchGANError
        Its children say what does not fit, and what to do.
    KeyboardInterrupt
        If a signal asked to stop; everything is saved.
    """
    checkpoint = _checkpoint(run, runs)
    options = _given(options)
    if "dataset" in options:
        options["dataset"] = _name(options["dataset"])
    report, bar = _reporting(progress)
    result = resume_run(
        str(checkpoint),
        options,
        Path(runs),
        data_dir,
        report=report,
        show_progress=bar is not None,
    )
    device = options.get("device")
    return _open(checkpoint, device) if result is None else _finished(result, device)


def open_run(
    run: Run | str | int | Path | None = None,
    device: str = "auto",
    *,
    runs: str | Path = DEFAULT_RUNS,
) -> Run:
    """Return a run at its newest checkpoint, or at a given one.

    Parameters
    ----------
    run : Run, str, int, Path or None
        A run folder, its number or name in ``runs``, or a checkpoint file; by default
        the newest run. A `Run` means its folder.
    device : str, default="auto"
        "cpu", "gpu", "gpu:N", or "auto": a GPU that works, or the CPU.
    runs : str or Path, default="runs"
        Folder that holds the run folders.

    Raises
    ------
    CheckpointError
        If there is no such run, or its checkpoint is damaged.
    DeviceError
        If the device cannot be used.
    """
    checkpoint = _checkpoint(run, runs)
    return Run.load(checkpoint, resolve_device(check_option("device", device)))


def open_dataset(
    dataset: str | Path,
    *,
    data_dir: str | Path | None = None,
    progress: bool = False,
) -> Dataset:
    """Open a prepared dataset by name or path; a built-in one is drawn on first use.

    Parameters
    ----------
    dataset : str or Path
        As for `train`.
    data_dir : str or Path, optional
        Folder of the prepared files; by default ``SCRATCHGAN_DATA``, or ``data``.
    progress : bool, default=False
        Report on stderr if it is drawn, with a bar.

    Returns
    -------
    Dataset
        Its ``images`` are uint8 (N, H, W, C), read by slices; also a context manager.

    Raises
    ------
    DatasetError
        If there is no such dataset, or it is damaged.
    """
    report, bar = _reporting(progress)
    path = find_or_draw(str(dataset), data_dir, report=report, bar=bar)
    return dataset_format.open_dataset(path)


def batches(
    dataset: str | Path | Dataset,
    batch_size: int = 64,
    *,
    size: int | tuple[int, int] | None = None,
    epochs: int = 1,
    split: str = "train",
    seed: int = 0,
    data_dir: str | Path | None = None,
) -> Iterator[LoadedBatch]:
    """Iterate over a dataset's images as the networks see them, shuffled.

    The order is that of a training run with this batch size and seed. A background
    thread reads ahead, so long as the iteration lasts.

    Parameters
    ----------
    dataset : str, Path or Dataset
        As for `train`; an open one stays open.
    batch_size : int, default=64
        Images in a batch; the last of an epoch may be smaller, and a single image
        left over is left out.
    size : int or (int, int), optional
        Average the images down to S x S or height x width, in pixels.
    epochs : int, default=1
        Passes over the data.
    split : str, default="train"
        Part of the data, such as ``"train+extra"``.
    seed : int, default=0
        Of the order.
    data_dir : str or Path, optional
        Folder of the prepared files; by default ``SCRATCHGAN_DATA``, or ``data``.

    Returns
    -------
    iterator of LoadedBatch
        With ``images``, float32 (N, C, H, W) in [-1, 1]; ``labels``, int64 (N,) or
        None; ``epoch`` and ``index``.

    Raises
    ------
    DatasetError
        If there is no such dataset, or it does not fit.

    Examples
    --------
    >>> import tempfile
    >>> from scratchgan.synthetic.prepare import prepare_synthetic
    >>> folder = tempfile.TemporaryDirectory()
    >>> data = prepare_synthetic("digits", folder.name, count=40, workers=1).path
    >>> for batch in batches(data, 16, size=14):
    ...     print(batch.images.shape, batch.images.dtype, batch.labels.shape)
    (16, 1, 14, 14) float32 (16,)
    (16, 1, 14, 14) float32 (16,)
    (4, 1, 14, 14) float32 (4,)
    >>> folder.cleanup()
    """
    opened = dataset
    if not isinstance(dataset, Dataset):
        opened = open_dataset(dataset, data_dir=data_dir)
    if size is None:
        size = opened.height, opened.width
    height, width = check_option("size", size)
    loader = BatchLoader(
        opened,
        opened.rows_of_split(split),
        batch_size=check_option("batch_size", batch_size),
        height=height,
        width=width,
        output="tanh",
        seed=check_option("seed", seed),
    )
    count = epochs * batches_an_epoch(len(loader.rows), batch_size)
    return _first_batches(loader, count, close=opened is not dataset)


def _first_batches(
    loader: BatchLoader, count: int, *, close: bool
) -> Iterator[LoadedBatch]:
    try:
        with loader:
            yield from islice(loader, count)
    finally:
        if close:
            loader.dataset.close()


def _open(checkpoint: Path, device: str | None) -> Run:
    """Return the run where it was trained, or on another device."""
    return open_run(checkpoint, device or read_config(checkpoint).device)


def _finished(result: TrainResult, device: str | None) -> Run:
    """Return the run that was trained, unless a signal ended it."""
    if result.interrupted:
        run = str(result.checkpoint.parent.parent)
        raise KeyboardInterrupt(
            f"interrupted at step {result.step:,}; saved; go on with: "
            f"scratchgan.resume({run!r})"
        )
    return _open(result.checkpoint, device)


def _name(dataset: str | Path | Dataset) -> str:
    return str(dataset.path if isinstance(dataset, Dataset) else dataset)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _checkpoint(run: Run | str | int | Path | None, runs: str | Path) -> Path:
    if isinstance(run, Run):
        run = run.path
    return find_checkpoint(None if run is None else str(run), Path(runs))


def _reporting(progress: bool) -> tuple[Report | None, Bar | None]:
    return (_write_line, _draw_bar) if progress else (None, None)


def _write_line(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


@contextmanager
def _draw_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    with tqdm(desc=what, unit=f" {unit}") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress
