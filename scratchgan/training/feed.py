"""Batches on their way from the loader to the device, one step ahead of it."""

import time
from collections import deque
from dataclasses import dataclass

from scratchgan.backend import Device
from scratchgan.datasets.loader import BatchLoader, LoadedBatch
from scratchgan.functional.labels import one_hot
from scratchgan.gpu.streams import Upload
from scratchgan.training.step import Batch


@dataclass(frozen=True)
class FedBatch:
    """A batch on the device, and what the loader said of it."""

    batch: Batch
    loaded: LoadedBatch


class Feed:
    """Brings batches to the device.

    On a GPU the batches of the next step travel on a stream of their own while this
    step computes: call `read_ahead` once its work is queued. What has been read ahead
    does not count as seen; a run that ends here reads it again.

    Parameters
    ----------
    loader : BatchLoader
        Entered.
    device : Device
        Where to.
    classes : int
        Width of the one-hot labels; 0 for none.
    batches_a_step : int
        How many are taken at a time.

    Attributes
    ----------
    waited : float
        Seconds spent waiting for the loader so far.
    """

    def __init__(
        self, loader: BatchLoader, device: Device, classes: int, batches_a_step: int
    ) -> None:
        self._loader = loader
        self._device = device
        self._classes = classes
        self._batches_a_step = batches_a_step
        self.waited = 0.0
        # On a GPU: buffers that are free, in flight, and in use by the current step.
        self._free: deque[_Slot] = deque()
        self._ahead: deque[_Slot] = deque()
        self._used: deque[_Slot] = deque()
        if device.kind == "gpu":
            self._free.extend(_Slot(device) for _ in range(2 * batches_a_step))

    def take(self) -> list[FedBatch]:
        """Return the batches of the next step."""
        if self._device.kind == "cpu":
            return [self._direct() for _ in range(self._batches_a_step)]
        while len(self._ahead) < self._batches_a_step:
            self._send_one()
        slots = [self._ahead.popleft() for _ in range(self._batches_a_step)]
        self._used.extend(slots)
        return [slot.arrived() for slot in slots]

    def read_ahead(self) -> None:
        """Send the batches of the step after this one, whose work has been queued."""
        if self._device.kind == "cpu":
            return
        while self._used:
            slot = self._used.popleft()
            slot.release()
            self._free.append(slot)
        while len(self._ahead) < self._batches_a_step:
            self._send_one()

    def _direct(self) -> FedBatch:
        loaded = self._next()
        return FedBatch(Batch(loaded.images, self._labels(loaded)), loaded)

    def _send_one(self) -> None:
        loaded = self._next()
        slot = self._free.popleft()
        slot.send(loaded, self._labels(loaded))
        self._ahead.append(slot)

    def _next(self) -> LoadedBatch:
        start = time.perf_counter()
        loaded = next(self._loader)
        self.waited += time.perf_counter() - start
        return loaded

    def _labels(self, loaded: LoadedBatch):  # noqa: ANN202
        return one_hot(loaded.labels, self._classes) if self._classes else None


class _Slot:
    """Room for one batch on the host and on the device."""

    def __init__(self, device: Device) -> None:
        self._images, self._labels = Upload(device), Upload(device)
        self._loaded: LoadedBatch | None = None
        self._has_labels = False

    def send(self, loaded: LoadedBatch, labels: object) -> None:
        self._loaded = loaded
        self._images.start(loaded.images)
        self._has_labels = labels is not None
        if self._has_labels:
            self._labels.start(labels)

    def arrived(self) -> FedBatch:
        labels = self._labels.finish() if self._has_labels else None
        return FedBatch(Batch(self._images.finish(), labels), self._loaded)

    def release(self) -> None:
        self._images.release()
        if self._has_labels:
            self._labels.release()
