"""What TAPIR and TAPNext share: frames in -1 to 1, and positions counted from the corner of the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.geometry import FrameSize

__all__ = ["INSTALL", "from_raster", "to_queries", "to_video"]

INSTALL = "pip install 'tapnet[torch] @ git+https://github.com/google-deepmind/tapnet.git'"
"""No registry has the package."""


def to_video(frames: NDArray[np.uint8], height: int, width: int, device: str) -> Any:  # noqa: ANN401 - a tensor
    """Return frames (B, T, H, W, 3) of 0 to 255 as float32 (B, T, height, width, 3) in -1 to 1, on a device."""
    import torch

    batch, steps = frames.shape[:2]
    # A copy: frames may be read-only, which torch does not know.
    pictures = torch.tensor(frames).to(device).flatten(0, 1).permute(0, 3, 1, 2).float()
    sides = height, width
    if tuple(pictures.shape[2:]) != sides:
        # What is too fine for the new size must not alias.
        pictures = torch.nn.functional.interpolate(pictures, sides, mode="bilinear", antialias=True)
    return (pictures / 127.5 - 1).permute(0, 2, 3, 1).reshape(batch, steps, height, width, 3)


def to_queries(points: NDArray[np.float32], size: FrameSize, height: int, width: int, device: str) -> Any:  # noqa: ANN401
    """Return points (B, N, 2), pixel xy of the frame, as (B, N, 3) = (0, y, x) in the raster of a model.

    The centre of the top-left pixel is (0, 0) here, and (0.5, 0.5) in their raster.
    """
    import torch

    scale = np.array([width / size.width, height / size.height])
    raster = ((points + 0.5) * scale)[..., ::-1].astype(np.float32)
    return torch.nn.functional.pad(torch.from_numpy(raster), (1, 0)).to(device)


def from_raster(xy: NDArray[np.float32], size: FrameSize, height: int, width: int) -> NDArray[np.float32]:
    """Return positions (..., 2), xy in the raster of a model, as pixel xy of the frame."""
    scale = np.array([size.width / width, size.height / height])
    return np.asarray(xy * scale - 0.5, np.float32)
