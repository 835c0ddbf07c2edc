"""What the splits of views are like: counts, camera models, masks, depth and poses, from some sets of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.checks._view_numbers import DEPTH_EDGES_M, MASKS, numbers_of
from lapsdata.errors import LapsError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.checks._view_numbers import ViewNumbers
    from lapsdata.containers import Views
    from lapsdata.schema import CameraModel

__all__ = [
    "MASK_EDGES",
    "SAMPLE",
    "SplitStats",
    "StatsTables",
    "model_text",
    "pixel_tables",
    "split_rows",
    "split_stats",
    "stats_tables",
]

SAMPLE = 8
"""Sets of each split whose masks and depth are read where nobody says how many."""

MASK_EDGES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95)
"""Where the bins of histograms of mask means begin; the last one ends with 1."""

_NAMES = ["split", "sets", "views", "cameras", *MASKS, "depth m", "from origin m", "from first m"]

StatsTables = list[tuple[list[str], list[list[str]]]]
"""Tables of texts: headings and rows."""


@dataclass(frozen=True, slots=True)
class SplitStats:
    """What a split is like.

    Parameters
    ----------
    split : str
    sets : int
    counts : tuple of int
        How many views its sets have, each number once.
    models : tuple of str
        Its camera models, in words.
    looked_at : int
        Sets whose masks and depth were read.
    numbers : tuple of ViewNumbers
        Of each view of these that could be read and has any.
    from_origin_m, from_first_m : tuple of float
        Least, median and largest distance of its cameras from the origin, and from the first view of their set.
    problems : tuple of Problem
        Layers that could not be read.
    chosen, selected : bool
        Whether its sets are those that somebody made, and not all that a root of others has; and whether the header
        says by which rule.
    """

    split: str
    sets: int
    counts: tuple[int, ...]
    models: tuple[str, ...]
    looked_at: int
    numbers: tuple[ViewNumbers, ...]
    from_origin_m: tuple[float, float, float]
    from_first_m: tuple[float, float, float]
    problems: tuple[Problem, ...] = ()
    chosen: bool = True
    selected: bool = False

    def means(self, mask: str) -> list[float]:
        """Return the means of a mask of the views that have it."""
        return [one.means[mask] for one in self.numbers if mask in one.means]

    def depths(self) -> list[int]:
        """Return how many pixels with depth each bin of `DEPTH_EDGES_M` has."""
        rows = [one.depths for one in self.numbers if one.depths]
        return [sum(column) for column in zip(*rows, strict=True)]

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as a JSON-ready dictionary, histograms with the edges of their bins."""
        masks = {
            mask: {"mean": float(np.mean(means)), "least": min(means), "most": max(means), "views": _binned(means)}
            for mask in MASKS
            if (means := self.means(mask))
        }
        medians = [one.median_m for one in self.numbers if one.median_m is not None]
        depth = {
            "edges_m": list(DEPTH_EDGES_M),
            "pixels": self.depths(),
            "median_m": float(np.median(medians)) if medians else None,
        }
        return {
            "split": self.split,
            "sets": self.sets,
            "views_per_set": list(self.counts),
            "cameras": list(self.models),
            "sets_looked_at": self.looked_at,
            "mask_edges": list(MASK_EDGES),
            "masks": masks,
            "depth": depth if self.depths() else None,
            "from_origin_m": list(self.from_origin_m),
            "from_first_m": list(self.from_first_m),
        }


def model_text(model: CameraModel) -> str:
    """Return a camera model in words.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> model_text(sample_views().camera_model(0))
    'pinhole 4x3, 90 x 74 degrees'
    """
    if model.lens is not None:
        sides = zip((model.size.width, model.size.height), model.lens.focal_px, strict=True)
        wide, high = (2 * np.degrees(np.arctan(side / focal / 2)) for side, focal in sides)
        return f"pinhole {model.size.frame}, {wide:.0f} x {high:.0f} degrees"
    angles = model.angles
    span = "" if angles is None else f", {angles.h_fov_deg:.0f} x {angles.high_deg - angles.low_deg:.0f} degrees"
    return f"{model.kind} {model.size.frame}{span}"


