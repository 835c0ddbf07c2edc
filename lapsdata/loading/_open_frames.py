"""From what a user asks of images to a source of frames: every video found, every option checked, nothing opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, TypeAlias

from lapsdata.errors import LapsError, Problem, Problems, SchemaError, listed, whole_number
from lapsdata.loading._frame_videos import FrameVideo
from lapsdata.loading._video_places import NamedVideo, find_places
from lapsdata.loading.frames import FrameOptions, FrameSource, ItemFrames

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.geometry import FrameSize
    from lapsdata.loading._video_places import VideoPlaces
    from lapsdata.loading.frames import ImageSteps
    from lapsdata.loading.items import WindowItem
    from lapsdata.loading.source import BatchSpec
    from lapsdata.schema.tracks import TracksHeader, TracksView
    from lapsdata.timebase import FrameRate

__all__ = ["ImageRequest", "Videos", "image_fields", "open_frames"]

Videos: TypeAlias = "VideoPlaces | Mapping[str, VideoPlaces]"
"""A folder, one video, or a path for each name; where windows have several views, one of these for each view."""

_SIDES = 2


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What `open_windows` was asked for; see there."""

    videos: Videos | None
    size: tuple[int, int] | None
    steps: ImageSteps
    open_videos: int
    cache_bytes: int
    proved: bool
    rate: FrameRate | float | None

    def check(self, keys: Sequence[str]) -> None:
        """Refuse keys that are none, and options of images where no images are wanted.

        Raises
        ------
        SchemaError
            The first of these.
        """
        known = ("tracks", "images")
        if isinstance(keys, str) or not keys or not set(keys) <= set(known):
            raise SchemaError(Problem("wrong-value", "keys", f"expected some of {known}, got {keys!r}"))
        given = {
            "videos": self.videos is not None,
            "image_size": self.size is not None,
            "image_steps": self.steps != "all",
        }
        for name in [name for name, is_given in given.items() if is_given and "images" not in keys]:
            message = f"expected nothing where no images are asked for, got some beside keys={tuple(keys)!r}"
            raise SchemaError(Problem("wrong-option", name, message, 'write keys=("tracks", "images")'))

    def options(self, horizon: int) -> FrameOptions:
        """Check the options against the length of windows.

        Raises
        ------
        SchemaError
            All that do not fit.
        """
        found = Problems()
        size = None if self.size is None else tuple(whole_number(side) or 0 for side in self.size)
        if size is not None and (len(size) != _SIDES or min(size) < 1):
            found.add("wrong-value", "image_size", f"expected (height, width) in pixel, got {self.size!r}")
        for name, value, least in (("open_videos", self.open_videos, 1), ("image_cache_bytes", self.cache_bytes, 0)):
            number = whole_number(value)
            if number is None or number < least:
                found.add("wrong-value", name, f"expected a whole number from {least} on, got {value!r}")
        steps = _steps(found, self.steps, horizon)
        found.raise_as(SchemaError)
        return FrameOptions(steps, None if size is None else (size[0], size[1]), self.open_videos, self.cache_bytes)


def image_fields(spec: BatchSpec) -> list[str]:
    """Return the fields of images that windows have: `images`, or `images/<view>` for each of several views."""
    views = [name.partition("/")[2] for name in spec if name.partition("/")[0] == "tracks"]
    return [f"images/{view}" if view else "images" for view in views] or ["images"]


def open_frames(
    items: Sequence[WindowItem], spec: BatchSpec, views: Sequence[str] | None, request: ImageRequest
) -> FrameSource:
    """Find the videos of windows.

    Raises
    ------
    SchemaError
        Videos that are missing or ambiguous; windows without times; frames of unlike or unknown sizes; an option at
        fault.
    StorageError, UnknownFormatError
        A place is not there, or holds no videos.
    """
    if "step_s" not in spec:
        message = "expected windows with times, by which frames are found, got files that carry none"
        raise SchemaError(Problem("no-times", "keys", message, "give their rate in frames per second: rate=..."))
    options = request.options(spec["step_s"].shape[0])
    fields = image_fields(spec)
    sizes = {name: _size(items, _view(name, views)) for name in fields} if options.size is None else {}
    places = _places(items, fields, request.videos)
    videos: dict[tuple[str, NamedVideo], FrameVideo] = {}
    for name in fields:
        for item in items:
            named = _named(item)
            rate = request.rate if item.header is None else item.header.video.rate
            digest = named.digest if request.proved else None
            video = FrameVideo(named.name, places[name][named], digest, sizes.get(name), rate)
            videos.setdefault((name, named), video)
    numbers = {key: number for number, key in enumerate(videos)}
    frames = []
    for item in items:
        of_fields = {name: numbers[name, _named(item)] for name in fields}
        frames.append(ItemFrames(item.rows, of_fields, item.start_index, item.source_index))
    shapes = {name: options.size or sizes[name].shape for name in fields}
    return FrameSource(list(videos.values()), frames, shapes, options)


