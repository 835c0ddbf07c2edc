"""Episodes of any data set, written as demonstrations; what the layout has no place for is named."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters._hdf5_episodes import episode_names
from lapsdata.adapters._row_frames import RowFrames
from lapsdata.adapters.robomimic.file import ENDINGS
from lapsdata.adapters.robomimic.reading import rate_of
from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.execution.engine import unheard
from lapsdata.formats import WriteReport
from lapsdata.formats._format import size_on_disk
from lapsdata.schema.episodes import IS_NULL
from lapsdata.storage.atomic import atomic_file
from lapsdata.storage.episode_rows import EpisodeRows, folder_of_rows
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Episodes
    from lapsdata.execution.engine import Tell
    from lapsdata.schema import EpisodesHeader

__all__ = ["write"]

# What LeRobot and ACT call the columns that robomimic's loader asks for by name.
_SAME = {
    "action": "actions",
    "reward": "rewards",
    "next.reward": "rewards",
    "done": "dones",
    "next.done": "dones",
}
_OBSERVATIONS = ("observation.", "observations/")
_SPLIT = re.compile(r"(\d+):(\d+)", re.ASCII)
# Written, or told of by other words; and where files of other layouts lie.
_KEPT_EXTRAS = frozenset({"env_args", "data", "mask", "attributes", "splits", "source", "episode_columns", "features"})
_OF_FILES = frozenset({"data_path", "video_path", "chunks_size"})
_IN_ROWS = ("pixels", "encoded")
# Pixels are copied so many rows at a time.
_BLOCK = 64


def write(path: Path, episodes: Episodes, *, root: Path, tell: Tell = unheard) -> WriteReport:
    """Write episodes as demonstrations into one file.

    Parameters
    ----------
    path : Path
        A file that is not there yet; its name ends with `.hdf5`, `.h5` or `.hdf`.
    episodes : Episodes
        `demo_<number>` has the number of its episode. Columns called as in LeRobot or ACT get the names that robomimic
        looks for (`action` is `actions`, `observation.state` is `obs/state`), others keep theirs. A set of LeRobot that
        was made of demonstrations tells what its columns were called there: those get their names back. Which rows of a
        nullable column have no value is said by `<name>_is_null` beside it: truth values, by the new name.
    root : Path
        What the episodes were read from: a file, or the folder that its files are relative to.
    tell : callable
        Is told of each episode that is written.

    Returns
    -------
    WriteReport
        Its notes name what was called otherwise and what was left behind. Frames that stand in rows are copied as
        pixels, images decoded to them; videos and images in files of their own are not decoded, and left behind.

    Raises
    ------
    SchemaError
        Names that cannot stand side by side in a file; whatever `EpisodeRows.read` says of rows.
    CorruptDataError, StorageError
        Rows cannot be read, something is there, or it cannot be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.lerobot.reading import read_set
    >>> from lapsdata.adapters.robomimic import read
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set")
    >>> target = root.parent / "demo.hdf5"
    >>> _ = write(target, read_set(root).episodes, root=root)
    >>> [one.name for one in read(target).container.header.features][:3]
    ['actions', 'episode_index', 'frame_index']
    """
    import h5py

    if path.suffix not in ENDINGS:
        message = (
            f"expected a name that ends with {' or '.join(ENDINGS)}, as demonstrations are found by, got {path.name}"
        )
        raise SchemaError(Problem("wrong-name", str(path), message, f"name it {path.name}{ENDINGS[0]}"))
    header = episodes.header
    cameras = [camera for camera in header.cameras if camera.stored in _IN_ROWS]
    every = [*(feature.name for feature in header.features), *(camera.name for camera in cameras)]
    names = _names(str(path), every, _source(header, "names"))
    folder = folder_of_rows(root)
    masks = {f"{one.name}{IS_NULL}": f"{names[one.name]}{IS_NULL}" for one in header.features if one.nullable}
    if taken := sorted(set(masks.values()) & set(names.values())):
        message = f"expected {listed(taken)} to say which rows have no value, got columns of that name"
        raise SchemaError(Problem("wrong-name", str(path), message, "rename the features"))
    texts = [feature.name for feature in header.features if feature.dtype == "text"]
    numbers = [feature.name for feature in header.features if feature.dtype != "text"]
    tasks = {task.number: task.words for task in header.tasks}
    several, absent = 0, Counter[str]()
    attributes, about = _extra(header, "attributes"), _extra(header, "data")
    # LIBERO tells the task of all demonstrations at once.
    of_all = "problem_info" in about
    with (
        EpisodeRows(folder, episodes) as rows,
        atomic_file(path) as temporary,
        h5py.File(temporary, "w") as file,
    ):
        frames = RowFrames(folder, episodes, rows)
        data = file.create_group("data")
        total = int(episodes.rows.sum())
        _put(data, {**about, "total": total, "env_args": _env_args(header)})
        each = zip(episodes.number.tolist(), episodes.rows.tolist(), episode_names(episodes), strict=True)
        for place, (number, count, called) in enumerate(each):
            demo = data.create_group(f"demo_{number}")
            words = [tasks[task] for task in episodes.tasks_of(place).tolist()]
            several += len(words) > 1
            told = {"ep_meta": {"lang": words[0]}} if words and not of_all else {}
            _put(demo, {**told, **attributes.get(called, {}), "num_samples": count})
            for name, array in rows.read(place, numbers).items():
                demo[names[name]] = array
            for name, null in rows.read(place, list(masks)).items():
                demo[masks[name]] = null
                absent[masks[name]] += int(null.sum())
            for name in texts:
                values = np.array(["" if one is None else one for one in rows.values(place, name)], object)
                demo.create_dataset(names[name], (count,), h5py.string_dtype(), values)
            for camera in cameras:
                _copy_frames(demo, names[camera.name], frames.of(place, camera), count)
            tell(1)
        for name, listing in _masks(episodes).items():
            file[f"mask/{name}"] = np.array([one.encode() for one in listing], "S")
    notes = (*_nulls(path, absent), *_notes(path, header, names, several))
    return WriteReport(path, "robomimic", size_on_disk(path), notes=notes)


def _nulls(path: Path, absent: Mapping[str, int]) -> Iterable[Problem]:
    """Tell which datasets say where another has no value: robomimic does not look there."""
    if absent:
        counted = ", ".join(f"{count} of {name.removesuffix(IS_NULL)}" for name, count in absent.items())
        message = f"rows have no value, {counted}: they are zeros or empty, and <name>{IS_NULL} beside says which"
        fix = "leave them out where robomimic trains, which takes zeros for values"
        yield Problem("nulls-as-zeros", str(path), message, fix, "warning" if sum(absent.values()) else "info")


def _names(where: str, every: Sequence[str], before: Mapping[str, Any]) -> dict[str, str]:
    """Return what columns are called in the file, each name once and none the beginning of another's path.

    `before` are names that some had in files of HDF5.
    """
    wanted = {name: _renamed(str(before.get(name, name))) for name in every}
    taken = list(wanted.values())
    # Where two would have one name, each keeps its own.
    names = {name: new if taken.count(new) == 1 else name for name, new in wanted.items()}
    inside = set(names.values())
    wrong = sorted(
        new
        for new in inside
        if any(part in ("", ".") for part in new.split("/"))
        or any(new[:at] in inside for at, letter in enumerate(new) if letter == "/")
    )
    if wrong or len(inside) < len(names):
        message = (
            f"expected names that are paths of datasets, none within another, got {listed(wrong or sorted(names))}"
        )
        raise SchemaError(Problem("wrong-name", where, message, "rename the features"))
    return names


def _renamed(name: str) -> str:
    for begin in _OBSERVATIONS:
        if name.startswith(begin) and name != begin:
            return f"obs/{name.removeprefix(begin)}"
    return _SAME.get(name, name)


def _extra(header: EpisodesHeader, name: str) -> dict[str, Any]:
    told = header.extras.get(name)
    return dict(told) if isinstance(told, dict) else {}


def _source(header: EpisodesHeader, name: str) -> dict[str, Any]:
    """Return what a set of LeRobot says of the files that it was made of."""
    told = _extra(header, "source").get(name)
    return dict(told) if isinstance(told, dict) else {}


def _env_args(header: EpisodesHeader) -> dict[str, Any]:
    """Return the environment that is known, so that the rate can be read from it again."""
    told = _extra(header, "env_args") or _source(header, "env_args")
    found = rate_of(told)
    if found is not None and found[0] == header.rate:
        return told
    whole = header.rate.denominator == 1
    frequency: int | float | str = header.rate.numerator if whole else header.rate.hz
    if not whole:
        try:
            exact = FrameRate.parse(frequency) == header.rate
        except SchemaError:
            exact = False
        frequency = frequency if exact else str(header.rate)
    if told:
        return {**told, "control_freq": frequency}
    return {"env_kwargs": {"control_freq": frequency, **({"robots": header.robot} if header.robot else {})}}


def _put(group: Any, attributes: dict[str, Any]) -> None:  # noqa: ANN401  h5py publishes no types
    """Write attributes; what JSON has and HDF5 has not is written as JSON."""
    for name, value in attributes.items():
        if value is not None:
            group.attrs[name] = json.dumps(value) if isinstance(value, dict | list) else value


def _copy_frames(demo: Any, target: str, frames: Iterator[NDArray[np.uint8]], count: int) -> None:  # noqa: ANN401
    stored: Any = None
    for start in range(0, count, _BLOCK):
        block = np.stack(list(itertools.islice(frames, _BLOCK)))
        if stored is None:
            stored = demo.create_dataset(target, (count, *block.shape[1:]), block.dtype)
        stored[start : start + len(block)] = block


def _masks(episodes: Episodes) -> dict[str, list[str]]:
    """Return lists of demonstrations that are there; of LeRobot, those of its splits."""
    there = {f"demo_{number}" for number in episodes.number.tolist()}
    masks = {name: list(names) for name, names in _extra(episodes.header, "mask").items()}
    for name, span in _extra(episodes.header, "splits").items():
        if (match := _SPLIT.fullmatch(str(span))) is not None:
            numbers = episodes.number[(episodes.number >= int(match[1])) & (episodes.number < int(match[2]))]
            masks.setdefault(name, [f"demo_{number}" for number in numbers.tolist()])
    kept = {name: [one for one in names if one in there] for name, names in masks.items()}
    return {name: names for name, names in kept.items() if names}


def _notes(path: Path, header: EpisodesHeader, names: dict[str, str], several: int) -> Iterable[Problem]:
    renamed = [f"{name} is {new}" for name, new in names.items() if name != new]
    if renamed:
        yield Problem("renamed", str(path), f"called as robomimic does: {', '.join(renamed)}", None, "info")
    if not (_extra(header, "env_args") or _source(header, "env_args")):
        message = "env_args hold the rate, and no environment: robomimic can train on it, and not roll it out"
        yield Problem("no-environment", str(path), message, None, "info")
    cameras = [f"{camera.name} ({camera.stored})" for camera in header.cameras if camera.stored not in _IN_ROWS]
    if decoded := [camera.name for camera in header.cameras if camera.stored == "encoded"]:
        message = (
            f"images of {listed(decoded)} are decoded, with the colours that their files say: pixels take more room"
        )
        yield Problem("images-decoded", str(path), message, None, "info")
    columns = header.extras.get("episode_columns")
    of_each = [str(name) for name in columns] if isinstance(columns, list) else []
    steps = [group.name for group in header.groups if group.absolute is False]
    said: Any = header.extras.get("features") or {}
    described = [one.name for one in header.features if said.get(one.name, {}).get("info")]
    others = header.extras.keys() - _KEPT_EXTRAS - _OF_FILES
    left = {
        f"the cameras {listed(cameras)}, whose frames are not decoded": bool(cameras),
        f"{len(header.groups)} names of parts of vectors": bool(header.groups),
        f"that actions are steps and not places ({listed(steps)})": bool(steps),
        "which numbers of a vector mean what": any(one.names for one in header.features),
        "which columns are annotations": bool(header.annotations),
        "attributes of data that it was made of": bool(_source(header, "data")),
        f"what its table of episodes tells beside ({listed(of_each)})": bool(of_each),
        f"all but the first task of {several} episodes": several > 0,
        f"that {header.time} is the time of a row": header.time is not None,
        f"what the data set says of columns beside ({listed(described)})": bool(described),
        f"what the data set says of itself ({listed(sorted(others))})": bool(others),
    }
    if any(left.values()):
        named = "; ".join(name for name, there in left.items() if there)
        yield Problem("left-behind", str(path), f"no place for: {named}", None, "warning")
