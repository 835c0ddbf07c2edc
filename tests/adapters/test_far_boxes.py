"""Detections nowhere near the truth have a name."""

from __future__ import annotations

import pytest

from lapsdata.adapters._far_boxes import FAR, far_fault


@pytest.mark.parametrize("mean", [FAR, 0.5, 1.0])
def test_what_overlaps_is_no_fault(mean: float) -> None:
    assert far_fault(mean, "boxes") is None


def test_what_does_not_is_told_with_its_mean() -> None:
    fault = far_fault(0.0994, "boxes of yolo")
    assert fault is not None
    assert (fault.code, fault.where, fault.severity) == ("wrong-detections", "boxes of yolo", "error")
    assert "got a mean best IoU of 0.099" in fault.message
