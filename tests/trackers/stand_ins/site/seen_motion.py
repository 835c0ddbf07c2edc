"""How far a whole picture has moved, from its pixels alone: what the stand-ins of models answer by."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np

_EDGE = 12
# Tests ask for the same pictures over and over.
_KNOWN = {}


def shift(first, later):
    """Return (x, y) that carries `first` over `later`, two float32 (H, W)."""
    key = first.shape, hashlib.sha1(first.tobytes() + later.tobytes(), usedforsecurity=False).digest()
    if key not in _KNOWN:
        _KNOWN[key] = _shift(first, later)
    return _KNOWN[key]


def _shift(first, later):
    """Look at the spectrum, then at the slopes."""
    if first.std() < 1e-6 or later.std() < 1e-6:
        return np.zeros(2)
    window = cv2.createHanningWindow(first.shape[::-1], cv2.CV_32F)
    # OpenCV weighs them in place.
    at = np.array(cv2.phaseCorrelate(first.copy(), later.copy(), window)[0])
    across, down = cv2.Sobel(first, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(first, cv2.CV_32F, 0, 1) / 8
    for _ in range(8):
        room = (np.abs(at) + _EDGE).astype(int)
        if (2 * room + 8 >= first.shape[::-1]).any():
            break
        back = cv2.warpAffine(later, np.float32([[1, 0, at[0]], [0, 1, at[1]]]), first.shape[::-1],
                              flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)  # fmt: skip
        inner = np.s_[room[1] : -room[1], room[0] : -room[0]]
        x, y, rest = across[inner], down[inner], first[inner] - back[inner]
        normal = [[(x * x).sum(), (x * y).sum()], [(x * y).sum(), (y * y).sum()]]
        more = np.linalg.lstsq(np.array(normal, np.float64), [(x * rest).sum(), (y * rest).sum()], rcond=1e-9)[0]
        at = at + more
        if np.abs(more).max() < 1e-3:
            break
    return at
