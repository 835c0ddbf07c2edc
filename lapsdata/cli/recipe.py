"""`lapsdata recipe`: what the stages can be told, what a recipe tells them, and a recipe for given videos."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapsdata import console
from lapsdata.errors import Problem, StorageError
from lapsdata.verbs import Json, finish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapsdata.loading.view_plan import SplitPlan
    from lapsdata.schema import Recipe
    from lapsdata.stages import Stage
    from lapsdata.stages._recipe_plan import RecipePlan

__all__ = ["PLUGIN"]

PLUGIN = typer.Typer(help="Show and make recipes: what each stage of a run is told.", no_args_is_help=True)


@PLUGIN.command("list")
def list_stages(
    stage: Annotated[str | None, typer.Argument(help="Show the parameters of its kinds.")] = None, json: Json = False
) -> None:
    """List the stages and their kinds, or the parameters of one."""
    from lapsdata.stages.recipe import find_stage, known_stages

    stages = known_stages() if stage is None else {stage: find_stage(stage)}
    if json:
        console.write_json({"stages": [_as_json(one) for one in stages.values()]})
    elif stage is None:
        console.write_table(
            ["stage", "kind", "", "what it does"], [row for one in stages.values() for row in _rows(one)]
        )
    else:
        _write_parameters(stages[stage])


def _rows(stage: Stage) -> Iterator[list[str]]:
    for kind in _kinds(stage):
        default = kind == stage.default
        yield [stage.name, kind, "default" if default else "", stage.title if default else ""]


def _kinds(stage: Stage) -> list[str]:
    """Return the kinds of a stage, the default first."""
    return sorted(stage.kinds(), key=lambda kind: kind != stage.default)


def _as_json(stage: Stage) -> dict[str, object]:
    from lapsdata.stages.recipe import parameters_of

    kinds = [
        {
            "name": kind,
            "default": kind == stage.default,
            "parameters": [parameter._asdict() for parameter in parameters_of(stage, kind)],
        }
        for kind in _kinds(stage)
    ]
    return {"name": stage.name, "title": stage.title, "default": stage.default, "kinds": kinds}


def _write_parameters(stage: Stage) -> None:
    """Write what each kind can be told; kinds that can be told the same stand together."""
    from lapsdata.stages.recipe import parameters_of

    console.write(f"{stage.name}: {stage.title}")
    tables: dict[tuple[tuple[str, str, str], ...], list[str]] = {}
    for kind in _kinds(stage):
        rows = tuple(
            (one.name, "(must be given)" if one.required else json_text.dumps(one.default), one.meaning)
            for one in parameters_of(stage, kind)
        )
        tables.setdefault(rows, []).append(f"{kind} (default)" if kind == stage.default else kind)
    for rows, kinds in tables.items():
        console.write()
        console.write(f"{stage.name}.kind: {', '.join(kinds)}")
        if rows:
            console.write_table(["parameter", "default", "meaning"], rows)
        else:
            console.write("no parameters")


@PLUGIN.command()
def show(
    recipe: Annotated[
        Path | None,
        typer.Argument(help="A recipe; without one, the defaults.", metavar="RECIPE.yaml", readable=False),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Change a parameter, or STAGE.kind=KIND; may be repeated.", metavar="STAGE.KEY=VALUE"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Print a recipe as it would be run, with every default and its meaning."""
    from lapsdata.schema import Recipe
    from lapsdata.stages.recipe import load_recipe, recipe_yaml, resolve, with_settings

    given = Recipe() if recipe is None else load_recipe(recipe)
    whole = resolve(with_settings(given, settings or [])).recipe()
    if json:
        console.write_json({"recipe": whole.as_json()})
    else:
        _write_lines(recipe_yaml(whole))


@PLUGIN.command()
def plan(
    recipe: Annotated[Path, typer.Argument(help="A recipe with a training.", metavar="RECIPE.yaml", readable=False)],
    ranks: Annotated[
        list[int] | None, typer.Option(help="Plan for so many GPUs as well; may be repeated.", min=1, metavar="N")
    ] = None,
    json: Json = False,
) -> None:
    """Say what a training will do before a GPU is rented: steps, sets that are visited, learning rates.

    Files are opened, and no picture is read. Paths in the recipe begin in its folder.
    """
    from lapsdata.stages.recipe import load_recipe, plan_recipe

    found = plan_recipe(load_recipe(recipe), recipe.parent, ranks=ranks or ())
    if json:
        console.write_json({"plan": found.as_json()}, found.problems)
    else:
        _write_plan(found)
        console.report(found.problems)
    finish(found.problems)


