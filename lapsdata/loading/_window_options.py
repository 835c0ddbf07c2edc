"""What a user asks of windows beside their numbers: checked once, and told what is wrong with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, whole_number
from lapsdata.loading._catalog_items import Stale
from lapsdata.loading.filling import Lost
from lapsdata.loading.source import Batch
from lapsdata.storage.remote import RemoteReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.loading.source import BatchSpec

__all__ = [
    "Transform",
    "WindowOptions",
    "check_buffers",
    "check_opening",
    "fitting_buffers",
    "flat_buffers",
    "listed_names",
    "tensors",
    "window_options",
]

Transform = Callable[[Batch], Batch]


@dataclass(frozen=True)
class WindowOptions:
    """What is done with a batch after it was read."""

    offsets: tuple[int, ...] | None = None
    lost: Lost = "nan"
    transform: Transform | None = None
    threads: int = 1


def check_buffers(out: Mapping[str, NDArray[Any]], names: Sequence[str]) -> None:
    """Refuse buffers that nothing would be written to, whose old values are taken for new ones, and shared ones."""
    given: object = out
    if not isinstance(given, Mapping):
        raise SchemaError(Problem("wrong-value", "out", f"expected buffers by field, got {given!r}"))
    strangers = [name for name in out if name not in names]
    if strangers:
        message = f"expected buffers for some of {list(names)}, got {strangers}"
        raise SchemaError(Problem("unknown-field", "out", message, "name them in `fields`, or leave them out"))
    for (first, one), (second, other) in itertools.combinations(out.items(), 2):
        if np.may_share_memory(one, other):
            message = f"expected memory of its own for each field, got the same for {first!r} and {second!r}"
            raise SchemaError(Problem("wrong-buffer", "out", message))


def fitting_buffers(out: Mapping[str, Any], spec: BatchSpec, count: int) -> None:
    """Refuse buffers that do not hold exactly a batch: what they are cast to, and rows that stay, nobody would see.

    Raises
    ------
    SchemaError
        A buffer of no field, of another shape or type, or whose memory is not in one piece: all of them.
    """
    check_buffers(out, list(spec))
    problems = Problems("out")
    for name, array in out.items():
        shape, dtype = (count, *spec[name].shape), spec[name].dtype
        good = isinstance(array, np.ndarray) and array.flags.c_contiguous and array.flags.writeable
        if not good or array.shape != shape or array.dtype != dtype:
            got = f"{array.shape} {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__
            problems.add("wrong-buffer", name, f"expected {shape} {dtype} in C order that may be written, got {got}")
    problems.raise_as(SchemaError)


def flat_buffers(out: Mapping[str, Any], spec: BatchSpec, count: int) -> dict[str, NDArray[Any]]:
    """Return buffers (B, O, ...) of sequences as buffers (B * O, ...) of windows, in the same memory.

    Raises
    ------
    SchemaError
        See `fitting_buffers`.
    """
    fitting_buffers(out, spec, count)
    return {name: array.reshape(-1, *array.shape[2:]) for name, array in out.items()}


def window_options(
    offsets: Sequence[int] | None, lost: Lost, transform: Transform | None, threads: int
) -> WindowOptions:
    """Check what is done with batches.

    Raises
    ------
    SchemaError
        All that is wrong.
    """
    found = Problems()
    numbers = None if offsets is None else _numbers(offsets)
    if offsets is not None and not numbers:
        found.add("wrong-value", "offsets", f"expected a list of whole numbers, got {offsets!r}")
    if lost not in get_args(Lost):
        found.add("wrong-value", "lost", f"expected one of {get_args(Lost)}, got {lost!r}")
    function: Any = transform
    if function is not None and not callable(function):
        found.add("wrong-value", "transform", f"expected a function of a batch, got {transform!r}")
    count = _at_least(found, "threads", threads, 1)
    found.raise_as(SchemaError)
    return WindowOptions(numbers, lost, transform, count)


def check_opening(open_files: int, *, views: Sequence[str] | None, remote: Any, stale: str, catalog: bool) -> None:  # noqa: ANN401 - what a user gives
    """Check how files are opened; `catalog` says whether what is opened is one.

    Raises
    ------
    SchemaError
        All that is wrong.
    """
    found = Problems()
    _at_least(found, "open_files", open_files, 1)
    if views is not None:
        listed_names("views", views)
    if remote is not None and not isinstance(remote, RemoteReader):
        found.add("wrong-value", "remote", f"expected a lapsdata.loading.RemoteReader, got {remote!r}")
    if stale not in get_args(Stale):
        found.add("wrong-value", "stale", f"expected one of {get_args(Stale)}, got {stale!r}")
    elif stale != "raise" and not catalog:
        found.add("wrong-option", "stale", f"expected nothing where no catalog is opened, got {stale!r}")
    found.raise_as(SchemaError)


def listed_names(option: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return names as a tuple; one name alone would be taken for a list of its letters.

    Raises
    ------
    SchemaError
        A single text, what is no list, or a name that is no text.
    """
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise SchemaError(Problem("wrong-value", option, f"expected a list of names, got {names!r}", f"{option}=[...]"))
    listed = tuple(names)
    kinds: tuple[object, ...] = listed
    if strange := [name for name in kinds if not isinstance(name, str)]:
        raise SchemaError(Problem("wrong-value", option, f"expected names, got {strange[0]!r} among them"))
    return listed


def _numbers(values: Any) -> tuple[int, ...]:  # noqa: ANN401 - what a user gives
    """Return whole numbers; none where one of them is something else."""
    numbers: list[int] = []
    for value in values if isinstance(values, Iterable) else ():
        number = whole_number(value)
        if number is None:
            return ()
        numbers.append(number)
    return tuple(numbers)


def _at_least(found: Problems, option: str, value: Any, least: int) -> int:  # noqa: ANN401 - what a user gives
    number = whole_number(value)
    if number is None or number < least:
        found.add("wrong-value", option, f"expected a whole number from {least} on, got {value!r}")
    return number or least


def tensors(batch: Batch, to: str) -> Batch:
    if to != "torch":
        raise SchemaError(Problem("wrong-value", "to", f"expected 'numpy' or 'torch', got {to!r}"))
    from lapsdata.storage.tensors import as_tensor

    return {name: as_tensor(array) if isinstance(array, np.ndarray) else array for name, array in batch.items()}
