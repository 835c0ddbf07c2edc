"""A file of ours, a video, robot episodes or boxes: which of these it is, and what one wants to know at a glance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.errors import CorruptDataError, LapsError, Problem, SchemaError, UnknownFormatError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from lapsdata._inspect.box_counts import CountedBoxes
    from lapsdata._inspect.boxes import InspectedBoxes
    from lapsdata._inspect.episodes import InspectedEpisodes
    from lapsdata._inspect.views import InspectedViews
    from lapsdata.checks.view_stats import SplitStats
    from lapsdata.containers import Container
    from lapsdata.formats import Format
    from lapsdata.geometry import FrameSize
    from lapsdata.timebase import FrameRate
    from lapsdata.video.facts import VideoFacts

__all__ = ["InspectedFile", "InspectedVideo", "look_at"]


_READ = "packets only: nothing was decoded"
_READ_OF = {"images": "the first image only: no other was opened"}


@dataclass(frozen=True, slots=True)
class InspectedFile:
    """A file of ours, read and verified.

    Parameters
    ----------
    path : Path
    format : str
        Registry name.
    container : Container
    splits : tuple of SplitStats
        Of views: what their splits are like, by the masks and the depth of some sets.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> InspectedFile(Path("clip.h5"), "tracks_hdf5", sample_tracks()).facts()["windows"]
    '3 of 4 frames, every 1'
    """

    path: Path
    format: str
    container: Container
    splits: tuple[SplitStats, ...] = ()

    def facts(self) -> dict[str, str]:
        """Return names and texts, in the order in which they are read."""
        header = self.container.header
        made = header.provenance
        return {
            "file": str(self.path),
            "format": f"{self.format} {header.format_version}, {self.container.nbytes:,} bytes in memory",
            **self.container.facts(),
            "policies": ", ".join(f"{name}: {count}" for name, count in header.policies.items()) or "none was needed",
            "made by": f"{made.producer} {made.version}, code {made.code_digest[:15]}",
            **{
                f"from {role}": "; ".join(f"{one.name}, {one.digest[:15]}" for one in made.parents if one.role == role)
                for role in dict.fromkeys(parent.role for parent in made.parents)
            },
        }

    def tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Return the sequences of boxes, or the splits of views, with headings and rows of texts; else nothing."""
        from lapsdata.checks.view_stats import stats_tables

        if self.splits:
            return stats_tables(self.splits)
        counted = self._counted()
        return [] if counted is None else counted.tables()

    @property
    def remark(self) -> str | None:
        """How many sequences of boxes are not listed; None where all are."""
        from lapsdata._inspect.views import looked_at

        if self.splits:
            return f"masks and depth are those of {looked_at(self.splits)}; --sample says of how many of each split"
        counted = self._counted()
        return None if counted is None else counted.remark

    def _counted(self) -> CountedBoxes | None:
        from lapsdata._inspect.box_counts import counted_boxes
        from lapsdata.containers import Boxes

        return counted_boxes(self.container) if isinstance(self.container, Boxes) else None

    def as_json(self) -> dict[str, Any]:
        """Return facts and the whole header as a JSON-ready dictionary; of boxes, the counts of sequences too."""
        facts = {"path": str(self.path), "format": self.format, "facts": self.container.facts()}
        counted = self._counted()
        counts = {} if counted is None else {"sequences": counted.as_json()}
        splits = {"splits": [one.as_json() for one in self.splits]} if self.splits else {}
        return {**facts, "header": self.container.header.as_json(), **counts, **splits}


@dataclass(frozen=True, slots=True)
class InspectedVideo:
    """A video, told by its packets; of a folder of images, by their names and the first of them.

    Parameters
    ----------
    path : Path or str
        File, folder of images, or URL.
    video : VideoFacts
    nbytes : int
        Size of the file, or of all files in the folder.
    """

    path: Path | str
    video: VideoFacts
    nbytes: int

    def facts(self) -> dict[str, str]:
        """Return names and texts, in the order in which they are read."""
        video = self.video
        return {
            "file": f"{self.path}, {self.nbytes:,} bytes",
            "video": f"{video.codec}, {video.pixel_format}, in {video.container}",
            "size": _size_text(video),
            "rate": _rate_text(video),
            "time base": "none" if video.time_base is None else f"{video.time_base} s",
            "frames": str(video.frames),
            "time": f"{video.start_s:.3f} to {video.end_s:.3f} s, {video.duration_s:.3f} s long",
            "keyframes": f"{len(video.keyframes)}, longest GOP {video.gop} frames",
            "order": "stored in another order than shown (B-frames)" if video.reordered else "stored as shown",
            "read": f"{_READ_OF.get(video.container, _READ)}, so damaged pictures are not found",
        }

    def as_json(self) -> dict[str, Any]:
        """Return the facts as texts and as values, as a JSON-ready dictionary."""
        video = self.video
        values = {
            "name": video.name,
            "bytes": self.nbytes,
            "codec": video.codec,
            "container": video.container,
            "pixel_format": video.pixel_format,
            "coded_size": _sides(video.coded_size),
            "rotation": video.rotation,
            "size": _sides(video.size),
            "rate": None if video.rate is None else str(video.rate),
            "variable": video.variable,
            "time_base": None if video.time_base is None else str(video.time_base),
            "frames": video.frames,
            "start_s": video.start_s,
            "end_s": video.end_s,
            "duration_s": video.duration_s,
            "keyframes": len(video.keyframes),
            "gop": video.gop,
            "reordered": video.reordered,
        }
        return {"path": str(self.path), "format": "video", "facts": self.facts(), "video": values}


