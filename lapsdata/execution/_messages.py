"""What goes between an engine and its workers: parcels of pickled bytes, and what a worker says."""

from __future__ import annotations

import dataclasses
import io
import pickle
import traceback
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeAlias

from lapsdata.errors import LapsError, Problem
from lapsdata.execution.engine import ExecutionError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Done", "Failed", "Message", "Ready", "Unfit", "Units", "Warned", "failure", "pack"]

# How deep the part that cannot be pickled is looked for; data is not nested deeper, circles are endless.
_DEPTH = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Ready:
    """The task is loaded; items may come."""


@dataclasses.dataclass(frozen=True, slots=True)
class Units:
    """So many units were done."""

    count: int


@dataclasses.dataclass(frozen=True, slots=True)
class Warned:
    """A `LapsWarning`: its text, and its class as a parcel."""

    text: str
    category: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """The item has a result, a parcel of its own: one that cannot be opened is that item's failure."""

    result: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Failed:
    """The item has none."""

    problems: tuple[Problem, ...]
    traceback: str


@dataclasses.dataclass(frozen=True, slots=True)
class Unfit:
    """The task cannot be loaded."""

    problems: tuple[Problem, ...]
    traceback: str


Message: TypeAlias = Ready | Units | Warned | Done | Failed | Unfit


class _Packer(pickle.Pickler):
    """Refuses what is defined in the script that runs: pickle would send its name, and workers have no such script."""

    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - what pickle takes has no name
        if isinstance(value, (type, FunctionType)) and value.__module__ == "__main__":
            message = f"{value.__qualname__} is defined in the script that runs, and workers import modules only"
            raise pickle.PicklingError(message)
        return NotImplemented


def pack(value: object, name: str) -> bytes:
    """Pickle something for another process.

    Parameters
    ----------
    value : object
    name : str
        What it is, for the message: "task", "item".

    Raises
    ------
    ExecutionError
        It cannot be pickled; the innermost part that cannot is named.
    """
    parcel, reason = _packed(value)
    if reason is None:
        return parcel
    place = name
    for _ in range(_DEPTH):
        inner = next(((label, part) for label, part in _parts(value) if _packed(part)[1] is not None), None)
        if inner is None:
            break
        place, value = place + inner[0], inner[1]
    message = f"expected a {name} that can be sent to another process, got: {reason}"
    fix = "define functions and classes in a module, at its top level; send paths instead of what was opened from them"
    raise ExecutionError(Problem("not-picklable", place, message, fix))


def _packed(value: object) -> tuple[bytes, str | None]:
    buffer = io.BytesIO()
    try:
        _Packer(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    except Exception as error:  # noqa: BLE001 - a class may raise anything where it says how it is pickled
        return b"", _told(error)
    return buffer.getvalue(), None


def _parts(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        yield from ((f"[{index}]", part) for index, part in enumerate(value))
    elif not isinstance(value, (type, FunctionType)):
        names = [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
        for name in dict.fromkeys([*names, *getattr(value, "__dict__", {})]):
            yield f".{name}", getattr(value, name)


def failure(error: BaseException) -> tuple[tuple[Problem, ...], str]:
    """Describe an exception: the problems that it carries or one that names it, and its traceback."""
    whole = "".join(traceback.format_exception(error))
    if isinstance(error, LapsError):
        return error.problems, whole
    if isinstance(error, SystemExit):
        return (Problem("task-exited", "", f"expected a result, got sys.exit({error.code!r})"),), whole
    fix = "its traceback is in the report"
    return (Problem("task-failed", "", f"expected a result, got {_told(error)}", fix),), whole


def _told(error: BaseException) -> str:
    """Return type and text of an exception, also of one that fails to tell its own."""
    text = str(traceback.TracebackException.from_exception(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
