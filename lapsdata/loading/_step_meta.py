"""What a data set of robot episodes says of itself, in the words that its users know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Episodes
    from lapsdata.errors import Problem
    from lapsdata.schema import Camera, Feature, Group

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
    """What a data set says of itself.

    Parameters
    ----------
    root : Path
    episodes : Episodes
        All of the data set, also those that were not chosen.
    notes : tuple of Problem
        What was found wrong and left as it is, and what was left out.

    Examples
    --------
    >>> from pathlib import Path
    >>> from lapsdata.testing.samples import sample_episodes
    >>> meta = StepMeta(Path("set"), sample_episodes(), ())
    >>> meta.fps, meta.camera_keys, meta.tasks[0]
    (10.0, ['observation.images.top'], 'pick the cube')
    """

    root: Path
    episodes: Episodes
    notes: tuple[Problem, ...]

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
    def features(self) -> dict[str, Feature | Camera | Group]:
        """What a sample may hold, by name."""
        header = self.episodes.header
        every: list[Feature | Camera | Group] = [*header.features, *header.cameras, *header.groups]
        return {one.name: one for one in every}

    @property
    def tasks(self) -> dict[int, str]:
        """Instructions by number."""
        return {task.number: task.words for task in self.episodes.header.tasks}

    @property
    def total_episodes(self) -> int:
        """Number of episodes whose rows are there."""
        return len(self.episodes)

    @property
    def total_frames(self) -> int:
        """Number of rows of all of them."""
        return int(self.episodes.rows.sum())
