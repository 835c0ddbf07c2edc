"""The record of one run of a command: `run.json` beside the outputs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lapsdata.schema.base import Digest, Name, Record, Text

__all__ = ["CallingRepository", "Package", "Run"]

_Clock = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]


class Package(Record):
    """An installed package and the digest of its source."""

    name: Name
    """Distribution name."""
    version: Annotated[str, Field(min_length=1)]
    """Installed version."""
    code_digest: Digest
    """Digest of its Python files."""


class CallingRepository(Record):
    """The git repository that the command was called from."""

    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
    """Commit that was checked out."""
    dirty: bool
    """Whether tracked files differed from it, or untracked files lay beside them."""


class Run(Record):
    """What was run, by which code, and when; the only place where clock times stand."""

    format: Literal["lapsdata.run"] = "lapsdata.run"
    """Which record this is."""
    format_version: Literal["1.0"] = "1.0"
    """Version of the record."""
    command: Annotated[tuple[Text, ...], Field(min_length=1)]
    """The command line, one entry per argument."""
    packages: Annotated[tuple[Package, ...], Field(min_length=1)]
    """The packages of this project that took part."""
    repository: CallingRepository | None
    """The calling repository; null outside of one."""
    python: Text
    """Version of Python."""
    started_utc: _Clock
    """When the run began."""
    finished_utc: _Clock | None = None
    """When it ended; null while it runs, or if it was killed."""
    outcome: Literal["running", "finished", "failed"] = "running"
    """How it ended."""
