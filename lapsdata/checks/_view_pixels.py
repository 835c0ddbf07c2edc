"""Masks and depth that cannot be what they are said to be, or teach nothing: each with its threshold and its numbers.

What contradicts itself is an error. What is only unlikely is a warning that names its evidence: pictures may be of
anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.checks._view_numbers import view_named
from lapsdata.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lapsdata.checks._view_numbers import ViewNumbers
    from lapsdata.checks.view_stats import SplitStats
    from lapsdata.containers import Views

__all__ = ["pixel_faults"]

_EMPTY, _FULL = 0.05, 0.995
# Streets have depths of some 5 to 60 m at the median.
_FAR_M, _NEAR_M = 150.0, 0.2
_UNITS = {1000: "millimetres", 100: "centimetres"}
_STREET_M = (1.0, 100.0)
_CEILING, _CEILING_PIXELS, _BEYOND = 0.05, 50, 2.0
# How much flatter the ground has to be by the other kind of depth, and how bent by the one that is stated.
_FLATTER, _BENT = 4.0, 0.005
# What OPV2V's four cameras cover of a panorama 4:1 of 90 degrees, cropped to its shape first, and as they are.
_CROPPED = {"equirectangular": (0.332, 0.858), "cylinder": (0.267, 0.802)}
_NEAR_CROPPED, _LOW, _DROP = 0.012, 0.5, 0.03


def pixel_faults(views: Views, stats: SplitStats, where: str) -> Iterator[Problem]:
    """Yield what is wrong with the masks and the depth of the views of a split that were looked at.

    Parameters
    ----------
    views : Views
    stats : SplitStats
    where : str
        File and split, for messages.

    Examples
    --------
    >>> from lapsdata.checks.view_stats import split_stats
    >>> from lapsdata.testing.samples import sample_views
    >>> list(pixel_faults(sample_views(), split_stats(sample_views(), "train", 8), "scene.h5: train"))
    []
    """
    yield from _contradictions(views, stats, where)
    yield from _masks(views, stats, where)
    yield from _unit(views, stats, where)
    yield from _kind(views, stats, where)
    yield from _coverage(views, stats, where)


def _contradictions(views: Views, stats: SplitStats, where: str) -> Iterator[Problem]:
    if wrong := [one for one in stats.numbers if one.not_valid]:
        pixels = sum(one.not_valid for one in wrong)
        message = f"expected valid where depth is above 0 and there alone, got {pixels:,} pixels that contradict it"
        fix = "write the mask of the depth that is stored: valid = depth > 0"
        yield Problem("valid-not-depth", where, f"{message} {_of(views, wrong, stats)}", fix)
    if wrong := [one for one in stats.numbers if one.outside]:
        pixels = sum(one.outside for one in wrong)
        message = f"expected non_ambiguous where covered alone, got {pixels:,} pixels without a colour"
        fix = "cut the mask to what is covered"
        yield Problem("mask-outside", where, f"{message} {_of(views, wrong, stats)}", fix, "warning")


def _masks(views: Views, stats: SplitStats, where: str) -> Iterator[Problem]:
    for mask in ("covered", "non_ambiguous", "valid"):
        means = stats.means(mask)
        if not means:
            continue
        # Depth of a LiDAR is on a few pixels in a hundred, and right.
        least = 0.0 if mask == "valid" else _EMPTY
        empty = [one for one in stats.numbers if mask in one.means and (one.means[mask] < least or not one.means[mask])]
        if empty:
            empty.sort(key=lambda one: one.means[mask])
            share = f"is below {least:g}" if least else "is 0"
            message = f"the mean of {mask} {share} {_of(views, empty, stats)}: a model that says 0 is nearly right"
            fix = "look at how it is made; weigh its loss by (1 - mean) / mean"
            lost = max(means) == 0
            yield Problem("mask-empty", where, message, fix, "error" if lost else "warning")
        elif mask == "valid" and max(means) < _EMPTY:
            message = f"depth is sparse, as that of a LiDAR: valid has a mean of {np.mean(means):.3f}"
            yield Problem("valid-sparse", where, message, None, "info")
        if mask == "non_ambiguous" and min(means) > _FULL:
            message = f"the mean of {mask} is above {_FULL:g} in all {len(means)} views: it tells nothing apart"
            fix = "the sky and edges of surfaces are ambiguous: look at how it is made"
            yield Problem("mask-full", where, message, fix, "warning")


def _unit(views: Views, stats: SplitStats, where: str) -> Iterator[Problem]:
    known = [one for one in stats.numbers if one.median_m is not None]
    medians = [one.median_m for one in known if one.median_m is not None]
    if not medians:
        return
    median = float(np.median(medians))
    if median > _FAR_M:
        near = {much: name for much, name in _UNITS.items() if _STREET_M[0] <= median / much <= _STREET_M[1]}
        told = " or ".join(f"{median / much:.1f} m if it is {name}" for much, name in near.items())
        message = f"depth has a median of {median:,.0f} m, beyond {_FAR_M:g} m: {told or 'of what is it?'}"
        fix = f"divide it by {' or '.join(map(str, near)) or 'what it takes'} where it is; views hold metres"
        yield Problem("depth-unit", where, message, fix, "warning")
    elif median < _NEAR_M:
        far = max(one.far_m or 0.0 for one in known)
        message = f"depth has a median of {median:.3g} m, below {_NEAR_M:g} m, and ends at {far:.3g}"
        fix = "is it kilometres, or a share of the farthest? views hold metres"
        yield Problem("depth-unit", where, message, fix, "warning")
    # A wall straight ahead has one depth too, but is not far behind everything else.
    ceiling = [
        one
        for one in known
        if one.at_far > max(_CEILING, _CEILING_PIXELS / sum(one.depths))
        and (one.far_m or 0.0) > _BEYOND * (one.median_m or 0.0)
    ]
    if ceiling:
        first = ceiling[0]
        message = f"{first.at_far:.0%} of the depth is {first.far_m:g} exactly, more than {_CEILING:.0%}"
        fix = "is it the sky, or where a sensor ends? write 0 where depth is not known"
        yield Problem("depth-ceiling", where, f"{message} {_of(views, ceiling, stats)}", fix, "warning")


def _kind(views: Views, stats: SplitStats, where: str) -> Iterator[Problem]:
    """Yield that the ground is flat by another kind of depth than the stated one, and bent by this."""
    told = [one for one in stats.numbers if one.flat is not None]
    bent = [one for one in told if one.flat and one.flat.stated > max(_BENT, _FLATTER * one.flat.other)]
    right = [one for one in told if one.flat and one.flat.other > max(_BENT, _FLATTER * one.flat.stated)]
    if len(bent) < 2 or len(bent) < 3 * len(right):
        return
    model = views.camera_model(bent[0].view)
    other = {"z": "the ray", "ray": "the axis"}[model.depth or "z"] if model.lens else "the upright axis"
    stated = {"z": "the axis", "ray": "the ray"}[model.depth or "z"]
    off = np.median([(one.flat.stated, one.flat.other) for one in bent if one.flat], axis=0)
    message = (
        f"depth is said to be along {stated}, and bends the ground by {off[0]:.1%} of its distance; taken as "
        f"{'a distance from' if not model.lens else 'along'} {other} it is flat to {off[1]:.2%}"
    )
    fix = "convert it: lapsdata.geometry.convert_depth; or say in the camera model what it is"
    yield Problem("depth-kind", where, f"{message} {_of(views, bent, stats)}", fix, "warning")


def _coverage(views: Views, stats: SplitStats, where: str) -> Iterator[Problem]:
    around = [one for one in stats.numbers if "covered" in one.means and views.camera_model(one.view).lens is None]
    if not around:
        return
    share = float(np.median([one.means["covered"] for one in around]))
    cropped, whole = _CROPPED.get(views.camera_model(around[0].view).kind, (0.0, 0.0))
    if abs(share - cropped) < _NEAR_CROPPED:
        message = (
            f"{share:.3f} of panoramas is covered, as where OPV2V's pictures are cropped to the shape of the panorama "
            f"first ({cropped}); uncropped they cover {whole}"
        )
        yield Problem("coverage-cropped", where, message, "make them of whole pictures", "warning")
    elif share < _LOW:
        message = f"{share:.3f} of panoramas is covered, less than {_LOW:g}; the four cameras of OPV2V cover {whole}"
        yield Problem("coverage-low", where, message, "are cameras missing, or pictures cropped?", "warning")
    best: dict[str, float] = {}
    for one in around:
        agent = views.agent[one.view]
        best[agent] = max(best.get(agent, 0.0), one.means["covered"])
    lower = [one for one in around if one.means["covered"] < best[views.agent[one.view]] - _DROP]
    if lower:
        message = f"less is covered than in other panoramas of the same agent, by more than {_DROP:g}"
        fix = "pictures of a camera are missing"
        yield Problem("coverage-drops", where, f"{message} {_of(views, lower, stats)}", fix, "warning")


def _of(views: Views, wrong: list[ViewNumbers], stats: SplitStats) -> str:
    """Return how many views it is, and the first of them."""
    named = view_named(views, wrong[0].view)
    return f"({len(wrong)} of {len(stats.numbers)} views that were looked at; {named})"
