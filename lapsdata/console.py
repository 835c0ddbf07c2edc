"""Everything that a person or a script sees: text, tables, problems, JSON and progress.

The only place that writes to the standard streams. Results go to standard output, everything about the work
(problems, warnings, progress) to standard error, so that a pipe carries results alone. On a terminal rich
draws; elsewhere every line is one plain record. With `--json`, standard output is exactly one JSON document.
What a file or a library puts into a text cannot break a line or steer the terminal: see `lapsdata.errors.shown`.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import warnings
from contextlib import contextmanager
from enum import IntEnum
from time import monotonic
from typing import TYPE_CHECKING, Any

from lapsdata.errors import UNSHOWN, LapsWarning, Problem, StorageError, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TextIO

    from rich.console import Console

    from lapsdata.errors import Severity

__all__ = [
    "ExitCode",
    "OutputRefusedError",
    "aligned",
    "flush",
    "keep_warnings",
    "note",
    "prepare",
    "progress",
    "report",
    "write",
    "write_facts",
    "write_json",
    "write_table",
]

_SHOWN = 20
_RANK: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
_STYLE: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "info": "cyan"}
# How words of state look in a drawn table.
_WORDS = {"ok": "green", "warning": "yellow", "error": "bold red", "broken": "yellow", "clash": "bold red"}
# Warnings that wait for the JSON document; None where they are told at once.
_kept: list[Problem] | None = None


class ExitCode(IntEnum):
    """What the exit code of every verb means.

    Examples
    --------
    >>> int(ExitCode.PROBLEMS)
    1
    """

    OK = 0
    PROBLEMS = 1
    USAGE = 2


class OutputRefusedError(StorageError):
    """Standard output takes no more: the disk behind it is full, say."""


def prepare() -> None:
    """Make ready for a command: both standard streams take any text, our warnings read as problems.

    A stream that the caller closed is replaced by one to nowhere, so that no file opened later gets its number.

    Examples
    --------
    >>> prepare()  # the first thing that a command does; a library never calls it
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        # A file name may hold bytes that are no text in the stream's encoding; it is shown escaped.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    plain = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if not issubclass(category, LapsWarning):
            plain(message, category, filename, lineno, file, line)
        elif _kept is None:
            _labelled("warning", str(message))
        else:
            _kept.append(Problem("warned", "", str(message), severity="warning"))

    warnings.showwarning = show


def keep_warnings() -> None:
    """Keep warnings of ours from now on for the JSON document, instead of telling each at once.

    Examples
    --------
    >>> keep_warnings()  # doctest: +SKIP
    """
    global _kept
    _kept = []


def flush() -> None:
    """Hand everything written so far to standard output.

    Raises
    ------
    OutputRefusedError
        It is not taken; what comes later is dropped without a further error.
    BrokenPipeError
        Whoever read it has stopped.

    Examples
    --------
    >>> flush()
    """
    with _output():
        sys.stdout.flush()


def write(text: str = "") -> None:
    """Write one line of a result to standard output.

    Raises
    ------
    OutputRefusedError, BrokenPipeError
        See `flush`.

    Examples
    --------
    >>> write("3 files")
    3 files
    """
    _put(shown(text))


def _put(text: str) -> None:
    with _output():
        sys.stdout.write(f"{text}\n")


@contextmanager
def _output() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # What is still in the buffer would fail again when the process ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if isinstance(error, BrokenPipeError):
            raise
        code = "disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "output-refused"
        message = f"cannot write: {error.strerror or error}"
        raise OutputRefusedError(Problem(code, "standard output", message, "send it elsewhere")) from error


def note(text: str) -> None:
    """Write one line about the work to standard error.

    Examples
    --------
    >>> note("reading the index")  # nothing on standard output
    """
    sys.stderr.write(f"{shown(text)}\n")
    sys.stderr.flush()


