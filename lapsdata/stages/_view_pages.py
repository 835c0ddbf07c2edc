"""What the page of a report needs of each view, as JSON: pictures as data URLs, points as typed arrays in base64."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.report.view_clouds import camera_outline, thinned
from lapsdata.report.view_pictures import depth_picture, jpeg_bytes, mask_picture, png_bytes, ratio_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.report.view_clouds import ViewCloud
    from lapsdata.stages._view_numbers import LookedAt, ReportedPair, SeenSide

__all__ = ["page_view", "points_of_each"]

_STEPS = 2**15 - 1


def points_of_each(points: int, views: int) -> int:
    """Return how many points of one side each view may have, at least one.

    Examples
    --------
    >>> points_of_each(100, 8)
    12
    """
    return max(points // views, 1)


def page_view(looked: LookedAt, pair: ReportedPair, most: int) -> dict[str, JsonValue]:
    """Return what the page shows of a view.

    Parameters
    ----------
    looked : LookedAt
    pair : ReportedPair
    most : int
        Points of one side at most.
    """
    model, far_m = pair.truth.camera_model(looked.view), pair.far_m
    truth, found = looked.truth, looked.prediction
    picture: dict[str, JsonValue] = {
        "image": None if truth.image is None else _url("jpeg", jpeg_bytes(truth.image)),
        **_pictures(truth, far_m),
    }
    other = None if found is None else _pictures(found, far_m)
    if other is not None:
        other["ratio"] = None
        if looked.aligned is not None and truth.depth is not None:
            other["ratio"] = _url("png", png_bytes(ratio_picture(truth.depth, looked.aligned, sparse=truth.sparse)))
    same = found is not None and pair.alike(looked.view)
    return {
        "agent": looked.told.agent,
        "camera": looked.told.camera,
        "size": [model.size.width, model.size.height],
        "truth": picture,
        "prediction": other if same else None,
        "poses": {"gt": _flat(truth.cam2world), "pred": None if found is None else _flat(found.cam2world)},
        "clouds": {"gt": _cloud(truth, far_m, most), "pred": None if found is None else _cloud(found, far_m, most)},
        "outline": camera_outline(model),  # type: ignore[dict-item]  # lists of floats are JSON
        "told": looked.told.as_json(),
    }


def _pictures(side: SeenSide, far_m: float) -> dict[str, JsonValue]:
    depth, mask = None, None
    if side.depth is not None:
        depth = _url("png", png_bytes(depth_picture(side.depth, far_m, sparse=side.sparse)))
    shapes = [one.shape for one in (side.valid, side.covered, side.trusted) if one is not None]
    if shapes:
        mask = _url("png", png_bytes(mask_picture(shapes[0], side.valid, side.covered, side.trusted)))
    return {"depth": depth, "mask": mask, "sparse": bool(side.sparse)}


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
