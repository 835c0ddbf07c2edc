"""Episodes as ACT (ALOHA) records them: a file of HDF5 for each, `episode_0.hdf5`.

    /action                        (N, A)
    /observations/qpos, qvel ...   (N, ...)
    /observations/images/<camera>  uint8: pixels (N, H, W, 3), or bytes of JPEG or PNG filled up with zeros (N, L)

Where the attribute `compress` is set, `/compress_len` has the lengths of the bytes, by the order of cameras that the
recorder had, which no file tells: an image says itself where it ends, so that they are not needed. How many rows there
are in a second is not in the layout: some recorders write it as an attribute. So does `language_instruction`, where it
is an attribute, say what was to be done; other attributes are told as they are.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.adapters._adapter import Adapted, Adapter
from lapsdata.adapters._hdf5_attributes import LONGEST, plain_attributes
from lapsdata.adapters._hdf5_episodes import Attempt, SharedColumns, shared_columns, structure, told_rate
from lapsdata.containers import Episodes
from lapsdata.errors import LapsError, Problem, SchemaError, listed, spans_told
from lapsdata.provenance import provenance
from lapsdata.schema import Camera, EpisodesHeader, Task
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_rows import Hdf5Rows
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import JsonValue

__all__ = ["PLUGIN", "read"]

_NAME = re.compile(r"episode_?(\d{1,9})\.(hdf5|h5)", re.ASCII)
_IMAGES, _LENGTHS = "observations/images/", "compress_len"
_RATES = ("fps", "rate", "control_freq", "frequency")
_WORDS = "language_instruction"
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG")
_WHY = f"the layout has no times, and no file an attribute {', '.join(_RATES)}"


def recognises(path: Path) -> str | None:
    """Return "episodes" for such a file, and for a folder with `episode_<number>.hdf5` of which the first is one."""
    try:
        files = _files(path)
        if not files:
            return None
        with Hdf5File(min(files)[1]) as file:
            return "episodes" if {"action", "observations"} <= set(file.members()) else None
    except LapsError:
        return None


def read(path: Path, *, rate: FrameRate | float | str | None = None, strict: bool = False) -> Adapted:
    """Read what the files say of their episodes; of arrays the types and shapes, not the values.

    Parameters
    ----------
    path : Path
        A folder of episodes, or one of its files.
    rate : FrameRate, number or str, optional
        Rows per second, where no file has them as an attribute.
    strict : bool
        Whether all that is wrong is an error, and not a note.

    Returns
    -------
    Adapted
        Episodes have the numbers of their files and the length of `action`, features the paths of their datasets.
        `attributes` in the extras of the header are those of the files, by their names without ending.

    Raises
    ------
    SchemaError
        No episode, no rate (`no-times`), files of several rates; with `strict` whatever would else be a note of
        severity "warning".
    UnknownFormatError, CorruptDataError, StorageError
        No file can be read; some that cannot are noted together, and left out.

    Examples
    --------
    >>> import h5py, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "episode_3.hdf5"
    >>> with h5py.File(path, "w") as file:
    ...     file["action"], file["observations/qpos"] = np.zeros((5, 14)), np.zeros((5, 14))
    >>> episodes = read(path.parent, rate=50).container
    >>> episodes.number.tolist(), [one.name for one in episodes.header.features]
    ([3], ['action', 'observations/qpos'])
    """
    files = sorted(_files(existing(path)))
    if not files:
        message = "expected episode_<number>.hdf5, got none"
        raise SchemaError(Problem("no-episodes", str(path), message))
    opened = _opened(path, files)
    attempts, notes = opened.attempts, opened.notes
    per_s, origin, contradiction = told_rate(str(path), rate, _one_rate(path, opened.rates), _WHY)
    shared = shared_columns(str(path), attempts, _IMAGES)
    cameras, strangers = _images(path if path.is_dir() else path.parent, shared)
    notes += [*contradiction, *shared.notes, *strangers]
    wrong = [note for note in notes if note.severity != "info"]
    if strict and wrong:
        raise SchemaError(*wrong)
    count = len(shared.attempts)
    about = {PurePath(one.file).stem: opened.attributes[one.file] for one in shared.attempts}
    words = [told if isinstance(told := one.get(_WORDS), str) else "" for one in about.values()]
    tasks = {text: number for number, text in enumerate(dict.fromkeys(text for text in words if text))}
    episodes = Episodes(
        EpisodesHeader(
            provenance=provenance(parameters={"rate": str(per_s)}, parents=[structure("act", path, attempts)]),
            rate=per_s,
            store="hdf5",
            features=shared.features,
            cameras=cameras,
            tasks=tuple(Task(number=number, words=text) for text, number in tasks.items()),
            extras={"attributes": {name: told for name, told in about.items() if told}} if any(about.values()) else {},
        ),
        number=np.array([one.number for one in shared.attempts], np.int64),
        rows=np.array([one.rows for one in shared.attempts], np.int64),
        files=tuple(one.file for one in shared.attempts),
        file_index=np.arange(count),
        first_row=np.zeros(count, np.int64),
        groups=("/",) * count,
        task_number=np.array([tasks[text] for text in words if text], np.int64),
        task_stop=np.cumsum([bool(text) for text in words], dtype=np.int64),
    )
    return Adapted(episodes, tuple(notes), rate=per_s, rate_origin=origin)


def _files(path: Path) -> list[tuple[int, Path]]:
    """Return a file by itself, or those of a folder, with their numbers."""
    if not path.is_dir():
        match = _NAME.fullmatch(path.name)
        return [(int(match[1]) if match else 0, path)] if path.suffix in (".hdf5", ".h5") else []
    with storage_errors(path, "list"):
        matches = [(_NAME.fullmatch(file.name), file) for file in path.iterdir()]
    return [(int(match[1]), file) for match, file in matches if match is not None]


class _Opened(NamedTuple):
    """What files say: of those that can be read; and the rates that are among their attributes."""

    attempts: list[Attempt]
    attributes: dict[str, dict[str, JsonValue]]
    rates: Counter[FrameRate]
    notes: list[Problem]


def _opened(path: Path, files: Sequence[tuple[int, Path]]) -> _Opened:
    """Open each file, and return the episodes of those that can be read."""
    attempts: dict[int, Attempt] = {}
    attributes: dict[str, dict[str, JsonValue]] = {}
    rates: Counter[FrameRate] = Counter()
    broken: dict[int, Problem] = {}
    odd = set[str]()
    for number, place in files:
        try:
            with Hdf5File(place) as file:
                columns = {name: column for name, column in file.columns("/").items() if name != _LENGTHS}
                rates.update(_rates(file))
                attributes[place.name], left = plain_attributes(file, "/", LONGEST)
                odd |= set(left)
        except LapsError as error:
            broken[number] = error.problems[0]
            continue
        action = columns.get("action")
        if action is None or not action.shape or not action.shape[0]:
            wanted = f"expected action with rows, got {', '.join(columns) or 'no dataset'}"
            broken[number] = Problem("no-action", str(place), wanted)
        elif number in attempts:
            broken[number] = Problem("episode-twice", str(place), f"expected episode {number} once, got it again")
        else:
            attempts[number] = Attempt(number, place.name, "/", action.shape[0], columns)
    notes = []
    for code in dict.fromkeys(problem.code for problem in broken.values()):
        numbers = [number for number, problem in broken.items() if problem.code == code]
        first = broken[numbers[0]]
        message = f"{first.message}; of {len(files)} episodes left out: {spans_told(numbers)}"
        notes.append(Problem(code, first.where, message, first.fix, "warning" if attempts else "error"))
    if not attempts:
        raise SchemaError(*notes)
    if odd:
        message = f"attributes of files that are no short value are left out: {listed(sorted(odd))}"
        notes.append(Problem("attributes-left-out", str(path), message, None, "info"))
    return _Opened(list(attempts.values()), attributes, rates, notes)


def _rates(file: Hdf5File) -> list[FrameRate]:
    """Return the rates among the attributes of a file; what is no rate may be called so and mean another thing."""
    found = []
    for name in sorted(set(_RATES) & set(file.attributes())):
        with contextlib.suppress(LapsError):
            value = np.asarray(file.attribute("/", name)).reshape(-1).tolist()
            found += [FrameRate.parse(one.decode() if isinstance(one, bytes) else one) for one in value[:1]]
    return found


def _images(root: Path, shared: SharedColumns) -> tuple[tuple[Camera, ...], list[Problem]]:
    """Return the cameras whose bytes begin as those of an image in the first episode, and a word on each other one."""
    first = shared.attempts[0]
    kept, notes = [], []
    with Hdf5File(root / first.file) as file:
        rows = Hdf5Rows(lambda: file, first.group, first.rows)
        for camera in shared.cameras:
            if camera.stored == "encoded":
                (begin,) = rows.values(0, camera.name, 0, 1)
                if not begin.startswith(_MAGIC):
                    where = f"{root / first.file}: {camera.name}"
                    message = f"expected bytes of JPEG or PNG, got {begin[:8]!r}: left out"
                    notes.append(Problem("not-an-image", where, message, None, "warning"))
                    continue
            kept.append(camera)
    return tuple(kept), notes


def _one_rate(path: Path, rates: Counter[FrameRate]) -> tuple[FrameRate, str] | None:
    if len(rates) > 1:
        told = ", ".join(f"{rate} in {count}" for rate, count in rates.most_common())
        message = f"expected one rate in all files, got {told} of them"
        raise SchemaError(Problem("unlike-rates", str(path), message, "read those of one rate by themselves"))
    return (next(iter(rates)), "an attribute of the files") if rates else None


PLUGIN = Adapter(
    "act_hdf5",
    "Episodes of ACT and ALOHA, a file of HDF5 for each",
    recognises,
    read,
    takes=frozenset({"rate", "strict"}),
)
