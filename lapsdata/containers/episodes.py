"""Episodes: where the rows and frames of each attempt of a robot lie."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.base import ArrayCheck, Container, checked_header, frozen_mapping, read_only
from lapsdata.errors import Problem, SchemaError
from lapsdata.schema.episodes import EpisodesHeader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

__all__ = ["Episodes", "shared_starts"]

# In the words of LeRobot, whose users ask by them.
_KEYS = ("episode_index", "length", "tasks", "dataset_from_index", "dataset_to_index")
_COUNTS = ("number", "rows", "file_index", "first_row", "task_stop")


@dataclass(frozen=True, eq=False, repr=False)
class Episodes(Container):
    """One row per episode: which rows of which file are its own, and which videos show it.

    Rows and frames stay where they are, so that a hundred thousand episodes take some megabytes.

    Parameters
    ----------
    header : EpisodesHeader
    number : int64 (E,)
        The data set's own number of each episode, rising.
    rows : int64 (E,)
        Number of its rows.
    files : tuple of str, F
        Files of rows, relative to the folder of the data set with `/`.
    file_index : int64 (E,)
        Which of `files` holds its rows.
    first_row : int64 (E,)
        Its first row in that file; 0 where each episode has a group of its own.
    groups : tuple of str or None, E
        Where its arrays lie within a file of HDF5; None for tables.
    task_number : int64 (K,)
        Numbers of the tasks of all episodes, one episode after the other.
    task_stop : int64 (E,)
        Where those of each episode end in `task_number`.
    video_files : tuple of str, V
        Videos, relative to the folder of the data set with `/`.
    video_index : mapping of int64 (E,)
        By camera, which of `video_files` shows an episode; -1 for none.
    video_start_s : mapping of float64 (E,), seconds
        By camera, where in the video the time 0 of an episode lies; NaN for none.

    Raises
    ------
    SchemaError
        All problems of shape, dtype, order and range.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_episodes
    >>> episodes = sample_episodes()
    >>> len(episodes), episodes.starts.tolist()
    (3, [0, 4, 10, 15])
    """

    header: EpisodesHeader
    number: NDArray[np.int64]
    rows: NDArray[np.int64]
    files: tuple[str, ...]
    file_index: NDArray[np.int64]
    first_row: NDArray[np.int64]
    groups: tuple[str, ...] | None
    task_number: NDArray[np.int64]
    task_stop: NDArray[np.int64]
    video_files: tuple[str, ...] = ()
    video_index: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    video_start_s: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._freeze(header=checked_header(self.header, EpisodesHeader))
        check = ArrayCheck("episodes")
        good = [check.array(name, getattr(self, name), ("E",), np.int64) for name in _COUNTS]
        good.append(check.array("task_number", self.task_number, ("K",), np.int64))
        check.texts("files", self.files, "F")
        check.texts("video_files", self.video_files, "V")
        if self.groups is not None:
            check.texts("groups", self.groups, "E")
        if all(good):
            self._check_rows(check)
        self._check_videos(check)
        check.finish()
        for name in (*_COUNTS, "task_number"):
            self._freeze(**{name: read_only(getattr(self, name))})
        self._freeze(video_index=frozen_mapping(self.video_index), video_start_s=frozen_mapping(self.video_start_s))

    def _check_rows(self, check: ArrayCheck) -> None:
        check.rows("negative-number", "number", self.number < 0, "expected numbers from 0")
        again = np.diff(self.number) <= 0
        check.steps("not-rising", "number", again, "expected rising numbers, each once")
        check.rows("no-rows", "rows", self.rows < 1, "expected at least one row")
        check.rows("negative-row", "first_row", self.first_row < 0, "expected rows from 0")
        outside = (self.file_index < 0) | (self.file_index >= len(self.files))
        check.rows("unknown-file", "file_index", outside, f"expected an index of {len(self.files)} files")
        known = np.array([task.number for task in self.header.tasks], np.int64)
        strange = ~np.isin(self.task_number, known)
        check.rows("unknown-task", "task_number", strange, "expected a number of a task of the header")
        bounds = np.concatenate([[0], self.task_stop])
        check.steps("not-rising", "task_stop", np.diff(self.task_stop) < 0, "expected places that do not fall")
        if (bounds[1:] < 0).any() or int(bounds[-1]) != len(self.task_number):
            message = f"expected to end at {len(self.task_number)}, the number of all tasks, got {int(bounds[-1])}"
            check.problems.add("length-mismatch", "task_stop", message)

    def _check_videos(self, check: ArrayCheck) -> None:
        cameras = {camera.name for camera in self.header.cameras if camera.stored == "video"}
        for name in ("video_index", "video_start_s"):
            if set(getattr(self, name)) != cameras:
                message = f"expected the cameras {sorted(cameras)} that are videos, got {sorted(getattr(self, name))}"
                check.problems.add("unknown-camera", name, message)
                return
        for camera, index in self.video_index.items():
            start_s = self.video_start_s[camera]
            if not check.array(f"{camera}: video_index", index, ("E",), np.int64):
                continue
            if not check.array(f"{camera}: video_start_s", start_s, ("E",), np.float64):
                continue
            outside = (index < -1) | (index >= len(self.video_files))
            message = f"expected an index of {len(self.video_files)} videos, or -1 for none"
            check.rows("unknown-file", f"{camera}: video_index", outside, message)
            wrong = np.isfinite(start_s) != (index >= 0)
            check.rows("wrong-time", f"{camera}: video_start_s", wrong, "expected seconds where there is a video")
            message = "expected episodes of one video at places of their own"
            check.rows("shared-start", f"{camera}: video_start_s", shared_starts(index, start_s), message)

    @functools.cached_property
    def starts(self) -> NDArray[np.int64]:
        """Number of the first row of each episode, all rows counted one after the other, and of all: int64 (E + 1,)."""
        return read_only(np.concatenate([np.zeros(1, np.int64), np.cumsum(self.rows)]))

    @functools.cached_property
    def _words(self) -> dict[int, str]:
        return {task.number: task.words for task in self.header.tasks}

    def tasks_of(self, place: int) -> NDArray[np.int64]:
        """Return the numbers of the tasks of an episode, by its place 0 to E - 1: int64 (K,)."""
        first = int(self.task_stop[place - 1]) if place else 0
        return self.task_number[first : int(self.task_stop[place])]

    def spread(self, most: int) -> list[int]:
        """Return places of at most so many episodes, spread over all, the first and the last among them."""
        found: list[int] = np.unique(np.linspace(0, len(self) - 1, min(len(self), most)).round().astype(int)).tolist()
        return found

    def __len__(self) -> int:
        """Return the number of episodes E."""
        return len(self.number)

    def __contains__(self, number: object) -> bool:
        """Say whether there is an episode of this number."""
        return isinstance(number, int | np.integer) and bool((self.number == number).any())

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """Yield what `self[number]` is of each episode."""
        return map(self._told, range(len(self)))

    def __getitem__(self, asked: int | str) -> Any:  # noqa: ANN401 - a mapping, or a list of values
        """Return an episode by its own number, or what all of them have under a key, as LeRobot's `meta.episodes`.

        Parameters
        ----------
        asked : int or str
            A number of the data set, or one of `episode_index`, `length`, `tasks` (in words), `dataset_from_index` and
            `dataset_to_index`: the rows of an episode among those of all that are there.

        Returns
        -------
        mapping or list
            Read-only, by these keys; or a value for each episode, in their order.

        Raises
        ------
        SchemaError
            A number that no episode has, or another key.

        Examples
        --------
        >>> from lapsdata.testing.samples import sample_episodes
        >>> episodes = sample_episodes()
        >>> episodes[1]["length"], episodes["dataset_from_index"]
        (6, [0, 4, 10])
        """
        if isinstance(asked, str):
            if asked not in _KEYS:
                message = f"expected one of {', '.join(_KEYS)}, got {asked!r}"
                raise SchemaError(Problem("unknown-field", "episodes", message))
            return [one[asked] for one in self]
        if asked not in self:
            message = f"expected the number of one of {len(self)} episodes, got {asked!r}"
            fix = "numbers are those of the data set: episodes.number"
            raise SchemaError(Problem("unknown-episode", "episodes", message, fix))
        return self._told(int(np.searchsorted(self.number, asked)))

    def _told(self, place: int) -> Mapping[str, Any]:
        tasks = [self._words[number] for number in self.tasks_of(place).tolist()]
        begin, end = self.starts[place : place + 2].tolist()
        told = (int(self.number[place]), int(self.rows[place]), tasks, begin, end)
        return MappingProxyType(dict(zip(_KEYS, told, strict=True)))

    def facts(self) -> dict[str, str]:
        """Return what one wants to know at a glance."""
        header, rows = self.header, int(self.rows.sum())
        cameras = ", ".join(f"{one.name} ({one.stored})" for one in header.cameras)
        return {
            "episodes": f"{len(self)}, {rows} rows at {header.rate} per second",
            "robot": header.robot or "not told",
            "features": ", ".join(f"{one.name} {one.dtype} {one.shape}" for one in header.features) or "none",
            "cameras": cameras or "none",
            "groups": ", ".join(one.name for one in header.groups) or "none",
            "tasks": str(len(header.tasks)),
        }


def shared_starts(index: NDArray[np.int64], start_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say of each episode whether another one begins at the same time of the same video: bool (E,).

    Parameters
    ----------
    index : int64 (E,)
        The video of each, -1 for none.
    start_s : float64 (E,), seconds

    Examples
    --------
    >>> shared_starts(np.array([0, 0, 1, 0]), np.array([0.0, 2.0, 0.0, 2.0])).tolist()
    [False, True, False, True]
    """
    order = np.lexsort((start_s, index))
    same = (np.diff(index[order]) == 0) & (start_s[order][1:] == start_s[order][:-1])
    shared = np.zeros(len(index), bool)
    shared[order[1:][same]] = shared[order[:-1][same]] = True
    return shared & (index >= 0)
