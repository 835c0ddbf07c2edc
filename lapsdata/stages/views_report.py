"""From views, and what a model made of them, to a page that shows both, their numbers and their files."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
from pydantic import Field

from lapsdata import console
from lapsdata.errors import Problem, SchemaError
from lapsdata.provenance import provenance
from lapsdata.report.views_page import MOST_BYTES, plotly_source, reduced, views_page
from lapsdata.schema import PoseAlignment, PoseSource, Record, ViewsReport
from lapsdata.stages._matched_views import NO_VIEW, chosen_sets, match_views, open_views
from lapsdata.stages._view_files import refuse_other_files, write_view
from lapsdata.stages._view_numbers import ReportedPair, ReportTally
from lapsdata.stages._view_pages import PICTURE_STEPS, PageViews
from lapsdata.storage.atomic import atomic_file, atomic_folder, refuse_existing
from lapsdata.storage.sealed_json import write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.schema.base import Provenance

__all__ = ["ViewsReportOptions", "ViewsSource", "WrittenViewsReport", "write_views_report"]

_STAGE = "report"
_REPLACE = "name another one, or replace it with --overwrite"
_LARGER = "choose fewer sets (--index) for larger ones; files of --views-out have all"


class ViewsReportOptions(Record):
    """How views are compared and shown.

    Examples
    --------
    >>> ViewsReportOptions(pose_source="pred").far_m
    80.0
    """

    pose_source: PoseSource = "gt"
    """Whose poses clouds have when the page opens, and predicted points in files of views."""
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
    page_bytes : int or None
        How large the page is; None where none was asked for.
    files : tuple of Path
        Every file, those of single views first, the page last.
    problems : tuple of Problem
        Its warnings, and what was told of what was read.
    """

    record: ViewsReport
    page_bytes: int | None
    files: tuple[Path, ...]
    problems: tuple[Problem, ...]


def write_views_report(
    source: ViewsSource,
    out: Path | None,
    *,
    views_out: Path | None = None,
    summary: Path | None = None,
    options: ViewsReportOptions | None = None,
    overwrite: bool = False,
) -> WrittenViewsReport:
    """Write a page, a record of its numbers, and files of every view, as far as they are asked for.

    The page is one file that needs no network; where its pictures would make it too large, they are made smaller, and
    it is told. Files of views have the agent in their names; their folder is there as a whole or not at all. The page
    is written last.

    Parameters
    ----------
    source : ViewsSource
    out : Path or None
        The page. Without one, plotly is not needed.
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
        Poses of a prediction without one (`no-prediction`); no such split or set; a prediction that has a view twice,
        or none of them (`nothing-matched`); files of a view that the truth has twice (`view-twice`); a page of
        more than 15 MB with the smallest pictures (`page-too-large`).
    MissingExtraError
        plotly is not installed, and there is to be a page.
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
    >>> [path.name for path in done.files]
    ['views.json', 'views.html']
    """
    chosen = options or ViewsReportOptions()
    if chosen.pose_source == "pred" and source.prediction is None:
        message = "expected a prediction whose poses are shown, got none"
        raise SchemaError(Problem("no-prediction", "pose_source", message, "give --pred FILE, or --pose-source gt"))
    for path in (out, views_out, summary):
        if path is not None:
            refuse_existing(path, overwrite, fix=_REPLACE)
    plotly = None if out is None else plotly_source()
    if views_out is not None and overwrite:
        refuse_other_files(views_out)
    pair, made_of, notes = _opened(source, chosen)
    held = nullcontext() if views_out is None else atomic_folder(views_out, overwrite=overwrite)
    with held as folder:
        made = _made(pair, chosen, made_of, folder, None if plotly is None else MOST_BYTES - len(plotly))
        page, step = (
            (None, 1) if plotly is None or made.page is None else _page(made.record, made.page, pair, plotly, out)
        )
    if summary is not None:
        write_sealed_json(summary, made.record, overwrite=overwrite)
    if out is not None and page is not None:
        with atomic_file(out, overwrite=overwrite) as temporary:
            temporary.write_bytes(page)
    files = tuple(views_out / name for name in made.names) if views_out is not None else ()
    files += tuple(path for path in (summary, out) if path is not None)
    where = str(out or summary or source.root)
    told = [Problem(one.code, where, one.message, one.fix, "warning") for one in made.record.warnings]
    if step > 1:
        told.append(Problem("pictures-reduced", where, reduced(step), _LARGER, "warning"))
    return WrittenViewsReport(made.record, None if page is None else len(page), files, (*notes, *told))


def _opened(source: ViewsSource, options: ViewsReportOptions) -> tuple[ReportedPair, Provenance, tuple[Problem, ...]]:
    given = open_views(source.root, "truth", split=source.split, depth_root=source.depth_root, agents=source.agents)
    truth = chosen_sets(given.views, source.split, source.indexes, str(source.root))
    found, at, parents, notes = None, np.full(len(truth), NO_VIEW), given.parents, given.notes
    if source.prediction is not None:
        predicted = open_views(source.prediction, "prediction")
        found = predicted.views
        at = match_views(truth, found, str(source.prediction))
        parents, notes = (*parents, *predicted.parents), (*notes, *predicted.notes)
    parameters: dict[str, JsonValue] = {**options.as_json(), "split": source.split, "indexes": [*source.indexes]}
    made_of = provenance(parameters=parameters, parents=parents)
    return ReportedPair(truth, found, at, options.alignment, options.far_m), made_of, notes


class _Made(NamedTuple):
    """What views say together, views of a page, and names of the files of views."""

    record: ViewsReport
    page: PageViews | None
    names: list[str]


def _made(
    pair: ReportedPair, options: ViewsReportOptions, made_of: Provenance, folder: Path | None, room: int | None
) -> _Made:
    """Look at every view once; without room for a page, nothing is made for one."""
    tally, names = ReportTally(pair), list[str]()
    page = None if room is None else PageViews(pair, options.points, room)
    with console.progress(_STAGE, len(pair.truth), unit="views") as advance:
        for looked in pair.look():
            tally.add(looked)
            if folder is not None:
                names += write_view(folder, looked, pair.far_m, options.pose_source)
            if page is not None:
                page.add(looked)
            advance(1)
    record = ViewsReport(
        provenance=made_of,
        pose_source=options.pose_source,
        alignment=options.alignment,
        far_m=options.far_m,
        sets=pair.truth.sets,
        **tally.numbers()._asdict(),
    )
    return _Made(record, page, names)


def _page(
    record: ViewsReport, views: PageViews, pair: ReportedPair, plotly: str, out: Path | None
) -> tuple[bytes, int]:
    """Return the page with the largest pictures for which it has room, and their step."""
    least = views.least_bytes + len(plotly)
    for step, each in views.sizes():
        sets = [each[mine.start : mine.stop] for mine in map(pair.truth.views_of, range(pair.truth.sets))]
        page = views_page(record, sets, plotly, step=step).encode()
        if len(page) <= MOST_BYTES:
            return page, step
        least = len(page)
    message = f"expected at most {MOST_BYTES:,} bytes for {record.truth.views} views, got at least {least:,}"
    fix = f"choose fewer sets (--index), or fewer points (--points): pictures are 1/{PICTURE_STEPS[-1]} of their size"
    raise SchemaError(Problem("page-too-large", str(out), message, fix))
