"""Detections that lie nowhere near the truth: those of other frames, of another size of images, or of other things."""

from __future__ import annotations

from lapsdata.errors import Problem

__all__ = ["FAR", "far_fault"]

FAR = 0.1
"""A mean best IoU of true boxes below this is chance."""


def far_fault(mean: float, where: str) -> Problem | None:
    """Return what is wrong with detections whose overlap with true boxes is so small; None where it is not.

    Parameters
    ----------
    mean : float
        Mean over true boxes of the IoU with the nearest detection of their frame.
    where : str

    Examples
    --------
    >>> far_fault(0.5, "boxes"), far_fault(0.02, "boxes").code
    (None, 'wrong-detections')
    """
    if mean >= FAR:
        return None
    message = f"expected detections near the truth, got a mean best IoU of {mean:.3f}"
    fix = "look at the detector, the size of the images that it saw, and the numbers of frames"
    return Problem("wrong-detections", where, message, fix)
