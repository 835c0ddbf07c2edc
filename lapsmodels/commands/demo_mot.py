"""`lapsdata demo mot`: trackers whose mistakes are known by number, read, checked, scored and drawn; needs no torch."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json, by_option, finish, output_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.errors import Problem
    from lapsdata.schema.tracking import TrackingResult
    from lapsdata.stages._output import Output
    from lapsdata.stages.tracking_demo import DemoPlaces, DemoRow, DemoSet

__all__ = ["mot"]


def mot(
    out: Annotated[
        Path, typer.Option("--out", parser=output_folder, help="Folder of all that it makes.", metavar="FOLDER")
    ] = Path("demo_mot"),
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 0,
    sequences: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 3,
    frames: Annotated[int, typer.Option(min=10, max=10_000, help="Of each sequence.")] = 100,
    people: Annotated[int, typer.Option(min=1, max=16, help="In each sequence.")] = 6,
    missing: Annotated[float, typer.Option(help="Share of the true boxes that are left out.", metavar="P")] = 0.1,
    false: Annotated[float, typer.Option(help="False boxes, as a share of the true ones.", metavar="P")] = 0.1,
    swapped: Annotated[
        float, typer.Option(help="Share of frames in which two neighbours exchange their ids.", metavar="P")
    ] = 0.02,
    jitter: Annotated[
        float, typer.Option(help="How far boxes are moved along each axis, a standard deviation.", metavar="PX")
    ] = 1.5,
    json: Json = False,
) -> None:
    """Make up tracks and trackers, and show what scores find.

    Makes up sequences of MOTChallenge with images, a database of detections, and three trackers: `usual` makes as many
    mistakes as told, `careful` half and `hasty` twice as many. Then looks at them, checks, scores and draws them, and
    holds what was put in against what the scores found. A second call does only what is missing or changed.
    """
    from lapsdata.stages.tracking_demo import DemoPlaces, TrackingDemo, demo_rows, make_demo

    with by_option("TrackingDemo", lambda key: f"--{key.removesuffix('_px')}"):
        options = TrackingDemo(
            seed=seed,
            sequences=sequences,
            frames=frames,
            people=people,
            missing=missing,
            false=false,
            swapped=swapped,
            jitter_px=jitter,
        )
    places, told = DemoPlaces(out), _Told(silent=json)
    made = make_demo(out, options)
    told.write(f"{places.data}: {_counted(made.content)} ({made.fate})")
    _look(places, made.content, told)
    scores = _score(places, told)
    _draw(places, made, told)
    rows = demo_rows(made.content, scores)
    if json:
        document = {"folder": str(out), "fate": made.fate, "options": options.as_json()}
        console.write_json({**document, "rows": [_as_json(row) for row in rows], "result": scores.as_json()}, told.all)
    else:
        _tell(rows)
        _tell_next(places)
    finish(told.all)


class _Told:
    """What is told: each step with the command that does the same, or nothing; problems are kept.

    Parameters
    ----------
    silent : bool
        Whether one document follows in its place.
    """

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self.all: list[Problem] = []

    def write(self, text: str = "") -> None:
        if not self._silent:
            console.write(text)

    def command(self, *words: str | Path) -> None:
        self.write()
        self.write(f"$ {_command(*words)}")

    def facts(self, facts: dict[str, str]) -> None:
        if not self._silent:
            console.write_facts(facts)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        if not self._silent:
            console.write_table(columns, rows)

    def problems(self, problems: Sequence[Problem]) -> None:
        self.all += problems
        if not self._silent:
            console.report(problems)


def _command(*words: str | Path) -> str:
    return shlex.join(["lapsdata", *map(str, words)])


def _counted(made: DemoSet) -> str:
    header = made.truth.header
    people = len(set(zip(made.truth.sequence_index.tolist(), made.truth.id.tolist(), strict=True)))
    count, frames = len(header.sequences), sum(one.length for one in header.sequences)
    return f"{count} sequence{'s' * (count != 1)}, {frames} frames, {len(made.truth)} true boxes of {people} people"


def _look(places: DemoPlaces, made: DemoSet, told: _Told) -> None:
    """Tell what is in the folders, and whether something is wrong with them."""
    from lapsdata._inspect import InspectedBoxes, look_at
    from lapsdata.checks.boxes import compare_boxes
    from lapsdata.checks.integrity import check_integrity

    told.command("inspect", places.mot)
    seen = look_at(str(places.mot))
    told.facts(seen.facts())
    for columns, rows in seen.tables() if isinstance(seen, InspectedBoxes) else ():
        told.write()
        told.table(columns, rows)
    told.command("check", places.mot, places.trackers)
    report = check_integrity([places.mot, places.trackers])
    told.table(["status", "item", "found"], [[one.status, str(one.path), one.found] for one in report.items])
    told.write(report.summary)
    told.problems(report.problems)
    told.command("check", places.database, "--against", places.mot)
    compared = list(compare_boxes(places.database, places.mot, made.truth))
    told.problems(compared)


def _score(places: DemoPlaces, told: _Told) -> TrackingResult:
    from lapsdata.metrics.tracking_table import tracking_table
    from lapsdata.stages.tracking import score_tracking

    words = places.mot, places.trackers, "--out", places.scores, "--plot", places.pictures
    told.command("evaluate", "--task", "mot", *words)
    scores, notes = score_tracking(places.mot, [places.trackers], places.scores)
    if not places.drawn:
        force = places.pictures.exists()
        drawn = score_tracking(places.mot, [places.trackers], places.scores, pictures=places.pictures, force=force)
        notes = drawn[1]
    for line in tracking_table(scores.content).splitlines():
        told.write(line)
    told.problems(notes)
    return scores.content


def _draw(places: DemoPlaces, made: Output[DemoSet], told: _Told) -> None:
    from lapsdata.stages.tracking_demo import draw_demo, drawn_boxes

    name = made.content.truth.header.sequences[0].name
    on = ("--sequence", name, "--on", places.images(name))
    told.command("overlay", *drawn_boxes(places), *on, "--out", places.video, "--sheet", places.sheet)
    drawn = draw_demo(places, made)
    facts = {"out": str(places.video), "sheet": str(places.sheet)}
    told.facts({**facts, "frames": "drawn before" if drawn is None else f"{drawn.frames}, {drawn.size} pixel"})
    told.problems(() if drawn is None else drawn.notes)


def _tell(rows: Sequence[DemoRow]) -> None:
    """Tell what was put in beside what was found, and whether that is the same."""
    console.write()
    console.write("what was put in, and what the scores found:")
    columns = ["tracker", "noise", "put in", "score", "expected", "found"]
    told = [[one.tracker, one.noise, one.put_in, one.score, _number(one.expected), _number(one.found)] for one in rows]
    console.write_table(columns, told)
    same = sum(row.equal for row in rows)
    if same == len(rows):
        console.write(f"All {len(rows)} numbers are found as they were put in.")
        return
    unsure = sorted({row.tracker for row in rows if not row.certain})
    words = f" Boxes of {', '.join(unsure)} lie on other people than their own: nobody can tell whose they are."
    console.write(f"{same} of {len(rows)} numbers are found as they were put in.{words if unsure else ''}")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _as_json(row: DemoRow) -> dict[str, Any]:
    return {**row._asdict(), "equal": row.equal}


def _tell_next(places: DemoPlaces) -> None:
    """Tell what could be done with the files."""
    scored = ("evaluate", "--task", "mot", places.mot)
    console.write()
    console.write("try next:")
    for words in (
        (*scored, places.trackers / "hasty", "--sweep-score", "0.5", "--sweep-score", "0.6", "--sweep-score", "0.7"),
        (*scored, places.truth),
        ("convert", places.database, places.out / "detections.parquet", "--min-score", "0.7"),
        ("demo", "mot", "--missing", "0.3", "--jitter", "4", "--out", f"{places.out}_2"),
    ):
        console.write(f"  {_command(*words)}")