def look_at(
    path: str | PathLike[str],
    format: str | None = None,
    *,
    rate: FrameRate | str | float | None = None,
    most_episodes: int | None = None,
    depth_root: Path | None = None,
    sample: int | None = None,
    splits: Sequence[str] | None = None,
) -> InspectedFile | InspectedVideo | InspectedEpisodes | InspectedBoxes | InspectedViews:
    """Read and verify a file of ours, the packets of a video, the descriptions of robot episodes, or boxes or views.

    What a format of ours knows is a file of ours; what an adapter reads as episodes, boxes or views is that, and files
    of views in a folder are views; else, what FFmpeg opens is a video, and so are numbered images in a folder. What
    stands behind a URL is taken for a video.

    Parameters
    ----------
    path : path, or URL for fsspec
    format : str, optional
        Registry name of one of our formats; by default the file is looked into.
    rate : FrameRate, str or number, optional
        Of a folder of images, which carry no time.
    most_episodes : int, optional
        Of robot episodes: how many are listed, spread over all; 20 by default.
    depth_root : Path, optional
        Of views of others: where their depth lies.
    sample : int, optional
        Of views: sets of each split whose masks and depth are read; 8 by default.
    splits : sequence of str, optional
        Of views: those alone.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    CorruptDataError
        It begins as a format of ours and is not as it was written.
    SchemaError
        A folder of images without a rate (`no-times`), or a rate for anything else (`wrong-option`); views without
        one of the splits (`unknown-split`).
    LapsError
        It is neither; of the class and with the code that `lapsdata.video.probe` has for it.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_boxes
    >>> target = Path(tempfile.mkdtemp()) / "match.parquet"
    >>> _ = write(target, sample_boxes())
    >>> look_at(target).format
    'boxes_parquet'
    """
    from lapsdata.formats import recognise
    from lapsdata.plugins import registry
    from lapsdata.storage.atomic import existing, storage_errors
    from lapsdata.video._bytes import is_url

    if is_url(path):
        if format is not None:
            message = f"expected a {format} of this machine, got a URL"
            raise UnknownFormatError(Problem("not-local", str(path), message, "download it first"))
        _refuse_given(str(path), _OfViews(depth_root, sample, splits))
        return _video_behind(str(path), rate)
    place = Path(path)
    with storage_errors(place, "open"):
        existing(place)
        try:
            plugin = recognise(place) if format is None else registry("formats").load(format)
        except (UnknownFormatError, CorruptDataError) as error:
            # Nothing at all could have become either.
            known = isinstance(error, CorruptDataError) and error.problems[0].code != "empty-file"
            if known or format is not None:
                raise
            return _of_others(place, rate, error, most_episodes, _OfViews(depth_root, sample, splits))
        if rate is not None:
            raise SchemaError(_no_rate(place))
        return _of_ours(place, plugin, _OfViews(depth_root, sample, splits))


class _OfViews(NamedTuple):
    """What is asked of views alone."""

    depth_root: Path | None
    sample: int | None
    splits: Sequence[str] | None


def _of_ours(path: Path, plugin: Format[Any], asked: _OfViews) -> InspectedFile:
    from lapsdata._inspect.views import all_splits, of_splits
    from lapsdata.containers import Views

    read = plugin.read(path, verify="always")
    if not isinstance(read, Views):
        _refuse_given(path, asked)
        return InspectedFile(path, plugin.name, read)
    _refuse_given(path, _OfViews(asked.depth_root, None, None))
    views = of_splits(path, read, asked.splits)
    return InspectedFile(path, plugin.name, views, all_splits(views, asked.sample))


