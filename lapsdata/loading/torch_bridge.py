"""The way of a batch to torch and to a device: the only place of this room that imports torch, when it is first used.

Buffers for a CUDA device lie in pinned memory, so that the copy runs beside whatever the device computes. A prefetch
thread starts it on a stream of its own and waits for it there; so a batch that arrives is whole, and its pinned
buffer is free for the next one. Its memory was taken on that stream and is used on the user's, which
`record_stream` tells the allocator.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import MissingExtraError, Problem, SchemaError
from lapsdata.storage.tensors import as_tensor

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from lapsdata.loading.source import Batch

__all__ = ["TorchBridge", "joined_group", "shared_array"]


def joined_group() -> tuple[int, int] | None:
    """Return rank and world size of the process group that this process has joined; None if it has joined none.

    Examples
    --------
    >>> joined_group() is None
    True
    """
    # Who has joined a group has imported it.
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed.get_rank(), distributed.get_world_size()


def shared_array(tensor: torch.Tensor, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a writable array over the memory of a contiguous CPU tensor, which it keeps alive.

    Through the address, since a mixed NumPy install has no other way from a tensor to an array.

    Parameters
    ----------
    tensor : torch.Tensor
    dtype : np.dtype
        Of the same size as that of the tensor.

    Examples
    --------
    >>> import torch
    >>> tensor = torch.zeros(2, 3)
    >>> shared_array(tensor, np.dtype("f4"))[1] = 7
    >>> tensor.tolist()
    [[0.0, 0.0, 0.0], [7.0, 7.0, 7.0]]
    """
    nbytes = tensor.numel() * tensor.element_size()
    if not nbytes:
        return np.empty(tuple(tensor.shape), dtype)
    memory = (ctypes.c_char * nbytes).from_address(tensor.data_ptr())
    memory.tensor = tensor  # type: ignore[attr-defined]  # ctypes arrays take attributes; this one keeps the memory
    array: NDArray[Any] = np.frombuffer(memoryview(memory), dtype).reshape(tuple(tensor.shape))
    return array


class TorchBridge:
    """Turns batches of arrays into batches of tensors, on a device if one is named.

    Parameters
    ----------
    device : str or None
        `cpu`, `cuda`, `cuda:1` ...; None leaves the tensors where the arrays are.
    pin_memory : bool or None
        Whether buffers lie in pinned memory; None where the device is a CUDA device.

    Raises
    ------
    MissingExtraError
        torch is not installed.
    SchemaError
        No such device, or pinned memory without a CUDA device in this machine.

    Examples
    --------
    >>> bridge = TorchBridge("cpu")
    >>> batch = bridge.send({"vis": np.ones((2, 3), bool)})
    >>> bridge.receive(batch)["vis"].shape
    torch.Size([2, 3])
    """

    def __init__(self, device: str | None = None, *, pin_memory: bool | None = None) -> None:
        try:
            import torch
        except ImportError as error:
            message = "expected torch, got no such package"
            raise MissingExtraError(Problem("missing-extra", "to", message, "pip install torch")) from error
        self._torch = torch
        try:
            self._device = None if device is None else torch.device(device)
        except RuntimeError as error:
            raise SchemaError(
                Problem("wrong-value", "device", f"expected a device of torch, got {device!r}")
            ) from error
        self._cuda = self._device is not None and self._device.type == "cuda"
        self.pinned = self._cuda if pin_memory is None else pin_memory
        if (self._cuda or self.pinned) and not torch.cuda.is_available():
            message = f"expected a CUDA device for device={device!r}, pin_memory={pin_memory!r}, got none"
            raise SchemaError(Problem("no-device", "device", message, "use device='cpu'"))
        self._stream = torch.cuda.Stream(self._device) if self._cuda else None  # type: ignore[no-untyped-call]  # as is

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return a new buffer, in pinned memory if that is asked for; see `lapsdata.loading.buffers`."""
        if not self.pinned:
            return np.empty(shape, dtype)
        kind = as_tensor(np.empty(0, dtype)).dtype
        return shared_array(self._torch.empty(shape, dtype=kind, pin_memory=True), dtype)

    def send(self, batch: Batch) -> Batch:
        """Turn the arrays of a batch into tensors and copy them to the device; called in a prefetch thread.

        Returns when the copies are done, so that the arrays may be written to again.
        """
        tensors = {name: as_tensor(value) if isinstance(value, np.ndarray) else value for name, value in batch.items()}
        if self._stream is None:
            return tensors if self._device is None else self._to_device(tensors)
        with self._torch.cuda.stream(self._stream):
            sent = self._to_device(tensors)
            done = self._torch.cuda.Event()  # type: ignore[no-untyped-call]  # as is
            done.record(self._stream)
        done.synchronize()
        return sent

    def _to_device(self, tensors: Batch) -> Batch:
        # Without a stream to wait for, a copy has to be over when it returns.
        kind = self._torch.Tensor
        return {
            name: value.to(self._device, non_blocking=self._cuda) if isinstance(value, kind) else value
            for name, value in tensors.items()
        }

    def receive(self, batch: Batch) -> Batch:
        """Tell the allocator that the user's stream works with a batch; called in the user's thread."""
        if self._stream is not None:
            current = self._torch.cuda.current_stream(self._device)
            for value in batch.values():
                if isinstance(value, self._torch.Tensor):
                    value.record_stream(current)
        return batch
