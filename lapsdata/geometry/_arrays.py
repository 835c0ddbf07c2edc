"""What every function here asks of the arrays it is given."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Real = TypeVar("Real", bound=np.floating[Any])
"""float32 or float64; what goes in comes out."""


def checked(values: NDArray[Real], name: str, tail: Sequence[int | str]) -> NDArray[Real]:
    """Return `values` as an array if it is float32 or float64 and its last axes are `tail`.

    A word in `tail` stands for an axis of any length. Integers are refused, not promoted: pixel indices
    would divide and round differently, and the caller alone knows which precision was meant. Masked arrays are
    refused, since their mask would be lost without a word.
    """
    found = Problems()
    if isinstance(values, np.ma.MaskedArray):
        found.add("masked", name, "expected a plain array, got MaskedArray", "use .filled(np.nan), and keep the mask")
    found.raise_as(SchemaError)
    array = np.asarray(values)
    fits = array.ndim >= len(tail) and all(
        isinstance(want, str) or want == have
        for want, have in zip(tail, array.shape[array.ndim - len(tail) :], strict=False)
    )
    if not fits:
        wanted = "".join(f", {axis}" for axis in tail)
        found.add("wrong-shape", name, f"expected (...{wanted}), got {array.shape}")
    if array.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        found.add(
            "wrong-dtype",
            name,
            f"expected float32 or float64 in native byte order, got {array.dtype.str} ({array.dtype.name})",
            fix="convert with .astype(np.float32)",
        )
    found.raise_as(SchemaError)
    return array


def choice(value: object, name: str, kind: object) -> None:
    """Refuse a word that is not among those of the Literal `kind`."""
    words = get_args(kind)
    if value not in words:
        listed = ", ".join(repr(word) for word in words)
        raise SchemaError(Problem("unknown-choice", name, f"expected one of {listed}, got {value!r}"))


def expect(value: object, name: str, kind: type[Any]) -> None:
    """Refuse what is no `kind`, a dataclass: a tuple does not say which number is the width."""
    if not isinstance(value, kind):
        words = ", ".join(f"{field.name}=..." for field in fields(kind))
        message = f"expected a {kind.__name__}, got {value!r}"
        raise SchemaError(Problem("wrong-type", name, message, f"write {kind.__name__}({words})"))


def whole(value: object, name: str, least: int) -> Problem | None:
    """Return a problem unless `value` is an integer of at least `least` (a bool is none)."""
    number = whole_number(value)
    if number is not None and number >= least:
        return None
    return Problem("wrong-value", name, f"expected an integer of at least {least}, got {value!r}")
