"""What is written for each segment of a table: all that stands against it is told before anything is written."""

from __future__ import annotations

import contextlib
from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.adapters.laps.written_codes import CodedWindow
from lapsdata.containers import Tokens
from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.formats import read
from lapsdata.stages._export_names import expect_no_exports, exports_of, remove_stale
from lapsdata.stages._output import told_meanwhile
from lapsdata.stages._segment_export import VideoPictures, Windowing, windowless, write_segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lapsdata.containers import Segments
    from lapsdata.stages._segment_export import ExportOptions

__all__ = ["Exported", "TableExport"]


class Exported(NamedTuple):
    """What was exported.

    Parameters
    ----------
    folder : Path
    segments : int
    removed : int
        Exports of these videos that an earlier call had made, and this one has not made anew.
    counts : dict of str to int
        As those of `write_segment`, over all segments.
    problems : tuple of Problem

    Examples
    --------
    >>> print(Exported(Path("out"), 3, 0, {}, ()))
    3 segments to out
    >>> print(Exported(Path("out"), 3, 2, {"without_windows": 1}, ()))
    3 segments to out, 1 of them without a window; removed 2 files of an earlier export
    """

    folder: Path
    segments: int
    removed: int
    counts: Mapping[str, int]
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        """Return it in words."""
        bare = self.counts.get("without_windows", 0)
        some = f", {bare} of them without a window" if bare else ""
        gone = f"; removed {self.removed} files of an earlier export" if self.removed else ""
        return f"{self.segments} segments to {self.folder}{some}{gone}"


