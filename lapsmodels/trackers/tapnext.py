"""TAPNext and TAPNext++ (Zholus et al. 2025): points as tokens of a recurrent model, one frame after another.

The package `tapnet` and the weights are not part of this library. What is called, and how, is that of
`google-deepmind/tapnet` (`tapnet/tapnext/tapnext_torch.py`): the first frame with the queries, (t, y, x) in the raster
of 256 x 256 pixels whatever the size of the picture, then each frame with the state. It gives tracks (B, T, N, 2) as
(y, x) in that raster, and logits of visibility (B, T, N, 1).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import FrameSize, inside_frame
from lapsmodels.trackers._quality import textured
from lapsmodels.trackers._tapnet import INSTALL, from_raster, to_queries, to_video
from lapsmodels.trackers._weights import (
    checked_device,
    existing_file,
    expect_at_least_one,
    filled,
    package_of,
    weights,
)
from lapsmodels.trackers._whole_windows import held_to_texture
from lapsmodels.trackers._windows import Seen, first_seen, follow_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from lapsmodels.trackers._protocol import Pixels, TrackedWindow, WindowPlan

__all__ = ["PLUGIN", "TapNext"]

_SOURCE = "upstream's README links bootstapnext_ckpt.npz and tapnextpp_ckpt.pt"
# Positions are bins of this raster; none lies outside of it.
_RASTER = 256
_PATCH = 8
# The first and the last bin, and half a bin: whoever is hidden there has left, and nobody knows where to.
_BORDER = 1.5


@dataclass(frozen=True, kw_only=True)
class TapNext:
    """Tracker on TAPNext with weights of yours; it goes from frame to frame, also through one continuous path.

    A point is visible where its logit is above 0; the sigmoid of the logit is its confidence, at most 0.1 where there
    is no texture to hold on to. Backward errors are not measured. The model can place a point nowhere but in the
    picture: what is not visible and lies in its outermost bins is nowhere.

    Parameters
    ----------
    checkpoint : str
        File of the weights: `.npz` as upstream's JAX saves them, everything else as torch does.
    side : int
        Pixels that each side of a frame is brought to, a multiple of 8; 256, or 512 for weights that were tuned so.
    device : str
        "cpu", "cuda" or "cuda:1".

    Raises
    ------
    SchemaError
        A side that is no multiple of 8.

    Examples
    --------
    >>> TapNext(side=512).parameters["side"]
    512
    """

    name: ClassVar[str] = "tapnext"
    # Rises with every change of what it computes.
    version: ClassVar[str] = "1"
    pixels: ClassVar[Pixels] = "rgb"

    checkpoint: str = ""
    side: int = _RASTER
    device: str = "cpu"

    def __post_init__(self) -> None:
        expect_at_least_one(f"options of {self.name}", side=self.side)
        if self.side % _PATCH:
            message = f"expected a multiple of {_PATCH}, got {self.side}"
            raise SchemaError(Problem("out-of-range", f"options of {self.name}: side", message))

    @property
    def parameters(self) -> dict[str, Any]:
        """Its fields; of the checkpoint only the name."""
        return {"checkpoint": Path(self.checkpoint).name, "side": self.side, "device": self.device}

    def windows(self, frames: Iterable[NDArray[np.uint8]], plan: WindowPlan) -> Iterator[TrackedWindow]:
        """Yield the windows of a plan; as `Tracker.windows`.

        Raises
        ------
        SchemaError
            Also no checkpoint (`no-checkpoint`), and a device that is not there (`no-device`).
        StorageError
            The checkpoint is not there.
        MissingExtraError
            The package `tapnet` is not there (`missing-package`).
        CorruptDataError
            The checkpoint is of another model (`wrong-weights`).
        """
        return follow_windows(frames, plan, self.pixels, _Follower(self))


class _Points(NamedTuple):
    """A set of points: what the model remembers of it, and what is known of it."""

    state: Any
    textured: NDArray[np.bool_]
    seen: Seen


class _Follower:
    """Holds one frame, as it was given and as the model sees it."""

    def __init__(self, options: TapNext) -> None:
        self._options = options
        self._image = np.empty((0, 0, 3), np.uint8)
        self._video: Any = None

    def look(self, image: NDArray[np.uint8]) -> None:
        self._image, self._video = image, None

    def start(self, points: NDArray[np.float32]) -> _Points:
        size, device = FrameSize.from_shape(self._image.shape[:2]), self._options.device
        queries = to_queries(points[None], size, _RASTER, _RASTER, device)
        *_, state = self._step(query_points=queries)
        has_texture = textured(self._image, points)
        seen = first_seen(points)
        return _Points(state, has_texture, seen._replace(confidence=held_to_texture(seen.confidence, has_texture)))

    def seen(self, points: _Points) -> Seen:
        return points.seen

    def follow(self, points: _Points) -> _Points:
        tracks, _, logits, state = self._step(state=points.state)
        size = FrameSize.from_shape(self._image.shape[:2])
        # They give (y, x).
        raster = tracks[0, 0].float().cpu().numpy()[:, ::-1]
        xy = from_raster(raster, size, _RASTER, _RASTER)
        sure = logits[0, 0, :, 0].float().sigmoid().cpu().numpy()
        vis = (sure > np.float32(0.5)) & inside_frame(xy, size)
        outermost = (raster < _BORDER) | (raster > _RASTER - _BORDER)
        xy[outermost.any(axis=-1) & ~vis] = np.nan
        confidence = held_to_texture(np.where(vis, sure, np.float32(0)), points.textured)
        unmeasured = np.full(len(xy), np.nan, np.float32)
        return _Points(state, points.textured, Seen(xy, vis, confidence, unmeasured))

    def _step(self, **given: Any) -> Any:  # noqa: ANN401 - tensors of torch
        import torch

        options = self._options
        if self._video is None:
            self._video = to_video(self._image[None, None], options.side, options.side, options.device)
        with torch.no_grad():
            return _model(options.checkpoint, options.device)(video=self._video, **given)


# A model is large, and a run has one.
@functools.lru_cache(maxsize=1)
def _model(checkpoint: str, device: str) -> Any:  # noqa: ANN401 - a module of torch
    place = checked_device(device)
    path = existing_file(checkpoint, TapNext.name, _SOURCE)
    of_torch = path.suffix != ".npz"
    found = weights(checkpoint, TapNext.name, _SOURCE) if of_torch else {}
    tapnext_torch, utilities = package_of(_tapnext, TapNext.name, "tapnet", INSTALL)
    # Whatever the size of the pictures: the heads are of this one.
    model = tapnext_torch.TAPNext(image_size=(_RASTER, _RASTER))
    if of_torch:
        # As Lightning saves them, names begin with that of the part.
        filled(model, {name.removeprefix("tapnext."): value for name, value in found.items()}, checkpoint)
    else:
        model = utilities.restore_model_from_jax_checkpoint(model, checkpoint)
    return model.to(place).eval()


def _tapnext() -> Any:  # noqa: ANN401 - two modules
    from tapnet.tapnext import tapnext_torch, tapnext_torch_utils

    return tapnext_torch, tapnext_torch_utils


PLUGIN = TapNext()
