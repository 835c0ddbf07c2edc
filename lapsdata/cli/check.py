"""`lapsdata check`: whether these are the bytes that were written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json, finish

__all__ = ["PLUGIN"]


def check(
    paths: Annotated[list[Path], typer.Argument(help="Files, folders of them, and ledgers.", metavar="PATH")],
    seal: Annotated[bool, typer.Option("--seal", help="Make a list of checksums beside each file of others.")] = False,
    force: Annotated[bool, typer.Option("--force", help="With --seal: make it anew where there is one.")] = False,
    quarantine: Annotated[
        Path | None, typer.Option(help="Move videos that cannot be read there.", metavar="FOLDER")
    ] = None,
    json: Json = False,
) -> None:
    """Verify every byte of files; prove from ledgers what was seen.

    Files of ours are compared with their seal and with the checksum of every window. HDF5, Zarr and tars of others
    carry none: they are read whole, and compared with the list of checksums that --seal puts beside them
    (NAME.lapsdata-seal.json); from then on, loading compares with it too. The file itself is never touched.
    Of videos every frame is decoded. Those that cannot be read are named; --quarantine moves them, and them alone, into
    a folder, where quarantine.jsonl says where each was and why.
    Ledgers of all ranks prove together that each epoch was seen exactly once. They are a proof, and the exit code is 0,
    where at least one epoch was and no error speaks against another; an epoch after it that is not finished yet is a
    warning. Where no epoch is whole yet, nothing is proven, and the exit code is 1.
    """
    if force and not seal:
        raise typer.BadParameter("only with --seal", param_hint="--force")
    from lapsdata.checks.integrity import check_integrity

    with console.progress("check", unit="windows", none=False) as advance:
        report = check_integrity(paths, seal=seal, force=force, advance=advance)
    problems = report.problems
    if quarantine is not None:
        from lapsdata.checks.videos import quarantine as move_away

        problems += move_away(report.items, quarantine)
    if json:
        console.write_json(report.as_json(), problems)
    else:
        if report.items:
            rows = [[item.status, str(item.path), item.found] for item in report.items]
            console.write_table(["status", "item", "found"], rows)
        for group in report.ledgers:
            for line in group.report.text.splitlines():
                console.write(line)
        console.write(report.summary)
        console.report(problems)
    finish(problems)


PLUGIN = check
