"""Attributes of files of HDF5 that JSON can hold, so that a header can carry them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import LapsError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from lapsdata.storage.hdf5_file import Hdf5File

__all__ = ["LONGEST", "plain_attributes", "plain_value"]

LONGEST = 1000
"""Characters of a text that is told of an episode: the whole description of a scene is none."""

_JSON = ("env_args", "problem_info", "ep_meta")


def plain_attributes(file: Hdf5File, name: str, longest: int | None) -> tuple[dict[str, JsonValue], list[str]]:
    """Return the attributes of a group that JSON can hold, and the names of those that it cannot, or are too long.

    Parameters
    ----------
    file : Hdf5File
    name : str
        Path of the group.
    longest : int or None
        Characters of a text.

    Examples
    --------
    >>> import h5py, pathlib, tempfile
    >>> from lapsdata.storage.hdf5_file import Hdf5File
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "demo.hdf5"
    >>> with h5py.File(path, "w") as file:
    ...     file.attrs["success"], file.attrs["pose"] = True, np.zeros(3)
    >>> with Hdf5File(path) as file:
    ...     plain_attributes(file, "/", LONGEST)
    ({'success': True}, ['pose'])
    """
    found: dict[str, JsonValue] = {}
    left = []
    for key in file.attributes(name):
        try:
            value = plain_value(file.attribute(name, key), longest)
        except (LapsError, ValueError):
            left.append(key)
            continue
        found[key] = _parsed(value) if key in _JSON else value
    return found, left


def plain_value(value: Any, longest: int | None) -> JsonValue:  # noqa: ANN401  the file decides what it is
    """Return one value as JSON has it.

    Raises
    ------
    ValueError
        An array, no finite number, no UTF-8, or a text that is too long.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        value.encode()
        if longest is not None and len(value) > longest:
            raise ValueError(f"a text of {len(value)} characters")
        return value
    if isinstance(value, bool | int) or (isinstance(value, float) and np.isfinite(value)):
        return value
    raise ValueError(f"no value of JSON: {type(value).__name__}")


def _parsed(value: JsonValue) -> JsonValue:
    """Return what a text of JSON says; another text as it is."""
    if not isinstance(value, str):
        return value
    try:
        parsed: JsonValue = json.loads(value, parse_constant=str)
    except ValueError:
        return value
    return parsed
