"""Recording a data set of LeRobot, episode by episode, so that a killed program loses at most the running one.

While it is recorded, the folder is a set of version 2.0 without statistics: a file of rows and a video of each camera
for every episode. Each file gets its name when it is complete and on the disk; those of an episode come first, the
tables of `meta/` that name it after them, `info.json` last. What is killed in between opens as the episodes before; its
own files lie unnamed in the folder and are replaced. `meta/recording.json` says what is to become of it.

`close` computes statistics of all rows and makes it the version that was asked for. To 3.0 that is a conversion: files
of rows are merged, a group of rows for each episode, packets of videos are joined, and the new folder takes the place
of the old one in one step; until then the disk holds both. It is so, since a file of Parquet has its table of contents
at its end: one that many episodes share would be lost whole, with all of them, when its writer is killed.

The tables are written anew with each episode: some hundred bytes for each that there is.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters.lerobot._out_meta import CHUNK, Told, told_of, write_info, write_json, write_lines, write_meta
from lapsdata.adapters.lerobot._out_modality import write_modality
from lapsdata.adapters.lerobot._out_stats import set_stats
from lapsdata.adapters.lerobot.converting import TARGETS, version_of, write_set
from lapsdata.adapters.lerobot.info import DATA_V2, DEFAULTS, INFO, VIDEO_V2, read_json
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.running_episode import RunningEpisode
from lapsdata.errors import LengthMismatchError, Problem, Problems, SchemaError
from lapsdata.schema import Task
from lapsdata.storage.atomic import atomic_file, refuse_existing, storage_errors
from lapsdata.timebase import FrameRate
from lapsdata.video.probe import probe
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from numpy.typing import ArrayLike, NDArray

    from lapsdata.adapters.lerobot.converting import LeRobotTarget
    from lapsdata.video.facts import VideoFacts
    from lapsdata.video.writer import VideoCodec

    Images = Iterable[NDArray[np.uint8]]

__all__ = ["RECORDING", "EpisodeWriter", "finish_recording", "recorded_target"]

RECORDING = "meta/recording.json"
"""It is there as long as a set is recorded."""

_OWN = tuple(name for name in DEFAULTS if name != "timestamp")


class EpisodeWriter:
    """Records a data set of LeRobot; a context manager.

    Left without an error, it finishes the set (`close`). Left with one, what was recorded stays as it is: it opens, and
    `EpisodeWriter(path, resume=True)` goes on with it, or finishes it.

    Parameters
    ----------
    path : Path or str
        The folder, that is not there yet.
    fps : number or str, rows per second
        Of all episodes; not given with `resume`.
    to : {"lerobot-3.0", "lerobot-2.1", "lerobot-2.0", "gr00t"}
        What it becomes when it is finished.
    robot : str, optional
        Kind of robot.
    names : mapping of sequence of str
        What the numbers of a column are called, by its name.
    codec : {"h264", "av1"}
    gop : int
        Frames from one keyframe of a video to the next; few make reading single frames quick, as in LeRobot.
    resume : bool
        Whether to go on with what a killed program has recorded at `path`: behind its last whole episode.

    Raises
    ------
    StorageError
        The folder is there, or cannot be written.
    SchemaError
        No rate, or another one; nothing to go on with.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp()) / "picks"
    >>> with EpisodeWriter(root, fps=10) as writer:
    ...     for level in (80, 120):
    ...         with writer.episode(task="pick the cube") as episode:
    ...             for _ in range(3):
    ...                 image = np.full((48, 64, 3), level, np.uint8)
    ...                 state = np.zeros(7, np.float32)
    ...                 episode.add({"observation.state": state, "action": state}, {"observation.images.top": image})
    >>> found = read_set(root, strict=True)
    >>> found.version, found.episodes.rows.tolist()
    ('v3.0', [3, 3])
    """

    def __init__(
        self,
        path: Path | str,
        *,
        fps: FrameRate | float | str | None = None,
        to: LeRobotTarget = "lerobot-3.0",
        robot: str | None = None,
        names: Mapping[str, Sequence[str]] | None = None,
        codec: VideoCodec = "h264",
        gop: int = 2,
        resume: bool = False,
    ) -> None:
        self.path = Path(path)
        self._codec, self._gop, self._names = codec, gop, {name: list(one) for name, one in (names or {}).items()}
        if resume:
            self._go_on(fps)
            return
        version_of(to)
        if fps is None:
            raise SchemaError(Problem("no-rate", "fps", "expected rows per second, got none", "fps=30"))
        self._to: LeRobotTarget = to
        self._rate = FrameRate.parse(fps)
        self._tasks: dict[str, int] = {}
        self._lines: list[dict[str, Any]] = []
        self._features: dict[str, Any] = {}
        self._info: dict[str, Any] = {"robot_type": robot, "fps": _plain(self._rate)}
        with storage_errors(self.path, "write"):
            refuse_existing(self.path, overwrite=False)
            (self.path / "meta").mkdir(parents=True)
        write_json(self.path / RECORDING, {"to": to})

    def _go_on(self, fps: FrameRate | float | str | None) -> None:
        """Take up what is there."""
        self._to = recorded_target(self.path)
        if not (self.path / INFO).is_file():
            message = "expected an episode that was recorded, got none: there is nothing to go on with"
            raise SchemaError(Problem("no-episodes", str(self.path), message, "remove the folder, and begin anew"))
        found = read_set(self.path)
        if fps is not None and FrameRate.parse(fps) != found.info.rate:
            message = f"expected {found.info.rate} rows per second, as was recorded, got {fps}"
            raise SchemaError(Problem("other-rate", "fps", message, "leave it out"))
        told, _, _ = told_of(found)
        self._rate, self._lines, self._features = found.info.rate, told.episodes, told.info["features"]
        self._tasks = {task.words: task.number for task in told.tasks}
        self._info = {name: told.info[name] for name in ("robot_type", "fps")}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()

    def __len__(self) -> int:
        """Return the number of episodes that are on the disk."""
        return len(self._lines)

    @contextlib.contextmanager
    def episode(self, task: str) -> Iterator[RunningEpisode]:
        """Record one episode, row by row; it is on the disk when the block is left, and not at all on an error.

        Frames wait in a file without a name in the folder, not in memory, until the episode ends.
        """
        with contextlib.ExitStack() as stack:
            running = RunningEpisode(self.path, stack)
            yield running
            self.add_episode(running.columns(), task=task, videos=running.videos())

    def add_episode(
        self,
        columns: Mapping[str, ArrayLike],
        *,
        task: str,
        videos: Mapping[str, Path | Images] | None = None,
    ) -> int:
        """Record a whole episode, and return its number.

        Parameters
        ----------
        columns : mapping of array (R, ...)
            By name; of every episode the same ones, of the same types and shapes. `timestamp`, in seconds from the
            start of the episode, is made of the rate where it is not among them; numbers of rows, episodes and tasks
            are always made.
        task : str
            What was to be done, in words.
        videos : mapping
            By camera, frames (H, W, 3) uint8 RGB as many as rows, which are encoded at the times of the rows; or an MP4
            file with as many frames, which is copied as it is.

        Raises
        ------
        LengthMismatchError
            Columns or videos of several lengths.
        SchemaError
            Columns or cameras unlike those of the first episode, no rows, or times that do not rise.
        StorageError
            Something cannot be read or written.
        """
        number, shown = len(self._lines), dict(videos or {})
        arrays, frame_s = self._arrays(columns, number, self._tasks.get(task, len(self._tasks)))
        features = self._described(arrays)
        facts = {name: self._video(name, one, number, frame_s) for name, one in shown.items()}
        features |= {name: self._camera(one, told) for name, one, told in ((n, shown[n], facts[n]) for n in facts)}
        self._expect_same(features, number)
        self._write_rows(arrays, number)
        self._features = features
        self._tasks.setdefault(task, len(self._tasks))
        self._lines.append({"episode_index": number, "tasks": [task], "length": len(frame_s)})
        write_lines(self.path / "meta/tasks.jsonl", ({"task_index": n, "task": one} for one, n in self._tasks.items()))
        write_lines(self.path / "meta/episodes.jsonl", self._lines)
        write_info(self.path, self._told(), "v2.0")
        return number

    def close(self) -> None:
        """Finish the set: compute statistics, and make it the version that was asked for; see `finish_recording`."""
        finish_recording(self.path)

    def _told(self) -> Told:
        count = len(self._lines)
        rows = sum(one["length"] for one in self._lines)
        totals = {"total_episodes": count, "total_frames": rows, "total_tasks": len(self._tasks)}
        info = {**self._info, **totals, "splits": {"train": f"0:{count}"}, "features": self._features}
        videos = count * sum(one["dtype"] == "video" for one in self._features.values())
        tasks = tuple(Task(number=number, words=words) for words, number in self._tasks.items())
        return Told(info, tasks, self._lines, count - 1, videos)

    def _arrays(
        self, columns: Mapping[str, ArrayLike], number: int, task: int
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64]]:
        """Return all columns, those that are always there included, and the times of frames."""
        where = f"episode {number}"
        given = {name: np.asarray(one) for name, one in columns.items()}
        lengths = {name: len(one) if one.ndim else 0 for name, one in given.items()}
        if len(set(lengths.values())) != 1 or 0 in lengths.values():
            message = f"expected columns of one length above 0, got {lengths or 'none'}"
            raise LengthMismatchError(Problem("wrong-length", where, message))
        if taken := sorted(given.keys() & set(_OWN)):
            message = f"expected no column {', '.join(taken)}, got one: they are numbered here"
            raise SchemaError(Problem("own-column", where, message, "leave it out"))
        rows = next(iter(lengths.values()))
        frame_s = np.asarray(given.get("timestamp", np.arange(rows) * self._rate.period_s), np.float64).reshape(-1)
        if len(frame_s) != rows or not (np.isfinite(frame_s).all() and (np.diff(frame_s) > 0).all()):
            message = "expected a time for each row, rising, in seconds"
            raise SchemaError(Problem("wrong-time", f"{where}: timestamp", message))
        begin = sum(one["length"] for one in self._lines)
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
            text = one.dtype.kind in "UT" or (one.dtype == object and all(isinstance(x, str) for x in one.flat))
            if not text and one.dtype.kind not in "biuf":
                problems.add("wrong-type", name, f"expected numbers, truth values or texts, got {one.dtype}")
            shape, names = list(one.shape[1:]) or [1], self._names.get(name)
            if name in self._features and names is None:
                names = self._features[name]["names"]
            if names is not None and len(names) != shape[0]:
                problems.add("wrong-length", name, f"expected a name for each of {shape[0]}, got {len(names)}")
            found[name] = {"dtype": "string" if text else str(one.dtype), "shape": shape, "names": names}
        problems.raise_as(SchemaError)
        return found

    def _camera(self, given: Path | Images, facts: VideoFacts) -> dict[str, Any]:
        size = facts.size
        told = {"video.fps": self._info["fps"], "video.codec": facts.codec, "video.pix_fmt": facts.pixel_format}
        shape = [size.height, size.width, 3]
        info = {"video.height": size.height, "video.width": size.width, **told, "has_audio": False}
        return {"dtype": "video", "shape": shape, "names": ["height", "width", "channels"], "info": info}

    def _expect_same(self, features: Mapping[str, Any], number: int) -> None:
        if not self._features or features == self._features:
            return
        problems = Problems(f"episode {number}")
        for name in sorted(features.keys() | self._features.keys()):
            one, other = (self._said(told.get(name)) for told in (self._features, features))
            if features.get(name) != self._features.get(name):
                problems.add("unlike-episodes", name, f"expected {one} as in the episodes before, got {other}")
        problems.raise_as(SchemaError)

    @staticmethod
    def _said(one: Mapping[str, Any] | None) -> str:
        if one is None:
            return "none"
        return f"{one['dtype']} {tuple(one['shape'])}" + (f" {one['info']['video.codec']}" if "info" in one else "")

    def _place(self, pattern: str, number: int, camera: str = "") -> Path:
        chunk = number // CHUNK
        path = self.path / pattern.format(episode_chunk=chunk, episode_index=number, video_key=camera)
        with storage_errors(path, "write"):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _video(self, camera: str, given: Path | Images, number: int, frame_s: NDArray[np.float64]) -> VideoFacts:
        """Write a video of one episode; a copy has as many frames as there are rows."""
        path = self._place(VIDEO_V2, number, camera)
        if not isinstance(given, Path):
            write_video(path, given, frame_s, codec=self._codec, gop=self._gop, overwrite=True)
            return probe(path)
        facts = probe(given)
        if facts.frames != len(frame_s) or "mov" not in facts.container:
            message = f"expected an MP4 file of {len(frame_s)} frames, one for each row, got {facts.frames}"
            where = f"episode {number}: {given} ({facts.container})"
            raise LengthMismatchError(Problem("wrong-length", where, message))
        with atomic_file(path, overwrite=True) as temporary:
            shutil.copyfile(given, temporary)
        return facts

    def _write_rows(self, arrays: Mapping[str, NDArray[Any]], number: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({name: _column(one) for name, one in arrays.items()})
        with atomic_file(self._place(DATA_V2, number), overwrite=True) as temporary:
            pq.write_table(table, temporary, row_group_size=len(table))


def finish_recording(path: Path) -> None:
    """Compute the statistics of a recording, and make it the version that was asked for.

    Killed meanwhile, it can be done again.

    Parameters
    ----------
    path : Path

    Raises
    ------
    SchemaError
        It is no recording, or no episode was recorded.
    CorruptDataError, StorageError
        It cannot be read or written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp()) / "picks"
    >>> writer = EpisodeWriter(root, fps=10, to="lerobot-2.1")
    >>> writer.add_episode({"action": np.zeros((4, 2))}, task="pick the cube")
    0
    >>> finish_recording(root)
    >>> read_set(root, strict=True).version
    'v2.1'
    """
    to = recorded_target(path)
    if not (path / INFO).is_file():
        raise SchemaError(Problem("no-episodes", str(path), "expected an episode at least, got none recorded"))
    found, version = read_set(path), version_of(to)
    if version == "v3.0":
        write_set(found, path, to, overwrite=True)
        return
    told, _, _ = told_of(found)
    write_meta(path, told, version, set_stats(path, found.episodes))
    if to == "gr00t":
        write_modality(path, found)
    write_info(path, told, version)
    with storage_errors(path, "write"):
        (path / RECORDING).unlink()


def recorded_target(path: Path) -> LeRobotTarget:
    """Return what a recording is to become.

    Raises
    ------
    SchemaError
        It is none, or was finished.
    """
    marker = path / RECORDING
    if not marker.is_file():
        message = f"expected {RECORDING}, which is there while a set is recorded, got none"
        raise SchemaError(Problem("no-recording", str(path), message, "record into a new folder"))
    told = read_json(marker)
    to = told.get("to") if isinstance(told, dict) else None
    if to not in TARGETS:
        raise SchemaError(Problem("wrong-value", str(marker), f"expected one of {', '.join(TARGETS)}, got {to!r}"))
    return to  # type: ignore[no-any-return]  # one of its words


def _plain(rate: FrameRate) -> int | float:
    """Return a rate as LeRobot writes it: a whole number where it is one."""
    return rate.numerator if rate.denominator == 1 else rate.numerator / rate.denominator


def _column(array: NDArray[Any]) -> Any:  # noqa: ANN401 - pyarrow publishes no types
    """Return a column of lists of fixed lengths; a list of one number is that number, as LeRobot stores it."""
    import pyarrow as pa

    shape = () if array.shape[1:] == (1,) else array.shape[1:]
    found = pa.array(array.reshape(-1).tolist() if array.dtype.kind in "UTO" else array.reshape(-1))
    for length in reversed(shape):
        found = pa.FixedSizeListArray.from_arrays(found, length)
    return found