def split_stats(views: Views, split: str, sample: int) -> SplitStats:
    """Return what a split is like; poses of all its views, masks and depth of some sets, spread over all.

    Parameters
    ----------
    views : Views
    split : str
        One that it has.
    sample : int
        How many sets are looked at; 0 for none.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> found = split_stats(sample_views(), "train", 8)
    >>> found.sets, found.counts, found.means("valid"), found.from_first_m
    (1, (2,), [0.9166666666666666, 1.0], (0.0, 2.598076211353316, 5.196152422706632))
    """
    places = [place for place, name in enumerate(views.split) if name == split]
    chosen = np.unique(np.linspace(0, len(places) - 1, min(sample, len(places))).round().astype(int)).tolist()
    numbers, problems = [], list[Problem]()
    for view in (view for place in chosen for view in views.views_of(places[place])):
        if any(views.present[layer][view] for layer in (*MASKS, "depth")):
            try:
                numbers.append(numbers_of(views, view))
            except LapsError as error:
                problems += error.problems
    each = [views.views_of(place) for place in places]
    mine = np.concatenate([np.array(members) for members in each])
    first = np.concatenate([np.full(len(members), members.start) for members in each])
    at = views.cam2world[:, :3, 3]
    return SplitStats(
        split,
        len(places),
        tuple(sorted({len(members) for members in each})),
        tuple(sorted({model_text(views.header.cameras[number]) for number in set(views.model[mine].tolist())})),
        len(chosen),
        tuple(numbers),
        _spread(np.linalg.norm(at[mine], axis=1)),
        _spread(np.linalg.norm(at[mine] - at[first], axis=1)),
        tuple(problems),
        selected=split in views.header.selections,
    )


def split_rows(splits: Sequence[SplitStats]) -> tuple[list[str], list[list[str]]]:
    """Return headings and a row of texts for each split: ranges over the views that were looked at.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> split_rows([split_stats(sample_views(), "train", 8)])[1][0][:7]
    ['train', '1', '2', 'pinhole 4x3, 90 x 74 degrees', '', '0.917-1.000', '0.583-0.750']
    """
    return _NAMES, [
        [
            one.split,
            f"{one.sets:,}",
            "-".join(map(str, dict.fromkeys((one.counts[0], one.counts[-1])))),
            "; ".join(one.models),
            *(_range(one.means(mask), ".3f") for mask in MASKS),
            _range([number.median_m for number in one.numbers if number.median_m is not None], ".1f"),
            _range(one.from_origin_m, ".1f"),
            _range(one.from_first_m, ".1f"),
        ]
        for one in splits
    ]


def stats_tables(splits: Sequence[SplitStats]) -> StatsTables:
    """Return all tables of splits: what they are like, and the histograms of their masks and depth.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> len(stats_tables([split_stats(sample_views(), "train", 8)]))
    3
    """
    return [split_rows(splits), *pixel_tables(splits)]


def pixel_tables(splits: Sequence[SplitStats]) -> StatsTables:
    """Return histograms as tables of texts: of views by the means of their masks, of pixels by their depth.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> masks, depth = pixel_tables([split_stats(sample_views(), "train", 8)])
    >>> masks[1][0], depth[1][0][:4]
    (['train', 'valid', '', '', '', '', '1', '1'], ['train', '22%', '52%', '26%'])
    """
    tables: StatsTables = []
    masks = [
        [one.split, mask, *(str(count) if count else "" for count in _binned(means))]
        for one in splits
        for mask in MASKS
        if (means := one.means(mask))
    ]
    if masks:
        tables.append((["split", "views by mean", *_bins(MASK_EDGES, 1)], masks))
    depths = [
        [one.split, *(f"{count / total:.0%}" if count else "" for count in counts)]
        for one in splits
        if (counts := one.depths()) and (total := sum(counts))
    ]
    if depths:
        tables.append((["depth m", *_bins(DEPTH_EDGES_M, None)], depths))
    return tables


def _binned(means: Sequence[float]) -> list[int]:
    places = np.searchsorted(MASK_EDGES, means, "right") - 1
    return [int(count) for count in np.bincount(places, minlength=len(MASK_EDGES))]


def _bins(edges: Sequence[float], last: float | None) -> list[str]:
    """Return what the bins that begin there are called; an end that is None is open."""
    ends = [*edges[1:], last]
    return [f"{edge:g}+" if end is None else f"{edge:g}-{end:g}" for edge, end in zip(edges, ends, strict=True)]


def _spread(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float, float]:
    return float(values.min()), float(np.median(values)), float(values.max())


def _range(values: Sequence[float], form: str) -> str:
    if not values:
        return ""
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low}-{high}"
