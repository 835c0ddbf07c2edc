"""`meta/info.json`: what a LeRobot data set says of itself."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lapsdata.adapters.lerobot.parts import read_parts
from lapsdata.errors import Problem, Problems, SchemaError, whole_number
from lapsdata.schema import Camera, Feature, Group, Size
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.lfs_pointer import refuse_pointer
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "CATALOG",
    "DATA_V2",
    "DATA_V3",
    "DEFAULTS",
    "INFO",
    "SHARD",
    "SHARDS",
    "VIDEO_V2",
    "VIDEO_V3",
    "Info",
    "Version",
    "read_columns",
    "read_info",
    "read_json",
]

INFO = "meta/info.json"

Version = Literal["v2.0", "v2.1", "v3.0"]
"""Layouts that are known."""

DEFAULTS = ("timestamp", "frame_index", "episode_index", "index", "task_index")
"""Columns that every version writes of itself."""

# What has a word of ours is told by that alone, all else is kept as it is said.
_KNOWN = frozenset({"codebase_version", "fps", "features"})
# How each version names its files, where `info.json` does not say it.
DATA_V2 = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
VIDEO_V2 = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
DATA_V3 = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_V3 = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
_MOST_IN_A_FOLDER = 2**31 - 1
# A quarter of a gigabyte of float32: thirty full pictures, or ten million points.
_MOST_IN_A_ROW = 2**26

CATALOG, SHARDS = "meta/episodes.parquet", "meta/shards.json"
"""Where the files of episodes lie in archives: the list of episodes, and that of the archives."""

SHARD = "shards/number"
"""Column of the list of episodes: which archive holds one, where the files of episodes lie in archives."""

_IMAGE_KINDS = {"video": "video", "image": "encoded"}


@dataclass(frozen=True, slots=True)
class Info:
    """What `info.json` says, by the words of ours where there are such.

    Parameters
    ----------
    stated : str
        Its `codebase_version`.
    rate : FrameRate
        Its `fps`.
    robot : str or None
    features : tuple of Feature
        Columns, in their order.
    cameras : tuple of Camera
    data_path, video_path : str
        Patterns of paths; where it says none, those that every set of its version has.
    unstated : tuple of str
        Which of the two it does not say.
    chunks_size : int
        Episodes (versions 2) or files (version 3) in a folder.
    others : mapping
        What else is said, as it is said: totals, splits, sizes of files, the patterns and `chunks_size` too.
    described : mapping of mapping
        By column and camera, all that `features` says of it but for its dtype, as it is spelled.
    parts : tuple of Group
        What is said of parts of columns, see `lapsdata.adapters.lerobot.parts`.
    """

    stated: str
    rate: FrameRate
    robot: str | None
    features: tuple[Feature, ...]
    cameras: tuple[Camera, ...]
    data_path: str
    video_path: str
    unstated: tuple[str, ...]
    chunks_size: int
    others: Mapping[str, Any]
    described: Mapping[str, Mapping[str, Any]]
    parts: tuple[Group, ...] = ()

    @property
    def packed(self) -> bool:
        """Whether the files of episodes lie in archives."""
        return "{shard" in self.data_path


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what a file of JSON holds.

    Raises
    ------
    SchemaError
        No JSON.
    UnknownFormatError
        A Git LFS pointer stands for the file.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "info.json"
    >>> _ = path.write_text('{"fps": 20}')
    >>> read_json(path)
    {'fps': 20}
    """
    with storage_errors(path, "read"):
        data = path.read_bytes()
    refuse_pointer(data, path, "JSON")
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise SchemaError(Problem("not-json", str(path), f"expected JSON, got: {error}")) from None


def read_info(root: Path) -> Info:
    """Read `meta/info.json` of a data set.

    Raises
    ------
    SchemaError
        No JSON object, or keys without which nothing can be read: all of them.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> read_info(write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set")).stated
    'v2.1'
    """
    path = root / INFO
    told = read_json(path)
    found = Problems(str(path))
    if not isinstance(told, dict):
        found.add("wrong-type", "", f"expected an object, got {type(told).__name__}")
        found.raise_as(SchemaError)
    features, cameras = read_columns(told.get("features"), found)
    parts, wrong = read_parts(told["features"], features) if features else ((), ())
    found.extend(wrong)
    rate = _rate(told, found)
    chunks = told.get("chunks_size", 1000)
    if not isinstance(chunks, int) or not 1 <= chunks <= _MOST_IN_A_FOLDER:
        found.add("wrong-value", "chunks_size", f"expected a number of episodes or files per folder, got {chunks!r}")
    robot = told.get("robot_type")
    known = _KNOWN | {"robot_type"} if isinstance(robot, str | None) else _KNOWN
    patterns = {name: told.get(name) for name in ("data_path", "video_path")}
    for name, pattern in patterns.items():
        if pattern is not None and not isinstance(pattern, str):
            found.add("wrong-type", name, f"expected a pattern of paths as text, got {pattern!r}")
    found.raise_as(SchemaError)
    stated = str(told.get("codebase_version", ""))
    usual = _usual_patterns(stated, patterns["data_path"])
    return Info(
        stated=stated,
        rate=rate,
        robot=robot if isinstance(robot, str) else None,
        features=features,
        cameras=cameras,
        data_path=patterns["data_path"] or usual[0],
        video_path=patterns["video_path"] or usual[1],
        unstated=tuple(name for name, pattern in patterns.items() if not pattern),
        chunks_size=chunks,
        others={name: value for name, value in told.items() if name not in known},
        described={
            name: {key: said for key, said in one.items() if key != "dtype"} for name, one in told["features"].items()
        },
        parts=parts,
    )


