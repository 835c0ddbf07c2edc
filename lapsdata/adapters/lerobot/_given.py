"""What is given of an episode, looked at before anything of it is written.

What a reader refuses in one episode costs the whole recording: so it is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters.lerobot.info import DEFAULTS
from lapsdata.adapters.lerobot.layout import unfit_name
from lapsdata.errors import LengthMismatchError, Problem, Problems, SchemaError
from lapsdata.schema import Camera
from lapsdata.schema.episodes import names_of_samples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["checked_columns", "checked_names", "checked_text", "checked_value", "is_text", "refuse_names"]


def checked_text(value: object, where: str, expected: str) -> str:
    """Return a text that a file can hold.

    Raises
    ------
    SchemaError
        It is none.

    Examples
    --------
    >>> checked_text(None, "task", "what was to be done, in words")
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: task: expected what was to be done, in words, got None [wrong-type]
    """
    if not isinstance(value, str):
        raise SchemaError(Problem("wrong-type", where, f"expected {expected}, got {value!r:.60}"))
    try:
        value.encode()
    except UnicodeEncodeError:
        message = f"expected {expected}, that UTF-8 can spell, got {value!r:.60}"
        raise SchemaError(Problem("wrong-value", where, message)) from None
    return str(value)


def checked_names(names: Any) -> dict[str, list[str]]:  # noqa: ANN401 - whatever was given
    """Return what the numbers of columns are called.

    Raises
    ------
    SchemaError
        No mapping of lists of texts.

    Examples
    --------
    >>> checked_names({"action": "xyz"})
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: names: expected a list of texts by column, got {'action': 'xyz'}; ... [wrong-type]
    """
    given = names if names is not None else {}
    lists = list(given.values()) if isinstance(given, Mapping) else [None]
    if any(isinstance(one, str) or not np.iterable(one) for one in lists):
        message = f"expected a list of texts by column, got {names!r:.60}"
        raise SchemaError(Problem("wrong-type", "names", message, 'names={"action": ["x", "y"]}'))
    return {
        name: [checked_text(one, f"names: {name}", "a list of texts") for one in values]
        for name, values in given.items()
    }


def refuse_names(columns: Iterable[Any], cameras: Iterable[Any], where: str) -> None:
    """Refuse names that no reader takes, that two have, or that samples need for something else.

    Parameters
    ----------
    columns, cameras : iterable of str
        As they are given: those that every set has are known.
    where : str

    Raises
    ------
    SchemaError
        All of them.

    Examples
    --------
    >>> refuse_names(["action"], ["action"], "episode 0")
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: episode 0: action: expected a name for each column and camera, ... [name-taken]
    """
    found, own, shown = Problems(where), list(columns), list(cameras)
    for name in (*own, *shown):
        try:
            Camera(name=name, stored="video")
        except SchemaError as error:
            message = f"expected a name of 1 to 200 plain characters, got {name!r:.60}"
            found.add("wrong-name", repr(name)[:60], message, error.problems[0].fix)
            continue
        if why := unfit_name(name):
            kind = "a camera whose files stay in the set" if name in shown else "a name"
            found.add("wrong-name", name, f"expected {kind}, got {name!r}: {why}", "give it another name")
    texts = [name for name in (*own, *shown) if isinstance(name, str)]
    for name in sorted({name for name in shown if name in own or name in DEFAULTS}):
        message = "expected a name for each column and camera, got one for both"
        found.add("name-taken", name, message, f'call the camera otherwise: "observation.images.{name}"')
    for name, what in names_of_samples(texts).items():
        fix = 'give it as task="...", or give it another name' if name == "task" else "give it another name"
        found.add("name-taken", name, f"expected another name: in a sample it says {what}", fix)
    found.raise_as(SchemaError)


def checked_columns(columns: Any, where: str) -> dict[str, NDArray[Any]]:  # noqa: ANN401 - whatever was given
    """Return columns as arrays (R, ...) of one length, whose types and shapes Parquet has.

    Raises
    ------
    SchemaError
        Values that are no column: all of them.
    LengthMismatchError
        Several lengths, or no rows.

    Examples
    --------
    >>> checked_columns({"action": np.zeros((3, 2), ">f4")}, "episode 0")["action"].dtype
    dtype('float32')
    """
    if not callable(getattr(columns, "items", None)):
        message = f"expected columns by name, got {type(columns).__name__}"
        raise SchemaError(Problem("wrong-type", where, message, 'give them as {"action": array}'))
    problems, given = Problems(where), {}
    for name, values in columns.items():
        try:
            given[name] = checked_value(values, str(name))
        except SchemaError as error:
            problems.extend(error.problems)
    problems.raise_as(SchemaError)
    lengths = {name: len(one) if one.ndim else 0 for name, one in given.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        message = f"expected columns of one length above 0, got {lengths or 'none'}"
        raise LengthMismatchError(Problem("wrong-length", where, message))
    return given


def checked_value(value: Any, where: str, *, row: bool = False) -> NDArray[Any]:  # noqa: ANN401 - whatever was given
    """Return what is given for a column, or for one row of it, as an array of numbers, truth values or texts.

    Raises
    ------
    SchemaError
        Parts of several shapes or kinds, gaps, or nothing of which a file has rows.

    Examples
    --------
    >>> checked_value(["left", 2.5], "note")
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: note: expected values of one kind, got numbers and texts; ... [wrong-type]
    """
    if isinstance(value, np.ma.MaskedArray):
        message = "expected a value in each place, got an array with a mask"
        raise SchemaError(Problem("wrong-type", where, message, "fill in what is hidden, or leave its rows out"))
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        message = f"expected an array of numbers, truth values or texts, got {type(value).__name__} ({error})"
        raise SchemaError(Problem("wrong-shape", where, message, "give all rows one shape")) from None
    known = is_text(array) or (array.dtype.kind in "biuf" and array.dtype.itemsize <= 8)
    if not known:
        message = f"expected numbers, truth values or texts, got {array.dtype}"
        raise SchemaError(Problem("wrong-type", where, message))
    if 0 in (array.shape if row else array.shape[1:]):
        message = f"expected a number in each row at least, got shape {array.shape}"
        raise SchemaError(Problem("wrong-shape", where, message, "leave it out"))
    if not isinstance(value, np.ndarray) and len(kinds := _kinds(value, array)) > 1:
        message = f"expected values of one kind, got {' and '.join(kinds)}"
        raise SchemaError(Problem("wrong-type", where, message, "make two columns of it"))
    if is_text(array):
        checked_text("".join(map(str, array.flat)), where, "texts")
        return array
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def is_text(array: NDArray[Any]) -> bool:
    """Say whether an array holds texts and nothing else."""
    return array.dtype.kind in "UT" or (array.dtype == object and all(isinstance(one, str) for one in array.flat))


def _kinds(value: Any, array: NDArray[Any]) -> list[str]:  # noqa: ANN401 - whatever was given
    """Return what values are before NumPy makes them one type: numbers become texts, truth values numbers."""
    if hasattr(value, "dtype") or (array.dtype.kind not in "UT" and not isinstance(value, list | tuple)):
        return []
    flat = np.asarray(value, dtype=object).reshape(-1)
    named = {str: "texts", np.str_: "texts", bool: "truth values", np.bool_: "truth values"}
    return sorted({named.get(kind, "numbers") for kind in set(map(type, flat))})
