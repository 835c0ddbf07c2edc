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
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata.adapters.lerobot._out_meta import told_of, write_json
from lapsdata.adapters.lerobot.converting import TARGETS, finish_set, version_of
from lapsdata.adapters.lerobot.episode_files import EpisodeFiles
from lapsdata.adapters.lerobot.info import INFO, read_json
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.running_episode import RunningEpisode
from lapsdata.errors import Problem, SchemaError
from lapsdata.storage.atomic import refuse_existing, storage_errors
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
        to: LeRobotTarget = "lerobot-3.0",
        robot: str | None = None,
        names: Mapping[str, Sequence[str]] | None = None,
        codec: VideoCodec = "h264",
        gop: int = 2,
        resume: bool = False,
    ) -> None:
        self.path = Path(path)
        more: dict[str, Any] = {"names": names, "codec": codec, "gop": gop}
        if resume:
            rate, told = self._recorded(fps)
            self._files = EpisodeFiles(self.path, rate, about={"robot_type": told.info["robot_type"]}, **more)
            self._files.lines, self._files.features = told.episodes, told.info["features"]
            self._files.tasks = {task.words: task.number for task in told.tasks}
            return
        version_of(to)
        if fps is None:
            raise SchemaError(Problem("no-rate", "fps", "expected rows per second, got none", "fps=30"))
        self._files = EpisodeFiles(self.path, FrameRate.parse(fps), about={"robot_type": robot}, **more)
        with storage_errors(self.path, "write"):
            refuse_existing(self.path, overwrite=False)
            (self.path / "meta").mkdir(parents=True)
        write_json(self.path / RECORDING, {"to": to})

    def _recorded(self, fps: FrameRate | float | str | None) -> tuple[FrameRate, Told]:
        """Return what is there to go on with."""
        recorded_target(self.path)
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
        if kind is None:
            self.close()

    def __len__(self) -> int:
        """Return the number of episodes that are on the disk."""
        return len(self._files.lines)

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
        number = self._files.add(columns, task=task, videos=videos)
        self._files.write_tables()
        return number

    def close(self) -> None:
        """Finish the set: compute statistics, and make it the version that was asked for; see `finish_recording`."""
        finish_recording(self.path)


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
    >>> import numpy as np
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
