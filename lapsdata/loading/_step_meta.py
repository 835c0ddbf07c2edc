"""What a data set of robot episodes says of itself, in the words that its users know."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from lapsdata.loading._step_words import DescribedFeature, described, features_told
from lapsdata.schema.feature_stats import MOMENTS, QUANTILES
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.transforms.episode_stats import episode_stats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Episodes
    from lapsdata.errors import Problem
    from lapsdata.schema import FeatureStats

__all__ = ["EpisodeSpan", "StepMeta"]


class EpisodeSpan(NamedTuple):
    """Which steps are those of one episode.

    Parameters
    ----------
    number : int
        The data set's own.
    start, stop : int
        Steps `start` up to and without `stop`.
    tasks : tuple of str

    Examples
    --------
    >>> EpisodeSpan(7, 0, 120, ("pick the cube",)).stop
    120
    """

    number: int
    start: int
    stop: int
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class StepMeta:
    """What a data set says of itself, in the words of LeRobot's `dataset.meta`.

    Parameters
    ----------
    root : Path
    episodes : Episodes
        All of the data set, also those that were not chosen.
    notes : tuple of Problem
        What was found wrong and left as it is, and what was left out.
    told_stats : callable, optional
        Reads what the data set says of its numbers.

    Examples
    --------
    >>> from pathlib import Path
    >>> from lapsdata.testing.samples import sample_episodes
    >>> meta = StepMeta(Path("set"), sample_episodes(), ())
    >>> meta.fps, meta.camera_keys, meta.tasks[0]
    (10.0, ['observation.images.top'], 'pick the cube')
    >>> meta.shapes["observation.state"], meta.get_task_index("place the cup")
    ((3,), 1)
    """

    root: Path
    episodes: Episodes
    notes: tuple[Problem, ...]
    told_stats: Callable[[], Mapping[str, FeatureStats]] | None = None

    @property
    def fps(self) -> float:
        """Rows per second."""
        return self.episodes.header.rate.hz

    @property
    def robot_type(self) -> str | None:
        """Kind of robot."""
        return self.episodes.header.robot

    @property
    def camera_keys(self) -> list[str]:
        """Names of the cameras."""
        return [camera.name for camera in self.episodes.header.cameras]

    @property
    def video_keys(self) -> list[str]:
        """Names of the cameras whose frames are in videos."""
        return [camera.name for camera in self.episodes.header.cameras if camera.stored == "video"]

    @property
    def image_keys(self) -> list[str]:
        """Names of the cameras whose frames are images of their own."""
        return [camera.name for camera in self.episodes.header.cameras if camera.stored != "video"]

    @property
    def features(self) -> dict[str, DescribedFeature]:
        """What a sample may hold, by name: columns, cameras and parts of vectors, to ask as LeRobot's dicts too."""
        return described(self.episodes.header)

    @property
    def tasks(self) -> dict[int, str]:
        """Instructions by number."""
        return {task.number: task.words for task in self.episodes.header.tasks}

    def spans(self, places: NDArray[np.int64], starts: NDArray[np.int64]) -> tuple[EpisodeSpan, ...]:
        """Return which steps are those of some episodes: places int64 (E,), bounds of their steps int64 (E + 1,)."""
        known, every = self.tasks, self.episodes
        return tuple(
            EpisodeSpan(
                int(every.number[place]),
                int(starts[at]),
                int(starts[at + 1]),
                tuple(known[number] for number in every.tasks_of(place).tolist()),
            )
            for at, place in enumerate(places.tolist())
        )

    @property
    def total_episodes(self) -> int:
        """Number of episodes whose rows are there."""
        return len(self.episodes)

    @property
    def total_frames(self) -> int:
        """Number of rows of all of them."""
        return int(self.episodes.rows.sum())

    @property
    def total_tasks(self) -> int:
        """Number of instructions."""
        return len(self.episodes.header.tasks)

    def get_task_index(self, task: str) -> int | None:
        """Return the number of an instruction; None for one that is not there."""
        return next((one.number for one in self.episodes.header.tasks if one.words == task), None)

    @property
    def data_path(self) -> str | None:
        """Pattern of the paths of files of rows, as `info.json` says it; None where nothing does."""
        return cast("str | None", self.episodes.header.extras.get("data_path"))

    @property
    def video_path(self) -> str | None:
        """Pattern of the paths of videos, as `info.json` says it; None where nothing does."""
        return cast("str | None", self.episodes.header.extras.get("video_path"))

    @property
    def chunks_size(self) -> int | None:
        """Episodes (versions 2) or files (version 3) in a folder, as `info.json` says it; None where nothing does."""
        return cast("int | None", self.episodes.header.extras.get("chunks_size"))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of a row of each column, and of frames, as `info.json` says it; (1,) of a single number."""
        return {name: tuple(one["shape"]) for name, one in self.info["features"].items()}

    @property
    def names(self) -> dict[str, list[str] | None]:
        """What the numbers of each column are, and the axes of frames, as spelled; None where that is not told."""
        return {name: one["names"] for name, one in self.info["features"].items()}

    @property
    def info(self) -> dict[str, Any]:
        """What `info.json` of LeRobot says, of what was read: a new dict of `fps`, `features`, totals and all else.

        Where we have no word for something, it is as the file says it: `info` of features, `splits`, names in lists.
        """
        header = self.episodes.header
        extras = copy.deepcopy(header.extras)
        version = extras.pop("version", None)
        return {
            **({} if version is None else {"codebase_version": version}),
            "robot_type": self.robot_type,
            **extras,
            "fps": self.fps,
            "total_episodes": self.total_episodes,
            "total_frames": self.total_frames,
            "total_tasks": self.total_tasks,
            "features": features_told(header),
        }

    @functools.cached_property
    def stats(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Statistics of the whole data set as it says them, by feature and kind: mean, std, min, max, q01 and q99.

        Beside them stand count, q10, q50 and q90 where it says these too. Features of numbers of which it says nothing
        that holds, and quantiles q01 or q99 that it does not say, are computed from all its rows, with all kinds: that
        is done when it is first asked for. Of the chosen episodes alone, see `stats="rows"` of `open_steps`. A single
        number has the shape (1,), frames have (3, 1, 1).
        """
        if self.told_stats is None:
            found: Mapping[str, FeatureStats] = episode_stats(EpisodeRows(self.root, self.episodes), self.episodes)
        else:
            found = self.told_stats()
        return {name: _arrays(one) for name, one in found.items()}


def _arrays(one: FeatureStats) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {} if one.count is None else {"count": np.array([one.count])}
    known = {kind: one.array(kind) for kind in (*MOMENTS, *QUANTILES)}
    return found | {kind: np.atleast_1d(values) for kind, values in known.items() if values is not None}
