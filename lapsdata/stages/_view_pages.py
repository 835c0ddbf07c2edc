"""What the page of a report needs of each view, as JSON: pictures as data URLs, points as typed arrays in base64."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from lapsdata.report.view_clouds import camera_outline, thinned
from lapsdata.report.view_pictures import (
    averaged,
    depth_picture,
    every_nth,
    jpeg_bytes,
    mask_picture,
    png_bytes,
    ratio_picture,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.report.view_clouds import ViewCloud
    from lapsdata.stages._view_numbers import LookedAt, ReportedPair, SeenSide

__all__ = ["PICTURE_STEPS", "DrawnView", "PageViews", "drawn_view", "points_of_each"]

PICTURE_STEPS: Final = (1, 2, 3)
"""Pictures of a page are made of every pixel, or of every second or third along x and y where it has no room for that.
Beyond, single points of a LiDAR, which are drawn three pixels wide, would be lost."""


_STEPS = 2**15 - 1


def points_of_each(points: int, views: int) -> int:
    """Return how many points of one side each view may have, at least one.

    Examples
    --------
    >>> points_of_each(100, 8)
    12
    """
    return max(points // views, 1)


class PageViews:
    """Makes views ready for a page, with their pictures as large as the page has room for.

    Each picture is made in the sizes of `PICTURE_STEPS`; a size is given up as soon as the views that were added have
    no room in it, so that never more than a page of each is held.

    Parameters
    ----------
    pair : ReportedPair
    points : int
        Of one side, of all views together.
    room : int
        Bytes that the page may have for views.
    """

    def __init__(self, pair: ReportedPair, points: int, room: int) -> None:
        self._pair, self._room = pair, room
        self._most = points_of_each(points, len(pair.truth))
        self._made: dict[int, list[dict[str, JsonValue]]] = {step: [] for step in PICTURE_STEPS}
        self._bytes = dict.fromkeys(PICTURE_STEPS, 0)

    def add(self, looked: LookedAt) -> None:
        """Add a view."""
        drawn = drawn_view(looked, self._pair, self._most)
        for step, views in list(self._made.items()):
            views.append(drawn.with_step(step))
            self._bytes[step] += _letters(views[-1])
            if self._bytes[step] > self._room:
                del self._made[step]

    @property
    def least_bytes(self) -> int:
        """Bytes of the smallest pictures and all else, of the views that were added before there was no room."""
        return self._bytes[PICTURE_STEPS[-1]]

    def sizes(self) -> Iterator[tuple[int, list[dict[str, JsonValue]]]]:
        """Yield steps that there may be room for, the largest pictures first, with all views."""
        yield from self._made.items()


class DrawnView(NamedTuple):
    """What a page shows of a view, with pictures that are not encoded yet.

    Parameters
    ----------
    told : dict
        All but the pictures.
    truth, prediction : dict of uint8 (H, W, 3) or None
        By kind. Prediction is None where there is none, or its pixels are not those of the truth.
    sparse : (bool, bool)
        Whether depth of either side is.
    """

    told: dict[str, JsonValue]
    truth: dict[str, NDArray[np.uint8] | None]
    prediction: dict[str, NDArray[np.uint8] | None] | None
    sparse: tuple[bool, bool]

    def with_step(self, step: int) -> dict[str, JsonValue]:
        """Return the view as JSON, with pictures of every so many pixels.

        Parameters
        ----------
        step : int
        """
        sides = [
            None
            if side is None
            else {**{kind: _encoded(kind, one, step) for kind, one in side.items()}, "sparse": sparse}
            for side, sparse in zip((self.truth, self.prediction), self.sparse, strict=True)
        ]
        return {**self.told, "truth": sides[0], "prediction": sides[1]}  # type: ignore[dict-item]  # texts are JSON


def drawn_view(looked: LookedAt, pair: ReportedPair, most: int) -> DrawnView:
    """Draw what the page shows of a view.

    Parameters
    ----------
    looked : LookedAt
    pair : ReportedPair
    most : int
        Points of one side at most.
    """
    model, far_m = pair.truth.camera_model(looked.view), pair.far_m
    truth, found = looked.truth, looked.prediction
    told: dict[str, JsonValue] = {
        "agent": looked.told.agent,
        "camera": looked.told.camera,
        "size": [model.size.width, model.size.height],
        "poses": {"gt": _flat(truth.cam2world), "pred": None if found is None else _flat(found.cam2world)},
        "clouds": {"gt": _cloud(truth, far_m, most), "pred": None if found is None else _cloud(found, far_m, most)},
        "outline": camera_outline(model),  # type: ignore[dict-item]  # lists of floats are JSON
    }
    other = None
    if found is not None and pair.alike(looked.view):
        ratio = None
        if looked.aligned is not None and truth.measured is not None:
            ratio = ratio_picture(truth.measured, looked.aligned, sparse=truth.sparse)
        other = {**_pictures(found, far_m), "ratio": ratio}
    sparse = (truth.sparse, found is not None and found.sparse)
    return DrawnView(told, {"image": truth.image, **_pictures(truth, far_m)}, other, sparse)


def _pictures(side: SeenSide, far_m: float) -> dict[str, NDArray[np.uint8] | None]:
    depth = None if side.depth is None else depth_picture(side.depth, far_m, sparse=side.sparse)
    mask = None if side.masks is None else mask_picture(side.masks.shape, *side.masks)
    return {"depth": depth, "mask": mask}


def _encoded(kind: str, picture: NDArray[np.uint8] | None, step: int) -> str | None:
    if picture is None:
        return None
    if kind == "image":
        return _url("jpeg", jpeg_bytes(averaged(picture, step)))
    return _url("png", png_bytes(every_nth(picture, step)))


def _letters(value: JsonValue) -> int:
    """Return how many letters the texts in a value have: nearly all of what it takes on a page."""
    if isinstance(value, dict):
        return sum(map(_letters, value.values()))
    if isinstance(value, list):
        return sum(map(_letters, value))
    return len(value) if isinstance(value, str) else 0


def _cloud(side: SeenSide, far_m: float, most: int) -> dict[str, JsonValue] | None:
    if side.cloud is None:
        return None
    few: ViewCloud = thinned(side.cloud, most)
    steps = np.rint(few.points / far_m * _STEPS).astype("<i2")
    red, green, blue = (few.colours[:, channel].astype("<u2") >> 4 for channel in range(3))
    codes: NDArray[Any] = (red << 8 | green << 4 | blue).astype("<u2")
    return {
        "count": len(steps),
        "of": len(side.cloud.points),
        "points": base64.b64encode(steps.tobytes()).decode(),
        "colours": base64.b64encode(codes.tobytes()).decode(),
    }


def _url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _flat(pose: NDArray[np.float64]) -> list[JsonValue]:
    return [round(value, 9) for value in pose.ravel().tolist()]
