"""The training loop: batches in; log, sample grids and checkpoints out."""

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from scratchgan.backend import Array, Device
from scratchgan.datasets.format.dataset import Dataset
from scratchgan.datasets.loader import BatchLoader, reduce_images
from scratchgan.errors import DeviceError, NonFiniteError, OutputError
from scratchgan.functional.parallel import one_blas_thread
from scratchgan.gpu.errors import gpu_error_in_words
from scratchgan.gpu.memory import forget_arrays_of, is_out_of_device_memory
from scratchgan.machine import reuse_freed_memory
from scratchgan.models.latent import draw_latent
from scratchgan.optim.schedule import decayed_lr
from scratchgan.storage.files import make_folder
from scratchgan.storage.pictures import image_grid, save_png
from scratchgan.training.config import batches_an_epoch, config_to_dict
from scratchgan.training.diagnose import first_non_finite
from scratchgan.training.feed import Feed
from scratchgan.training.forecast.device_memory import advice
from scratchgan.training.preview import BATCH, generate_images, labels_for_grid
from scratchgan.training.recorded_step import RecordedStep, is_to_be_recorded
from scratchgan.training.run.checkpoint import refuse_non_finite, save_checkpoint
from scratchgan.training.run.folder import RunFolder, append_log, trim_log
from scratchgan.training.run.state import (
    HISTORY,
    TrainingState,
    state_arrays,
    state_meta,
)
from scratchgan.training.step import (
    Batch,
    StepLosses,
    StepSettings,
    refuse_loss,
    train_step,
)
from scratchgan.training.stop import StopRequest

