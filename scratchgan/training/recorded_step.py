"""A training step recorded once as a CUDA graph, then repeated in one launch."""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from scratchgan.backend import Array, Device
from scratchgan.gpu.memory import is_out_of_device_memory
from scratchgan.gpu.streams import RecordedWork, Upload
from scratchgan.training.config import TrainConfig
from scratchgan.training.step import Batch, Gan, StepLosses, StepSettings, train_step

WARM_UP_STEPS = 2
"""Made one launch at a time first: they compile kernels and give memory to cuBLAS."""


def is_to_be_recorded(config: TrainConfig, device: Device) -> bool:
    """Return whether a run's steps are recorded: on a GPU, unless it says no."""
    return config.cuda_graph and device.kind == "gpu"


def say_on_stderr(line: str) -> None:
    """Write a line without breaking into a progress bar."""
    tqdm.write(line, file=sys.stderr)


class RecordedStep:
    """Makes training steps on a GPU with hardly any work for the processor.

    A graph repeats what was recorded, with the same arrays: so the batch and z are
    copied into arrays of its own, and Adam's rates, which change from step to step, lie
    on the device (`Adam.begin_step`). A batch of another size, as at the end of an
    epoch, is computed as usual. So is every step if the recording fails, for example
    because the graph's memory is not there beside that of the usual steps.

    Parameters
    ----------
    gan : Gan
        Networks and optimisers on a GPU.
    device : Device
        That GPU.
    draw_z : callable
        Takes a count and returns z on the host.
    settings : StepSettings
        As in `train_step`, but losses are not looked at.
    batch_size : int
        Images in the batches that are repeated.
    report : callable, optional
        Gets one line if the recording fails; by default it goes to stderr.
    """

    def __init__(
        self,
        gan: Gan,
        device: Device,
        draw_z: Callable[[int], np.ndarray],
        settings: StepSettings,
        batch_size: int,
        report: Callable[[str], None] = say_on_stderr,
    ) -> None:
        self._gan = gan
        self._device = device
        self._draw_z = draw_z
        self._settings = replace(settings, check_finite=False)
        self._batch_size = batch_size
        self._report = report
        self._warm_up = WARM_UP_STEPS
        self._failed = False
        self._work: RecordedWork | None = None
        self._batches: list[Batch] = []  # that the graph reads
        self._z: list[Upload] = []  # through which each z of a step comes
        self._z_counts: list[int] = []

    def __call__(self, batches: list[Batch]) -> StepLosses:
        """Make one step, as `train_step` without looking at the losses."""
        self._gan.adam_d.begin_step()
        self._gan.adam_g.begin_step()
        other_size = any(len(batch.images) != self._batch_size for batch in batches)
        if other_size or self._failed:
            return self._updates(batches, self._put_z)
        if self._warm_up:
            self._warm_up -= 1
            self._z, self._z_counts = [], []  # those of the last of these steps stay
            return self._updates(batches, self._upload_z)
        if self._work is None and not self._record(batches):
            return self._updates(batches, self._put_z)
        for own, given in zip(self._batches, batches, strict=True):
            own.images[...] = given.images
            if own.labels is not None:
                own.labels[...] = given.labels
        for z, count in zip(self._z, self._z_counts, strict=True):
            z.start(self._draw_z(count))
            z.finish()
        self._work.repeat()
        for z in self._z:
            z.release()
        return self._work.result

    def _record(self, batches: list[Batch]) -> bool:
        """Record the step; if that fails say why, and be as before."""
        try:
            self._batches = [
                Batch(b.images.copy(), None if b.labels is None else b.labels.copy())
                for b in batches
            ]
            z = iter([upload.array for upload in self._z])
            self._work = RecordedWork(
                lambda: self._updates(self._batches, lambda count: next(z))
            )
        except Exception as error:  # the same step without a graph may well succeed
            why = f"{type(error).__name__}: {' '.join(str(error).split())}"
            if is_out_of_device_memory(error):
                why = "its memory does not fit beside that of other work"
            self._failed = True
            self._batches, self._z = [], []
        else:
            return True
        for adam in (self._gan.adam_d, self._gan.adam_g):
            # The step has been begun, and none of it was made.
            adam.steps -= 1
            adam.begin_step()
        self._report(
            f"device: the step could not be recorded as a CUDA graph ({why}); training "
            "goes on without, with the same results, slower for small batches"
        )
        return False

    def _updates(
        self, batches: list[Batch], draw_z: Callable[[int], Array]
    ) -> StepLosses:
        return train_step(self._gan, batches, draw_z, self._settings)

    def _put_z(self, count: int) -> Array:
        return self._device.put(self._draw_z(count))

    def _upload_z(self, count: int) -> Array:
        self._z.append(Upload(self._device))
        self._z_counts.append(count)
        self._z[-1].start(self._draw_z(count))
        return self._z[-1].finish()
