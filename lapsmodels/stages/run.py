"""The main job: videos to tracks, tokens, energies, segments, scores and a report, each stage as its verb calls it.

Nothing is kept beside the outputs to say what was done: every output says of what it was made, and a stage whose output
says just that is passed over. So a run that was killed goes on where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.stages.segments_source import read_segments
from lapsdata.video.sources import FoundVideos
from lapsmodels.stages._run_folder import recorded
from lapsmodels.stages.run_steps import Pipeline, Steps
from lapsmodels.tokenizer.checkpoint import read_tokenizer_header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.stages.evaluate import EvaluateOptions
    from lapsdata.stages.recipe import Resolved
    from lapsdata.video.sources import VideoItem
    from lapsmodels.stages.track_options import TrackOptions

__all__ = ["run_videos"]


def run_videos(
    videos: Sequence[VideoItem],
    out: Path,
    recipe: Resolved,
    *,
    truth: Path | None = None,
    tokenizer: Path | None = None,
    force: bool = False,
    workers: int | None = None,
    pipeline: Pipeline | None = None,
) -> Pipeline:
    """Do all stages for some videos; a stage whose output is what it would make is passed over.

    Parameters
    ----------
    videos : sequence of VideoItem
        As `lapsdata.video.sources.find_videos` lists them.
    out : Path
        Folder of all outputs: `recipe.yaml`, `tracks/`, `tokenizer/`, `tokens/`, `energies/`, `threshold.json`,
        `segments.parquet`, `scores.json`, `report/`.
    recipe : Resolved
        See `lapsdata.stages.recipe.resolve`.
    truth : Path, optional
        See `lapsdata.stages.segments_source.read_segments`.
    tokenizer : Path, optional
        One that was trained before; none is trained then.
    force : bool
        Do again what is done.
    workers : int, optional
        Processes that track; by default one per core.
    pipeline : Pipeline, optional
        Filled stage by stage, for whoever wants to tell what was done when the run is stopped.

    Returns
    -------
    Pipeline
        Videos that fail are in its problems, and the others go on.

    Raises
    ------
    LapsError
        A stage cannot go on; all that stood before it stays. Where it is the scores, the report is made without them,
        and why stands in the problems.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; what was finished stays.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.schema.recipe import Recipe
    >>> from lapsdata.stages.recipe import resolve, with_settings
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> from lapsdata.video.sources import find_videos
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> render_scene(5, SceneConfig(actions=2)).write_video(folder / "clip.mp4")
    >>> recipe = resolve(with_settings(Recipe(), ["train.kind=none", "track.points=100"]))
    >>> done = run_videos(find_videos(folder), folder / "out", recipe)
    >>> [one.stage for one in done.done]
    ['track', 'energies', 'threshold', 'segment', 'report']
    """
    run = Steps(out, recipe, pipeline or Pipeline(out), force=force, workers=workers)
    videos = _without_pictures(videos, out / "report", run.pipeline)
    if tokenizer is not None:
        _expect_shape(tokenizer, cast("TrackOptions", recipe.options("track")))
    if truth is not None:
        _expect_truth(truth, videos, cast("EvaluateOptions", recipe.options("evaluate")))
    with recorded(out, recipe):
        try:
            run.go(videos, truth, tokenizer)
        finally:
            run.tell_old()
    return run.pipeline


def _without_pictures(videos: Sequence[VideoItem], report: Path, pipeline: Pipeline) -> Sequence[VideoItem]:
    """Leave out the timelines of an earlier run, which a search above its folder takes for the images of a video."""
    inside = report.resolve()
    kept = [one for one in videos if not _lies_in(one.path, inside)]
    if len(kept) == len(videos):
        return videos
    message = f"{len(videos) - len(kept)} folders of pictures of an earlier run are left out of the videos"
    pipeline.problems.append(Problem("own-pictures", str(report), message, None, "info"))
    if not isinstance(videos, FoundVideos):
        return kept
    return FoundVideos(kept, videos.unmatched, videos.beyond_limit, videos.lost)


def _lies_in(place: Path | str, folder: Path) -> bool:
    # A URL has no folder; as a path it lies in none that is there.
    return Path(place).resolve().is_relative_to(folder)


def _expect_shape(tokenizer: Path, options: TrackOptions) -> None:
    """Refuse a tokenizer that takes other windows than are going to be made, before any is."""
    header = read_tokenizer_header(tokenizer)
    config = header.config
    wanted, got = (options.horizon, options.points), (config.horizon, config.points)
    if wanted != got:
        message = (
            f"expected a tokenizer for windows of {wanted[0]} frames and {wanted[1]} points, as they are tracked, got "
            f"one for {got[0]} and {got[1]}"
        )
        fix = f"track for it: --set track.horizon={got[0]} --set track.points={got[1]}"
        raise SchemaError(Problem("wrong-shape", str(tokenizer), message, fix))
    if header.views != (options.view,):
        message = f"expected a tokenizer for the view {options.view}, got one for {', '.join(header.views)}"
        fix = f"track for it: --set track.view={header.views[0]}" if len(header.views) == 1 else "train another"
        raise SchemaError(Problem("wrong-views", str(tokenizer), message, fix))


def _expect_truth(truth: Path, videos: Sequence[VideoItem], options: EvaluateOptions) -> None:
    """Refuse a truth that cannot be read, or that is of none of the videos, before anything is done."""
    told = read_segments(truth, rate=options.rate, split=options.split).segments
    true = {video.name for video in told.header.videos}
    names = [video.name for video in videos]
    if names and not true.intersection(names):
        message = f"expected a truth of these videos ({listed(names)}), got one of {listed(sorted(true))}"
        fix = "names have no ending; below a folder that is searched with --recursive they have '__' between folders"
        raise SchemaError(Problem("no-common-video", str(truth), message, fix))
