"""Camera models that do not fit their pictures, or one another: what shows it without looking at a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.checks._view_numbers import view_named
from lapsdata.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lapsdata.containers import Views

__all__ = ["lens_faults"]

_MIDDLE = 0.1
# Pictures of 4:3 that were made square have 1.33; calibrations differ by less than one in a hundred.
_SQUARE = 0.05


def lens_faults(views: Views, where: str) -> Iterator[Problem]:
    """Yield camera models that do not fit their pictures: scaled, cropped, squeezed, or changing between frames.

    Parameters
    ----------
    views : Views
    where : str
        File, for messages.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> list(lens_faults(sample_views(), "scene.h5"))
    []
    """
    for number, model in enumerate(views.header.cameras):
        if model.lens is None:
            continue
        size, (cx, cy) = model.size, model.lens.centre_px
        shares = (cx + 0.5) / size.width, (cy + 0.5) / size.height
        if max(abs(share - 0.5) for share in shares) > _MIDDLE:
            message = (
                f"expected the axis within {_MIDDLE:.0%} of the middle of pictures of {size.frame}, got it at "
                f"{cx:g}, {cy:g}, as of pictures of about {2 * cx + 1:.0f} x {2 * cy + 1:.0f}"
            )
            fix = "scale or crop intrinsics as the pictures were"
            yield Problem("intrinsics-size", f"{where}: cameras.{number}", message, fix, "warning")
        fx, fy = model.lens.focal_px
        if abs(fx / fy - 1) > _SQUARE:
            message = f"expected focal lengths that are alike, got {fx:g} along x and {fy:g} along y"
            fix = "right only where pictures were scaled by unlike factors: else write the intrinsic of the camera"
            named = _users(views, np.flatnonzero(views.model == number))
            yield Problem("focal-lengths", f"{where}: cameras.{number}", f"{message}{named}", fix, "warning")
    yield from _changing(views, where)


def _changing(views: Views, where: str) -> Iterator[Problem]:
    """Yield that one camera of an agent has other lenses in some frames of a scenario than in most."""
    lenses: dict[tuple[str, str, str], list[int]] = {}
    for view, place in enumerate(views.set_of.tolist()):
        lenses.setdefault((views.scenario[place], views.agent[view], views.camera[view]), []).append(view)
    wrong = list[int]()
    for track in lenses.values():
        models = views.model[track]
        usual = np.bincount(models).argmax()
        wrong += [view for view, model in zip(track, models.tolist(), strict=True) if model != usual]
    if wrong:
        message = "cameras have another model in these frames than in most of their scenario"
        fix = "the lens of a camera stays: write the intrinsic that it has in the other frames"
        yield Problem("lens-changes", where, f"{message}{_users(views, np.array(sorted(wrong)))}", fix, "warning")


def _users(views: Views, wrong: NDArray[np.int64]) -> str:
    return f" ({len(wrong)} of {len(views)} views; {view_named(views, int(wrong[0]))})" if len(wrong) else ""
