"""What a user asks of windows beside their numbers: checked once, and told what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.loading.source import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.loading.filling import Lost
    from lapsdata.loading.source import BatchSpec

__all__ = ["Transform", "WindowOptions", "check_buffers", "checked_lost", "checked_offsets", "flat_buffers", "tensors"]

Transform = Callable[[Batch], Batch]


@dataclass(frozen=True)
class WindowOptions:
    """What is done with a batch after it was read."""

    offsets: tuple[int, ...] | None = None
    lost: Lost = "nan"
    transform: Transform | None = None
    threads: int = 1


def check_buffers(out: Mapping[str, NDArray[Any]], names: Sequence[str]) -> None:
    """Refuse buffers that nothing would be written to: whoever reads them takes old values for new ones."""
    strangers = [name for name in out if name not in names]
    if strangers:
        message = f"expected buffers for some of {list(names)}, got {strangers}"
        raise SchemaError(Problem("unknown-field", "out", message, "name them in `fields`, or leave them out"))


def flat_buffers(out: Mapping[str, Any], spec: BatchSpec, count: int) -> dict[str, NDArray[Any]]:
    """Return buffers (B, O, ...) of sequences as buffers (B * O, ...) of windows, in the same memory.

    Raises
    ------
    SchemaError
        A buffer of another shape or type, or whose memory is not in one piece: all of them.
    """
    problems = Problems("out")
    for name, array in out.items():
        shape, dtype = (count, *spec[name].shape), spec[name].dtype
        good = isinstance(array, np.ndarray) and array.flags.c_contiguous and array.flags.writeable
        if not good or array.shape != shape or array.dtype != dtype:
            got = f"{array.shape} {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
            problems.add("wrong-buffer", name, f"expected {shape} {dtype} in C order that may be written, got {got}")
    problems.raise_as(SchemaError)
    return {name: array.reshape(-1, *array.shape[2:]) for name, array in out.items()}


def checked_offsets(offsets: Sequence[int] | None) -> tuple[int, ...] | None:
    if offsets is None:
        return None
    numbers = tuple(offsets)
    if not numbers or not all(isinstance(n, int | np.integer) for n in numbers):
        raise SchemaError(Problem("wrong-value", "offsets", f"expected whole numbers, got {offsets!r}"))
    return tuple(int(n) for n in numbers)


def checked_lost(lost: Lost) -> Lost:
    known = get_args(Literal["nan", "last", "zero"])
    if lost not in known:
        raise SchemaError(Problem("wrong-value", "lost", f"expected one of {known}, got {lost!r}"))
    return lost


def tensors(batch: Batch, to: str) -> Batch:
    if to != "torch":
        raise SchemaError(Problem("wrong-value", "to", f"expected 'numpy' or 'torch', got {to!r}"))
    from lapsdata.storage.tensors import as_tensor

    return {name: as_tensor(array) if isinstance(array, np.ndarray) else array for name, array in batch.items()}