class TableExport:
    """Writes what is asked for of all segments of a table: `<folder>/<video>_<number>` and an ending each.

    Parameters
    ----------
    folder : Path
    options : ExportOptions
    tokens : iterable of Path
        Files of tokens of these videos, for codes.
    videos : mapping of str to Path or URL, optional
        The videos by name, for clips.
    tokenizer : str, optional
        Digest of the tokenizer whose latents the energies measure; None for energies of tracks, and where it is not
        known.
    force : bool
        Replace what an earlier call has exported of these videos, and remove what is not made anew.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.stages._segment_export import ExportOptions
    >>> from lapsdata.testing.samples import sample_segments
    >>> TableExport(pathlib.Path(tempfile.mkdtemp()), ExportOptions()).write(sample_segments()).segments
    3
    """

    def __init__(
        self,
        folder: Path,
        options: ExportOptions,
        *,
        tokens: Iterable[Path] = (),
        videos: Mapping[str, Path | str] | None = None,
        tokenizer: str | None = None,
        force: bool = False,
    ) -> None:
        self._folder, self._options, self._force = folder, options, force
        self._files, self._videos, self._tokenizer = tuple(tokens), dict(videos or {}), tokenizer

    @cached_property
    def _coded(self) -> dict[str, Tokens]:
        return {found.header.video.name: found for found in (read(path, Tokens) for path in self._files)}

    def expect(self, segments: Segments) -> None:
        """Refuse what cannot be exported, before anything is written.

        Raises
        ------
        StorageError
            Exports of these videos are there, without `force` (`earlier-exports`).
        SchemaError
            A video lies where its clips would (`output-in-input`), or has segments and no tokens or no video
            (`no-tokens`, `no-video`); tokens of another tokenizer than the energies' (`other-tokenizer`), without the
            latents that are asked for, or without a frame in a segment (`no-frames`).
        """
        header = segments.header
        every = [video.name for video in header.videos]
        self._expect_apart(every)
        if not self._force:
            expect_no_exports(every, self._folder)
        names = [name for at, name in enumerate(every) if (segments.video_index == at).any()]
        self._expect_sources(names)
        if self._options.codes:
            self._expect_tokenizer(names)
            self._expect_frames(segments)

    def write(self, segments: Segments) -> Exported:
        """Write the exports of all segments.

        Raises
        ------
        StorageError, SchemaError
            As `expect`; nothing is written then.
        """
        self.expect(segments)
        made: list[Path] = []
        counts: Counter[str] = Counter()
        names = [video.name for video in segments.header.videos]
        for name in names:
            rows = segments.of_video(name).tolist()
            if not rows:
                continue
            with (
                told_meanwhile(),
                VideoPictures(self._videos[name]) if self._options.clips else contextlib.nullcontext() as pictures,
            ):
                spans_s = [(float(segments.start_s[row]), float(segments.end_s[row])) for row in rows]
                self._write_video(name, spans_s, pictures, made, counts)
        removed = remove_stale(names, self._folder, made) if self._force else 0
        told = windowless(counts["without_windows"], len(segments), self._options, str(self._folder))
        return Exported(self._folder, len(segments), removed, counts, told)

    def _write_video(
        self,
        name: str,
        spans_s: Sequence[tuple[float, float]],
        pictures: VideoPictures | None,
        made: list[Path],
        counts: Counter[str],
    ) -> None:
        found = self._coded[name] if self._options.codes else None
        windows = () if found is None else _coded_windows(found)
        windowing = None if found is None else Windowing(found.header.horizon, found.header.stride, found.header.rate)
        for number, span_s in enumerate(spans_s):
            written = write_segment(
                self._folder / f"{name}_{number:04d}",
                span_s,
                self._options,
                video=name,
                pictures=pictures,
                windows=windows,
                windowing=windowing,
                frame_s=() if found is None else found.frame_s,
                overwrite=self._force,
            )
            made += written.files
            counts.update(written.counts)

    def _expect_apart(self, names: Sequence[str]) -> None:
        """Refuse a folder in which a video has the name of a clip: `a_0001.mp4` may be a clip of `a`, or that video."""
        places = [Path(place) for place in self._videos.values() if Path(place).exists()]
        for path in exports_of(names, self._folder):
            named = path.suffix == ".mp4" and path.stem in names
            if named or any(path.samefile(place) for place in places):
                message = f"expected a folder for exports alone, got one with {path.name}, as a video is called"
                raise SchemaError(Problem("output-in-input", str(self._folder), message, "name another folder"))

    def _expect_sources(self, names: Sequence[str]) -> None:
        found = Problems("segments")
        options, coded = self._options, self._coded if self._options.codes else {}
        for name in names:
            if options.codes and name not in coded:
                fix = "name their file or folder"
                found.add("no-tokens", f"'{name}'", "expected tokens of this video, got none", fix)
            elif options.codes and options.prequant and coded[name].prequant is None:
                fix = "encode with --latents both"
                found.add("no-latents", f"'{name}'", "expected latents before quantisation, got none", fix)
            if options.clips and name not in self._videos:
                found.add("no-video", f"'{name}'", "expected this video, got none", "name its file or folder")
        found.raise_as(SchemaError)

    def _expect_tokenizer(self, names: Sequence[str]) -> None:
        """Refuse codes that say nothing of the latents that were measured."""
        found = Problems("segments")
        for name in names:
            own, measured = self._coded[name].header.tokenizer.checkpoint, self._tokenizer
            if own is not None and measured is not None and own != measured:
                # So much of a digest tells two apart; the whole of it makes nobody wiser.
                message = (
                    f"expected codes of the tokenizer {measured[:15]}, whose latents the energies measure, "
                    f"got those of {own[:15]}"
                )
                fix = "name the tokens that the energies were measured from, or measure these"
                found.add("other-tokenizer", f"'{name}'", message, fix)
        found.raise_as(SchemaError)

    def _expect_frames(self, segments: Segments) -> None:
        """Refuse segments in which their tokens have no frame: both cannot be of one video."""
        found = Problems("segments")
        for row, at in enumerate(segments.video_index.tolist()):
            name = segments.header.videos[at].name
            times = self._coded[name].frame_s
            first, until = np.searchsorted(times, (segments.start_s[row], segments.end_s[row]))
            if first == until:
                place = f"'{name}' at {segments.start_s[row]:.3f} s"
                message = (
                    f"expected frames of its tokens there, got none: these are from {times[0]:.3f} to {times[-1]:.3f} s"
                )
                found.add("no-frames", place, message, "name the tokens that the segments were made from")
        found.raise_as(SchemaError)


def _coded_windows(tokens: Tokens) -> list[CodedWindow]:
    latents = [None] * len(tokens) if tokens.prequant is None else list(tokens.prequant)
    starts, stride = tokens.start_index.tolist(), tokens.header.stride
    rows = zip(starts, tokens.codes, latents, strict=True)
    return [CodedWindow(start // stride, start, codes, latent) for start, codes, latent in rows]
