"""Numbers of rows, as a user may give them: whole numbers along one axis, and nothing that only looks like them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import LengthMismatchError, Problem, SchemaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["checked_id", "checked_ids", "one_or_many"]


def checked_ids(ids: Any) -> NDArray[np.int64]:  # noqa: ANN401 - what a user gives
    """Return ids as int64 (B,), in one piece of memory that may be written.

    Parameters
    ----------
    ids : sequence or array of whole numbers

    Raises
    ------
    SchemaError
        Other kinds: fractions would be cut, and a mask would choose rows 0 and 1.
    LengthMismatchError
        Not one axis.
    IndexError
        A number beyond int64.

    Examples
    --------
    >>> checked_ids([3, 1]).dtype
    dtype('int64')
    >>> checked_ids([True, False])
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: ids: expected whole numbers, got bool; a mask: numpy.flatnonzero(mask) [wrong-dtype]
    """
    array = np.asarray(ids)
    if array.ndim == 1 and array.dtype == np.int64 and array.flags.carray:
        return array
    if array.ndim != 1:
        message = f"expected one axis of ids, got shape {array.shape}"
        raise LengthMismatchError(Problem("wrong-shape", "ids", message))
    if array.dtype.kind not in "iu" and array.size:
        fix = "a mask: numpy.flatnonzero(mask)" if array.dtype.kind == "b" else None
        raise SchemaError(Problem("wrong-dtype", "ids", f"expected whole numbers, got {array.dtype}", fix))
    if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise IndexError(f"ids: expected numbers below 2**63, got {array.max()}")
    # A copy also of what may not be written: Numba would compile the loop once more for it.
    return np.array(array, np.int64)


def checked_id(number: Any) -> int:  # noqa: ANN401 - what a user gives
    """Return one id; what is none is refused as by `checked_ids`.

    Examples
    --------
    >>> checked_id(np.int32(7))
    7
    """
    array = np.asarray(number)
    if array.ndim:
        raise LengthMismatchError(Problem("wrong-shape", "id", f"expected one number, got shape {array.shape}"))
    return int(checked_ids(array[None])[0])


def one_or_many(ids: Any, length: int) -> int | NDArray[Any]:  # noqa: ANN401 - what a user gives
    """Return what stands between brackets: the number of one row, from 0 on, or those of several.

    Parameters
    ----------
    ids : int, slice, or sequence of whole numbers
        A number below 0 counts from the end.
    length : int
        Of the data set.

    Raises
    ------
    IndexError
        One number, outside of the data set.

    Examples
    --------
    >>> one_or_many(-1, 5), one_or_many(slice(1, 3), 5).tolist()
    (4, [1, 2])
    """
    wanted = np.asarray(range(length)[ids] if isinstance(ids, slice) else ids)
    if wanted.ndim:
        return wanted
    number = checked_id(wanted)
    if not -length <= number < length:
        raise IndexError(f"id: expected {-length} to {length - 1}, got {number}")
    return number % length
