"""The processes of one training: one alone, or those that `torchrun` has started."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import distributed

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from lapsmodels.training.options import Device

__all__ = ["Ranks", "joined"]

T = TypeVar("T")

# Gloo's threads let go of what they have exchanged after those who waited for it have gone on. Whoever lets go of a
# tensor last needs the interpreter, and a thread that needs it while it ends aborts the process, whose work was done.
# So the newest are held here, and these threads are never the last; `destroy_process_group` does not end them where
# DistributedDataParallel was used.
_NEWEST: deque[Any] = deque(maxlen=64)


@dataclass(frozen=True, slots=True)
class Ranks:
    """One process among those of a training: the one that asks.

    Parameters
    ----------
    rank : int
        From 0, which writes and tells.
    count : int
    device : torch.device

    Examples
    --------
    >>> one = Ranks(0, 1, torch.device("cpu"))
    >>> one.first, float(one.summed(torch.ones(())))
    (True, 1.0)
    """

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and tells."""
        return self.rank == 0

    def summed(self, values: Tensor) -> Tensor:
        """Return the sum over all processes."""
        if self.count == 1:
            return values
        total = values.clone()
        _finished(distributed.all_reduce(total, async_op=True))
        return total

    def gathered(self, values: Tensor) -> Tensor:
        """Return the rows of all processes, in the order of ranks; gradients reach those of this one alone."""
        if self.count == 1:
            return values
        parts = [torch.empty_like(values) for _ in range(self.count)]
        _finished(distributed.all_gather(parts, values.detach().contiguous(), async_op=True))
        parts[self.rank] = values
        return torch.cat(parts)

    def told(self, find: Callable[[], T]) -> T:
        """Return in all processes what the first one finds; what it raises is raised in all.

        Raises
        ------
        BaseException
            Whatever `find` raises.
        """
        if self.count == 1:
            return find()
        found: list[Any] = [None, None]
        if self.first:
            try:
                found = [find(), None]
            except Exception as error:  # noqa: BLE001 - raised below, in all processes
                found = [None, error]
        value, refusal = pickle.loads(self._shared(pickle.dumps(found)))
        if refusal is not None:
            raise refusal
        told: T = value
        return told

    def wait(self) -> None:
        """Wait for all processes."""
        if self.count > 1:
            _finished(distributed.barrier(async_op=True))

    def _shared(self, data: bytes) -> bytes:
        """Return the bytes of the first process in all."""
        size = torch.tensor(len(data), device=self.device)
        _finished(distributed.broadcast(size, src=0, async_op=True))
        content = torch.empty(int(size), dtype=torch.uint8, device=self.device)
        if self.first:
            content.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        _finished(distributed.broadcast(content, src=0, async_op=True))
        return content.cpu().numpy().tobytes()


@contextlib.contextmanager
def joined(device: Device) -> Iterator[Ranks]:
    """Join the processes that `torchrun` has started, if it has; leave them at the end.

    Raises
    ------
    SchemaError
        A GPU is asked for, and there is none.

    Examples
    --------
    >>> with joined("cpu") as ranks:
    ...     ranks.count
    1
    """
    place = _device(device)
    if distributed.is_initialized():
        yield Ranks(distributed.get_rank(), distributed.get_world_size(), place)
        return
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(0, 1, place)
        return
    if place.type == "cuda":
        torch.cuda.set_device(place)
    distributed.init_process_group("nccl" if place.type == "cuda" else "gloo")
    try:
        yield Ranks(distributed.get_rank(), count, place)
    finally:
        distributed.destroy_process_group()


def _finished(work: Any) -> None:  # noqa: ANN401 - torch names its type in no public place
    """Wait for an exchange, and hold it."""
    work.wait()
    _NEWEST.append(work)


def _device(device: Device) -> torch.device:
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        message = "expected a GPU that torch can use, got none"
        raise SchemaError(Problem("no-gpu", "device", message, "train on the processor: --device cpu"))
    if device == "cpu" or not there:
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