def _usual_patterns(stated: str, data_path: str | None) -> tuple[str, str]:
    """Return the patterns of rows and videos of the version that rows have a pattern of; else of the one it says."""
    third = "{file_index" in data_path if data_path else re.match(r"\s*[vV]?3", stated) is not None
    return (DATA_V3, VIDEO_V3) if third else (DATA_V2, VIDEO_V2)


def _rate(told: dict[str, Any], found: Problems) -> FrameRate:
    value = told.get("fps")
    if value is None:
        got = "null" if "fps" in told else "none"
        fix = 'write how many rows follow each other in a second: "fps": 10 where their timestamps are 0.1 s apart'
        found.add("wrong-value", "fps", f"expected rows per second, got {got}", fix)
        return FrameRate(1)
    try:
        return FrameRate.parse(value)
    except SchemaError as error:
        found.add("wrong-value", "fps", f"expected rows per second, got {value!r}", error.problems[0].fix)
        return FrameRate(1)


def read_columns(told: object, found: Problems) -> tuple[tuple[Feature, ...], tuple[Camera, ...]]:
    """Return the columns and cameras that `features` describes; what is wrong with them is added to `found`.

    Examples
    --------
    >>> read_columns({"action": {"dtype": "float32", "shape": [3], "names": None}}, Problems())[0][0].shape
    (3,)
    """
    if not isinstance(told, dict) or not told:
        found.add("missing-key", "features", "expected an object with a description of every column, got none")
        return (), ()
    features, cameras = [], []
    for name, one in told.items():
        where = f"features: {name}"
        if not isinstance(one, dict) or not isinstance(one.get("dtype"), str):
            found.add("wrong-value", where, f"expected an object with dtype, shape and names, got {one!r}")
            continue
        shape = one.get("shape")
        if not isinstance(shape, list) or not all((whole_number(n) or 0) > 0 for n in shape):
            found.add("wrong-value", where, f"expected a shape of numbers above 0, got {shape!r}")
            continue
        if math.prod(shape) > _MOST_IN_A_ROW:
            message = f"expected a shape of at most {_MOST_IN_A_ROW} numbers in a row, got {shape!r}"
            found.add("wrong-value", where, message, "write the shape that its rows have")
            continue
        odd = [key for key in ("info", "video_info") if not isinstance(one.get(key), dict | None)]
        if odd:
            found.add(
                "wrong-value", where, f"expected an object as {odd[0]}, got {one[odd[0]]!r}; correct or delete it"
            )
            continue
        try:
            if one["dtype"] in _IMAGE_KINDS:
                cameras.append(_camera(name, one, shape))
            else:
                features.append(_feature(name, one, shape))
        except SchemaError as error:
            found.extend(problem.within(where) for problem in error.problems)
    return tuple(features), tuple(cameras)


def _feature(name: str, one: dict[str, Any], shape: list[int]) -> Feature:
    # One number per row is written as a list of one in some versions, and read as a number by all.
    plain = () if shape == [1] else tuple(shape)
    names = flat_names(one.get("names"))
    kept = names if names is not None and len(names) == (plain[0] if plain else 1) else None
    dtype = "text" if one["dtype"] == "string" else one["dtype"]
    nullable = (one.get("info") or {}).get("nullable") is True
    return Feature(name=name, dtype=dtype, shape=plain, names=kept, nullable=nullable)


def flat_names(told: object) -> tuple[str, ...] | None:
    """Return names of numbers in a list, in lists under other names (`{"motors": [...]}`), or in lists of a list."""
    if isinstance(told, dict | list):
        values = list(told.values()) if isinstance(told, dict) else told
        parts = [part if isinstance(part, list) else [part] for part in values]
        told = [name for part in parts for name in part]
    if isinstance(told, list) and told and all(isinstance(name, str) for name in told):
        return tuple(told)
    return None


def _camera(name: str, one: dict[str, Any], shape: list[int]) -> Camera:
    told = {**(one.get("video_info") or {}), **(one.get("info") or {})}
    rate = told.get("video.fps")
    return Camera(
        name=name,
        stored=_IMAGE_KINDS[one["dtype"]],  # type: ignore[arg-type]  # one of its words
        size=_size(one.get("names"), shape),
        rate=None if rate is None else FrameRate.parse(rate),
        codec=told.get("video.codec"),
    )


def _size(names: object, shape: list[int]) -> Size | None:
    """Return the size of frames whose axes are named, else of heights, widths and channels in this order."""
    if len(shape) != 3:
        return None
    axes = [str(name) for name in names] if isinstance(names, list) and len(names) == 3 else []
    if "height" in axes and "width" in axes:
        return Size(width=shape[axes.index("width")], height=shape[axes.index("height")])
    # Some write channels first, without names.
    height, width = (shape[1], shape[2]) if shape[0] in (1, 3) and shape[2] not in (1, 3) else (shape[0], shape[1])
    return Size(width=width, height=height)
