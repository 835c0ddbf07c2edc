"""Files of format version 1 are read for ever: each value is compared with a formula, never with a writer."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Boxes, Catalog, Energies, Segments, Shards, Tokens, Tracks, Views

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.containers import Container

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def check_tracks(tracks: Container, fraction: float) -> None:
    assert isinstance(tracks, Tracks)
    header = tracks.header
    # Files of every minor version are read as of this release's.
    assert (header.format_version, header.horizon, header.stride, str(header.rate)) == ("1.2", 4, 2, "8")
    assert header.video.rate is not None
    assert Fraction(header.video.rate.numerator, header.video.rate.denominator) == Fraction(30000, 1001)
    assert (header.video.name, header.video.frames, header.resampled) == ("Käse 1", 12, True)
    assert (header.uncovered_frames, header.dropped_frames, header.policies) == (1, 3, {"clip": 3})
    assert list(header.views) == list(tracks.tracks) == ["front", "wrist"]
    area = header.views["wrist"].active_area
    assert (area.x, area.y, area.width, area.height) == (0, 4, 64, 40)
    assert tracks.start_index.tolist() == [0, 2, 4]
    assert tracks.frame_s.tolist() == [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]
    assert tracks.source_index is not None
    assert tracks.source_index.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    for w in range(3):
        for t in range(4):
            for n in range(5):
                x, y = tracks.tracks["front"][w, t, n].tolist()
                if (w + t + n) % 6 == 0:
                    assert np.isnan([x, y]).all()
                else:
                    assert (x, y) == (100 * w + 10 * t + n + fraction, 7 * w + t - n + fraction)
                assert bool(tracks.vis["front"][w, t, n]) == ((w + t + n) % 3 != 0)
                assert np.array_equal(
                    tracks.tracks["wrist"][w, t, 4 - n], tracks.tracks["front"][w, t, n], equal_nan=True
                )
                assert tracks.vis["wrist"][w, t, 4 - n] == tracks.vis["front"][w, t, n]


def check_tokens(tokens: Container) -> None:
    assert isinstance(tokens, Tokens)
    assert tokens.header.tokenizer.levels == (4, 3)
    assert (tokens.header.tokenizer.codes, tokens.header.tokenizer.nominal_codes) == (12, 16)
    assert (tokens.header.rate, tokens.header.gated_windows, tokens.codes.dtype) == (None, 1, np.int32)
    assert tokens.codes.tolist() == [[0, 1, 2], [5, 6, 7], [10, 11, 0]]
    assert tokens.start_index.tolist() == [0, 1, 2]
    assert tokens.frame_s.tolist() == [0.125, 0.5, 1.125, 2.0, 3.125, 4.5]
    assert tokens.prequant is not None
    assert tokens.quantized is not None
    assert tokens.prequant[2, 1].tolist() == [2.25, 2.375]
    assert tokens.prequant[:, :, 1].tolist() == [[w + k / 4 + 0.125 for k in range(3)] for w in range(3)]
    assert tokens.quantized[:, :, 0].tolist() == [
        [w + 0.0, w + 0.0, w + (0.0 if w % 2 == 0 else 1.0)] for w in range(3)
    ]


def check_energies(energies: Container, per: str) -> None:
    assert isinstance(energies, Energies)
    assert (energies.header.per, energies.header.videos, energies.header.hop_s) == (per, ("a", "b"), 0.25)
    states = ("measured", "gated", "missing")
    for i, row in enumerate(energies.rows()):
        assert (row.video, getattr(row, per)) == ("ab"[i // 5], i % 5)
        assert (row.start_s, row.end_s, row.state) == (i % 5 / 4, i % 5 / 4 + 0.25, states[i % 3])
        assert row.energy == (i / 8 if i % 3 == 0 else None)
    assert len(energies) == 10


def check_segments(segments: Container, *, optional: bool) -> None:
    assert isinstance(segments, Segments)
    assert [video.name for video in segments.header.videos] == ["b", "a"]
    assert segments.video_index.tolist() == [0, 0, 1]
    assert (segments.start_s.tolist(), segments.end_s.tolist()) == ([0.5, 1.5, -0.5], [1.5, 3.25, 2.0])
    assert segments.label == ("reach", None, "左")
    assert segments.end_reason == ("threshold", "max_duration", "end_of_stream")
    if not optional:
        assert (segments.score, segments.codes, segments.embedding) == (None, None, None)
        return
    assert segments.score is not None
    assert segments.codes is not None
    assert segments.embedding is not None
    assert np.array_equal(segments.score, [0.5, np.nan, 0.25], equal_nan=True)
    assert [codes.tolist() for codes in segments.codes] == [[3, 1], [], [7]]
    assert segments.embedding.tolist() == [[0.0, 0.25], [0.5, 0.75], [1.0, 1.25]]


def check_boxes(boxes: Container, *, optional: bool) -> None:
    assert isinstance(boxes, Boxes)
    right, left = boxes.header.sequences
    assert (right.name, left.name, str(right.rate), left.rate) == ("right", "left", "25", None)
    assert [(part.start, part.stop) for part in right.annotated] == [(0, 5), (8, 10)]
    assert right.images == "{frame:06d}.jpg"
    assert boxes.sequence_index.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert boxes.frame.tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert boxes.id.tolist() == [0, 1, 2, 3, 4, -1, 6, 7]
    assert boxes.x.tolist() == [1.5 * i - 2 for i in range(8)]
    assert boxes.y.tolist() == [i / 3 for i in range(8)]
    assert boxes.w.tolist() == [i + 0.25 for i in range(8)]
    assert boxes.h.tolist() == [0.0] * 8
    assert boxes.label == ("Schiri ß", "player") * 4
    assert boxes.source == ("truth",) * 8
    assert boxes.ignored.tolist() == [False] * 7 + [True]
    if not optional:
        assert (boxes.score, boxes.visibility, boxes.source_id) == (None, None, None)
        return
    nan = float("nan")
    assert boxes.score is not None
    assert boxes.visibility is not None
    assert np.array_equal(boxes.score, [nan, 1 / 8, nan, 3 / 8, nan, 5 / 8, nan, 7 / 8], equal_nan=True)
    shares = [nan, 1 / 16, 2 / 16, nan, 4 / 16, 5 / 16, nan, 7 / 16]
    assert np.array_equal(boxes.visibility, shares, equal_nan=True)
    assert boxes.source_id == ("100", "101", "102", None, "104", "105", "106", None)


def check_shards(shards: Container) -> None:
    assert isinstance(shards, Shards)
    assert len(shards) == 6
    for tracks, fraction in zip(shards.tracks, (0.25, 0.5), strict=True):
        check_tracks(tracks, fraction)


def check_catalog(catalog: Container) -> None:
    assert isinstance(catalog, Catalog)
    header = catalog.header
    assert [(field.name, field.shape, field.dtype, field.unit) for field in header.fields] == [
        ("tracks/front", (4, 5, 2), "float32", "pixel xy"),
        ("start_s", (), "float64", "seconds"),
    ]
    assert (header.usual, header.splits) == (("tracks/front", "start_s"), ("train", "test"))
    assert (header.items, header.windows, header.unsummed) == (4, 46, 2)
    assert catalog.path == ("a.zarr", "left/ß.h5", "left/ß.h5", "/data/左.tar")
    assert catalog.video == ("a", "b", "c", "左")
    assert catalog.group == ("game", None, "game", None)
    assert catalog.split == ("train", "test", "train", None)
    assert catalog.first.tolist() == [0, 0, 11, 0]
    assert catalog.windows.tolist() == [10, 11, 12, 13]
    np.testing.assert_array_equal(catalog.duration_s, [1.5, np.nan, 0.25, 2.0])
    assert catalog.rate == ("30000/1001", None, "25", None)
    assert catalog.digest == ("sha256:" + "0f" * 32, None, "sha256:" + "10" * 32, None)


def check_views(views: Container) -> None:
    assert isinstance(views, Views)
    front, around = views.header.cameras
    assert front.lens is not None
    assert around.angles is not None
    assert (front.kind, front.size.width, front.size.height, front.depth) == ("pinhole", 4, 3, "z")
    assert (front.lens.focal_px, front.lens.centre_px, front.angles) == ((2.5, 2.0), (1.5, 1.0), None)
    assert (around.kind, around.depth, around.lens) == ("equirectangular", None, None)
    assert (around.angles.h_fov_deg, around.angles.low_deg, around.angles.high_deg) == (360.0, -45.0, 45.0)
    selection = views.header.selections["train"]
    assert (selection.count, selection.pick, selection.seed) == (2, "drawn", 5)
    assert views.header.policies == {"sets_with_too_few_agents": 3}
    assert (views.split, views.scenario) == (("train", "validate"), ("2021_08_22_21_41_24", "左"))
    assert (views.frame.tolist(), views.time_s.tolist(), views.set_stop.tolist()) == ([69, 71], [3.45, 3.55], [2, 4])
    assert views.agent == ("1000", "641", "-1", "-1")
    assert views.camera == ("camera0", "camera0", "camera0", "panorama")
    assert views.cam2world[:, :3, 3].tolist() == [[(3 * v + k) / 8 for k in range(3)] for v in range(4)]
    assert views.cam2world[2, :3, :3].tolist() == [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
    assert [layer for layer in views.present if views.present[layer].any()] == ["image", "depth", "valid"]
    assert views.present["depth"].tolist() == [True, True, True, False]
    for view in range(3):
        depth, image = views.read("depth", view), views.read("image", view)
        for y in range(3):
            for x in range(4):
                assert depth[y, x] == 4 * y + x + view / 4
                assert image[y, x].tolist() == [10 * y + x + 40 * view, y * x, view]
                assert views.read("valid", view)[y, x] == (4 * y + x + view / 4 > 1)
    assert views.read("image", 3).ravel().tolist() == list(range(48))


# The nearest multiple of 1/64 to 0.3 is 19/64.
CHECKS: dict[str, Callable[[Container], None]] = {
    "tracks_hdf5/v1/raw.h5": lambda found: check_tracks(found, 0.25),
    "tracks_hdf5/v1/windows.h5": lambda found: check_tracks(found, 0.25),
    "tracks_hdf5/v1/compact.h5": lambda found: check_tracks(found, 19 / 64),
    "tracks_zarr/v1/raw.zarr": lambda found: check_tracks(found, 0.25),
    "tracks_zarr/v1/compact.zarr": lambda found: check_tracks(found, 19 / 64),
    "tokens_zarr/v1/raw.zarr": check_tokens,
    "tokens_zarr/v1/compact.zarr": check_tokens,
    "energies_jsonl/v1/step.jsonl": lambda found: check_energies(found, "step"),
    "energies_jsonl/v1/window.jsonl": lambda found: check_energies(found, "window"),
    "segments_parquet/v1/all.parquet": lambda found: check_segments(found, optional=True),
    "segments_parquet/v1/bare.parquet": lambda found: check_segments(found, optional=False),
    "boxes_parquet/v1/all.parquet": lambda found: check_boxes(found, optional=True),
    "boxes_parquet/v1/bare.parquet": lambda found: check_boxes(found, optional=False),
    "catalog_parquet/v1/all.parquet": check_catalog,
    "shards_webdataset/v1/two.shards": check_shards,
    "views_hdf5/v1/two.h5": check_views,
}


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_golden_files_say_what_they_said(name: str) -> None:
    found = formats.read(GOLDEN / name)
    assert found.header.provenance.producer == "golden"
    assert found.header.provenance.parameters == {"ß": [1, 0.5, None, True, "左"]}
    CHECKS[name](found)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_golden_files_are_recognised_as_their_folder_says(name: str) -> None:
    assert formats.recognise(GOLDEN / name).name == name.partition("/")[0]


def test_no_golden_file_is_left_out() -> None:
    present = {f"{path.parent.parent.name}/v1/{path.name}" for path in GOLDEN.glob("*/v1/*")}
    assert present == set(CHECKS)


def test_golden_files_stay_small() -> None:
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < 300_000