FIGURE_EPOCHS = (1, 5)
"""Epochs after which a grid is kept: figures 2 and 3 of the paper."""


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes
    ----------
    step, total : int
        Steps made in all, and steps planned.
    interrupted : bool
        Whether a signal asked it to stop.
    checkpoint, samples : Path
        The last ones written.
    """

    step: int
    total: int
    interrupted: bool
    checkpoint: Path
    samples: Path


def train(
    state: TrainingState,
    dataset: Dataset,
    run: RunFolder,
    device: Device,
    *,
    show_progress: bool = True,
) -> TrainResult:
    """Train from where ``state`` is to the end of its configuration.

    Every `log_every` steps a record goes to ``log.jsonl``; sample grids from the same
    z and checkpoints follow their own intervals, and the last step always has both.
    Between two steps a signal or the time limit saves and ends the run.

    Parameters
    ----------
    state : TrainingState
        New or loaded; changed in place.
    dataset : Dataset
        Open; its images fit the network.
    run : RunFolder
        Where everything is written.
    device : Device
        Where the networks live.
    show_progress : bool, default=True
        Draw a progress bar on stderr.

    Raises
    ------
    NonFiniteError
        If a loss is not finite; names the layer and the last good checkpoint.
    DatasetError, OutputError
        If data or disk do not allow to go on.
    DeviceError
        If a GPU's memory runs out: names a batch size that fits. If the GPU fails in
        another way: says what CUDA says.
    """
    try:
        return _train(state, dataset, run, device, show_progress)
    except Exception as error:
        out_of_memory = is_out_of_device_memory(error)
        why = gpu_error_in_words(error)
        if not out_of_memory and not why:
            raise
        forget_arrays_of(error)
    if out_of_memory:
        why = advice(state.config, device)
    raise DeviceError(
        f"training stopped at step {state.step:,}: {why}; {_last_checkpoint(run)}"
    )


def _train(
    state: TrainingState,
    dataset: Dataset,
    run: RunFolder,
    device: Device,
    show_progress: bool,
) -> TrainResult:
    reuse_freed_memory()
    config = state.config
    rows = dataset.rows_of_split(config.split)
    total = config.total_steps(len(rows))
    loader = BatchLoader(
        dataset,
        rows,
        batch_size=config.batch_size,
        height=config.network.height,
        width=config.network.width,
        output=config.network.output,
        seed=config.seed,
        epoch=state.epoch,
        index=state.batch,
    )
    session = _Session(
        state, run, device, batches_an_epoch(len(rows), config.batch_size)
    )
    with (
        run.locked(),
        one_blas_thread(),  # the cores belong to the workers of `run_chunks`
        np.errstate(all="ignore"),  # losses are checked, and said in plain words
        device.stream(),
        StopRequest(config.max_minutes) as stop,
        loader,
        tqdm(
            total=total,
            initial=state.step,
            unit="step",
            disable=not show_progress,
            # In a file each refresh stays: one every half minute is enough there.
            mininterval=0.1 if sys.stderr.isatty() else 30,
        ) as bar,
    ):
        try:
            session.begin(loader)
            if state.step == 0:
                session.save_real_images(dataset, rows)
            while state.step < total and not stop.due:
                session.step(read_ahead=state.step + 1 < total)
                record = session.write_what_is_due()
                if record:
                    bar.set_postfix_str(
                        f"loss D {record['loss_d']:.3f} G {record['loss_g']:.3f}",
                        refresh=False,
                    )
                bar.update()
            session.finish()
        except (NonFiniteError, OutputError) as error:
            raise type(error)(
                f"training stopped at step {state.step:,}: {error}; "
                f"{_last_checkpoint(run)}"
            ) from error
    return TrainResult(
        state.step,
        total,
        stop.interrupted,
        run.checkpoint_file(state.step),
        run.samples / f"{state.step:06d}.png",
    )


class _Session:
    """One stretch of a run, from its start or a resume to its end."""

    def __init__(
        self, state: TrainingState, run: RunFolder, device: Device, epoch_batches: int
    ) -> None:
        self.state = state
        self.config = state.config
        self.run = run
        self.device = device
        self.epoch_batches = epoch_batches
        self.step_settings = StepSettings.of(state.config)
        self.losses: StepLosses | None = None
        self.feed: Feed | None = None
        self.recorded: RecordedStep | None = None
        if is_to_be_recorded(state.config, device):
            self.recorded = RecordedStep(
                state.gan,
                device,
                self._draw_host_z,
                self.step_settings,
                state.config.batch_size,
            )
        self.epoch_before = state.epoch  # of the step that was made last
        self.written: set[tuple[str, int]] = set()  # (what, step) of this stretch
        self._since = time.perf_counter()  # start, steps and waiting since the last log
        self._steps = 0
        self._waited = 0.0  # of the feed's waiting, what has been logged

    def begin(self, loader: BatchLoader) -> None:
        """Bring the folder to where the run is: nothing half-written, nothing later."""
        self.feed = Feed(
            loader,
            self.device,
            self.config.network.classes,
            self.config.batches_a_step,
        )
        make_folder(self.run.samples)
        make_folder(self.run.checkpoints)
        self.run.remove_leftovers()
        self.run.write_config(config_to_dict(self.config))
        self.run.set_aside_later_checkpoints(self.state.step)
        trim_log(self.run, self.state.step)

    def step(self, *, read_ahead: bool) -> None:
        """Make one step and move on by its batches."""
        state, config = self.state, self.config
        self.epoch_before = state.epoch
        lr = decayed_lr(config.lr, state.epoch, config.decay_start, config.decay_epochs)
        state.gan.adam_g.lr = state.gan.adam_d.lr = lr

        fed = self.feed.take()
        batches = [one.batch for one in fed]
        # Asking a GPU for a number makes it finish its queue: only when logging.
        check = self.device.kind == "cpu" or self._logs(state.step + 1)
        try:
            self.losses = self._make_step(batches, check)
        except NonFiniteError as error:
            raise NonFiniteError(
                f"{error}; it began {self._where_it_began(batches[0])}; a smaller --lr "
                "is the usual cure"
            ) from None

        state.step += 1
        self._steps += 1
        if read_ahead:
            self.feed.read_ahead()
        last = fed[-1].loaded
        state.epoch, state.batch = last.epoch, last.index + 1
        if state.batch == self.epoch_batches:
            state.epoch, state.batch = last.epoch + 1, 0

    def _logs(self, step: int) -> bool:
        return step == 1 or step % self.config.log_every == 0

    def _where_it_began(self, batch: Batch) -> str:
        """Return where a loss that is not finite came from, in words."""
        if self.device.kind == "gpu":
            # The steps since have carried it everywhere.
            return "after the last record of the log"
        z = self._draw_z(len(batch.images))
        return f"at {first_non_finite(self.state.gan, batch, z)}"

    def write_what_is_due(self) -> dict[str, Any] | None:
        """Write what this step's number asks for; return the log record, if any."""
        step, config, record = self.state.step, self.config, None
        if self._logs(step):
            record = self.log(keep=True)
        if step % config.checkpoint_every == 0:
            self.save_checkpoint()
        if step % config.sample_every == 0:
            self.save_samples(f"{step:06d}")
        if self.epoch_before < self.state.epoch in FIGURE_EPOCHS:
            self.save_samples(f"epoch-{self.state.epoch:03d}")
        return record

    def log(self, *, keep: bool) -> dict[str, Any]:
        """Write one record; ``keep`` also puts it into the checkpoints' history.

        The history has the regular records only, so that it does not depend on where
        a run was cut.
        """
        state = self.state
        record: dict[str, Any] = {
            "step": state.step,
            "epoch": round(state.epoch + state.batch / self.epoch_batches, 4),
            **{name: float(getattr(self.losses, name)) for name in HISTORY[1:]},
            "lr": state.gan.adam_d.lr,
        }
        if keep:
            for name in HISTORY:
                state.history[name].append(record[name])
        now = time.perf_counter()
        seconds = (now - self._since) / max(1, self._steps)
        images = self.config.batch_size * self.config.batches_a_step
        record |= {
            "seconds_per_step": round(seconds, 5),
            "images_per_second": round(images / seconds, 1),
            "data_wait": round(
                (self.feed.waited - self._waited) / (now - self._since), 4
            ),
        }
        self._since, self._steps, self._waited = now, 0, self.feed.waited
        append_log(self.run, record)
        self.written.add(("log", state.step))
        return record

    def save_samples(self, name: str) -> None:
        """Write the grid of G's images from the run's fixed z."""
        config, network = self.config, self.config.network
        count = config.grid_rows * config.grid_columns
        images = generate_images(
            self.state.gan.generator,
            range(count),
            self.device,
            labels=labels_for_grid(network, count, config.grid_columns),
            batch_size=min(BATCH, config.batch_size),  # no more memory than a step
        )
        grid = image_grid(images, config.grid_columns)
        save_png(grid, self.run.samples / f"{name}.png")
        if name.isdigit():
            self.written.add(("samples", self.state.step))

    def save_real_images(self, dataset: Dataset, rows: np.ndarray) -> None:
        """Write a grid of training images as the networks see them."""
        config, network = self.config, self.config.network
        count = min(len(rows), config.grid_rows * config.grid_columns)
        pixels = reduce_images(
            dataset.images[rows[:count]], network.height, network.width
        )
        save_png(image_grid(pixels, config.grid_columns), self.run.samples / "real.png")

    def save_checkpoint(self) -> None:
        """Write a checkpoint and delete those that are no longer kept."""
        arrays = state_arrays(self.state)
        refuse_non_finite(arrays)
        step = self.state.step
        save_checkpoint(self.run.checkpoint_file(step), arrays, state_meta(self.state))
        self.run.remove_old_checkpoints(self.config.keep_last, self.config.keep_every)
        self.written.add(("checkpoint", step))

    def finish(self) -> None:
        """Write what the last step has not written yet, what matters most first."""
        step = self.state.step
        if ("checkpoint", step) not in self.written:
            self.save_checkpoint()
        if self.losses is not None and ("log", step) not in self.written:
            self.log(keep=False)
        if ("samples", step) not in self.written:
            self.save_samples(f"{step:06d}")

    def _make_step(self, batches: list[Batch], check_finite: bool) -> StepLosses:
        if self.recorded is None:
            return train_step(
                self.state.gan,
                batches,
                self._draw_z,
                replace(self.step_settings, check_finite=check_finite),
            )
        losses = self.recorded(batches)
        refuse_loss(losses.loss_d, "D", check_finite)
        refuse_loss(losses.loss_g, "G", check_finite)
        return losses

    def _draw_z(self, count: int) -> Array:
        return self.device.put(self._draw_host_z(count))

    def _draw_host_z(self, count: int) -> np.ndarray:
        return draw_latent(self.config.network, count, self.state.rng)


def _last_checkpoint(run: RunFolder) -> str:
    """Return where a run that failed can go on from, in words."""
    steps = run.checkpoint_steps()
    if not steps:
        return "there was no checkpoint yet"
    return f"the last good checkpoint is {run.checkpoint_file(steps[-1])}"
