"""Views whose every number says which they are, made without any reader or writer of the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers import LAYERS, HeldPixels, Views
from lapsdata.schema import CameraModel, PanoramaAngles, PinholeLens, Size, ViewsHeader
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from collections.abc import Sequence

HEIGHT, WIDTH = 3, 4
SIZE = Size(width=WIDTH, height=HEIGHT)
PINHOLE = CameraModel(kind="pinhole", size=SIZE, lens=PinholeLens(focal_px=(2.0, 3.0), centre_px=(1.5, 1.0)), depth="z")
AROUND = CameraModel(
    kind="equirectangular", size=SIZE, angles=PanoramaAngles(h_fov_deg=360.0, low_deg=-45.0, high_deg=45.0), depth="ray"
)


def pose(number: float) -> Any:
    """Turn by `number` radians about the upright axis, and go `number` metres along each."""
    made = np.eye(4)
    cos, sin = np.cos(number), np.sin(number)
    made[:3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
    made[:3, 3] = number, 2 * number, -number
    return made


def depth_of(number: int) -> Any:
    """Depth of a view: nothing in its first pixel, the sky in its second, and its number and more in the others."""
    depth = number + np.arange(HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH) / 4
    depth[0, :2] = 0, -1
    return depth.astype(np.float32)


def make_views(
    counts: Sequence[int],
    *,
    models: Sequence[CameraModel] = (PINHOLE,),
    split: Sequence[str] | str = "train",
    lacking: dict[str, Sequence[int]] | None = None,
    scale: float = 1.0,
    first_frame: int = 60,
    order: Sequence[int] | None = None,
) -> Views:
    """Make sets of so many views: agent `a<k>`, camera `camera<k>`, frames two apart, as many images as numbers.

    `lacking` says by layer which views have none; `order` is that of the sets.
    """
    total = sum(counts)
    lacking = lacking or {}
    present = {layer: np.array([view not in lacking.get(layer, ()) for view in range(total)]) for layer in LAYERS}
    for layer in ("valid", "covered", "non_ambiguous"):
        if layer not in lacking:
            present[layer] = np.zeros(total, bool)
    pixels: dict[Any, tuple[Any, ...]] = {
        "image": tuple(np.full((HEIGHT, WIDTH, 3), view % 256, np.uint8) for view in range(total)),
        "depth": tuple(depth_of(view) * np.float32(scale) for view in range(total)),
    }
    for layer in ("valid", "covered", "non_ambiguous"):
        masks = [np.random.default_rng(view + len(layer)).random((HEIGHT, WIDTH)) < 0.5 for view in range(total)]
        pixels[layer] = tuple(masks)
    held = {layer: tuple(one if has else None for one, has in zip(pixels[layer], present[layer], strict=True))
            for layer in LAYERS}  # fmt: skip
    within = [number for count in counts for number in range(count)]
    whole = Views(
        ViewsHeader(provenance=sample_provenance(), cameras=tuple(models)),
        split=(split,) * len(counts) if isinstance(split, str) else tuple(split),
        scenario=tuple(f"scene{number // 5}" for number in range(len(counts))),
        frame=np.array([first_frame + 2 * number for number in range(len(counts))]),
        time_s=np.arange(len(counts)) / 10,
        set_stop=np.cumsum(counts, dtype=np.int64),
        agent=tuple(f"a{number}" for number in within),
        camera=tuple(f"camera{number}" for number in within),
        model=np.arange(total) % len(models),
        cam2world=np.stack([pose(view * scale) for view in range(total)]),
        present=present,
        pixels=HeldPixels(held),
    )
    return whole if order is None else whole.take(order)
