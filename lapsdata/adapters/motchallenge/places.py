"""Where the files of a benchmark lie: sequences with truth and detections, results of trackers, splits above them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lapsdata.adapters._box_faults import DETECTOR, TRUTH
from lapsdata.adapters._image_names import IMAGES
from lapsdata.adapters._number_rows import first_numbers
from lapsdata.adapters._texts import BEGINNING, head
from lapsdata.adapters.motchallenge.classes import LABELS
from lapsdata.adapters.motchallenge.columns import are_rows
from lapsdata.adapters.motchallenge.seqinfo import SEQINFO
from lapsdata.errors import Problem, SchemaError, StorageError, listed
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DATA", "SEQMAPS", "MotFile", "MotPlace", "find_places", "is_place"]

DATA, SEQMAPS = "data", "seqmaps"
"""Where a tracker's results lie in its folder; where a benchmark lists its sequences."""

_TRUTH, _DETECTIONS = "gt", "det"
_SOURCES = {_TRUTH: TRUTH, _DETECTIONS: DETECTOR}
# Splits, and `trackers` beside sequences, lie one level above them.
_DEEPEST = 2
# Databases of detections lie beside sequences, and are read by themselves.
_OTHERS = ".json"
# A data set shows what it is in its first folders.
_LOOKED_INTO = 20


@dataclass(frozen=True, slots=True)
class MotFile:
    """A file of rows.

    Parameters
    ----------
    path : Path
    source : str or None
        Who says so; None where its place does not tell.
    """

    path: Path
    source: str | None


@dataclass(frozen=True, slots=True)
class MotPlace:
    """What is there of a sequence.

    Parameters
    ----------
    name : str
    folder : Path or None
        Where `seqinfo.ini` and the images are; None of results, which have neither.
    files : tuple of MotFile
    """

    name: str
    folder: Path | None
    files: tuple[MotFile, ...]


def is_place(path: Path) -> bool:
    """Say whether there is a sequence, a result, or a folder mostly of these; looks at the beginning only."""
    if path.is_file():
        return _is_file_of_rows(path)
    try:
        return _holds(path, _DEEPEST)
    except StorageError:
        # What may not be looked into is told by whoever reads it, and is no reason to refuse what lies beside it.
        return False


def _holds(folder: Path, depth: int) -> bool:
    if _sequence(folder) is not None or any(True for _ in _results_in(folder, depth, _LOOKED_INTO)):
        return True
    # A folder of something else, in which such a set lies too, is none. Images alone, as of a test, speak for neither.
    names = [name for name in _folders(folder) if depth and not _has_images_alone(folder / name)]
    inside = [_holds(folder / name, depth - 1) for name in names[:_LOOKED_INTO]]
    return 2 * sum(inside) > len(inside)


def _has_images_alone(folder: Path) -> bool:
    return (folder / IMAGES).is_dir() and _sequence(folder) is None


def find_places(path: Path) -> tuple[list[MotPlace], list[Problem]]:
    """Return the sequences at a place, and what was left beside them; results join the sequence of their name.

    Raises
    ------
    SchemaError
        Two folders are of one sequence.
    StorageError
        A folder may not be looked into.
    """
    path = path.absolute()
    if path.is_file():
        return [_of_file(path)], []
    found: dict[str, MotPlace] = {}
    bare: list[Path] = []
    for place in _inside(path, _DEEPEST, bare):
        there = found.get(place.name)
        if there is not None and there.folder is not None and place.folder is not None:
            message = f"expected each sequence once, got {place.name} in {there.folder.parent.name} too"
            raise SchemaError(Problem("sequence-twice", str(place.folder), message, "read them one by one"))
        found[place.name] = place if there is None else _joined(there, place)
    return list(found.values()), list(_left(path, list(found.values()), bare))


def _joined(one: MotPlace, other: MotPlace) -> MotPlace:
    """Return one place of two; people stand before detectors, and these before trackers."""
    order = list(_SOURCES.values())
    files = sorted([*one.files, *other.files], key=lambda file: [*order, file.source].index(file.source))
    return replace(one, folder=one.folder or other.folder, files=tuple(files))


def _of_file(path: Path) -> MotPlace:
    beside, stem = path.parent, path.stem
    if beside.name in _SOURCES:
        return MotPlace(beside.parent.name, beside.parent, (MotFile(path, _SOURCES[beside.name]),))
    if stem in _SOURCES:
        return MotPlace(beside.name, beside, (MotFile(path, _SOURCES[stem]),))
    if beside.name == DATA:
        return MotPlace(stem, None, (MotFile(path, beside.parent.name),))
    return MotPlace(stem, None, (MotFile(path, None),))


def _inside(folder: Path, depth: int, bare: list[Path]) -> Iterator[MotPlace]:
    """Yield what is in a folder: itself a sequence, the results in it, or what is in its folders.

    Folders in which nothing is are added to `bare`.
    """
    own = _sequence(folder)
    if own is not None:
        yield own
        return
    yield from _results_in(folder, depth, None)
    for name in _folders(folder) if depth else ():
        before, found = len(bare), False
        for place in _inside(folder / name, depth - 1, bare):
            found = True
            yield place
        if not found:
            bare[before:] = [folder / name]


