"""A data set of robot episodes: what each of them holds, and what its videos are beside what is said of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lapsdata.containers import Episodes
from lapsdata.errors import LapsError
from lapsdata.storage.episode_rows import folder_of_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.adapters import Adapter
    from lapsdata.errors import Problem
    from lapsdata.schema import Camera, Group
    from lapsdata.storage.episode_rows import EpisodeRows
    from lapsdata.timebase import FrameRate
    from lapsdata.video.facts import VideoFacts

__all__ = ["InspectedEpisodes", "ListedEpisode", "SeenVideo", "look_at_episodes"]

USUAL_EPISODES = 20
"""Episodes that are listed, if nobody says how many."""


@dataclass(frozen=True, slots=True)
class SeenVideo:
    """What an episode has of one camera.

    Parameters
    ----------
    file : str
    facts : VideoFacts or None
        Of the whole file, which may show other episodes too; None where it cannot be read.
    start_s : float, seconds
        Where the episode begins in it.
    refused : str or None
        Why it cannot be read, as a code.
    """

    file: str
    facts: VideoFacts | None
    start_s: float
    refused: str | None = None

    @property
    def text(self) -> str:
        """Codec, size, rate and longest distance of keyframes in words."""
        facts = self.facts
        if facts is None:
            return f"unreadable: {self.refused}"
        rate = "variable" if facts.rate is None else str(facts.rate)
        return f"{facts.codec} {facts.size.width}x{facts.size.height}, {rate} fps, GOP {facts.gop}"

    def as_json(self) -> dict[str, Any]:
        """Return the video as a JSON-ready dictionary."""
        told: dict[str, Any] = {"file": self.file, "start_s": self.start_s, "refused": self.refused}
        facts = self.facts
        if facts is not None:
            told |= {
                "codec": facts.codec,
                "width": facts.size.width,
                "height": facts.size.height,
                "rate": None if facts.rate is None else str(facts.rate),
                "gop": facts.gop,
                "frames": facts.frames,
            }
        return told


@dataclass(frozen=True, slots=True)
class ListedEpisode:
    """One episode.

    Parameters
    ----------
    number, rows : int
    seconds : float or None
        From its first row to the end of its last one; None where its rows cannot be read, or have no times that rise.
    tasks : tuple of str
    videos : dict of SeenVideo
        By camera; none where there is no video.
    """

    number: int
    rows: int
    seconds: float | None
    tasks: tuple[str, ...]
    videos: dict[str, SeenVideo]

    def as_json(self) -> dict[str, Any]:
        """Return the episode as a JSON-ready dictionary."""
        return {
            "number": self.number,
            "rows": self.rows,
            "seconds": self.seconds,
            "tasks": list(self.tasks),
            "videos": {camera: video.as_json() for camera, video in self.videos.items()},
        }


@dataclass(frozen=True, slots=True)
class InspectedEpisodes:
    """A data set, told by its descriptions, the times of its rows and the packets of its videos.

    Parameters
    ----------
    path : Path
    adapter : str
        The one that reads it.
    episodes : Episodes
    notes : tuple of Problem
        What is wrong with it and was left as it is.
    listed : tuple of ListedEpisode
        Those that were looked at, spread over all.
    statistics : str
        Where those that come with it stand; not whether they are those of its rows.
    """

    path: Path
    adapter: str
    episodes: Episodes
    notes: tuple[Problem, ...]
    listed: tuple[ListedEpisode, ...]
    statistics: str

    @property
    def root(self) -> Path:
        """The folder that files are named from."""
        return folder_of_rows(self.path)

    def facts(self) -> dict[str, str]:
        """Return names and texts, in the order in which they are read; features and groups have tables of their own."""
        told = self.episodes.facts()
        version = self.episodes.header.extras.get("version")
        cameras = [_camera_text(camera) for camera in self.episodes.header.cameras]
        return {
            "folder" if self.path.is_dir() else "file": str(self.path),
            "format": f"{self.adapter}{f' {version}' if version else ''}, read as robot episodes",
            "episodes": told["episodes"],
            "robot": told["robot"],
            "cameras": "; ".join(cameras) or "none",
            "tasks": f"{len(self.episodes.header.tasks)}",
            "statistics": self.statistics,
            "read": "times of rows and packets of videos of those that are listed: no frame was decoded",
        }

    def tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Return the features, the groups and the episodes, each with headings and rows of texts."""
        header = self.episodes.header
        features = [[one.name, one.dtype, str(one.shape), _names_text(one.names)] for one in header.features]
        groups = [
            [one.name, f"{one.feature}[{one.start}:{one.stop}]", one.rotation or "", _steps_text(one)]
            for one in header.groups
        ]
        cameras = [camera.name for camera in header.cameras if camera.stored == "video"]
        rows = [
            [
                str(one.number),
                str(one.rows),
                "unreadable" if one.seconds is None else f"{one.seconds:.2f}",
                *(one.videos[camera].text if camera in one.videos else "no video" for camera in cameras),
                "; ".join(one.tasks),
            ]
            for one in self.listed
        ]
        found = [(["feature", "dtype", "shape", "names"], features)]
        if groups:
            found.append((["group", "of", "rotation", "steps"], groups))
        return [*found, (["episode", "rows", "seconds", *cameras, "tasks"], rows)]

    @property
    def remark(self) -> str | None:
        """How many episodes are not listed; None where all are."""
        count = len(self.episodes)
        return None if len(self.listed) == count else f"{len(self.listed)} of {count} episodes are listed: --episodes N"

    def as_json(self) -> dict[str, Any]:
        """Return everything but the notes, which a document lists by themselves."""
        return {
            "path": str(self.path),
            "format": self.adapter,
            "facts": self.facts(),
            "header": self.episodes.header.as_json(),
            "count": len(self.episodes),
            "rows": int(self.episodes.rows.sum()),
            "episodes": [one.as_json() for one in self.listed],
        }


