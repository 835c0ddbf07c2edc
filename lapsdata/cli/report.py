"""`lapsdata report`: what was found, as timelines and one page; `lapsdata report views`: views, and what models see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core

from lapsdata import console
from lapsdata.cli._report_views import report_views
from lapsdata.verbs import Average, Json, command_of, finish

__all__ = ["PLUGIN"]

_VIEWS = "views"


class _BySubject(typer.core.TyperGroup):
    """A verb that is another one behind the word `views`: else what follows is a file of segments."""

    # Of typer's own click, whose types have no public name.
    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401
        named = args[:1] == [_VIEWS]
        command = command_of(report_views if named else report, self.rich_markup_mode)
        if named:
            info_name, args = f"{info_name} {_VIEWS}", args[1:]
        return command.make_context(info_name, args, parent=parent, **extra)


def report(
    segments: Annotated[Path, typer.Argument(help="Segments, as `lapsdata segment` writes them.")],
    energies: Annotated[
        list[Path],
        typer.Option(
            "--energies", help="Energies of the same videos; first those that were segmented.", metavar="FILE"
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the report.", metavar="DIR")],
    truth: Annotated[
        Path | None, typer.Option(help="True segments, as `lapsdata evaluate` takes them.", metavar="PATH")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Scores of these segments: --out of `lapsdata evaluate`.", metavar="FILE")
    ] = None,
    train: Annotated[
        Path | None,
        typer.Option(help="True segments of the train split that the scores were taken with.", metavar="PATH"),
    ] = None,
    note: Annotated[
        str | None, typer.Option(help="Stands on the page and every picture, such as SYNTHETIC.", metavar="TEXT")
    ] = None,
    average: Annotated[Average, typer.Option(help="Over videos, or over all boundaries.")] = Average.MACRO,
    force: Annotated[bool, typer.Option("--force", help="Make again what is done.")] = False,
    json: Json = False,
) -> None:
    """Show what was found: a timeline for each video, on one page.

    The folder holds a picture for each video (timelines/), the scores with a curve over tolerances (curve.png), and
    index.html, which needs no network. The curve is taken at many tolerances where every file is given that the scores
    were made of, and otherwise at those of the scores. A second call keeps the folder if it is whole and made of the
    same files; what others have put there is never replaced. `lapsdata report views` shows views of cameras; it has
    options of its own.
    """
    from lapsdata.stages.report import ReportOptions, write_report

    options = ReportOptions(average=average.value, note=note)
    output = write_report(
        out, segments=segments, energies=energies, truth=truth, scores=scores, train=train, options=options, force=force
    )
    problems = output.content.problems
    facts = {"out": str(out), **output.content.facts(), "page": str(out / "index.html"), "done": output.fate}
    if json:
        console.write_json({**facts, "why": output.why}, problems)
    else:
        console.write_facts(facts)
        console.report(problems)
    finish(problems)


PLUGIN = typer.Typer(cls=_BySubject, help="Show what was found, on one page.", add_completion=False)


@PLUGIN.callback()
def _report() -> None:
    """Show what was found, on one page."""