def _folders(folder: Path) -> list[str]:
    """Return the folders that may be sequences, trackers or splits; a sequence may be called as results are."""
    with storage_errors(folder, "list"), os.scandir(folder) as inside:
        names = [one.name for one in inside if not one.name.startswith(".") and one.is_dir()]
    return sorted(name for name in names if name not in (SEQMAPS, DATA) or _sequence(folder / name) is not None)


def _results_in(folder: Path, depth: int, most: int | None) -> Iterator[MotPlace]:
    """Yield the results of a tracker's folder: in `data`, or, of what a user has named, in itself."""
    if (folder / DATA).is_dir():
        yield from _results(folder / DATA, folder, most)
    elif depth == _DEEPEST:
        yield from _results(folder, folder, most)


def _sequence(folder: Path) -> MotPlace | None:
    """Return a folder that is a sequence: with rows of truth or of a detector, or with what it says of itself."""
    files = []
    for name, source in _SOURCES.items():
        within, bare = folder / name / f"{name}.txt", folder / f"{name}.txt"
        if within.is_file():
            files.append(MotFile(within, source))
        elif bare.is_file() and _is_file_of_rows(bare):
            files.append(MotFile(bare, source))
    if not files and not (folder / SEQINFO).is_file():
        return None
    return MotPlace(folder.absolute().name, folder, tuple(files))


def _results(folder: Path, tracker: Path, most: int | None) -> Iterator[MotPlace]:
    """Yield the results in a folder, where it has any rows at all."""
    with storage_errors(folder, "list"):
        texts = sorted(one for one in folder.glob("*.txt") if one.is_file() and not one.name.startswith("."))
    texts = [one for one in texts[:most] if one.name != LABELS and _is_file_of_rows(one)]
    # Where results belong, a tracker may have found nothing anywhere.
    if folder.name == DATA or any(one.stat().st_size for one in texts):
        yield from (MotPlace(one.stem, None, (MotFile(one, tracker.absolute().name),)) for one in texts)


def _is_file_of_rows(path: Path) -> bool:
    if path.suffix.lower() != ".txt":
        return False
    beginning = head(path)
    if not beginning.strip():
        return path.stat().st_size == 0 and _among_rows(path)
    return _begins_with_rows(beginning) and not are_visdrone(beginning)


def _begins_with_rows(beginning: str) -> bool:
    """Say whether the first line is a row, or is none before two that are: then the line at fault can be named."""
    first = [line for line in beginning.replace(";", ",").splitlines() if line.strip()][:3]
    if are_rows(first_numbers(first[0])):
        return True
    return len(first) == 3 and all(are_rows(first_numbers(line)) for line in first[1:])


def _among_rows(path: Path) -> bool:
    """Say whether an empty file stands where rows do: it says that nothing was found, and elsewhere it says nothing."""
    if path.parent.name in (DATA, *_SOURCES) or path.stem in _SOURCES:
        return True
    beside = [one for one in path.parent.glob("*.txt") if one != path and one.is_file() and one.stat().st_size]
    return any(_is_file_of_rows(one) for one in beside[:_LOOKED_INTO])


def are_visdrone(beginning: str) -> bool:
    """Say whether rows are those of VisDrone: ten numbers, the last of them class, truncation and occlusion.

    Examples
    --------
    >>> are_visdrone("1,0,593,43,174,190,1,4,0,1"), are_visdrone("1,1,399,182,121,229,1,-1,-1,-1")
    (True, False)
    """
    lines = beginning.splitlines()
    # Of a longer file the last line that was read is cut.
    whole = lines if len(beginning) < BEGINNING else lines[:-1]
    rows = [first_numbers(line) for line in whole if line.strip()]
    fits = (
        row is not None
        and len(row) == 10
        and row[6] in (0, 1)
        and row[7] in range(12)
        and row[8] in (0, 1)
        and row[9] in (0, 1, 2)
        for row in rows
    )
    # Zeros alone are what some write for a place in the world that they do not know.
    return bool(rows) and all(fits) and any(row is not None and row[7] > 0 for row in rows)


def _left(path: Path, places: list[MotPlace], bare: list[Path]) -> Iterator[Problem]:
    """Yield what lies beside files that are read, and may be taken for one."""
    if bare:
        message = f"nothing to read was found in {listed([str(one.relative_to(path)) for one in bare])}"
        yield Problem("folders-left", str(path), message, "name such a folder, or a file in it, to read that", "info")
    read = {file.path for place in places for file in place.files}
    folders = sorted({file.path.parent for place in places for file in place.files} | {path})
    for folder in folders:
        # Of a sequence or a tracker only what looks like rows; of the folder around them, every file.
        files = folder.glob("*.txt") if folder != path or read & set(folder.iterdir()) else folder.iterdir()
        named = [one for one in files if one.name not in (LABELS, SEQINFO) and one.suffix.lower() != _OTHERS]
        beside = sorted(one for one in named if one.is_file() and one not in read)
        if beside:
            message = f"not read: {listed([one.name for one in beside])}"
            fix = "name such a file itself to read it"
            yield Problem("files-left", str(folder), message, fix, "info")
