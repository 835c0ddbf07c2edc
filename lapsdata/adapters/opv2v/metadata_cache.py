"""Parsed frames by the digest of their yaml: a text that was parsed once is not parsed again, wherever it lies.

One sealed file in a folder of caches. The texts themselves are read and digested each time, so that a changed file is
parsed anew; the file is made again where it is damaged, and what is not asked for any more is dropped when it is
written.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters.opv2v.frame_facts import CAMERA_NUMBERS, LIDAR_NUMBERS, FrameFacts
from lapsdata.errors import CorruptDataError, LapsError, Problem
from lapsdata.storage.seal import StoredArray
from lapsdata.storage.sealed_hdf5 import SealedHdf5
from lapsdata.storage.sealed_hdf5_writer import write_sealed_hdf5

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from pydantic import JsonValue

__all__ = ["CACHE_VARIABLE", "cache_file", "read_cache", "usual_cache", "write_cache"]

CACHE_VARIABLE = "LAPSDATA_CACHE"
"""Environment variable that names the folder of caches; `off` for none."""

_NAME = "opv2v_frames.h5"
_FORMAT: JsonValue = "lapsdata.opv2v_frames"
_VERSION: JsonValue = "1.0"


def usual_cache() -> Path | None:
    """Return the folder of caches: `LAPSDATA_CACHE`, else `lapsdata` in that of the user; None where it is off.

    Examples
    --------
    >>> usual_cache() is None or usual_cache().name != ""
    True
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named is not None:
        return None if named in ("", "off") else Path(named)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "lapsdata"


def cache_file(folder: Path, name: str) -> Path:
    """Return the file of one root in a folder of caches.

    Parameters
    ----------
    folder : Path
    name : str
        What tells roots apart.

    Examples
    --------
    >>> cache_file(Path("caches"), "0f3a").name
    '0f3a_opv2v_frames.h5'
    """
    return folder / f"{name}_{_NAME}"


def read_cache(path: Path) -> tuple[dict[bytes, FrameFacts], list[Problem]]:
    """Return the facts of a cache by digest, and what is to be said of it; none where there is no file.

    Parameters
    ----------
    path : Path
    """
    if not path.is_file():
        return {}, []
    try:
        with SealedHdf5(path) as file:
            if (file.header.get("format"), file.header.get("version")) != (_FORMAT, _VERSION):
                return {}, []
            tables = {name: file.read(name) for name in ("digest", "layout", "stop", "numbers")}
            told: Any = file.header.get("layouts")
        layouts = told if isinstance(told, list) else []
        return _facts(tables, [tuple(layout) for layout in layouts if isinstance(layout, list)], path), []
    except LapsError as error:
        why = error.problems[0]
        message = f"the cache of parsed frames could not be read and is made anew: {why.message} [{why.code}]"
        return {}, [Problem("cache-damaged", str(path), message, None, "warning")]


def _facts(tables: Mapping[str, NDArray[Any]], layouts: list[tuple[str, ...]], path: Path) -> dict[bytes, FrameFacts]:
    """Return the rows of a cache; refuse tables that do not fit each other, of which a seal says nothing."""
    digests, layout, stops, numbers = (tables[name] for name in ("digest", "layout", "stop", "numbers"))
    fits = digests.shape == (len(digests), 32) and layout.shape == stops.shape == (len(digests),) and numbers.ndim == 1
    if fits and len(digests):
        fits = layout.min() >= 0 and layout.max() < len(layouts)
    if fits:
        sizes = np.array([LIDAR_NUMBERS + CAMERA_NUMBERS * len(cameras) for cameras in layouts], np.int64)
        expected = np.cumsum(sizes[layout], dtype=np.int64)
        fits = np.array_equal(stops, expected) and len(numbers) == (expected[-1] if len(expected) else 0)
    if not fits:
        message = "expected a table whose rows tell their numbers one after the other, got another"
        raise CorruptDataError(Problem("wrong-table", str(path), message))
    values, starts = numbers.tolist(), np.concatenate([[0], stops[:-1]]).tolist()
    rows = zip(digests, layout.tolist(), starts[: len(digests)], stops.tolist(), strict=True)
    return {row.tobytes(): FrameFacts(layouts[kind], tuple(values[first:stop])) for row, kind, first, stop in rows}


def write_cache(path: Path, facts: Mapping[bytes, FrameFacts]) -> list[Problem]:
    """Write a cache, all or nothing; say so where it cannot be written, which costs time and nothing else.

    Parameters
    ----------
    path : Path
        Its folder is made if it is not there.
    facts : mapping
        By digest, SHA-256.

    Examples
    --------
    >>> import tempfile
    >>> path = cache_file(Path(tempfile.mkdtemp()), "root")
    >>> write_cache(path, {b"0" * 32: FrameFacts((), (1.0,) * 6)})
    []
    >>> read_cache(path)[0][b"0" * 32].numbers
    (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    """
    rows = sorted(facts.items())
    layouts = sorted({one.cameras for one in facts.values()})
    place = {layout: number for number, layout in enumerate(layouts)}
    arrays: dict[str, NDArray[Any]] = {
        "digest": np.frombuffer(b"".join(digest for digest, _ in rows), np.uint8).reshape(-1, 32),
        "layout": np.array([place[one.cameras] for _, one in rows], np.int64),
        "stop": np.cumsum([len(one.numbers) for _, one in rows], dtype=np.int64),
        "numbers": np.array([number for _, one in rows for number in one.numbers], np.float64),
    }
    header: dict[str, JsonValue] = {
        "format": _FORMAT,
        "version": _VERSION,
        "layouts": [list(layout) for layout in layouts],
    }
    stored = {name: StoredArray(values, small=True) for name, values in arrays.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sealed_hdf5(path, header, {}, stored, {}, profile="raw", overwrite=True)
    except (LapsError, OSError) as error:
        told = error.problems[0].message if isinstance(error, LapsError) else str(error)
        message = f"parsed frames could not be kept for the next time: {told}"
        return [
            Problem("cache-not-written", str(path), message, f"name another folder: {CACHE_VARIABLE}=FOLDER", "info")
        ]
    return []