def _write_plan(found: RecipePlan) -> None:
    for split in found.splits:
        console.write(f"{split.name}: split {split.split!r} of {split.source}")
        console.write(f"  {split.sets} sets, {split.max_sets} in an epoch of {split.batches} batches")
        for note in split.notes:
            console.write(f"  {note}")
        head = ["ranks", "steps per epoch", "sets shown", "sets visited", "images", "masked", "all sets after"]
        console.write_table([*head, "MapAnything's sampler"], [*_plan_rows(split)])
        console.write()
    steps = {True: "", False: ", fixed on any number of ranks"}[found.splits[0].steps_per_epoch is None]
    console.write(f"learning rate at the first step of each epoch{steps}")
    console.write_table(
        ["epoch", "step", "rate"], [[str(one.epoch), str(one.step), f"{one.rate:.3e}"] for one in found.rates]
    )


def _plan_rows(split: SplitPlan) -> Iterator[list[str]]:
    for one in split.by_rank:
        after = "never" if one.all_after is None else f"{one.all_after} steps"
        theirs = f"{one.their_steps} steps, {one.their_visited} sets"
        told = (
            one.ranks,
            one.steps,
            one.shown,
            f"{one.visited} of {split.sets}",
            one.images,
            one.masked,
            after,
            theirs,
        )
        yield [str(value) for value in told]


@PLUGIN.command()
def init(
    videos: Annotated[list[str], typer.Argument(help="Files, folders, globs, image folders or URLs.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it there and not here.", metavar="FILE.yaml", readable=False)
    ] = None,
    fps: Annotated[str | None, typer.Option(help="Rate of image folders, as 10 or 30000/1001.")] = None,
    recursive: Annotated[bool, typer.Option("--recursive", help="Also look into the folders of folders.")] = False,
    match: Annotated[str | None, typer.Option(metavar="PATTERN", help="Only names like 'S2_*'.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    json: Json = False,
) -> None:
    """Look at videos, and write a recipe that sets what they need.

    Whatever may stay as it is by default is left out. Videos that cannot be read are named.
    """
    from lapsdata.stages.recipe import recipe_for
    from lapsdata.storage.atomic import atomic_file
    from lapsdata.timebase import FrameRate
    from lapsdata.video.sources import find_videos

    if out is not None:
        _refuse_output(out, force)
    rate = None if fps is None else FrameRate.parse(fps)
    found = find_videos(videos, recursive=recursive, match=match, lost="list")
    with console.progress("look at videos", len(found), unit="videos") as looked:
        advice = recipe_for(found, rate, looked=looked)
    if out is not None:
        with atomic_file(out, overwrite=force) as file:
            file.write_text(advice.text(), encoding="utf-8", newline="\n")
    if json:
        told = {} if out is None else {"out": str(out)}
        console.write_json({**told, "found": advice.facts, "recipe": advice.recipe.as_json()}, advice.problems)
    elif out is None:
        _write_lines(advice.text())
    else:
        console.write_facts({"out": str(out), **advice.facts, "sets": _settings(advice.recipe)})
    if not json:
        console.report(advice.problems)
    finish(advice.problems)


def _refuse_output(out: Path, force: bool) -> None:
    """Refuse a name that would be refused after a long look at the videos."""
    if out.suffix.lower() == ".json":
        raise typer.BadParameter("expected a name that ends in .yaml: the recipe has comments", param_hint="--out")
    from lapsdata.storage.atomic import existing

    existing(out.parent.absolute())
    if out.is_dir():
        raise StorageError(Problem("wrong-kind", str(out), "cannot write: it is a folder", "name a file"))
    if out.exists() and not force:
        message = "expected a free name, got an existing one"
        raise StorageError(Problem("exists", str(out), message, "give --force to replace it"))


def _settings(recipe: Recipe) -> str:
    found = [f"{name}.{key}={value}" for name, choice in recipe.stages.items() for key, value in choice.params.items()]
    return ", ".join(found) or "nothing"


def _write_lines(text: str) -> None:
    for line in text.splitlines():
        console.write(line)
