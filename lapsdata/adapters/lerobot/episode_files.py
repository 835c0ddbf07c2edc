"""The files of a set of version 2.0 that grows by whole episodes: rows, videos, and what the tables say of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters.lerobot._given import checked_columns, checked_names, checked_text, is_text, refuse_names
from lapsdata.adapters.lerobot._out_meta import CHUNK, Told, write_info, write_lines
from lapsdata.adapters.lerobot.info import DATA_V2, DEFAULTS, VIDEO_V2, read_columns
from lapsdata.errors import LengthMismatchError, Problem, Problems, SchemaError, listed
from lapsdata.schema import Task
from lapsdata.storage.atomic import atomic_file, storage_errors
from lapsdata.timebase import frame_to_s
from lapsdata.video.probe import probe
from lapsdata.video.writer import refuse_encoding, write_video

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from lapsdata.timebase import FrameRate
    from lapsdata.video.facts import VideoFacts
    from lapsdata.video.writer import VideoCodec

    Images = Iterable[NDArray[np.uint8]]

__all__ = ["EpisodeFiles"]

_OWN = tuple(name for name in DEFAULTS if name != "timestamp")


class EpisodeFiles:
    """Writes the files of whole episodes into a folder, and knows what its tables are to say of them.

    Parameters
    ----------
    path : Path
        The folder.
    rate : FrameRate
        Rows per second.
    names : mapping of sequence of str
        What the numbers of a column are called, by its name.
    about : mapping, optional
        What else `info.json` says: `robot_type`.
    codec : {"h264", "av1", "ffv1"}
    gop : int
        Frames from one keyframe of a video to the next.
    nullable : collection of str
        Columns of which rows may have no value.

    Raises
    ------
    SchemaError
        A codec, distance or names that cannot be.

    Attributes
    ----------
    lines : list of dict
        What is told of each episode.
    tasks : dict of int
        Numbers of tasks by their words.
    features : dict
        What is told of columns and cameras.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.adapters.lerobot.reading import read_set
    >>> from lapsdata.timebase import FrameRate
    >>> root = Path(tempfile.mkdtemp())
    >>> files = EpisodeFiles(root, FrameRate(10))
    >>> files.add({"action": np.zeros((3, 2))}, task="pick the cube")
    0
    >>> files.write_tables()
    >>> read_set(root, strict=True).episodes.rows.tolist()
    [3]
    """

    def __init__(
        self,
        path: Path,
        rate: FrameRate,
        *,
        names: Mapping[str, Sequence[str]] | None = None,
        about: Mapping[str, Any] | None = None,
        codec: VideoCodec = "h264",
        gop: int = 2,
        nullable: Collection[str] = (),
    ) -> None:
        self._path, self._rate, self._codec, self._gop = path, rate, codec, gop
        refuse_encoding(codec, gop)
        self._names = checked_names(names)
        self._about = {"robot_type": None, **(about or {}), "fps": _plain(rate)}
        self._nullable = frozenset(nullable)
        self.lines: list[dict[str, Any]] = []
        self.tasks: dict[str, int] = {}
        self.features: dict[str, Any] = {}
        self._remember()

    def go_on(self, lines: list[dict[str, Any]], tasks: dict[str, int], features: dict[str, Any]) -> None:
        """Take up what the tables of the folder tell already."""
        self.lines, self.tasks, self.features = lines, tasks, features
        self._remember()

    def _remember(self) -> None:
        """Keep in mind what the tables tell by now."""
        self._named = (list(self.lines), dict(self.tasks), self.features)

    def add(
        self,
        columns: Mapping[str, ArrayLike],
        *,
        task: str,
        videos: Mapping[str, str | Path | Images] | None = None,
        beside: Mapping[str, Any] | None = None,
        nulls: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> int:
        """Write rows and videos of an episode, and return its number; no table names it yet.

        Parameters
        ----------
        columns, task, videos
            As `EpisodeWriter.add_episode`, which says what is raised.
        beside : mapping, optional
            What else the table of episodes says of it: of every episode the same keys.
        nulls : mapping of bool (R,), optional
            Which rows of nullable columns have no value; what is given for these is not written.
        """
        number, shown = len(self.lines), dict(videos or {})
        where = f"episode {number}"
        task = checked_text(task, f"{where}: task", "what was to be done, in words")
        given = checked_columns(columns, where)
        refuse_names(given, shown, where)
        arrays, frame_s = self._arrays(given, number, self.tasks.get(task, len(self.tasks)))
        features = self._described(arrays)
        facts = {name: self._video(name, one, number, frame_s) for name, one in shown.items()}
        features |= {name: self._camera(told) for name, told in facts.items()}
        self._expect_same(features, number)
        self._write_rows(arrays, number, nulls or {})
        self.features = features
        self.tasks.setdefault(task, len(self.tasks))
        self.lines.append({"episode_index": number, "tasks": [task], "length": len(frame_s), **(beside or {})})
        return number

    def write_tables(self, splits: Mapping[str, str] | None = None) -> None:
        """Name the episodes in `meta/`: `info.json` last, with `splits` where these are not one of all.

        Where that fails, those that were added since are forgotten: they were not told to be there, and are added again
        under the same numbers.
        """
        try:
            self._write_tables(splits)
        except BaseException:
            self.lines, self.tasks, self.features = self._named
            self._remember()
            raise
        self._remember()

    def _write_tables(self, splits: Mapping[str, str] | None) -> None:
        with storage_errors(self._path, "write"):
            (self._path / "meta").mkdir(parents=True, exist_ok=True)
        tasks = ({"task_index": number, "task": one} for one, number in self.tasks.items())
        write_lines(self._path / "meta/tasks.jsonl", tasks)
        write_lines(self._path / "meta/episodes.jsonl", self.lines)
        count = len(self.lines)
        rows = sum(one["length"] for one in self.lines)
        totals = {"total_episodes": count, "total_frames": rows, "total_tasks": len(self.tasks)}
        may_lack = {"info": {"nullable": True}}
        features = {name: {**one, **may_lack} if name in self._nullable else one for name, one in self.features.items()}
        told = {"splits": dict(splits or {"train": f"0:{count}"}), "features": features}
        videos = count * sum(one["dtype"] == "video" for one in self.features.values())
        words = tuple(Task(number=number, words=words) for words, number in self.tasks.items())
        write_info(self._path, Told({**self._about, **totals, **told}, words, self.lines, count - 1, videos), "v2.0")

    def _arrays(
        self, given: Mapping[str, NDArray[Any]], number: int, task: int
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64]]:
        """Return all columns, those that are always there included, and the times of frames."""
        where = f"episode {number}"
        if taken := sorted(given.keys() & set(_OWN)):
            message = f"expected no column {', '.join(taken)}, got one: they are numbered here"
            raise SchemaError(Problem("own-column", where, message, "leave it out"))
        rows = len(next(iter(given.values())))
        stamps = given.get("timestamp", frame_to_s(np.arange(rows), self._rate)).reshape(-1)
        frame_s = stamps.astype(np.float64) if stamps.dtype.kind in "iuf" else np.empty(0)
        if len(frame_s) != rows or not (np.isfinite(frame_s).all() and (np.diff(frame_s) > 0).all()):
            message = "expected a time for each row, rising, in seconds"
            raise SchemaError(Problem("wrong-time", f"{where}: timestamp", message))
        begin = sum(one["length"] for one in self.lines)
        made = {
            "timestamp": frame_s.astype(np.float32),
            "frame_index": np.arange(rows),
            "episode_index": np.full(rows, number),
            "index": begin + np.arange(rows),
            "task_index": np.full(rows, task),
        }
        return {**given, **{name: one for name, one in made.items() if name not in given}}, frame_s

    def _described(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        """Return what `info.json` says of columns."""
        found: dict[str, Any] = {}
        problems = Problems("columns")
        for name, one in arrays.items():
            shape, names = list(one.shape[1:]) or [1], self._names.get(name)
            if name in self.features and names is None:
                names = self.features[name]["names"]
            if names is not None and len(names) != shape[0]:
                problems.add("wrong-length", name, f"expected a name for each of {shape[0]}, got {len(names)}")
            found[name] = {"dtype": "string" if is_text(one) else str(one.dtype), "shape": shape, "names": names}
        if strange := sorted(map(str, self._names.keys() - arrays.keys())):
            message = f"expected names of columns, which are {listed(sorted(arrays), 12)}, got {listed(strange)}"
            problems.add("unknown-column", "names", message, "correct its name")
        if not len(problems):
            read_columns(found, problems)
        problems.raise_as(SchemaError)
        return found

    def _camera(self, facts: VideoFacts) -> dict[str, Any]:
        size = facts.size
        told = {"video.fps": self._about["fps"], "video.codec": facts.codec, "video.pix_fmt": facts.pixel_format}
        shape = [size.height, size.width, 3]
        info = {"video.height": size.height, "video.width": size.width, **told, "has_audio": False}
        return {"dtype": "video", "shape": shape, "names": ["height", "width", "channels"], "info": info}

    def _expect_same(self, features: Mapping[str, Any], number: int) -> None:
        if not self.features or features == self.features:
            return
        problems = Problems(f"episode {number}")
        for name in sorted(features.keys() | self.features.keys()):
            one, other = (self._said(told.get(name)) for told in (self.features, features))
            if features.get(name) != self.features.get(name):
                problems.add("unlike-episodes", name, f"expected {one} as in the episodes before, got {other}")
        problems.raise_as(SchemaError)

    @staticmethod
    def _said(one: Mapping[str, Any] | None) -> str:
        if one is None:
            return "none"
        more = one["info"]["video.codec"] if "info" in one else f"called {one['names']}" if one["names"] else ""
        return f"{one['dtype']} {tuple(one['shape'])} {more}".rstrip()

    def _place(self, pattern: str, number: int, camera: str = "") -> Path:
        chunk = number // CHUNK
        path = self._path / pattern.format(episode_chunk=chunk, episode_index=number, video_key=camera)
        with storage_errors(path, "write"):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _video(self, camera: str, given: str | Path | Images, number: int, frame_s: NDArray[np.float64]) -> VideoFacts:
        """Write a video of one episode; a copy has as many frames as there are rows."""
        path = self._place(VIDEO_V2, number, camera)
        if not isinstance(given, str | Path):
            try:
                write_video(path, given, frame_s, codec=self._codec, gop=self._gop, overwrite=True)
            except SchemaError as error:
                raise error.within(f"episode {number}: {camera}") from None
            return probe(path)
        facts = probe(Path(given))
        if facts.frames != len(frame_s) or "mov" not in facts.container:
            message = f"expected an MP4 file of {len(frame_s)} frames, one for each row, got {facts.frames}"
            where = f"episode {number}: {given} ({facts.container})"
            raise LengthMismatchError(Problem("wrong-length", where, message))
        with atomic_file(path, overwrite=True) as temporary:
            shutil.copyfile(given, temporary)
        return facts

    def _write_rows(
        self, arrays: Mapping[str, NDArray[Any]], number: int, nulls: Mapping[str, NDArray[np.bool_]]
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({name: _column(one, nulls.get(name)) for name, one in arrays.items()})
        with atomic_file(self._place(DATA_V2, number), overwrite=True) as temporary:
            pq.write_table(table, temporary, row_group_size=len(table))


def _plain(rate: FrameRate) -> int | float:
    """Return a rate as LeRobot writes it: a whole number where it is one."""
    return rate.numerator if rate.denominator == 1 else rate.numerator / rate.denominator


def _column(array: NDArray[Any], null: NDArray[np.bool_] | None) -> Any:  # noqa: ANN401 - pyarrow publishes no types
    """Return a column of lists of fixed lengths; a list of one number is that number, as LeRobot stores it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shape = () if array.shape[1:] == (1,) else array.shape[1:]
    found = pa.array(array.reshape(-1).tolist() if array.dtype.kind in "UTO" else array.reshape(-1))
    for length in reversed(shape):
        found = pa.FixedSizeListArray.from_arrays(found, length)
    return found if null is None else pc.if_else(pa.array(null), pa.scalar(None, found.type), found)
