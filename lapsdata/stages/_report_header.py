"""What the folder of a report says of itself: which videos, which files, and that they are what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.errors import CorruptDataError, Problem, Problems, SchemaError, UnknownFormatError
from lapsdata.provenance import path_digest
from lapsdata.report.file_stems import file_stem
from lapsdata.schema.base import Count, Digest, Header, Record, Text
from lapsdata.schema.segments import SegmentedVideo
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.sealed_json import read_sealed_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["HEADER", "PAGE", "ReportFile", "ReportHeader", "ReportedVideo", "read_report", "timeline_name"]

HEADER, PAGE = "report.json", "index.html"
_AGAIN = "make the report again"


class ReportedVideo(SegmentedVideo):
    """One video, and what was counted in it."""

    timeline: Text
    """Its picture, relative to the folder."""
    segments: Count
    """Found segments."""
    truth: Count | None
    """True segments; null where there is no truth for it."""
    measured: Count
    """Values of the energies that were segmented."""
    gated: Count
    """Times that a gate skipped there."""
    missing: Count
    """Times of which there is no value."""


class ReportFile(Record):
    """One file of the folder."""

    name: Annotated[Text, Field(min_length=1)]
    """Relative to the folder, with `/`."""
    digest: Digest
    """Of its bytes."""


class ReportHeader(Header):
    """`report.json`: what a report shows, and the digest of every other file in its folder."""

    RECORD: ClassVar[str] = "report"

    format: Literal["lapsdata.report"] = "lapsdata.report"
    """Which format this header belongs to."""
    videos: tuple[ReportedVideo, ...]
    """In the order of the segments."""
    files: tuple[ReportFile, ...]
    """Every file but this one."""

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        for names in ([video.name for video in self.videos], [file.name for file in self.files]):
            if len(set(names)) != len(names):
                raise ValueError("expected each name once")
        return self


def read_report(folder: Path) -> ReportHeader:
    """Read the header of a report, and compare every file with it.

    Raises
    ------
    UnknownFormatError
        It is no folder with a `report.json`, or that is none of ours.
    FormatTooNewError
        A newer release has written it.
    CorruptDataError
        A file is gone, or is not what was written.

    Examples
    --------
    >>> import pathlib
    >>> read_report(pathlib.Path("nowhere"))
    Traceback (most recent call last):
    lapsdata.errors.UnknownFormatError: nowhere: expected a folder with report.json, got none [not-a-report]
    """
    path = folder / HEADER
    if not path.is_file():
        raise UnknownFormatError(Problem("not-a-report", str(folder), f"expected a folder with {HEADER}, got none"))
    try:
        header = read_sealed_json(path, ReportHeader)
    except SchemaError as error:
        with storage_errors(path, "read"):
            ours = b'"lapsdata.report"' in path.read_bytes()
        raise (CorruptDataError if ours else UnknownFormatError)(*error.problems) from None
    problems = Problems(str(folder))
    for file in header.files:
        if not (folder / file.name).is_file():
            problems.add("not-found", file.name, "expected the file that was written, got none", _AGAIN)
        elif path_digest(folder / file.name) != file.digest:
            problems.add("file-digest", file.name, "expected the bytes that were written, got others", _AGAIN)
    problems.raise_as(CorruptDataError)
    return header


def timeline_name(video: str) -> str:
    """Return the name of a video's timeline, relative to the folder of the report.

    Examples
    --------
    >>> timeline_name("clip_1")
    'timelines/clip_1.png'
    """
    return f"timelines/{file_stem(video)}.png"