def write_json(document: Mapping[str, object], problems: Iterable[Problem] = ()) -> None:
    """Write the one JSON document of a `--json` run: `document`, and a record for each problem and kept warning.

    Parameters
    ----------
    document : mapping of str to JSON values
        NaN and infinity are refused: JSON has no spelling for them.
    problems : iterable of Problem

    Examples
    --------
    >>> write_json({"windows": 3}, [Problem("empty", "vis", "expected one view, got none")])
    {
      "windows": 3,
      "problems": [
        {
          "code": "empty",
          "where": "vis",
          "message": "expected one view, got none",
          "fix": null,
          "severity": "error"
        }
      ]
    }
    """
    whole = {**document, "problems": [problem.as_json() for problem in _sorted([*problems, *(_kept or ())])]}
    text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)
    # Such characters stand inside of strings, where JSON may spell each by its number; its own line breaks stay.
    _put("\n".join(UNSHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", line) for line in text.split("\n")))


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table to standard output: drawn on a terminal, elsewhere aligned text with one row a line.

    Parameters
    ----------
    columns : sequence of str
        Headings.
    rows : iterable of sequence of str
        As many cells as there are columns.

    Examples
    --------
    >>> write_table(["dataset", "shape"], [["tracks", "(317, 16, 400, 2)"], ["vis", "(317, 16, 400)"]])
    dataset  shape
    tracks   (317, 16, 400, 2)
    vis      (317, 16, 400)
    """
    cells = [tuple(map(shown, row)) for row in rows]
    terminal = _terminal(sys.stdout)
    if terminal is None:
        _write_aligned([tuple(columns), *cells])
    else:
        from rich import box

        _draw(terminal, columns, cells, box=box.SIMPLE_HEAD, header_style="bold")


def write_facts(facts: Mapping[str, str]) -> None:
    """Write names and values, one a line, to standard output.

    Examples
    --------
    >>> write_facts({"format": "tracks_hdf5", "windows": "3"})
    format   tracks_hdf5
    windows  3
    """
    cells = [(shown(name), shown(value)) for name, value in facts.items()]
    terminal = _terminal(sys.stdout)
    if terminal is None:
        _write_aligned(cells)
    else:
        _draw(terminal, ("name", "value"), cells, box=None, show_header=False)


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows as lines whose columns stand below one another.

    Examples
    --------
    >>> aligned([("row", "F"), ("prediction", "0.5")])
    ['row         F', 'prediction  0.5']
    """
    cells = [tuple(map(shown, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _write_aligned(rows: Sequence[tuple[str, ...]]) -> None:
    for line in aligned(rows):
        write(line)


def _draw(
    terminal: Console,
    columns: Sequence[str],
    rows: Iterable[tuple[str, ...]],
    **style: Any,  # noqa: ANN401
) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(pad_edge=False, **style)
    for column, look in zip(columns, ("bold cyan", *[""] * len(columns)), strict=False):
        table.add_column(column, overflow="fold", style=look)
    for row in rows:
        table.add_row(*(Text(cell, _WORDS.get(cell, "")) for cell in row))
    terminal.print(table)


def report(problems: Iterable[Problem]) -> None:
    """Write problems to standard error: most severe first, then by place; 20 of them and a count.

    What was written to standard output comes before them, also where both go to one file.

    Raises
    ------
    OutputRefusedError, BrokenPipeError
        See `flush`.

    Examples
    --------
    >>> report([Problem("wrong-dtype", "clip.h5: vis", "expected bool, got int64")])
    """
    flush()
    ordered = _sorted(problems)
    for problem in ordered[:_SHOWN]:
        _labelled(problem.severity, str(problem))
    if len(ordered) > _SHOWN:
        note(f"... and {len(ordered) - _SHOWN} more problems")


@contextmanager
def progress(
    title: str, total: int | None = None, *, unit: str = "items", every_s: float = 10.0, none: bool = True
) -> Iterator[Callable[..., None]]:
    """Show how far some work is, on standard error: a bar on a terminal, elsewhere a line now and then.

    Rate and remaining time are taken from the first units on: what comes before them (loading, compiling) is done once.

    Parameters
    ----------
    title : str
        What is being done.
    total : int or None
        How many units there are; None if that is not known.
    unit : str
        What is counted, in the plural.
    every_s : float, second
        Least time between two plain lines.
    none : bool
        Whether a plain line is written in the end where no unit was done.

    Yields
    ------
    callable
        To be called with the number of units done since the last call, and with what was counted where it is something
        else than `unit`. Units of several kinds are counted apart, and have no rate.

    Examples
    --------
    >>> with progress("track", 3, unit="clips") as advance:
    ...     for _ in range(3):
    ...         advance(1)
    """
    terminal = _terminal(sys.stderr)
    if terminal is not None:
        with _bar(terminal, title, total, unit) as advance:
            yield advance
        return
    lines = _PlainProgress(title, total, unit, every_s, none=none)
    try:
        yield lines.advance
    except BaseException:
        lines.end("stopped at")
        raise
    lines.end("done:")


class _PlainProgress:
    """Lines for a log file: counts, rate, remaining time."""

    def __init__(self, title: str, total: int | None, unit: str, every_s: float, *, none: bool) -> None:
        self._none = none
        self._title, self._total, self._every_s = title, total, every_s
        self._start = self._told = monotonic()
        self._units = _Units(unit)
        # When the first units were done, and how many those were.
        self._first: tuple[float, int] | None = None

    def advance(self, units: int, unit: str | None = None) -> None:
        self._units.add(units, unit)
        now = monotonic()
        if self._first is None and units:
            self._first = now, units
        if now - self._told >= self._every_s:
            self._told = now
            note(f"{self._title}: {self._count()}{self._pace(now)}")

    def _pace(self, now: float) -> str:
        since, before = self._first or (now, 0)
        if now <= since:
            return ""
        rate = (self._units.done - before) / (now - since)
        left = ""
        if self._total is not None and rate > 0:
            left = f", {_duration((self._total - self._units.done) / rate)} left"
        return f"{self._units.pace(rate)}{left}"

    def end(self, how: str) -> None:
        if not self._units.done and not self._none:
            return
        elapsed = monotonic() - self._start
        rate = self._units.pace(self._units.done / elapsed) if elapsed > 0 else ""
        note(f"{self._title}: {how} {self._count()} in {_duration(elapsed)}{rate}")

    def _count(self) -> str:
        return self._units.text("" if self._total is None else f"/{self._total}")


class _Units:
    """What was counted, by its kind."""

    def __init__(self, usual: str) -> None:
        self._usual = usual
        self._counts: dict[str, int] = {}

    @property
    def done(self) -> int:
        return sum(self._counts.values())

    def add(self, units: int, unit: str | None) -> None:
        kind = unit or self._usual
        self._counts[kind] = self._counts.get(kind, 0) + units

    def text(self, of: str = "") -> str:
        counts = self._counts or {self._usual: 0}
        return " and ".join(f"{count}{of} {unit}" for unit, count in counts.items())

    def pace(self, per_s: float) -> str:
        """Return what follows a count: units of two kinds have no pace."""
        return "" if len(self._counts) > 1 else f", {_rate(per_s, self._kind)}"

    def label(self, per_s: float | None) -> str:
        """Return what stands beside a bar, which counts all units as one."""
        if len(self._counts) > 1:
            return self.text()
        return self._kind if per_s is None else _rate(per_s, self._kind)

    @property
    def _kind(self) -> str:
        return next(iter(self._counts), self._usual)


@contextmanager
def _bar(terminal: Console, title: str, total: int | None, unit: str) -> Iterator[Callable[..., None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=terminal) as bar:
        task = bar.add_task(shown(title), total=total, rate=unit)
        counted = _Units(unit)

        def advance(units: int, unit: str | None = None) -> None:
            bar.advance(task, units)
            counted.add(units, unit)
            bar.update(task, rate=counted.label(bar.tasks[0].speed))

        yield advance


def _labelled(severity: Severity, text: str) -> None:
    terminal = _terminal(sys.stderr)
    if terminal is None:
        note(f"{severity}: {text}")
        return
    from rich.text import Text

    terminal.print(Text.assemble((f"{severity}: ", _STYLE[severity]), shown(text)), soft_wrap=True)


def _terminal(stream: TextIO) -> Console | None:
    """Return a console that draws on `stream` if that is a terminal; rich is not even imported otherwise."""
    if not stream.isatty():
        return None
    from rich.console import Console

    return Console(file=stream, highlight=False)


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (_RANK[problem.severity], problem.where, problem.code))


def _rate(per_s: float, unit: str) -> str:
    return f"{per_s:,.1f} {unit}/s" if per_s < 100 else f"{per_s:,.0f} {unit}/s"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
