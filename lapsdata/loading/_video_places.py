"""From what a user names to one video for each name that tracks speak of: all of them, and none twice."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike  # noqa: TC003 - the alias names it
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from lapsdata.errors import Problems, SchemaError, listed
from lapsdata.video._bytes import name_of, settled
from lapsdata.video.sources import VideoItem, find_videos, source_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NamedVideo", "VideoPlaces", "find_places"]

VideoPlaces: TypeAlias = "str | PathLike[str] | Mapping[str, str | PathLike[str]]"
"""A folder of videos, one video, or a video for each name."""

_FIX = "name it yourself: videos={name: path}"


class NamedVideo(NamedTuple):
    """A video as tracks name it; `digest` is None where they know none."""

    name: str
    digest: str | None


def find_places(videos: VideoPlaces, wanted: Sequence[NamedVideo]) -> list[Path | str]:
    """Return where each video lies; none of them is opened.

    In a folder (searched recursively) a video is found by its name. The digests decide among several of one name,
    and find one that has another name; only then are files read for it.

    Parameters
    ----------
    videos : path, or mapping of path
        A folder or glob; one video, where one is wanted; or a path or URL for each name.
    wanted : sequence of NamedVideo
        Each once.

    Raises
    ------
    SchemaError
        All videos that are missing or ambiguous.
    StorageError
        The folder or video is not there, or may not be read.
    UnknownFormatError
        The folder holds no videos.

    Examples
    --------
    >>> find_places({"a": "s3://bucket/clip.mp4"}, [NamedVideo("a", None)])
    ['s3://bucket/clip.mp4']
    """
    problems = Problems("videos")
    _refuse_one_name_for_two(problems, wanted)
    problems.raise_as(SchemaError)
    if isinstance(videos, Mapping):
        found = _of_mapping(problems, videos, wanted)
    else:
        place = settled(videos)
        items = list(find_videos(place, recursive=True))
        one = len(items) == 1 and items[0].path == place
        found = _of_one(problems, items[0], wanted) if one else _of_folder(problems, items, wanted)
    problems.raise_as(SchemaError)
    return found


def _refuse_one_name_for_two(problems: Problems, wanted: Sequence[NamedVideo]) -> None:
    """Note names that tracks with and without a digest share: nothing says whether they mean one video."""
    unsure = {video.name for video in wanted if video.digest is None}
    for name in sorted(unsure & {video.name for video in wanted if video.digest is not None}):
        message = "expected tracks of one video to agree about its digest, got some with and some without one"
        problems.add("ambiguous-video", name, message, "open them apart from each other")


def _of_mapping(
    problems: Problems, videos: Mapping[str, str | PathLike[str]], wanted: Sequence[NamedVideo]
) -> list[Path | str]:
    found: list[Path | str] = []
    for name, digest in wanted:
        others = [video for video in wanted if video.name == name and video.digest != digest]
        if name not in videos:
            problems.add("no-video", name, f"expected its path, got paths of {listed(videos) or 'none'}")
        elif others:
            message = "expected one video of this name, the tracks are of several with different bytes"
            problems.add("ambiguous-video", name, message, "open their tracks apart from each other")
        else:
            place = settled(videos[name])
            if isinstance(place, Path) and not place.exists():
                problems.add("no-video", name, f"expected a video at {place}, got no such file", "check the path")
            found.append(place)
    return found


def _of_one(problems: Problems, item: VideoItem, wanted: Sequence[NamedVideo]) -> list[Path | str]:
    if len(wanted) > 1:
        message = f"expected a folder, or a path for each of {len(wanted)} videos, got the single video {item.path}"
        problems.add("no-video", listed(video.name for video in wanted), message)
    return [item.path]


def _of_folder(problems: Problems, items: Sequence[VideoItem], wanted: Sequence[NamedVideo]) -> list[Path | str]:
    names = {video.name for video in wanted}
    strangers = [item for item in items if not names & {item.name, name_of(item.path)}]
    digests: dict[Path | str, str] = {}
    found: list[Path | str] = []
    for video in wanted:
        same = [item for item in items if item.name == video.name]
        same = same or [item for item in items if name_of(item.path) == video.name]
        if len(same) != 1 and video.digest is not None:
            same = _of_digest(same or strangers, video.digest, digests)
        if not same:
            told = f"expected it among {len(items)} videos ({listed(item.name for item in items)}), got none"
            problems.add("no-video", video.name, told, _FIX)
        elif len(same) > 1:
            shown = listed(str(item.path) for item in same)
            problems.add("ambiguous-video", video.name, f"expected one video of this name, got {shown}", _FIX)
        else:
            found.append(same[0].path)
    return found


def _of_digest(items: Sequence[VideoItem], digest: str, known: dict[Path | str, str]) -> list[VideoItem]:
    """Return the first of the videos that have these bytes: copies are all the same."""
    for item in items:
        if item.path not in known:
            known[item.path] = source_digest(item.path)
        if known[item.path] == digest:
            return [item]
    return []