def _named(item: WindowItem) -> NamedVideo:
    """Return the video of a file of tracks; a header with several views tells the digest of at most one of theirs."""
    alone = item.header is not None and len(item.header.views) == 1
    return NamedVideo(item.video, item.header.video.digest if item.header is not None and alone else None)


def _places(
    items: Sequence[WindowItem], fields: Sequence[str], videos: Videos | None
) -> dict[str, dict[NamedVideo, Path | str]]:
    wanted = list(dict.fromkeys(_named(item) for item in items))
    names = listed(video.name for video in wanted)
    if videos is None:
        message = f"expected a folder with the videos of {names}, or a path for each name, got none"
        raise SchemaError(Problem("no-video", "videos", message))
    by_field = {fields[0]: videos} if len(fields) == 1 else _by_view(fields, videos)
    places: dict[str, dict[NamedVideo, Path | str]] = {}
    refused: list[LapsError] = []
    for name, some in by_field.items():
        try:
            found = find_places(_of_one_view(some), wanted)
        except LapsError as error:
            refused.append(error)
        else:
            places[name] = dict(zip(wanted, found, strict=True))
    if refused:
        raise type(refused[0])(*(problem for error in refused for problem in error.problems))
    return places


def _by_view(fields: Sequence[str], videos: Videos) -> dict[str, VideoPlaces | Mapping[str, VideoPlaces]]:
    views = [name.partition("/")[2] for name in fields]
    if not isinstance(videos, Mapping) or set(videos) != set(views):
        got = listed(videos) if isinstance(videos, Mapping) else repr(videos)
        message = f"expected a folder or a mapping for each of the views {listed(views)}, got {got}"
        raise SchemaError(Problem("wrong-views", "videos", message, "write videos={view: folder}"))
    return {name: videos[view] for name, view in zip(fields, views, strict=True)}


def _of_one_view(videos: VideoPlaces | Mapping[str, VideoPlaces]) -> VideoPlaces:
    if not isinstance(videos, Mapping):
        return videos
    paths = {name: place for name, place in videos.items() if isinstance(place, str | PathLike)}
    if len(paths) < len(videos):
        wrong = listed(str(name) for name in videos if name not in paths)
        message = f"expected a path for each name, got something else for {wrong}"
        raise SchemaError(Problem("wrong-value", "videos", message))
    return paths


def _view(field: str, views: Sequence[str] | None) -> str | None:
    """Return the view of a field; None for the only one that a file has."""
    return field.partition("/")[2] or (views[0] if views else None)


def _size(items: Sequence[WindowItem], view: str | None) -> FrameSize:
    """Return the size that all frames of a view have."""
    sizes: dict[FrameSize, str] = {}
    for item in items:
        if item.header is None:
            message = "expected a file that tells the size of its frames, got one without a header"
            fix = "give the size to deliver: image_size=(height, width)"
            raise SchemaError(Problem("unknown-size", str(item.path), message, fix))
        sizes.setdefault(_facts(item.header, view).size.frame, item.video)
    if len(sizes) > 1:
        shown = listed(f"{size} ({video})" for size, video in sizes.items())
        message = f"expected frames of one size, got {shown}"
        raise SchemaError(Problem("unlike-sizes", "images", message, "bring them to one: image_size=(height, width)"))
    return next(iter(sizes))


def _facts(header: TracksHeader, view: str | None) -> TracksView:
    return header.views[view] if view is not None else next(iter(header.views.values()))


def _steps(found: Problems, steps: ImageSteps, horizon: int) -> tuple[int, ...]:
    named = {"all": tuple(range(horizon)), "first": (0,), "middle": (horizon // 2,)}
    if isinstance(steps, str):
        if steps not in named:
            found.add("wrong-value", "image_steps", f"expected some of {list(named)} or numbers, got {steps!r}")
        return named.get(steps, ())
    numbers = [whole_number(step) for step in steps]
    good = [step for step in numbers if step is not None and -horizon <= step < horizon]
    if not good or len(good) < len(numbers):
        message = f"expected numbers from {-horizon} to {horizon - 1}, got {steps!r}"
        found.add("wrong-value", "image_steps", message)
    return tuple(step % horizon for step in good)