def _refuse_given(path: Path | str, asked: _OfViews) -> None:
    """Refuse what would have no effect: a root of depth is asked for views of others, the rest for any views."""
    given = [name for name, value in asked._asdict().items() if value is not None]
    if given:
        got = "some" if given[0] == "splits" else "one"
        message = f"expected no {given[0].replace('_', ' ')} here, got {got}: only for views"
        message += " of others" if given[0] == "depth_root" else ""
        raise SchemaError(Problem("wrong-option", str(path), message, f"leave out --{given[0].replace('_', '-')}"))


def _of_others(
    path: Path,
    rate: FrameRate | str | float | None,
    unknown: LapsError,
    most_episodes: int | None,
    asked: _OfViews,
) -> InspectedVideo | InspectedEpisodes | InspectedBoxes | InspectedViews:
    from lapsdata._inspect.boxes import look_at_boxes
    from lapsdata._inspect.episodes import look_at_episodes
    from lapsdata._inspect.views import look_at_folder, look_at_views
    from lapsdata.adapters import find_adapter
    from lapsdata.formats._views_folder import open_views_folder

    found = find_adapter(path, ("episodes", "boxes", "views"))
    ours = open_views_folder(path, checked=True) if found is None and path.is_dir() else None
    if ours is not None:
        _refuse_given(path, _OfViews(asked.depth_root, None, None))
        if rate is not None:
            raise SchemaError(_no_rate(path))
        return look_at_folder(path, ours, asked.sample, asked.splits)
    if found is None or found[1] != "views":
        _refuse_given(path, asked)
    if found is None:
        return _video_unless_unknown(path, rate, unknown)
    if rate is not None and "rate" not in (found[0].takes or ()):
        raise SchemaError(_no_rate(path))
    if found[1] == "boxes":
        return look_at_boxes(path, found[0], rate)
    if found[1] == "views":
        return look_at_views(path, found[0], rate, **asked._asdict())
    return look_at_episodes(path, found[0], most_episodes, rate)


def _video_unless_unknown(path: Path, rate: FrameRate | str | float | None, unknown: LapsError) -> InspectedVideo:
    from lapsdata.adapters import part_of_other
    from lapsdata.plugins import registry
    from lapsdata.video._images import is_image_folder

    # With a rate, pictures of one agent are meant as a folder of images.
    if rate is None and (part := part_of_other(path)) is not None:
        raise UnknownFormatError(part) from unknown
    ours = f"none of our formats knows it ({', '.join(registry('formats').names())})"
    if path.is_dir() and not is_image_folder(path):
        message = f"expected a file of ours or a video, got a folder without images, and {ours}"
        raise UnknownFormatError(Problem("unknown-format", str(path), message, "name a file in it")) from unknown
    try:
        return _video(path, rate)
    except LapsError as error:
        if error.problems[0].code in ("no-times", "wrong-option"):
            raise
        told = (replace(problem, message=f"{problem.message}, and {ours}") for problem in error.problems)
        # What no reader recognises may still be HDF5 of unknown making.
        advice = unknown.problems[0].fix
        fixed = (replace(problem, fix=advice) if problem.code == "not-a-video" else problem for problem in told)
        raise type(error)(*fixed) from unknown


def _video_behind(url: str, rate: FrameRate | str | float | None) -> InspectedVideo:
    try:
        return _video(url, rate)
    except UnknownFormatError as error:
        advice = "check the URL; download it first if it is a file of ours"
        raise UnknownFormatError(*(replace(problem, fix=advice) for problem in error.problems)) from error


def _video(source: Path | str, rate: FrameRate | str | float | None) -> InspectedVideo:
    from lapsdata.video.probe import probe
    from lapsdata.video.sources import images_rate, source_bytes

    of_images = images_rate(source, rate)
    if of_images is None and rate is not None:
        raise SchemaError(_no_rate(source))
    return InspectedVideo(source, probe(source, rate=of_images), source_bytes(source))


def _no_rate(source: Path | str) -> Problem:
    message = "expected no rate for what has times of its own, got one"
    return Problem("wrong-option", str(source), message, "leave out --fps, which is for folders of images")


def _sides(size: FrameSize) -> dict[str, int]:
    return {"width": size.width, "height": size.height}


def _size_text(video: VideoFacts) -> str:
    shown, coded = video.size, video.coded_size
    text = f"{shown.width} x {shown.height} pixel"
    if video.rotation:
        text += f", stored as {coded.width} x {coded.height} and turned {video.rotation} degrees clockwise"
    return text


def _rate_text(video: VideoFacts) -> str:
    if video.rate is not None:
        rounded = "" if video.rate.denominator == 1 else f" = {video.rate.hz:.3f}"
        return f"{video.rate}{rounded} fps, constant"
    if video.frames < 2:
        return "unknown: one frame has no interval"
    gaps = np.diff(video.frame_s)
    return f"variable: {1 / gaps.mean():.3f} fps on average, frames {gaps.min():.3f} to {gaps.max():.3f} s apart"
