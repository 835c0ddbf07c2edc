"""Which features files offer, under which name, and how rows of unlike times meet."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata.containers import Energies
from lapsdata.errors import SchemaError
from lapsdata.schema import EnergiesHeader
from lapsdata.stages._probe_features import How, joined, read_sets
from lapsdata.stages.probe import probe_files
from lapsdata.testing.samples import sample_provenance, sample_tokens, sample_tracks
from lapsdata.transforms.step_features import FeatureRows

if TYPE_CHECKING:
    from pathlib import Path

STEP = How("step", None, None, 4)


def named(container: Any, name: str, **header: Any) -> Any:
    video = container.header.video.model_copy(update={"name": name})
    return replace(container, header=container.header.model_copy(update={"video": video, **header}))


def energies(*, videos: tuple[str, ...] = ("one",), **header: Any) -> Energies:
    given: dict[str, Any] = {"per": "step", "source": "velocity", "mode": "velocity_step", **header}
    rows = 3 * len(videos)
    start = np.tile(np.arange(3) / 10, len(videos))
    return Energies(
        EnergiesHeader(provenance=sample_provenance(), support_s=0.1, hop_s=0.1, videos=videos, **given),
        np.repeat(np.arange(len(videos)), 3),
        np.tile(np.arange(3), len(videos)),
        start,
        start + 0.1,
        np.arange(float(rows)),
        np.zeros(rows, np.uint8),
    )


def written(folder: Path, **containers: Any) -> list[Path]:
    endings = {"Tokens": ".zarr", "Tracks": ".h5", "Energies": ".jsonl"}
    paths = []
    for name, container in containers.items():
        paths.append(folder / f"{name}{endings[type(container).__name__]}")
        lapsdata.write(paths[-1], container)
    return paths


def test_rows_are_those_of_tokens_else_of_tracks_else_of_the_first_energies(tmp_path: Path) -> None:
    files = written(tmp_path, e=energies(), t=sample_tracks(), k=sample_tokens())
    assert list(read_sets(files, STEP).sets) == ["tokens", "tracks", "velocity velocity_step"]
    assert list(read_sets(files[:2], STEP).sets) == ["tracks", "velocity velocity_step"]
    assert list(read_sets(files[:1], STEP).sets) == ["velocity velocity_step"]


def test_only_tracks_bring_the_raw_flow(tmp_path: Path) -> None:
    files = written(tmp_path, e=energies(), t=sample_tracks())
    assert read_sets(files[:1], STEP).raw_flow is None
    flow = read_sets(files, STEP).raw_flow
    assert flow is not None
    assert flow.parameters == {"cells": 4}
    assert flow.videos["clip_0"].value.shape[1] == 2 * 4 * 4


def test_energies_are_told_apart_by_all_that_made_them(tmp_path: Path) -> None:
    files = written(
        tmp_path,
        raw=energies(motion="raw"),
        residual=energies(motion="residual"),
        smooth=energies(smoothing="ema 0.5 s"),
        latents=energies(source="quantized", mode="token_diff_step", tokenizer="sha256:" + "1" * 64),
    )
    assert list(read_sets(files, STEP).sets) == [
        "velocity velocity_step",
        "velocity velocity_step residual",
        "velocity velocity_step ema 0.5 s",
        "quantized token_diff_step",
    ]


def test_energies_of_one_kind_may_lie_in_several_files_of_other_videos(tmp_path: Path) -> None:
    one, two = written(tmp_path, one=energies(videos=("one", "three")), two=energies(videos=("two",)))
    found = read_sets([one, two], STEP).sets["velocity velocity_step"]
    assert list(found.videos) == ["one", "three", "two"]
    np.testing.assert_array_equal(found.videos["three"].value[:, 0], [3, 4, 5])
    again = written(tmp_path, again=energies(videos=("two",)))
    with pytest.raises(SchemaError, match=r"again\.jsonl: expected each video once, got 'two' in another file too"):
        read_sets([one, two, *again], STEP)


def test_energies_of_two_tokenizers_are_refused(tmp_path: Path) -> None:
    latents: dict[str, Any] = {"source": "quantized", "mode": "token_diff_step"}
    files = written(
        tmp_path,
        one=energies(videos=("one",), tokenizer="sha256:" + "1" * 64, **latents),
        two=energies(videos=("two",), tokenizer="sha256:" + "2" * 64, **latents),
    )
    with pytest.raises(SchemaError, match="expected quantized token_diff_step of one tokenizer and of one kind"):
        read_sets(files, STEP)


def test_latents_are_taken_as_far_as_there_are_some(tmp_path: Path) -> None:
    both = sample_tokens(latent=2)
    before = replace(both, quantized=None)
    files = written(
        tmp_path, both=named(both, "both"), before=named(before, "before"), bare=named(sample_tokens(), "bare")
    )
    told = [read_sets([path], STEP).sets["tokens"].parameters["of"] for path in files]
    assert told == ["quantized", "prequant", "codes"]
    with pytest.raises(SchemaError, match="expected tokens of one tokenizer and of one kind"):
        read_sets(files[:2], STEP)
    chosen = read_sets(files[:2], STEP._replace(latents="prequant")).sets["tokens"]
    assert sorted(chosen.videos) == ["before", "both"]


def test_videos_have_as_many_features_as_one_another(tmp_path: Path) -> None:
    files = written(tmp_path, few=named(sample_tracks(points=4), "few"), many=named(sample_tracks(points=5), "many"))
    with pytest.raises(SchemaError, match=r"many\.h5: expected as many features in each video, got 8 and 10"):
        read_sets(files, STEP)


def test_one_of_several_views_is_named(tmp_path: Path) -> None:
    (path,) = written(tmp_path, both=sample_tracks(views=("left", "right")))
    with pytest.raises(SchemaError, match="expected one of the views left, right, got none named"):
        read_sets([path], STEP)
    left, right = (
        read_sets([path], STEP._replace(view=view)).sets["tracks"].videos["clip_0"].value for view in ("left", "right")
    )
    assert not np.array_equal(left, right, equal_nan=True)


def test_folders_are_looked_into_for_all_three(tmp_path: Path) -> None:
    written(tmp_path, e=energies(), t=sample_tracks(), k=sample_tokens())
    (tmp_path / "notes.txt").write_text("not of ours")
    assert [path.name for path in probe_files([tmp_path])] == ["e.jsonl", "k.zarr", "t.h5"]
    assert [path.name for path in probe_files([tmp_path / "k.zarr", tmp_path / "e.jsonl"])] == ["k.zarr", "e.jsonl"]


def spans(start: Any, length: float = 0.1) -> Any:
    return np.stack([np.asarray(start), np.asarray(start) + length], axis=1)


def test_rows_of_the_same_time_are_taken_as_they_are() -> None:
    value = np.random.default_rng(0).standard_normal((5, 3))
    value[2, 1] = np.nan
    rows = FeatureRows(spans(np.arange(5) / 10), value)
    np.testing.assert_array_equal(joined(spans([0.1, 0.2 + 1e-9, 0.4]), rows), value[[1, 2, 4]])


def test_other_rows_are_what_lies_in_the_middle() -> None:
    rows = FeatureRows(spans(np.arange(5) / 10 + 0.05), np.arange(5.0)[:, None])
    found = joined(spans(np.arange(6) / 10), rows)
    np.testing.assert_allclose(found[1:5, 0], [0.5, 1.5, 2.5, 3.5])
    assert np.isnan(found[[0, 5]]).all()


def test_rows_of_another_length_meet_by_their_middles_too() -> None:
    """A window of 0.3 s around a step of 0.1 s speaks of that step's middle."""
    rows = FeatureRows(spans(np.arange(4) / 10, 0.3), np.arange(4.0)[:, None])
    np.testing.assert_allclose(joined(spans([0.1, 0.25]), rows)[:, 0], [0, 1.5], atol=1e-9)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=12, unique=True), st.integers(0, 30))
def test_nothing_is_taken_across_a_gap(steps: list[int], at: int) -> None:
    kept = np.sort(steps)
    rows = FeatureRows(spans(kept / 10), kept[:, None].astype(float))
    found = joined(spans([at / 10]), rows)[0, 0]
    if at in steps:
        assert found == at
    else:
        usual = np.median(np.diff(kept))
        around = np.searchsorted(kept, at)
        inside = 0 < around < len(kept) and kept[around] - kept[around - 1] <= 1.5 * usual
        assert np.isnan(found) != inside
        assert not inside or found == pytest.approx(at)


def test_no_rows_give_nothing() -> None:
    assert np.isnan(joined(spans([0.0]), FeatureRows(np.empty((0, 2)), np.empty((0, 2))))).all()
