"""Write the golden files of format version 1; run once: python tests/formats/make_golden.py.

Files in `tests/golden/<format>/v1` are a promise: every later release reads them. Nothing here overwrites one; a file
of a new profile is added by adding it below and running this again. The numbers are formulas of their indices, which
`test_golden.py` spells once more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata import formats
from lapsdata.containers import LAYERS, Boxes, Catalog, Energies, HeldPixels, Segments, Shards, Tokens, Tracks, Views
from lapsdata.schema import (
    AgentSelection,
    Area,
    BoxesHeader,
    BoxSequence,
    CameraModel,
    CatalogField,
    CatalogHeader,
    EnergiesHeader,
    FrameRange,
    Grid,
    PanoramaAngles,
    PinholeLens,
    Provenance,
    SegmentedVideo,
    SegmentsHeader,
    ShardsHeader,
    Size,
    SourceVideo,
    Tokenizer,
    TokensHeader,
    Tool,
    TracksHeader,
    TracksView,
    ViewsHeader,
)
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from lapsdata.containers import Container

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MADE = Provenance(
    producer="golden", version="1", code_digest="sha256:" + "0" * 64, parameters={"ß": [1, 0.5, None, True, "左"]}
)


def tracks(fraction: float) -> Tracks:
    w, t, n = np.meshgrid(np.arange(3), np.arange(4), np.arange(5), indexing="ij")
    x, y = 100 * w + 10 * t + n + fraction, 7 * w + t - n + fraction
    vis = (w + t + n) % 3 != 0
    positions = np.stack([x, y], axis=-1).astype(np.float32)
    positions[(w + t + n) % 6 == 0] = np.nan
    view = TracksView(
        size=Size(width=64, height=48),
        active_area=Area(x=0, y=4, width=64, height=40),
        points=5,
        grid=Grid(kind="uniform", order="row_major"),
    )
    header = TracksHeader(
        provenance=MADE,
        policies={"clip": 3},
        video=SourceVideo(name="Käse 1", frames=12, rate=FrameRate(30000, 1001)),
        horizon=4,
        stride=2,
        rate=FrameRate(8),
        resampled=True,
        uncovered_frames=1,
        dropped_frames=3,
        tracker=Tool(name="golden", version="1"),
        views={"front": view, "wrist": view},
    )
    both = {"front": positions, "wrist": positions[:, :, ::-1]}
    return Tracks(
        header,
        both,
        {"front": vis, "wrist": vis[:, :, ::-1]},
        np.arange(3) * 2,
        np.arange(9) / 8,
        np.arange(9) * 4 // 3,
    )


def tokens() -> Tokens:
    w, k = np.meshgrid(np.arange(3), np.arange(3), indexing="ij")
    latents = (w[..., None] + k[..., None] / 4 + np.arange(2) / 8).astype(np.float32)
    header = TokensHeader(
        provenance=MADE,
        video=SourceVideo(name="clip"),
        horizon=4,
        stride=1,
        rate=None,
        latent=2,
        tokenizer=Tokenizer(name="golden", version="1", levels=(4, 3), codes=12, nominal_codes=16),
        gated_windows=1,
    )
    times = np.cumsum(np.arange(6) / 4 + 0.125)
    return Tokens(header, ((5 * w + k) % 12).astype(np.int32), np.arange(3), times, latents, np.round(latents))


def energies(per: str) -> Energies:
    header = EnergiesHeader(
        provenance=MADE, per=per, source="velocity", mode="golden", support_s=0.5, hop_s=0.25, videos=("a", "b")
    )
    step, state = np.arange(10) % 5, (np.arange(10) % 3).astype(np.uint8)
    energy = np.where(state == 0, np.arange(10) / 8, np.nan)
    return Energies(header, np.arange(10) // 5, step, step / 4, step / 4 + 0.25, energy, state)


def segments(optional: bool) -> Segments:
    header = SegmentsHeader(
        provenance=MADE,
        videos=(SegmentedVideo(name="b", end_s=4.0), SegmentedVideo(name="a", start_s=-1.0, end_s=4.0)),
        labels=("reach", "左"),
        segmenter=Tool(name="golden", version="1"),
        embedding=2 if optional else None,
    )
    more: dict[str, Any] = {
        "score": np.array([0.5, np.nan, 0.25]),
        "codes": (np.array([3, 1], np.int32), np.array([], np.int32), np.array([7], np.int32)),
        "embedding": np.arange(6, dtype=np.float32).reshape(3, 2) / 4,
    }
    return Segments(
        header,
        np.array([0, 0, 1]),
        np.array([0.5, 1.5, -0.5]),
        np.array([1.5, 3.25, 2.0]),
        ("threshold", "max_duration", "end_of_stream"),
        ("reach", None, "左"),
        **(more if optional else {}),
    )


def boxes(optional: bool) -> Boxes:
    size = Size(width=640, height=360)
    ranges = (FrameRange(start=0, stop=5), FrameRange(start=8, stop=10))
    sequences = (
        BoxSequence(name="right", length=10, rate=FrameRate(25), size=size, annotated=ranges, images="{frame:06d}.jpg"),
        BoxSequence(name="left", length=20, size=size, annotated=()),
    )
    row = np.arange(8)
    more: dict[str, Any] = {
        "score": np.where(row % 2, row / 8, np.nan),
        "visibility": np.where(row % 3, row / 16, np.nan),
        "source_id": tuple(None if i % 4 == 3 else str(100 + i) for i in range(8)),
    }
    return Boxes(
        BoxesHeader(provenance=MADE, sequences=sequences),
        row // 4,
        row % 4 // 2,
        np.where(row == 5, -1, row),
        row * 1.5 - 2,
        row / 3,
        row + 0.25,
        row * 0.0,
        tuple("player" if i % 2 else "Schiri ß" for i in range(8)),
        ("truth",) * 8,
        row == 7,
        **(more if optional else {}),
    )


def shards() -> Shards:
    videos = (tracks(0.25), tracks(0.5))
    return Shards(ShardsHeader(provenance=MADE, videos=tuple(video.header for video in videos)), videos)


def catalog() -> Catalog:
    fields = (
        CatalogField(name="tracks/front", shape=(4, 5, 2), dtype="float32", unit="pixel xy"),
        CatalogField(name="start_s", shape=(), dtype="float64", unit="seconds"),
    )
    header = CatalogHeader(
        provenance=MADE,
        fields=fields,
        usual=("tracks/front", "start_s"),
        splits=("train", "test"),
        items=4,
        windows=46,
        unsummed=2,
    )
    return Catalog(
        header,
        ("a.zarr", "left/ß.h5", "left/ß.h5", "/data/左.tar"),
        ("a", "b", "c", "左"),
        ("game", None, "game", None),
        ("train", "test", "train", None),
        np.array([0, 0, 11, 0]),
        10 + np.arange(4),
        np.array([1.5, np.nan, 0.25, 2.0]),
        ("30000/1001", None, "25", None),
        (f"sha256:{'0f' * 32}", None, f"sha256:{'10' * 32}", None),
    )


def views() -> Views:
    lens = PinholeLens(focal_px=(2.5, 2.0), centre_px=(1.5, 1.0))
    angles = PanoramaAngles(h_fov_deg=360.0, low_deg=-45.0, high_deg=45.0)
    front = CameraModel(kind="pinhole", size=Size(width=4, height=3), lens=lens, depth="z")
    around = CameraModel(kind="equirectangular", size=Size(width=8, height=2), angles=angles)
    header = ViewsHeader(
        provenance=MADE,
        policies={"sets_with_too_few_agents": 3},
        cameras=(front, around),
        selections={"train": AgentSelection(count=2, pick="drawn", seed=5)},
    )
    y, x = np.mgrid[:3, :4]
    depth = tuple((4 * y + x + view / 4).astype(np.float32) for view in range(3))
    image = tuple(np.stack([10 * y + x + 40 * view, y * x, x * 0 + view], axis=-1).astype(np.uint8)
                  for view in range(3))  # fmt: skip
    wide = np.arange(48, dtype=np.uint8).reshape(2, 8, 3)
    poses = np.tile(np.eye(4), (4, 1, 1))
    poses[2, :3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    poses[:, :3, 3] = np.arange(12).reshape(4, 3) / 8
    held = {"image": (*image, wide), "depth": (*depth, None), "valid": (*(one > 1 for one in depth), None)}
    return Views(
        header,
        split=("train", "validate"),
        scenario=("2021_08_22_21_41_24", "左"),
        frame=np.array([69, 71]),
        time_s=np.array([3.45, 3.55]),
        set_stop=np.array([2, 4]),
        agent=("1000", "641", "-1", "-1"),
        camera=("camera0", "camera0", "camera0", "panorama"),
        model=np.array([0, 0, 0, 1]),
        cam2world=poses,
        present={layer: np.array([layer in held] * 3 + [layer == "image"]) for layer in LAYERS},
        pixels=HeldPixels(held),
    )


def files() -> dict[str, tuple[Container, dict[str, Any]]]:
    return {
        "tracks_hdf5/v1/raw.h5": (tracks(0.25), {}),
        "tracks_hdf5/v1/windows.h5": (tracks(0.25), {"chunking": "windows"}),
        "tracks_hdf5/v1/compact.h5": (tracks(0.3), {"profile": "compact"}),
        "tracks_zarr/v1/raw.zarr": (tracks(0.25), {}),
        "tracks_zarr/v1/compact.zarr": (tracks(0.3), {"profile": "compact"}),
        "tokens_zarr/v1/raw.zarr": (tokens(), {}),
        "tokens_zarr/v1/compact.zarr": (tokens(), {"profile": "compact"}),
        "energies_jsonl/v1/step.jsonl": (energies("step"), {}),
        "energies_jsonl/v1/window.jsonl": (energies("window"), {}),
        "segments_parquet/v1/all.parquet": (segments(optional=True), {}),
        "segments_parquet/v1/bare.parquet": (segments(optional=False), {}),
        "boxes_parquet/v1/all.parquet": (boxes(optional=True), {}),
        "boxes_parquet/v1/bare.parquet": (boxes(optional=False), {}),
        "catalog_parquet/v1/all.parquet": (catalog(), {}),
        "shards_webdataset/v1/two.shards": (shards(), {"samples_per_shard": 4}),
        "views_hdf5/v1/two.h5": (views(), {}),
    }


def main() -> None:
    for name, (container, options) in files().items():
        path = GOLDEN / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            formats.write(path, container, format=name.partition("/")[0], **options)


if __name__ == "__main__":
    main()
