"""`lapsdata repair`: what can be saved of a damaged file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json, finish

__all__ = ["PLUGIN"]


class _Keep(StrEnum):
    PREFIX = "prefix"
    ALL = "all"


def repair(
    path: Annotated[Path, typer.Argument(help="A damaged file of ours, or a folder of files; never changed.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="What is written; without it, told only.", metavar="DST")
    ] = None,
    keep: Annotated[
        _Keep, typer.Option(help="What comes before the first damage, or all that is verified, with gaps.")
    ] = _Keep.PREFIX,
    clean: Annotated[
        bool,
        typer.Option("--clean", help="Remove unfinished files of killed writers (.lapsdata-tmp-*)."),
    ] = False,
    json: Json = False,
) -> None:
    """Save what can be saved of a damaged file.

    What is saved is the longest run of windows, or rows, from the first on that are verified; of shards, that of each
    video; of a catalog, the items, with what their files can say again. What is lost is told: windows, seconds, bytes,
    the first bad byte, and how many sound windows stand behind it. Ends with 1 if anything is lost. A file that is
    whole is told as such, and nothing is written.
    Of a data set of LeRobot, the episodes up to the first whose rows or frames cannot all be read; a recording that was
    not finished is finished so.
    Files of other makers carry no checksums of their own: one is refused, and in a folder they are counted as such.
    """
    from lapsdata._repair import repair as repaired

    report = repaired(path, out, keep=keep.value, clean=clean)
    if json:
        console.write_json(report.as_json(), report.problems)
    else:
        console.write_facts(report.facts())
        console.report(report.problems)
    finish(report.problems)


PLUGIN = repair
