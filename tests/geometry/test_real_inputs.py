"""The same numbers as the programs that made the real inputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.geometry import (
    FrameSize,
    amplify_to_pixel,
    enclosing_boxes,
    inside_frame,
    pixel_to_amplify,
    relative_to_boxes,
    rotated_box_corners,
    shift_boxes,
    swap_xy,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["one_view_diag", "two_views_causal", "per_view_full"])
def test_amplify_normalises_the_same_bits(real_data: Path, name: str) -> None:
    folder = real_data / "amplify_golden"
    height, width = json.loads((folder / f"{name}.json").read_text())["config"]["img_shape"]
    size = FrameSize(width=width, height=height)
    with np.load(folder / f"{name}.npz") as golden:
        xy, expected = swap_xy(golden["pixel_tracks_row_col"]), golden["traj_normalised"]
    result = pixel_to_amplify(xy, size, outside="clip", lost="zero")
    np.testing.assert_array_equal(result.row_col, expected)
    assert result.outside == np.any((xy < 0) | (xy > [width, height]), axis=-1).sum()
    assert result.lost == 0
    kept = np.abs(expected).max(axis=-1) < 1
    np.testing.assert_allclose(amplify_to_pixel(expected, size)[kept], xy[kept], atol=2e-5)


def test_label_studio_rotated_boxes(real_data: Path) -> None:
    tasks = json.loads((real_data / "label_studio" / "test_export_yolo" / "data_obb.json").read_text())
    regions = [region for task in tasks for note in task["annotations"] for region in note["result"]]
    assert len(regions) == 25
    for region in regions:
        value = region["value"]
        size = FrameSize(width=region["original_width"], height=region["original_height"])
        assert size.width != size.height
        percent = np.array([value[key] for key in ("x", "y", "width", "height")])
        box = relative_to_boxes(percent, size, form="xywh", unit="percent", origin="edge")
        corners = rotated_box_corners(box, np.array(value["rotation"], dtype=float))
        # The annotators drew inside the picture; with the angle taken in percent, or the other way round, or with
        # width and height exchanged, corners leave it.
        assert inside_frame(corners, size).all()
        sides = np.linalg.norm(np.diff(corners, axis=0), axis=-1)
        np.testing.assert_allclose(sides, [box[2], box[3], box[2]], rtol=1e-12)
        around = enclosing_boxes(corners)
        np.testing.assert_allclose(around[:2], corners.min(axis=0))
        np.testing.assert_allclose(around[:2] + around[2:], corners.max(axis=0))


def test_mot_boxes_are_one_based(real_data: Path) -> None:
    rows = np.loadtxt(real_data / "mot" / "TUD-Stadtmitte" / "gt.txt", delimiter=",")
    boxes = shift_boxes(rows[:, 2:6], form="xywh", source="one_based", target="centre")
    back = shift_boxes(boxes, form="xywh", source="centre", target="one_based")
    np.testing.assert_array_equal(boxes[:, :2], rows[:, 2:4] - 1.5)
    np.testing.assert_array_equal(back, rows[:, 2:6])
