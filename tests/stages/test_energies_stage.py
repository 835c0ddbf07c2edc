"""From files to energies: one at a time, kept by what they say, and repeated frames named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Energies
from lapsdata.errors import SchemaError, StorageError
from lapsdata.schema import EnergiesHeader
from lapsdata.segmenters import smooth
from lapsdata.stages.energies import EnergyStageOptions, energy_files, measure_files, repeated_frames
from lapsdata.testing.samples import sample_provenance, sample_tokens, sample_tracks
from lapsdata.transforms.energies import track_energies

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = sample_tracks(windows=8, horizon=6, points=20)
    for name in ("b", "a"):
        video = made.header.video.model_copy(update={"name": name})
        header = made.header.model_copy(update={"video": video})
        formats.write(tmp_path / f"{name}.h5", replace(made, header=header))
    return [tmp_path / "a.h5", tmp_path / "b.h5"]


def test_files_say_what_their_containers_say(files: list[Path], tmp_path: Path) -> None:
    output = measure_files(files, tmp_path / "e.jsonl")
    expected = track_energies([formats.read(path) for path in files])
    np.testing.assert_array_equal(output.content.energy, expected.energy)
    assert output.content.header.videos == ("a", "b")
    stored = formats.read(tmp_path / "e.jsonl", Energies)
    np.testing.assert_array_equal(stored.energy, expected.energy)
    assert [parent.name for parent in stored.header.provenance.parents] == ["a.h5", "b.h5"]


def test_smoothing_is_part_of_the_stage(files: list[Path], tmp_path: Path) -> None:
    options = EnergyStageOptions(smoothing="ema", smoothing_s=0.5)
    output = measure_files(files, tmp_path / "e.jsonl", options)
    expected = smooth(track_energies([formats.read(path) for path in files]), "ema", 0.5)
    np.testing.assert_array_equal(output.content.energy, expected.energy)
    assert output.content.header.smoothing == "ema 0.5 s"
    assert measure_files(files, tmp_path / "e.jsonl", options).fate == "kept"
    assert measure_files(files, tmp_path / "e.jsonl").fate == "changed"
    with pytest.raises(SchemaError, match=r"expected smoothing_s exactly where there is a smoothing"):
        EnergyStageOptions(smoothing="ema")


def test_a_changed_input_is_measured_anew(files: list[Path], tmp_path: Path) -> None:
    assert [measure_files(files, tmp_path / "e.jsonl").fate for _ in range(2)] == ["made", "kept"]
    assert measure_files(files[:1], tmp_path / "e.jsonl").fate == "changed"
    assert measure_files(files[:1], tmp_path / "e.jsonl", force=True).fate == "forced"


def test_folders_are_searched_and_other_records_refused(files: list[Path], tmp_path: Path) -> None:
    formats.write(tmp_path / "k.zarr", sample_tokens())
    assert energy_files([tmp_path]) == [*files, tmp_path / "k.zarr"]
    with pytest.raises(SchemaError, match=r"k.zarr: expected tracks, got tokens; measure tracks by velocity_step"):
        measure_files(energy_files([tmp_path]), tmp_path / "e.jsonl")
    with pytest.raises(SchemaError, match=r"a.h5: expected tokens, got tracks"):
        measure_files(files, tmp_path / "e.jsonl", EnergyStageOptions(mode="token_diff_step"))
    with pytest.raises(SchemaError, match=r"expected at least one video, got none"):
        measure_files([], tmp_path / "e.jsonl")
    with pytest.raises(StorageError, match=r"nowhere.h5"):
        energy_files([tmp_path / "nowhere.h5"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        SchemaError, match=r"empty: expected files of tracks or tokens \(\.h5, \.hdf5, \.zarr\) in it, got"
    ):
        energy_files([tmp_path, tmp_path / "empty"])
    assert not (tmp_path / "e.jsonl").exists()


def energies(*values: np.ndarray[Any, Any], **kind: Any) -> Energies:
    told = {"per": "step", "source": "velocity", "mode": "velocity_step", "support_s": 0.1, "hop_s": 0.1, **kind}
    names = tuple(f"clip_{number}" for number in range(len(values)))
    header = EnergiesHeader(provenance=sample_provenance(), videos=names, **told)
    number = np.concatenate([np.arange(len(value)) for value in values])
    whole = np.concatenate(values)
    return Energies(
        header,
        np.repeat(np.arange(len(values)), [len(value) for value in values]),
        number, number * 0.1, (number + 1) * 0.1, whole, np.where(np.isnan(whole), 2, 0).astype(np.uint8),
    )  # fmt: skip


STEADY = np.random.default_rng(0).uniform(1, 2, 60)


def repeated(every: int) -> np.ndarray[Any, Any]:
    """Return motion of which every so many steps are none: the frame before was shown again."""
    value = STEADY.copy()
    value[::every] = 0.01
    return value


def test_repeated_frames_are_told() -> None:
    """A film of 25 frames per second shown at 30 repeats each fifth frame: a sixth of its steps stand still."""
    told = repeated_frames(energies(STEADY, repeated(6)))
    assert [(problem.where, problem.code, problem.severity) for problem in told] == [
        ("clip_1", "repeated-frames", "warning")
    ]
    assert "16% of the steps" in told[0].message


@pytest.mark.parametrize(
    "series",
    [
        energies(STEADY),
        energies(repeated(15)),
        energies(repeated(6)[:19]),
        energies(np.where(np.arange(60) % 6, STEADY, np.nan)),
        energies(np.repeat([2.0, 0.01], 5).repeat(6)),
        energies(repeated(6), smoothing="ema 0.5 s"),
        energies(repeated(6), per="window", mode="velocity_mean"),
    ],
    ids=["steady", "rarely", "short", "missing", "pauses", "smoothed", "windows"],
)
def test_what_is_no_repetition_is_left_alone(series: Energies) -> None:
    assert repeated_frames(series) == ()
