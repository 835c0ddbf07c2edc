"""`lapsdata bench`: how fast windows of the user's own data can be read, and what to change."""

from __future__ import annotations

from typing import Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json

__all__ = ["PLUGIN"]


def bench(
    paths: Annotated[
        list[str], typer.Argument(help="Tracks files, folders of them, shards, or URLs of shards.", metavar="PATH...")
    ],
    batch: Annotated[int, typer.Option(min=1, help="Windows per batch.")] = 64,
    seconds: Annotated[float, typer.Option(min=0.01, help="How long each row is measured.")] = 1.0,
    step_ms: Annotated[
        float | None,
        typer.Option(min=0.001, help="A training step, in milliseconds: how long would it wait for data?"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of windows.")] = 0,
    json: Json = False,
) -> None:
    """Measure how fast windows are read, cold and warm.

    Beside our reader, with and without verification, mapped and by pread, stand a copy of windows in memory, which
    nothing can be faster than, and the plain way to read the same file. At the end stands what to change. Nothing is
    written; the system is asked to forget the files once.
    """
    from lapsdata._bench import bench as measure

    found = measure(paths, batch=batch, seconds=seconds, step_ms=step_ms, seed=seed)
    if json:
        console.write_json(found.as_json(), found.problems)
        return
    console.write_table(*found.table())
    console.write()
    console.write_facts(found.facts())
    console.report(found.problems)


PLUGIN = bench
