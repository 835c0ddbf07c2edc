"""Our six formats keep the contract that plug-ins of others must keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.formats import boxes_parquet, energies_jsonl, segments_parquet, tokens_zarr, tracks_hdf5, tracks_zarr
from lapsdata.testing.contracts import FormatContract
from lapsdata.testing.samples import sample_boxes, sample_energies, sample_segments, sample_tokens, sample_tracks

if TYPE_CHECKING:
    from lapsdata.containers import Container


def some_tracks() -> tuple[Container, ...]:
    return sample_tracks(windows=1), sample_tracks(windows=5, stride=2, views=("front", "wrist"), rate=None)


class TestTracksHdf5(FormatContract):
    format = tracks_hdf5.PLUGIN
    options = ({}, {"chunking": "windows"}, {"profile": "compact", "round_px": None})

    def examples(self) -> tuple[Container, ...]:
        return some_tracks()


class TestTracksZarr(FormatContract):
    format = tracks_zarr.PLUGIN
    options = ({}, {"profile": "compact", "round_px": None})

    def examples(self) -> tuple[Container, ...]:
        return some_tracks()


class TestTokensZarr(FormatContract):
    format = tokens_zarr.PLUGIN
    options = ({}, {"profile": "compact"})

    def examples(self) -> tuple[Container, ...]:
        return sample_tokens(windows=1), sample_tokens(windows=7, latent=3)


class TestEnergiesJsonl(FormatContract):
    format = energies_jsonl.PLUGIN

    def examples(self) -> tuple[Container, ...]:
        return sample_energies(steps=1), sample_energies(steps=50)


class TestSegmentsParquet(FormatContract):
    format = segments_parquet.PLUGIN

    def examples(self) -> tuple[Container, ...]:
        return (sample_segments(),)


class TestBoxesParquet(FormatContract):
    format = boxes_parquet.PLUGIN

    def examples(self) -> tuple[Container, ...]:
        return (sample_boxes(),)
