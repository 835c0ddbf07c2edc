"""Ledger files as lines: each one sealed, and what is wrong with those that are not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lapsdata.errors import LapsError, Problem
from lapsdata.schema.base import canonical_json
from lapsdata.schema.ledger import LedgerRun, LedgerSpan
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.seal import crc32c

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["NotedRun", "NotedSpan", "ledger_files", "read_runs"]

_REPAIR = "what it said is lost; copy the file again if there is a copy"


@dataclass(frozen=True, slots=True)
class NotedSpan:
    """A stretch that one rank has received, and the line that says so."""

    place: str
    world_size: int
    span: LedgerSpan


@dataclass(slots=True)
class NotedRun:
    """What one rank has noted of one run."""

    place: str
    head: LedgerRun
    spans: list[NotedSpan] = field(default_factory=list)


def ledger_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files, those of a folder in order of rank, each once.

    Raises
    ------
    StorageError
        One of the paths is not there.
    """
    found: dict[Path, None] = {}
    for path in paths:
        inside = sorted(path.glob("ledger-rank*.jsonl")) if existing(path).is_dir() else [path]
        found.update(dict.fromkeys(inside))
    return list(found)


def read_runs(path: Path, problems: list[Problem]) -> list[NotedRun]:
    """Return the runs of a file in their order; note every line that is not as it was written."""
    with storage_errors(path, "read"):
        lines = path.read_bytes().split(b"\n")
    runs: list[NotedRun] = []
    torn: Problem | None = None
    whole = lines.pop() == b""
    for number, line in enumerate(lines, 1):
        place = f"{path}: line {number}"
        try:
            record = _record(line, place)
        except LapsError as error:
            problems.extend([torn] if torn else [])
            (torn,) = error.problems[:1]
            continue
        if torn is not None:
            # Where a run begins behind it, the one before it was killed while it wrote.
            problems.append(_crashed(torn) if isinstance(record, LedgerRun) else torn)
            torn = None
        if isinstance(record, LedgerRun):
            runs.append(NotedRun(place, record))
        elif runs:
            runs[-1].spans.append(NotedSpan(place, runs[-1].head.world_size, record))
        else:
            message = "expected a line that opens a run before it, got none"
            problems.append(Problem("no-run", place, message, _REPAIR))
    if torn is not None:
        problems.append(torn)
    if not whole:
        message = "expected an end of line, got a line that was torn by a crash"
        problems.append(Problem("torn-line", f"{path}: line {len(lines) + 1}", message, _REPAIR, "warning"))
    if not runs:
        problems.append(Problem("empty", str(path), "expected at least one run, got none"))
    return runs


def _crashed(problem: Problem) -> Problem:
    return Problem("torn-line", problem.where, problem.message, _REPAIR, "warning")


def _record(line: bytes, place: str) -> LedgerRun | LedgerSpan:
    """Read one line.

    Raises
    ------
    LapsError
        Its seal does not fit, or it is no line of a ledger.
    """
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        message = "expected a line of JSON with its seal, got other bytes"
        raise LapsError(Problem("damaged-line", place, message, _REPAIR))
    told = document.pop("x-seal", None)
    body = canonical_json(document)
    found = f"crc32c:{crc32c(body):08x}"
    if told != found:
        message = f"expected {found} over its content, got {told}"
        raise LapsError(Problem("damaged-line", place, message, _REPAIR))
    kind = LedgerRun if "format" in document else LedgerSpan
    return kind.parse(body, place)
