"""`lapsdata demo`: the main job on scenes whose truth is known; `lapsdata demo mot`: tracks of which the same is so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json, output_folder
from lapsmodels.commands.demo_mot import mot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.testing.scenes import Scene

__all__ = ["PLUGIN"]

_ACTIONS, _RATE_HZ, _MOST = 6, 10, 24


PLUGIN = typer.Typer(add_completion=False)
PLUGIN.command()(mot)


@PLUGIN.callback(invoke_without_command=True)
def demo(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", parser=output_folder, help="Folder of all that it makes.", metavar="FOLDER")
    ] = Path("demo"),
    scenes: Annotated[int, typer.Option(min=1, max=_MOST, help="How many of the 24 measured scenes.")] = 8,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="As that of `lapsdata run`.", metavar="STAGE.KEY=VALUE")
    ] = None,
    json: Json = False,
) -> None:
    """Do the main job on rendered scenes with a known truth.

    Renders scenes, runs `lapsdata run` on them, prints the table of scores and the place of the report.
    `lapsdata demo mot` does the same for tracks of many objects; it has options of its own, and needs no torch.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from lapsdata.schema.recipe import Recipe
    from lapsdata.stages.recipe import resolve, with_settings
    from lapsdata.testing.scene_seeds import MEASURE_SEEDS
    from lapsdata.testing.scenes import SceneConfig, render_scene
    from lapsdata.timebase import FrameRate
    from lapsdata.video.sources import find_videos
    from lapsmodels.commands.run import follow

    recipe = resolve(with_settings(Recipe(), settings or []))
    config = SceneConfig(rate=FrameRate(_RATE_HZ), actions=_ACTIONS)
    made = [render_scene(seed, config) for seed in MEASURE_SEEDS[:scenes]]
    folder, truth = out / "videos", out / "truth.parquet"
    videos = _write(made, folder, truth)
    if not json:
        console.write(f"$ lapsdata run {folder} --out {out / 'run'} --truth {truth}")
    # Not the folder: a demo of more scenes may have left others there.
    follow(find_videos(videos), out / "run", recipe, truth=truth, json=json)


def _write(scenes: Sequence[Scene], folder: Path, truth: Path) -> list[Path]:
    """Write the scenes that are not there, and their truth, in place of nothing but a truth of scenes."""
    from lapsdata.containers import Segments
    from lapsdata.formats import read, write
    from lapsdata.stages import settle
    from lapsdata.storage.atomic import storage_errors
    from lapsdata.testing.scene_truth import scene_name, true_segments

    with storage_errors(folder, "make the folder"):
        folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{scene_name(scene)}.mp4" for scene in scenes]
    with console.progress("render", len(scenes), unit="scenes") as advance:
        for scene, path in zip(scenes, paths, strict=True):
            if not path.exists():
                scene.write_video(path)
            advance(1)
    made = true_segments(*scenes)

    def known(path: Path) -> tuple[str | None, Segments]:
        found = read(path, Segments)
        parameters = found.header.provenance.parameters
        return str(parameters) if set(parameters) == {"seeds"} else None, found

    def make(overwrite: bool) -> Segments:
        write(truth, made, overwrite=overwrite)
        return made

    settle(truth, str(made.header.provenance.parameters), read=known, make=make)
    return paths


def _refuse_options(context: typer.Context) -> None:
    """Refuse options that stand in front of the name of another demo: they would say nothing to it."""
    for name, option in (("out", "--out"), ("scenes", "--scenes"), ("settings", "--set"), ("json", "--json")):
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            message = f"give it behind {context.invoked_subcommand}, where that has such an option"
            raise typer.BadParameter(message, param_hint=option)
