"""Options that do not fit are errors, and the same word means the same everywhere."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata.containers import Segments, Tracks
from lapsdata.errors import SchemaError, UnknownFormatError
from lapsdata.formats import tokens_zarr, tracks_hdf5, tracks_zarr
from lapsdata.formats._rounding import rounding_step
from lapsdata.testing.samples import sample_energies, sample_tokens, sample_tracks

if TYPE_CHECKING:
    from pathlib import Path

WRITERS = pytest.mark.parametrize("plugin", [tracks_hdf5, tracks_zarr], ids=["hdf5", "zarr"])


@WRITERS
@pytest.mark.parametrize("step", [1, np.float32(0.25), np.float64(0.25), Fraction(1, 64), 2])
def test_a_step_of_any_kind_of_number_rounds(tmp_path: Path, plugin: Any, step: Any) -> None:
    tracks = sample_tracks(windows=4)
    report = plugin.write(tmp_path / "clip", tracks, profile="compact", round_px=step)
    stored = plugin.read(tmp_path / "clip").tracks["default"]
    finite = stored[~np.isnan(stored)].astype(np.float64)
    np.testing.assert_array_equal(finite, np.round(finite / float(step)) * float(step))
    assert 0 < report.largest_error_px <= float(step) / 2 + 1e-5


@WRITERS
def test_compact_rounds_to_1_64_unless_told_otherwise(tmp_path: Path, plugin: Any) -> None:
    tracks = sample_tracks(windows=4)
    plugin.write(tmp_path / "default", tracks, profile="compact")
    stored = plugin.read(tmp_path / "default").tracks["default"]
    finite = stored[~np.isnan(stored)]
    np.testing.assert_array_equal(finite * 64, np.round(finite * 64))
    assert plugin.write(tmp_path / "lossless", tracks, profile="compact", round_px="none").largest_error_px == 0.0
    assert plugin.read(tmp_path / "lossless").equals(tracks)


@WRITERS
@pytest.mark.parametrize("step", [0, -1, True, "1/64", float("nan"), float("inf"), 10**400, 1j, [0.5]])
def test_no_step_at_all_is_refused(tmp_path: Path, plugin: Any, step: Any) -> None:
    with pytest.raises(SchemaError, match=r"round_px: expected a step above 0 pixels, got .*\"none\" for lossless"):
        plugin.write(tmp_path / "clip", sample_tracks(), profile="compact", round_px=step)
    assert list(tmp_path.iterdir()) == []


@WRITERS
def test_raw_rounds_nothing_and_says_so(tmp_path: Path, plugin: Any) -> None:
    with pytest.raises(
        SchemaError, match=r"round_px: expected none with profile 'raw'.*got 0.5; use profile='compact'"
    ):
        plugin.write(tmp_path / "clip", sample_tracks(), round_px=0.5)
    assert rounding_step("raw", None) is None
    assert rounding_step("raw", "none") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"chunking": "window"},
            r"chunking: expected one of \('contiguous', 'windows'\) with profile 'raw', got 'window'",
        ),
        (
            {"chunking": "contiguous", "profile": "compact"},
            r"chunking: expected one of \('windows',\) with profile 'compact', got 'contiguous'",
        ),
        ({"profile": "small"}, r"profile: expected one of \('raw', 'compact'\), got 'small'"),
    ],
)
def test_hdf5_options_that_do_not_fit(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        tracks_hdf5.write(tmp_path / "clip.h5", sample_tracks(), **options)
    assert list(tmp_path.iterdir()) == []


def test_tokens_have_the_same_profiles(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"profile: expected one of \('raw', 'compact'\), got 'zip'"):
        tokens_zarr.write(tmp_path / "clip.zarr", sample_tokens(), profile="zip")  # type: ignore[arg-type]


def test_reading_may_say_what_it_expects(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.h5", sample_tracks())
    assert lapsdata.read(tmp_path / "clip.h5", Tracks).header.horizon == 4
    message = r"clip.h5: expected a file with Segments, got one with Tracks \(tracks_hdf5\).*\[wrong-record\]"
    with pytest.raises(SchemaError, match=message):
        lapsdata.read(tmp_path / "clip.h5", Segments)


@pytest.mark.parametrize("value", [np.zeros(3), None, {"tracks": 1}, "clip"])
def test_only_containers_are_written(tmp_path: Path, value: Any) -> None:
    kind = type(value).__name__
    with pytest.raises(SchemaError, match=rf"expected a container that a format can write .*, got {kind}; build one"):
        lapsdata.write(tmp_path / "clip.h5", value)


@pytest.mark.parametrize("name", ["clip", "clip.hdf", "clip.parquet", "clip.H5"])
def test_an_ending_of_no_format_lists_those_there_are(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        UnknownFormatError, match=r"expected an ending for Tracks.*tracks_hdf5 \(.h5 .hdf5\), tracks_zarr"
    ):
        lapsdata.write(tmp_path / name, sample_tracks())
    assert list(tmp_path.iterdir()) == []


def test_text_and_path_are_the_same(tmp_path: Path) -> None:
    lapsdata.write(str(tmp_path / "clip.jsonl"), sample_energies())
    assert lapsdata.read(str(tmp_path / "clip.jsonl")).equals(sample_energies())
