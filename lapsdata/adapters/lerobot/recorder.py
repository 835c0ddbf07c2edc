"""Recording a data set of LeRobot, episode by episode, so that a killed program loses at most the running one.

While it is recorded, the folder is a set of version 2.0 without statistics: a file of rows and a video of each camera
for every episode. Each file gets its name when it is complete and on the disk; those of an episode come first, the
tables of `meta/` that name it after them, `info.json` last. What is killed in between opens as the episodes before; its
own files lie unnamed in the folder and are replaced. `meta/recording.json` says what is to become of it.

`close` computes statistics of all rows and makes it the version that was asked for. To 3.0 that is a conversion: files
of rows are merged, a group of rows for each episode, packets of videos are joined, and the new folder takes the place
of the old one in one step; until then the disk holds both. It is so, since a file of Parquet has its table of contents
at its end: one that many episodes share would be lost whole, with all of them, when its writer is killed.

The tables are written anew with each episode: some hundred bytes for each that there is. A recording has one writer,
who holds its folder (`lapsdata.storage.folder_lock`): two would give their episodes the same numbers.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata.adapters.lerobot._given import checked_text
from lapsdata.adapters.lerobot._out_meta import told_of, write_json
from lapsdata.adapters.lerobot.converting import TARGETS, finish_set, version_of
from lapsdata.adapters.lerobot.episode_files import EpisodeFiles
from lapsdata.adapters.lerobot.info import INFO, read_json
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.running_episode import RunningEpisode
from lapsdata.errors import Problem, SchemaError
from lapsdata.storage.atomic import refuse_existing, storage_errors
from lapsdata.storage.folder_lock import locked_folder
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any, Self

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from lapsdata.adapters.lerobot._out_meta import Told
    from lapsdata.adapters.lerobot.converting import LeRobotTarget
    from lapsdata.video.writer import VideoCodec

    Images = Iterable[NDArray[np.uint8]]

__all__ = ["RECORDING", "EpisodeWriter", "finish_recording", "recorded_target"]

RECORDING = "meta/recording.json"
"""It is there as long as a set is recorded."""

_TASK = "what was to be done, in words"
_IN_USE = (
    "end that one first: leave its `with` block, or writer.close(finish=False); that of a program that has ended, "
    "however it did, holds nothing"
)
_TAKEN = "to go on with a recording, EpisodeWriter(path, resume=True); else name another folder"


class EpisodeWriter:
    """Records a data set of LeRobot; a context manager.

    Left without an error, it finishes the set (`close`). Left with one, what was recorded stays as it is: it opens, and
    `EpisodeWriter(path, resume=True)` goes on with it, or finishes it. Until then the folder is its own.

    Parameters
    ----------
    path : Path or str
        The folder, that is not there yet.
    fps : number or str, rows per second
        Of all episodes; not given with `resume`.
    to : {"lerobot-3.0", "lerobot-2.1", "lerobot-2.0", "gr00t", "shards"}, optional
        What it becomes when it is finished, the first by default; not given with `resume`.
    robot : str, optional
        Kind of robot; not given with `resume`.
    names : mapping of sequence of str
        What the numbers of a column are called, by its name.
    codec : {"h264", "av1", "ffv1"}
        The first two are lossy and small, and need frames of even sides; ffv1 keeps every byte of frames of any size,
        is large, and gives a file of its own to each episode in version 3.0.
    gop : int
        Frames from one keyframe of a video to the next; few make reading single frames quick, as in LeRobot.
    resume : bool
        Whether to go on with what a killed program has recorded at `path`: behind its last whole episode.

    Raises
    ------
    StorageError
        The folder is there, another writer holds it (`in-use`), or it cannot be written.
    SchemaError
        No rate, or another one; a codec or names that cannot be; nothing to go on with.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
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
        to: LeRobotTarget | None = None,
        robot: str | None = None,
        names: Mapping[str, Sequence[str]] | None = None,
        codec: VideoCodec = "h264",
        gop: int = 2,
        resume: bool = False,
    ) -> None:
        self.path, self._codec = Path(path), codec
        self._held, self._state = contextlib.ExitStack(), "open"
        with contextlib.ExitStack() as begun:
            begun.push(self._held)
            self._files = self._begun(fps, to, robot, resume=resume, names=names, codec=codec, gop=gop)
            begun.pop_all()

    def _begun(
        self,
        fps: FrameRate | float | str | None,
        to: LeRobotTarget | None,
        robot: str | None,
        *,
        resume: bool,
        **more: Any,  # noqa: ANN401 - passed on
    ) -> EpisodeFiles:
        """Take the folder, a new one or that of a recording, and return what writes its files."""
        if resume:
            # Nothing is made where nothing is.
            recorded_target(self.path)
            self._hold()
            _refuse_others({"to": to, "robot": robot}, {"to": recorded_target(self.path)})
            rate, told = self._recorded(fps)
            _refuse_others({"robot": robot}, {"robot": told.info["robot_type"]})
            files = EpisodeFiles(self.path, rate, about={"robot_type": told.info["robot_type"]}, **more)
            files.go_on(told.episodes, {task.words: task.number for task in told.tasks}, told.info["features"])
            return files
        to = "lerobot-3.0" if to is None else to
        version_of(to)
        if fps is None:
            raise SchemaError(Problem("no-rate", "fps", "expected rows per second, got none", "fps=30"))
        about = {"robot_type": None if robot is None else checked_text(robot, "robot", "a kind of robot")}
        files = EpisodeFiles(self.path, FrameRate.parse(fps), about=about, **more)
        with storage_errors(self.path, "write"):
            refuse_existing(self.path, overwrite=False, fix=_TAKEN)
            self.path.mkdir(parents=True)
            self._hold()
            (self.path / "meta").mkdir()
        write_json(self.path / RECORDING, {"to": to})
        return files

    def _hold(self) -> None:
        self._held.enter_context(locked_folder(self.path, by="another recorder", fix=_IN_USE))

    def _recorded(self, fps: FrameRate | float | str | None) -> tuple[FrameRate, Told]:
        """Return what is there to go on with."""
        if not (self.path / INFO).is_file():
            message = "expected an episode that was recorded, got none: there is nothing to go on with"
            raise SchemaError(Problem("no-episodes", str(self.path), message, "remove the folder, and begin anew"))
        found = read_set(self.path)
        if fps is not None and FrameRate.parse(fps) != found.info.rate:
            message = f"expected {found.info.rate} rows per second, as was recorded, got {fps}"
            raise SchemaError(Problem("other-rate", "fps", message, "leave it out"))
        told, _, _ = told_of(found)
        return found.info.rate, told

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._state == "open":
            self.close(finish=kind is None)

    def __len__(self) -> int:
        """Return the number of episodes that are on the disk."""
        return len(self._files.lines)

    @contextlib.contextmanager
    def episode(self, task: str) -> Iterator[RunningEpisode]:
        """Record one episode, row by row; it is on the disk when the block is left, and not at all on an error.

        Frames wait in a file without a name in the folder, not in memory, until the episode ends.
        """
        self._expect_open()
        checked_text(task, f"episode {len(self)}: task", _TASK)
        with contextlib.ExitStack() as stack:
            running = RunningEpisode(self.path, stack, self._codec)
            yield running
            self.add_episode(running.columns(), task=task, videos=running.videos())

    def add_episode(
        self,
        columns: Mapping[str, ArrayLike],
        *,
        task: str,
        videos: Mapping[str, str | Path | Images] | None = None,
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
            By camera, frames (H, W, 3) uint8 RGB as many as rows, which are encoded at the times of the rows; or the
            path of an MP4 file with as many frames, which is copied as it is.

        Raises
        ------
        LengthMismatchError
            Columns or videos of several lengths.
        SchemaError
            Columns or cameras unlike those of the first episode, no rows, times that do not rise; a name that a column
            and a camera have, or that samples need (`task`, `action_is_pad`); a task that is no text; the writer was
            closed.
        StorageError
            Something cannot be read or written.
        """
        self._expect_open()
        number = self._files.add(columns, task=task, videos=videos)
        self._files.write_tables()
        return number

    def _expect_open(self) -> None:
        if self._state == "open":
            return
        where, message = str(self.path), f"expected a writer that is open, got one that {self._state}"
        if self._state == "has finished the set":
            fix = "record what comes into another folder, then both are one: lapsdata convert ONE OTHER BOTH"
        else:
            fix = "EpisodeWriter(path, resume=True) goes on with the recording"
        raise SchemaError(Problem("writer-closed", where, message, fix))

    def close(self, *, finish: bool = True) -> None:
        """Finish the set: compute statistics, and make it the version that was asked for; see `finish_recording`.

        Once it is finished, closing it again does nothing. Where finishing it fails, nothing is lost: what was recorded
        stays, and `close` can be tried again.

        Parameters
        ----------
        finish : bool
            Whether the set is finished; else the recording is left as it is, and can be gone on with.
        """
        if self._state == "has finished the set":
            return
        # Who has let go of the folder cannot know what became of it.
        held, self._state = self._state == "open", "was closed"
        with self._held:
            if finish:
                (_finish if held else finish_recording)(self.path)
                self._state = "has finished the set"


def _refuse_others(given: Mapping[str, object], recorded: Mapping[str, object]) -> None:
    """Refuse what was told when the recording began, and is told otherwise now."""
    for name, there in recorded.items():
        if given[name] not in (None, there):
            message = f"expected {there!r}, as was recorded, got {given[name]!r}"
            raise SchemaError(Problem("other-recording", name, message, "leave it out"))


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
        It cannot be read or written; a writer holds it (`in-use`).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> root = pathlib.Path(tempfile.mkdtemp()) / "picks"
    >>> writer = EpisodeWriter(root, fps=10, to="lerobot-2.1")
    >>> writer.add_episode({"action": np.zeros((4, 2))}, task="pick the cube")
    0
    >>> writer.close(finish=False)
    >>> finish_recording(root)
    >>> read_set(root, strict=True).version
    'v2.1'
    """
    recorded_target(path)
    with locked_folder(path, by="a recorder", fix=_IN_USE):
        _finish(path)


def _finish(path: Path) -> None:
    to = recorded_target(path)
    if not (path / INFO).is_file():
        raise SchemaError(Problem("no-episodes", str(path), "expected an episode at least, got none recorded"))
    finish_set(path, to)
    with storage_errors(path, "write"):
        (path / RECORDING).unlink(missing_ok=True)


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