def look_at_episodes(
    path: Path, adapter: Adapter, most: int | None = None, rate: FrameRate | str | float | None = None
) -> InspectedEpisodes:
    """Read what a data set says of itself, and look at some of its episodes.

    Parameters
    ----------
    path : Path
    adapter : Adapter
        The one that knows it.
    most : int, optional
        How many episodes are listed, spread over all; 20 by default.
    rate : FrameRate, str or number, optional
        Rows per second, of what does not say it.

    Raises
    ------
    LapsError
        It cannot be read; what is wrong with single files is told of their episodes.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters import find_adapter
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", lengths=(4, 6))
    >>> [(one.number, one.rows, one.seconds) for one in look_at_episodes(root, find_adapter(root)[0]).listed]
    [(0, 4, 0.4), (1, 6, 0.6)]
    """
    from lapsdata.adapters import read_adapted
    from lapsdata.storage.episode_rows import EpisodeRows

    adapted = read_adapted(adapter, path, {"rate": rate})
    episodes = adapted.container
    if not isinstance(episodes, Episodes):
        raise TypeError(f"{adapter.name} promises episodes, and reads {type(episodes).__name__}")
    root = folder_of_rows(path)
    rows = EpisodeRows(root, episodes)
    known: dict[int, tuple[VideoFacts | None, str | None]] = {}
    places = episodes.spread(most or USUAL_EPISODES)
    listed = tuple(_listed(root, episodes, rows, place, known) for place in places)
    return InspectedEpisodes(path, adapter.name, episodes, adapted.notes, listed, _statistics_text(path, adapter))


def _listed(
    root: Path,
    episodes: Episodes,
    rows: EpisodeRows,
    place: int,
    known: dict[int, tuple[VideoFacts | None, str | None]],
) -> ListedEpisode:
    from lapsdata.checks.episode_videos import row_times

    words = {task.number: task.words for task in episodes.header.tasks}
    try:
        times = row_times(episodes, rows, place)
        seconds: float | None = round(float(times[-1] - times[0]) + episodes.header.rate.period_s, 6)
    except LapsError:
        seconds = None
    videos = {}
    for camera, index in episodes.video_index.items():
        if index[place] >= 0:
            file = episodes.video_files[int(index[place])]
            facts, refused = _facts(root, file, int(index[place]), known)
            videos[camera] = SeenVideo(file, facts, float(episodes.video_start_s[camera][place]), refused)
    tasks = tuple(words[int(number)] for number in episodes.tasks_of(place))
    return ListedEpisode(int(episodes.number[place]), int(episodes.rows[place]), seconds, tasks, videos)


def _facts(
    root: Path, file: str, at: int, known: dict[int, tuple[VideoFacts | None, str | None]]
) -> tuple[VideoFacts | None, str | None]:
    """Return the facts of a video, or why there are none; each file is opened once."""
    from lapsdata.video.probe import probe

    if at not in known:
        try:
            known[at] = probe(root / file), None
        except LapsError as error:
            known[at] = None, error.problems[0].code
    return known[at]


def _statistics_text(path: Path, adapter: Adapter) -> str:
    try:
        found = None if adapter.stated is None else adapter.stated(path)
    except LapsError as error:
        return f"unreadable: {error.problems[0].code}"
    told = [] if found is None else [("all rows", found.of_all_in), ("each episode", found.by_episode_in)]
    return "; ".join(f"of {what} in {place}" for what, place in told if place is not None) or "none"


def _camera_text(camera: Camera) -> str:
    size = "" if camera.size is None else f" {camera.size.width}x{camera.size.height}"
    rate = "" if camera.rate is None else f" {camera.rate} fps"
    return f"{camera.name} ({camera.stored}, stated: {camera.codec or 'no codec'}{size}{rate})"


def _steps_text(group: Group) -> str:
    return group.steps or ("of some kind" if group.absolute is False else "")


def _names_text(names: Sequence[str] | None, most: int = 4) -> str:
    if names is None:
        return ""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
