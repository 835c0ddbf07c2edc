"""`lapsdata report views`: views, and what a model made of them, as a page, numbers and files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json, by_option, finish, output_folder

if TYPE_CHECKING:
    from lapsdata.schema import ViewsReport

__all__ = ["report_views"]

_PAGE = Path("views_report.html")


class _PoseSource(StrEnum):
    GT = "gt"
    PRED = "pred"


class _Alignment(StrEnum):
    NONE = "none"
    FIRST_VIEW = "first_view"


def report_views(
    root: Annotated[Path, typer.Argument(help="Views: a file of ours, a folder of such files, or a root as OPV2V's.")],
    pred: Annotated[
        Path | None,
        typer.Option("--pred", help="A second file of views: what a model made of the same.", metavar="FILE"),
    ] = None,
    pose_source: Annotated[
        _PoseSource,
        typer.Option(
            "--pose-source",
            help="Whose poses clouds have when the page opens, and pred_points.npy; pred_depth_cam2world.npy is it.",
        ),
    ] = _PoseSource.GT,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The page to write; by default views_report.html, beside the folder of --views-out DIR.html, and none "
            "where --summary alone is given.",
            metavar="FILE",
        ),
    ] = None,
    views_out: Annotated[
        Path | None,
        typer.Option(
            "--views-out",
            parser=output_folder,
            help="Folder for PNG and .npy of each view: SPLIT_SCENARIO_FRAME_agentAGENT_CAMERA_depth.npy and so on.",
            metavar="DIR",
        ),
    ] = None,
    summary: Annotated[Path | None, typer.Option(help="JSON for the numbers.", metavar="FILE")] = None,
    split: Annotated[str | None, typer.Option(help="Sets of this split alone.", metavar="NAME")] = None,
    index: Annotated[
        list[int] | None,
        typer.Option(
            "--index", min=0, help="Which set of the split, from 0; again for more. The first by default.", metavar="N"
        ),
    ] = None,
    depth_root: Annotated[
        Path | None, typer.Option("--depth-root", help="Where depth lies, of a root without.", metavar="DIR")
    ] = None,
    agents: Annotated[
        str | None,
        typer.Option(help="Which agents the sets of a root have, as train=2,validate=4.", metavar="RULE"),
    ] = None,
    align: Annotated[
        _Alignment, typer.Option("--align", help="How predicted poses are laid onto the true ones.")
    ] = _Alignment.NONE,
    far: Annotated[
        float, typer.Option("--far", help="What is farther is not in clouds and not compared.", metavar="M")
    ] = 80,
    points: Annotated[int, typer.Option(min=1, help="Points on the page, of truth and prediction each.")] = 150_000,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")] = False,
    json: Json = False,
) -> None:
    """Show views beside what a model made of them.

    The page needs no network: pictures, depth and masks side by side, with one zoom for all, and the points of all
    agents with their cameras, by true or predicted poses. Views of a prediction are those of equal scenario, frame,
    agent and camera; what it lacks is counted, and one that has none of them is refused. Every file that was written is
    named. `--align first_view` is for predictions whose world is their first view.
    """
    from lapsdata.stages.views_report import ViewsReportOptions, ViewsSource, write_views_report

    with by_option("ViewsReportOptions", lambda key: f"--{key.removesuffix('_m').replace('_', '-')}"):
        options = ViewsReportOptions(
            pose_source=pose_source.value, alignment=align.value, far_m=float(far), points=points
        )
    source = ViewsSource(root, pred, split, tuple(index or (0,)), depth_root, agents)
    page = out if out is not None else _usual_page(views_out, summary)
    done = write_views_report(source, page, views_out=views_out, summary=summary, options=options, overwrite=overwrite)
    facts = {}
    if page is not None and done.page_bytes is not None:
        facts["page"] = f"{page}, {done.page_bytes / 1e6:.1f} MB"
    if summary is not None:
        facts["summary"] = str(summary)
    if views_out is not None:
        count = len([path for path in done.files if path.parent == views_out])
        facts["views"] = f"{views_out}, {count} files"
    if json:
        files = [str(path) for path in done.files]
        console.write_json({**facts, "files": files, "report": done.record.as_json()}, done.problems)
    else:
        # The numbers come last: of many views the files are many.
        for path in done.files:
            console.write(str(path))
        console.write()
        console.write_facts({**facts, **_facts(done.record)})
        console.report(done.problems)
    finish(done.problems)


def _usual_page(views_out: Path | None, summary: Path | None) -> Path | None:
    """Return where the page goes of which nothing is said; none where numbers alone are asked for."""
    if views_out is not None:
        return views_out.with_name(f"{views_out.name}.html")
    return _PAGE if summary is None else None


def _facts(record: ViewsReport) -> dict[str, str]:
    """Return the numbers that one wants to know at a glance."""
    truth, errors = record.truth, record.errors
    facts = {"sets": f"{record.sets}, {truth.views} views"}
    if truth.mask_mean is not None:
        weight = "" if record.pos_weight is None else f", suggested pos_weight {record.pos_weight:.3f}"
        facts["mask"] = f"mean {truth.mask_mean:.4f}{weight}"
    if truth.valid_ratio is not None:
        facts["depth"] = f"in {truth.valid_ratio:.1%} of the pixels, sparse in {truth.sparse_views} views"
    if errors is None or record.prediction is None or record.matching is None:
        return facts
    facts["matched"] = f"{record.matching.matched}, {record.matching.missing} missing"
    if record.prediction.mask_mean is not None:
        facts["predicted mask"] = f"mean {record.prediction.mask_mean:.4f}"
    if errors.pose_rmse_m is not None:
        facts["pose RMSE"] = f"{errors.pose_rmse_m:.3f} m, {errors.rotation_rmse_deg:.3f} deg ({record.alignment})"
    if errors.depth is not None:
        depth = errors.depth
        scaled = f"{depth.scaled_rmse_m:.3f} m with scale {depth.scale:.4f} taken off"
        facts["depth RMSE"] = f"{depth.rmse_m:.3f} m; {scaled}"
        facts["scale RMSE"] = f"{errors.scale_rmse:.4f}"
    if errors.depth_share is not None:
        facts["compared"] = f"{errors.depth_share:.1%} of the pixels with true depth"
    return facts
