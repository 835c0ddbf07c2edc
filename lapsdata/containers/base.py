"""What all containers share: arrays checked once, then read-only; comparison; a table for notebooks."""

from __future__ import annotations

import html
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from lapsdata.errors import LengthMismatchError, Problem, Problems, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import DTypeLike, NDArray

    from lapsdata.schema.base import Header

__all__ = ["ArrayCheck", "Container", "all_differ", "read_only"]

AnyHeader = TypeVar("AnyHeader", bound="Header")

# Half of a surrogate pair: Python lets it stand in a text, UTF-8 has no bytes for it.
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of the same memory that refuses to be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False, repr=False)
class Container(ABC):
    """A header and the arrays it describes.

    A container that exists is valid: its constructor checks everything once and raises `SchemaError` with all
    problems. Arrays are not copied; the container holds read-only views, and whoever still holds the original
    must not write to it.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> boxes = sample_boxes()
    >>> boxes.x[0] = 5.0
    Traceback (most recent call last):
    ValueError: assignment destination is read-only
    """

    header: Header

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield every array with its name; members are named `<key>/<field>` or `<field>[i]`."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                yield field.name, value
            elif isinstance(value, tuple) and any(isinstance(item, np.ndarray) for item in value):
                yield from ((f"{field.name}[{i}]", item) for i, item in enumerate(value))
            elif isinstance(value, Mapping):
                for key, array in value.items():
                    yield f"{key}/{field.name}", array

    def columns(self) -> Iterator[tuple[str, tuple[object, ...]]]:
        """Yield every column of Python values (texts) with its name."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple) and not any(isinstance(item, np.ndarray) for item in value):
                yield field.name, value

    @property
    def nbytes(self) -> int:
        """Bytes held by the arrays."""
        return sum(array.nbytes for _, array in self.arrays())

    def equals(self, other: Container) -> bool:
        """Say whether header, arrays and columns are equal; NaN equals NaN, and dtypes count."""
        if type(self) is not type(other) or self.header != other.header:
            return False
        mine, theirs = dict(self.arrays()), dict(other.arrays())
        if mine.keys() != theirs.keys() or dict(self.columns()) != dict(other.columns()):
            return False
        return all(
            array.dtype == theirs[name].dtype and np.array_equal(array, theirs[name], equal_nan=array.dtype.kind == "f")
            for name, array in mine.items()
        )

    def facts(self) -> dict[str, str]:
        """Return what one wants to know at a glance, as name and text."""
        return {name: f"{array.dtype} {array.shape}" for name, array in self.arrays()}

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of windows or rows."""

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}: {text}" for name, text in self.facts().items())
        return f"{type(self).__name__}({facts})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in self.facts().items()
        )
        return f"<table><caption>{type(self).__name__}</caption>{rows}</table>"

    def _freeze(self, **values: object) -> None:
        """Replace fields by their read-only form; only for constructors."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        # Views forget in a pickle that they are read-only; building anew checks and freezes again.
        values = (getattr(self, field.name) for field in fields(self))
        return type(self), tuple(dict(value) if isinstance(value, Mapping) else value for value in values)


def checked_header(header: object, record: type[AnyHeader]) -> AnyHeader:
    """Return the header that a reader would find, before anything is compared with it.

    Raises
    ------
    SchemaError
        `header` is no `record`, or was changed past the record's own checks (`model_copy`).
    """
    place = f"{record.RECORD}: header"
    if not isinstance(header, record):
        got = type(header).__name__
        raise SchemaError(Problem("wrong-header", place, f"expected a {record.__name__}, got {got}"))
    return header.checked(place)


class ArrayCheck:
    """Checks arrays against dimensions named by letters; the same letter must be the same length everywhere.

    Examples
    --------
    >>> check = ArrayCheck("tracks")
    >>> check.array("vis", np.zeros((3, 16), bool), ("W", 16), np.bool_)
    True
    >>> check.array("start_index", np.zeros(4, np.int64), ("W",), np.int64)
    False
    >>> check.finish()
    Traceback (most recent call last):
    lapsdata.errors.LengthMismatchError: tracks: start_index: expected W = 3 as in vis, got 4 [length-mismatch]
    """

    def __init__(self, place: str) -> None:
        self.problems = Problems(place)
        self._sizes: dict[str, tuple[int, str]] = {}

    def array(self, name: str, value: object, dims: tuple[str | int, ...], dtype: DTypeLike) -> bool:
        """Note what is wrong with an array; return whether it can be looked into."""
        wanted = np.dtype(dtype)
        spelled = "(" + ", ".join(str(d) for d in dims) + ("," if len(dims) == 1 else "") + ")"
        got = type(value).__name__
        if not isinstance(value, np.ndarray):
            self.problems.add("not-an-array", name, f"expected {wanted} {spelled} array, got {got}", "use np.asarray")
            return False
        # Other kinds of arrays hide values behind a mask, or compute and slice by rules of their own.
        if type(value) not in (np.ndarray, np.memmap):
            masked = isinstance(value, np.ma.MaskedArray)
            fix = "use .filled(np.nan) and vis" if masked else "use np.asarray"
            self.problems.add("not-an-array", name, f"expected a plain ndarray, got {got}", fix)
            return False
        good = True
        if value.dtype != wanted:
            fix = f"convert it on purpose with .astype(np.{wanted})"
            self.problems.add("wrong-dtype", name, f"expected {wanted}, got {value.dtype}", fix)
            good = False
        if value.ndim != len(dims) or any(
            isinstance(d, int) and n != d for d, n in zip(dims, value.shape, strict=True)
        ):
            self.problems.add("wrong-shape", name, f"expected shape {spelled}, got {value.shape}")
            return False
        for letter, length in zip(dims, value.shape, strict=True):
            if isinstance(letter, str):
                good &= self.length(letter, length, name)
        return good

    def length(self, letter: str, length: int, name: str) -> bool:
        """Note a length under its letter, or that it differs from the one seen first."""
        known, seen_in = self._sizes.setdefault(letter, (length, name))
        if known == length:
            return True
        self.problems.add("length-mismatch", name, f"expected {letter} = {known} as in {seen_in}, got {length}")
        return False

    def texts(self, name: str, value: object, letter: str, *, optional: bool = False) -> bool:
        """Check a column of texts: a tuple of str, with None for absent ones where `optional`."""
        if not isinstance(value, tuple):
            got = type(value).__name__
            self.problems.add("wrong-dtype", name, f"expected a tuple of texts, got {got}", "use tuple(...)")
            return False
        wrong, halves = _bad_texts(value, (str, type(None)) if optional else (str,))
        if wrong:
            message = f"expected texts, got {type(value[wrong[0]]).__name__} in row {wrong[0]} ({len(wrong)} such rows)"
            self.problems.add("wrong-dtype", name, message)
        if halves:
            message = f"expected text that UTF-8 can spell, got {value[halves[0]]!r} in row {halves[0]}"
            self.problems.add("wrong-text", name, f"{message} ({len(halves)} such rows)")
        return self.length(letter, len(value), name) and not wrong and not halves

    def rows(self, code: str, name: str, bad: NDArray[np.bool_], message: str, fix: str | None = None) -> None:
        """Note the rows for which a rule is broken: the first one and how many."""
        if bad.any():
            first = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
            at = first[0] if len(first) == 1 else first
            self.problems.add(code, name, f"{message}; first at {at}, {int(bad.sum())} in all", fix)

    def steps(self, code: str, name: str, bad: NDArray[np.bool_], message: str, fix: str | None = None) -> None:
        """Note the rows that do not fit the row before them; `bad` speaks of rows 1 and following."""
        self.rows(code, name, np.concatenate([[False], bad]), message, fix)

    def finish(self) -> None:
        """Raise everything noted, or return."""
        codes = {problem.code for problem in self.problems}
        self.problems.raise_as(LengthMismatchError if codes == {"length-mismatch"} else SchemaError)


def _bad_texts(value: tuple[object, ...], kinds: tuple[type, ...]) -> tuple[list[int], list[int]]:
    """Return the rows that are of none of these types, and those that UTF-8 cannot spell.

    Most columns are a few texts over and over: where those are good, no row is looked at.
    """
    try:
        different: Iterable[object] = set(value)
    except TypeError:  # something that is no text has no hash
        different = value
    if all(isinstance(one, kinds) and not (isinstance(one, str) and _SURROGATE.search(one)) for one in different):
        return [], []
    wrong = [i for i, text in enumerate(value) if not isinstance(text, kinds)]
    return wrong, [i for i, text in enumerate(value) if isinstance(text, str) and _SURROGATE.search(text)]


def all_differ(keys: NDArray[np.int64]) -> bool:
    """Say whether no two of R columns are equal; False too where they would not fit into one number each.

    Parameters
    ----------
    keys : int64 (K, R)

    Examples
    --------
    >>> all_differ(np.array([[0, 0, 1], [5, 6, 5]])), all_differ(np.array([[0, 0], [5, 5]]))
    (True, False)
    """
    if keys.shape[1] < 2:
        return True
    least, most = keys.min(axis=1).tolist(), keys.max(axis=1).tolist()
    sides = [last - first + 1 for first, last in zip(least, most, strict=True)]
    if math.prod(sides) >= 2**63:
        return False
    one = np.zeros(keys.shape[1], np.int64)
    for row, first, side in zip(keys, least, sides, strict=True):
        one = one * side + (row - first)
    one.sort()
    return bool((one[1:] != one[:-1]).all())


def frozen_mapping(arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """Return a mapping of read-only views that takes no other arrays, in the order of its keys."""
    return MappingProxyType({key: read_only(array) for key, array in arrays.items()})
