"""The page of a report of views: one file with plotly.js in it, which asks no network for anything."""

from __future__ import annotations

import itertools
import json
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lapsdata.errors import MissingExtraError, Problem
from lapsdata.report.view_pictures import (
    MASK_STATES,
    NEAR_M,
    RATIO_MOST,
    depth_colours,
    ratio_colours,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.schema import ViewsReport, ViewsSide

__all__ = ["MOST_BYTES", "plotly_source", "reduced", "views_page"]

MOST_BYTES: Final = 15_000_000
"""A page is never larger; a third of it is plotly.js."""

_FOLDER = Path(__file__).parent
_PART = re.compile(r"@@(\w+)@@")


def plotly_source() -> str:
    """Return plotly.js, as the Python package brings it.

    Raises
    ------
    MissingExtraError
        It is not installed.

    Examples
    --------
    >>> "Plotly" in plotly_source()
    True
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        message = "expected the package plotly, got no such package"
        fix = "pip install 'lapsdata[viz]'"
        raise MissingExtraError(Problem("missing-extra", "report views", message, fix)) from error
    source: str = get_plotlyjs()
    return source


def views_page(
    record: ViewsReport, sets: Sequence[Sequence[dict[str, JsonValue]]], plotly: str, *, step: int = 1
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    record : ViewsReport
        Whose numbers it tells.
    sets : sequence of sequence of dict
        What it shows of the views of each set, in the record's order.
    plotly : str
        plotly.js.
    step : int
        Its pictures are made of every so many pixels along x and y.
    """
    ends = itertools.accumulate((len(views) for views in sets[:-1]), initial=0)
    names = [record.views[end] for end in ends]
    first = _shown_first(sets[0])
    data: dict[str, JsonValue] = {
        "poseSource": record.pose_source,
        "hasPrediction": record.prediction is not None,
        "farM": record.far_m,
        "nearM": NEAR_M,
        "ratioMost": RATIO_MOST,
        "step": step,
        "depthColours": _hex(depth_colours()),
        "ratioColours": _hex(ratio_colours()),
        "sets": [
            {
                "name": f"{one.split} · {one.scenario} · {one.frame:06d}",
                "views": [_drawn_later(view, not place and number in first) for number, view in enumerate(views)],
            }
            for place, (one, views) in enumerate(zip(names, sets, strict=True))
        ],
    }
    parts = {
        "TITLE": escape(f"{record.sets} set{'s' * (record.sets != 1)} of views, {record.truth.views} views"),
        "LEAD": escape(_lead(record)),
        "STYLE": _asset("css"),
        "WARNINGS": "".join(
            f'<p class="told bad">{escape(f"{one.message}; {one.fix}" if one.fix else one.message)}</p>'
            for one in record.warnings
        ),
        "REDUCED": "" if step == 1 else f'<p class="told">{escape(reduced(step))}</p>',
        "SUMMARY": "".join(_rows(record)),
        "MASKS": "".join(_mask_legend()),
        "FIRST": "".join(
            f'<img src="{source}" alt="" data-view="{number}" elementtiming="first">'
            for number, source in first.items()
        ),
        "PLOTLY": plotly,
        "DATA": _json(data),
        "SCRIPT": _asset("js"),
        # Behind the script: pictures are on the screen before these are read.
        "CLOUDS": _json([[view["clouds"] for view in views] for views in sets]),
        "MADE": escape(f"{record.provenance.producer} {record.provenance.version}"),
    }
    return _PART.sub(lambda found: parts[found[1]], _asset("html"))


def reduced(step: int) -> str:
    """Return in words how pictures of a page were made smaller.

    Examples
    --------
    >>> reduced(2)
    'Pictures are 1/2 as wide and high as they were read, so that the page has at most 15 MB: mean colours, and of \
depth and masks the middle pixel of each 2 x 2'
    """
    size = f"1/{step} as wide and high as they were read, so that the page has at most {MOST_BYTES / 1e6:.0f} MB"
    return f"Pictures are {size}: mean colours, and of depth and masks the middle pixel of each {step} x {step}"


def _asset(kind: str) -> str:
    return (_FOLDER / f"views_page.{kind}").read_text("utf-8")


def _json(value: JsonValue) -> str:
    """Return JSON in which no text ends the element that holds it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def _shown_first(views: Sequence[dict[str, JsonValue]]) -> dict[int, str]:
    """Return the pictures that a page opens with, by view: they need no script to be on the screen."""
    found = {}
    for number, view in enumerate(views):
        truth = view["truth"]
        if view["camera"] == views[0]["camera"] and isinstance(truth, dict) and isinstance(truth["image"], str):
            found[number] = truth["image"]
    return found


def _drawn_later(view: dict[str, JsonValue], first: bool) -> dict[str, JsonValue]:
    """Return a view without what stands elsewhere in the page."""
    told = {name: value for name, value in view.items() if name != "clouds"}
    if first and isinstance(view["truth"], dict):
        told["truth"] = {**view["truth"], "image": None}
    return told


def _hex(colours: NDArray[Any]) -> list[JsonValue]:
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours.tolist()]


def _lead(record: ViewsReport) -> str:
    roots = ", ".join(f"{one.role} {one.name}" for one in record.provenance.parents)
    aligned = {"none": "as they are", "first_view": "with the first view of each set where it truly is"}
    poses = f"; predicted poses {aligned[record.alignment]}" if record.prediction is not None else ""
    return f"{roots}{poses}"


def _rows(record: ViewsReport) -> Iterator[str]:
    """Yield the rows of the table of numbers: what, the truth, the prediction."""
    sides = [record.truth, *([record.prediction] if record.prediction is not None else [])]
    heads = ["", "truth", "prediction"][: len(sides) + 1]
    yield f"<thead><tr>{''.join(f'<th>{name}</th>' for name in heads)}</tr></thead><tbody>"
    for name, values in (
        ("views", [str(side.views) for side in sides]),
        ("mask mean", [_share(side.mask_mean) for side in sides]),
        ("valid ratio", [_share(side.valid_ratio) for side in sides]),
        ("covered ratio", [_share(side.covered_ratio) for side in sides]),
        ("depth", [_depth(side) for side in sides]),
        ("cameras", [_box(side.cameras_m) for side in sides]),
        (f"points up to {record.far_m:g} m", [_box(side.points_m) for side in sides]),
    ):
        yield _row(name, values)
    yield _row("suggested pos_weight", [_number(record.pos_weight, 3), *[""] * (len(sides) - 1)])
    for name, value in _errors(record):
        yield _row(name, ["", value])
    yield "</tbody>"


def _errors(record: ViewsReport) -> Iterator[tuple[str, str]]:
    errors, matching = record.errors, record.matching
    if errors is None or matching is None:
        return
    yield "views in both", f"{matching.matched}, {matching.missing} missing"
    turned = f"{_number(errors.rotation_rmse_deg, 3)}°"
    yield f"pose RMSE, alignment {record.alignment}", f"{_number(errors.pose_rmse_m, 3)} m, {turned}"
    yield "scale RMSE", _number(errors.scale_rmse, 4)
    if errors.depth is None:
        yield "depth RMSE", "no pixel has both"
        return
    yield "depth RMSE", f"{_number(errors.depth.rmse_m, 3)} m of {errors.depth.pixels:,} pixels"
    yield "depth RMSE, median scale", f"{_number(errors.depth.scaled_rmse_m, 3)} m at scale {errors.depth.scale:.4f}"


def _row(name: str, values: Sequence[str]) -> str:
    return f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(value)}</td>' for value in values)}</tr>"


def _share(value: float | None) -> str:
    return "no such mask" if value is None else f"{value:.4f}"


def _number(value: float | None, digits: int) -> str:
    return "none" if value is None else f"{value:.{digits}f}"


def _depth(side: ViewsSide) -> str:
    if side.depth_m is None:
        return "none"
    sparse = f", sparse in {side.sparse_views} of {side.views} views" if side.sparse_views else ""
    return f"{side.depth_m[0]:.2f} to {side.depth_m[1]:.2f} m{sparse}"


def _box(bounds: tuple[tuple[float, ...], tuple[float, ...]] | None) -> str:
    if bounds is None:
        return "none"
    axes = (f"{axis} {low:.1f} to {high:.1f}" for axis, low, high in zip("xyz", *bounds, strict=True))
    return f"{', '.join(axes)} m"


def _mask_legend() -> Iterator[str]:
    for name, (red, green, blue) in MASK_STATES.items():
        yield f'<span class="key"><i style="background:rgb({red},{green},{blue})"></i>{escape(name)}</span>'
