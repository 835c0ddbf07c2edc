"""From views, and what a model made of them, to a page that shows both, their numbers and their files."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from lapsdata import console
from lapsdata.errors import Problem, SchemaError
from lapsdata.provenance import parent, provenance
from lapsdata.report.views_page import MOST_BYTES, plotly_source, views_page
from lapsdata.schema import PoseAlignment, Record, ViewsReport
from lapsdata.stages._matched_views import NO_VIEW, chosen_sets, match_views, open_views
from lapsdata.stages._view_files import refuse_other_files, write_view
from lapsdata.stages._view_numbers import ReportedPair, ReportTally
from lapsdata.stages._view_pages import page_view, points_of_each
from lapsdata.storage.atomic import atomic_file, atomic_folder, refuse_existing
from lapsdata.storage.sealed_json import write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.schema.base import Provenance

__all__ = ["ViewsReportOptions", "ViewsSource", "WrittenViewsReport", "write_views_report"]

PoseSource = Literal["gt", "pred"]

_STAGE = "report"
_REPLACE = "name another one, or replace it with --overwrite"


class ViewsReportOptions(Record):
    """How views are compared and shown.

    Examples
    --------
    >>> ViewsReportOptions(pose_source="pred").far_m
    80.0
    """

    pose_source: PoseSource = "gt"
    """Whose poses clouds have when the page opens."""
    alignment: PoseAlignment = "none"
    """How predicted poses are laid onto the true ones before they are compared and shown."""
    far_m: Annotated[float, Field(gt=1)] = 80.0
    """Points farther from their camera are left out of clouds, and counted; depth that truly is farther is not
    compared. The last colour of depth is that of this one."""
    points: Annotated[int, Field(ge=1)] = 150_000
    """Points of one side on the page, of all sets together."""


class ViewsSource(NamedTuple):
    """What is reported.

    Parameters
    ----------
    root : Path
        A file of views, or a root such as OPV2V's.
    prediction : Path, optional
        A second file of views.
    split : str, optional
        By default all.
    indexes : sequence of int
        Which sets of the split.
    depth_root : Path, optional
        Where depth lies, of a root that has none.
    agents : str, optional
        Which agents sets of a root are made of, as `train=2,validate=4`.

    Examples
    --------
    >>> import pathlib
    >>> ViewsSource(pathlib.Path("train.h5")).indexes
    (0,)
    """

    root: Path
    prediction: Path | None = None
    split: str | None = None
    indexes: Sequence[int] = (0,)
    depth_root: Path | None = None
    agents: str | None = None


class WrittenViewsReport(NamedTuple):
    """What was written.

    Parameters
    ----------
    record : ViewsReport
    page_bytes : int
        How large the page is.
    files : int
        How many files of single views there are.
    problems : tuple of Problem
        Its warnings, and what was told of what was read.
    """

    record: ViewsReport
    page_bytes: int
    files: int
    problems: tuple[Problem, ...]


def write_views_report(
    source: ViewsSource,
    out: Path,
    *,
    views_out: Path | None = None,
    summary: Path | None = None,
    options: ViewsReportOptions | None = None,
    overwrite: bool = False,
) -> WrittenViewsReport:
    """Write a page, and, where they are asked for, a record of its numbers and files of every view.

    The page is one file that needs no network. Files of views have the agent in their names; their folder is there as a
    whole or not at all. The page is written last.

    Parameters
    ----------
    source : ViewsSource
    out : Path
        The page.
    views_out : Path, optional
        Folder of PNG and `.npy` of each view.
    summary : Path, optional
        The record `views_report.v1`.
    options : ViewsReportOptions, optional
    overwrite : bool
        Replace what is there; never a folder in which others have put something.

    Raises
    ------
    SchemaError
        Poses of a prediction without one (`no-prediction`); no such split or set; a prediction that has a view twice; a
        page of more than 15 MB (`page-too-large`).
    MissingExtraError
        plotly is not installed.
    StorageError, CorruptDataError
        A file cannot be read or written, is damaged, or is there already.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.opv2v_scenes import write_opv2v
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = write_opv2v(folder / "opv2v", depth_root=folder / "depth")
    >>> source = ViewsSource(folder / "opv2v", depth_root=folder / "depth")
    >>> done = write_views_report(source, folder / "views.html", summary=folder / "views.json")
    >>> done.record.truth.views, done.record.pos_weight is None, done.page_bytes < 15_000_000
    (12, True, True)
    """
    chosen = options or ViewsReportOptions()
    if chosen.pose_source == "pred" and source.prediction is None:
        message = "expected a prediction whose poses are shown, got none"
        raise SchemaError(Problem("no-prediction", "pose_source", message, "give --pred FILE, or --pose-source gt"))
    for path in (out, views_out, summary):
        if path is not None:
            refuse_existing(path, overwrite, fix=_REPLACE)
    plotly = plotly_source()
    if views_out is not None and overwrite:
        refuse_other_files(views_out)
    pair, made_of, notes = _opened(source, chosen)
    held = nullcontext() if views_out is None else atomic_folder(views_out, overwrite=overwrite)
    with held as folder:
        record, page, files = _made(pair, chosen, made_of, folder, plotly)
        if len(page) > MOST_BYTES:
            message = f"expected at most {MOST_BYTES:,} bytes for {record.truth.views} views, got {len(page):,}"
            fix = "choose fewer sets (--index), or fewer points (--points)"
            raise SchemaError(Problem("page-too-large", str(out), message, fix))
    if summary is not None:
        write_sealed_json(summary, record, overwrite=overwrite)
    with atomic_file(out, overwrite=overwrite) as temporary:
        temporary.write_bytes(page)
    told = (Problem(one.code, str(out), one.message, None, "warning") for one in record.warnings)
    return WrittenViewsReport(record, len(page), files, (*notes, *told))


def _opened(source: ViewsSource, options: ViewsReportOptions) -> tuple[ReportedPair, Provenance, tuple[Problem, ...]]:
    given = open_views(source.root, "truth", split=source.split, depth_root=source.depth_root, agents=source.agents)
    truth = chosen_sets(given.views, source.split, source.indexes, str(source.root))
    found, at, parents = None, np.full(len(truth), NO_VIEW), given.parents
    if source.prediction is not None:
        found = open_views(source.prediction, "prediction").views
        at = match_views(truth, found, str(source.prediction))
        parents = (*parents, parent("prediction", source.prediction))
    parameters: dict[str, JsonValue] = {**options.as_json(), "split": source.split, "indexes": [*source.indexes]}
    made_of = provenance(parameters=parameters, parents=parents)
    return ReportedPair(truth, found, at, options.alignment, options.far_m), made_of, given.notes


def _made(
    pair: ReportedPair, options: ViewsReportOptions, made_of: Provenance, folder: Path | None, plotly: str
) -> tuple[ViewsReport, bytes, int]:
    """Look at every view once; return the record, the page, and how many files of views were written."""
    tally, pages, files = ReportTally(pair), [], 0
    most = points_of_each(options.points, len(pair.truth))
    with console.progress(_STAGE, len(pair.truth), unit="views") as advance:
        for looked in pair.look():
            tally.add(looked)
            if folder is not None:
                files += write_view(folder, looked, pair.far_m)
            pages.append(page_view(looked, pair, most))
            advance(1)
    numbers = tally.numbers()
    record = ViewsReport(
        provenance=made_of,
        pose_source=options.pose_source,
        alignment=options.alignment,
        far_m=options.far_m,
        sets=pair.truth.sets,
        **numbers._asdict(),
    )
    sets = [pages[mine.start : mine.stop] for mine in map(pair.truth.views_of, range(pair.truth.sets))]
    return record, views_page(record, sets, plotly).encode(), files
