"""Views as strategies draw them; `lapsdata.testing.strategies` offers them beside all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers import LAYERS, HeldPixels, Views
from lapsdata.schema import AgentSelection, CameraModel, PanoramaAngles, PinholeLens, Size, ViewsHeader
from lapsdata.testing._drawn import names, policies, provenances, st

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn
    from numpy.typing import NDArray

__all__ = ["views"]


@st.composite
def _model(draw: DrawFn) -> CameraModel:
    size = Size(width=draw(st.integers(1, 4)), height=draw(st.integers(1, 3)))
    depth: Any = draw(st.sampled_from([None, "z", "ray"]))
    kind: Any = draw(st.sampled_from(["pinhole", "cylinder", "equirectangular"]))
    if kind == "pinhole":
        focal, centre = st.floats(0.1, 1e4), st.floats(-1e3, 1e3)
        lens = PinholeLens(focal_px=draw(st.tuples(focal, focal)), centre_px=draw(st.tuples(centre, centre)))
        return CameraModel(kind=kind, size=size, lens=lens, depth=depth)
    low = draw(st.floats(-89, 80))
    angles = PanoramaAngles(h_fov_deg=draw(st.floats(1, 360)), low_deg=low, high_deg=draw(st.floats(low + 1, 89)))
    return CameraModel(kind=kind, size=size, angles=angles, depth=depth)


@st.composite
def views(draw: DrawFn, *, max_sets: int = 3) -> Views:
    """Draw views of unlike cameras and sizes, turned in any way, of which each has some of the layers.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3)
    ... @given(views(max_sets=2))
    ... def test_one(made):
    ...     assert 1 <= made.sets <= 2
    >>> test_one()
    """
    models = tuple(draw(st.lists(_model(), min_size=1, max_size=3, unique_by=lambda one: one.to_bytes())))
    counts = draw(st.lists(st.integers(1, 2), min_size=1, max_size=max_sets))
    total = sum(counts)
    model = np.array(draw(st.lists(st.integers(0, len(models) - 1), min_size=total, max_size=total)), np.int64)
    with_depth = np.array([one.depth is not None for one in models])[model]
    bits = np.array(draw(st.lists(st.integers(0, 2 ** len(LAYERS) - 1), min_size=total, max_size=total)))
    present: dict[str, NDArray[np.bool_]] = {
        layer: (bits >> number & 1).astype(bool) for number, layer in enumerate(LAYERS)
    }
    present["depth"] &= with_depth
    shapes = [models[place].size.frame.shape for place in model.tolist()]
    random = np.random.default_rng(draw(st.integers(0, 9)))
    held: dict[Any, tuple[Any, ...]] = {
        layer: tuple(_pixels(random, layer, shape) if has else None for shape, has in zip(shapes, present[layer],
                                                                                           strict=True))
        for layer in LAYERS
    }  # fmt: skip
    scenario = draw(names())
    turns = random.uniform(-np.pi, np.pi, total)
    poses = np.tile(np.eye(4), (total, 1, 1))
    poses[:, 0, 0] = poses[:, 2, 2] = np.cos(turns)
    poses[:, 0, 2], poses[:, 2, 0] = np.sin(turns), -np.sin(turns)
    poses[:, :3, 3] = draw(st.floats(-1e6, 1e6)) + random.normal(size=(total, 3))
    return Views(
        ViewsHeader(
            provenance=draw(provenances()),
            policies=draw(policies()),
            cameras=models,
            selections=draw(st.sampled_from([{}, {"train": AgentSelection(count=2, pick="drawn", seed=7)}])),
        ),
        split=("train", "validate", "test")[: len(counts)],
        scenario=(scenario,) * len(counts),
        frame=draw(st.integers(0, 2**53)) + np.arange(len(counts)),
        time_s=draw(st.floats(-1e6, 1e6)) + np.arange(len(counts)) / 10,
        set_stop=np.cumsum(counts, dtype=np.int64),
        agent=tuple(str(number) for count in counts for number in range(-1, count - 1)),
        camera=("camera0",) * total,
        model=model,
        cam2world=poses,
        present=present,
        pixels=HeldPixels(held),
    )


def _pixels(random: np.random.Generator, layer: str, shape: tuple[int, int]) -> Any:  # noqa: ANN401 - any array
    if layer == "image":
        return random.integers(0, 256, (*shape, 3), np.uint8)
    return random.random(shape, np.float32) * 100 if layer == "depth" else random.random(shape) > 0.5
