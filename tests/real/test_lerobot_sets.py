"""Data sets of LeRobot and GR00T as others wrote them: each fault told once, statistics those of the rows."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.adapters.lerobot.info import read_info
from lapsdata.adapters.lerobot.modality import read_modality
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.stats import read_stats
from lapsdata.errors import SchemaError, UnknownFormatError
from lapsdata.schema.feature_stats import MOMENTS
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.transforms.episode_stats import episode_stats

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema import FeatureStats

PICK, G1, V3 = "gr00t_pick_n_place_v20", "lerobot_g1_v21", "lerobot_pick_v30"
MODALITIES = {
    "demo_data/gr1.PickNPlace/meta/modality.json": 16,
    "demo_data/cube_to_bowl_5/meta/modality.json": 4,
}


def computed(root: Path, places: list[int] | None = None) -> dict[str, FeatureStats]:
    episodes = read_set(root).episodes
    return episode_stats(EpisodeRows(root, episodes), episodes, places=places)


def expect_told(stats: FeatureStats, told: dict[str, Any], kinds: tuple[str, ...], name: str) -> None:
    for kind in kinds:
        got = stats.array(kind)
        assert got is not None
        np.testing.assert_allclose(
            got.reshape(-1), np.reshape(told[kind], -1), rtol=1e-5, atol=1e-5, err_msg=f"{name} {kind}"
        )


# --- faults -----------------------------------------------------------------------------------------------------


def test_each_fault_of_the_gr00t_set_is_told_once_with_a_fix(real_data: Path) -> None:
    found = read_set(real_data / PICK)
    assert [(note.code, note.where.rpartition("/")[2]) for note in found.notes] == [
        ("no-camera-files", "info.json: features: observation.images.egoview"),
        ("wrong-total", "info.json: total_videos"),
        ("wrong-total", "info.json: total_chunks"),
        ("wrong-split", "info.json: splits: train"),
        ("no-frame-index", "info.json: features"),
        ("late-start", "episode_000000.parquet: timestamp"),
    ]
    assert all(note.fix for note in found.notes)
    assert found.version == "v2.0"
    assert found.episodes.rows.tolist() == [416, 470, 470, 412, 328]
    assert [camera.name for camera in found.episodes.header.cameras] == ["observation.images.ego_view"]
    assert len(found.episodes.header.groups) == 16
    with pytest.raises(SchemaError, match="5 problems"):
        read_set(real_data / PICK, strict=True)


def test_the_97_episodes_without_files_are_told_together(real_data: Path) -> None:
    found = read_set(real_data / G1)
    (note,) = found.notes
    assert (note.code, note.severity) == ("missing-episodes", "warning")
    assert note.fix
    assert (found.version, found.episodes.number.tolist()) == ("v2.1", [1, 29, 31])
    state = found.episodes.header.features[0]
    assert state.names is not None
    assert (state.names[0], len(state.names)) == ("kLeftShoulderPitch", 26)


def test_the_set_that_lerobot_wrote_has_no_fault(real_data: Path) -> None:
    found = read_set(real_data / V3, strict=True)
    assert (found.version, found.notes, found.episodes.rows.tolist()) == ("v3.0", (), [70, 55, 90, 40, 61])
    assert len(found.episodes.files) == 2
    assert {video.split("/")[2] for video in found.episodes.video_files} == {"chunk-000", "chunk-001", "chunk-002"}


def test_a_pointer_of_git_lfs_is_named_as_such(real_data: Path) -> None:
    with pytest.raises(UnknownFormatError, match=r"episode_000000\.parquet: .*a Git LFS pointer.*; run git lfs pull"):
        read_set(real_data / "gr00t_n16_meta/demo_data/cube_to_bowl_5")


def test_a_set_of_which_no_rows_are_there_is_told_in_one_line(real_data: Path) -> None:
    with pytest.raises(SchemaError, match=r"each of 5 episodes, got none for 5: 0-4; bring") as caught:
        read_set(real_data / "gr00t_n16_meta/demo_data/gr1.PickNPlace")
    assert [problem.code for problem in caught.value.problems] == ["missing-episodes"]


@pytest.mark.parametrize("file", MODALITIES)
def test_names_of_gr00t_fit_the_set_that_they_stand_beside(real_data: Path, file: str) -> None:
    root = (real_data / "gr00t_n16_meta" / file).parents[1]
    info = read_info(root)
    found = read_modality(root, info.features, info.cameras)
    assert (len(found.groups), found.notes) == (MODALITIES[file], ())
    assert found.cameras


@pytest.mark.parametrize(
    "file",
    [
        "LIBERO/modality.json",
        "Libero/modality.json",
        "SimplerEnv/fractal_modality.json",
        "SimplerEnv/bridge_modality.json",
        "SO-100/so100__modality.json",
        "SO-100/so100_dualcam__modality.json",
    ],
)
def test_names_for_another_set_are_told_and_left_out(real_data: Path, file: str, tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    shutil.copy(real_data / "gr00t_n16_meta/examples" / file, tmp_path / "meta/modality.json")
    told = json.loads((tmp_path / "meta/modality.json").read_text())
    found = read_modality(tmp_path, (), ())
    assert not found.groups
    assert {note.severity for note in found.notes} == {"warning"}
    assert len(found.notes) == sum(len(part) for part in told.values())


# --- statistics -------------------------------------------------------------------------------------------------


def test_statistics_of_gr00t_are_those_of_all_rows(real_data: Path) -> None:
    """Mean, deviation over all values, and quantiles between two values: to 1e-5."""
    told = json.loads((real_data / PICK / "meta/stats.json").read_text())
    found = computed(real_data / PICK)
    assert set(told) == set(found)
    for name, one in told.items():
        expect_told(found[name], one, (*MOMENTS, "q01", "q99"), name)
        assert found[name].count == 2096
    stated, notes = read_stats(read_set(real_data / PICK))
    assert {one.origin for one in stated.values()} == {"stated"}
    assert [note.code for note in notes] == ["no-image-statistics"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_statistics_of_episodes_are_those_of_their_rows(real_data: Path, place: int) -> None:
    root = real_data / G1
    number = (1, 29, 31)[place]
    lines = map(json.loads, (root / "meta/episodes_stats.jsonl").read_text().splitlines())
    told = next(line["stats"] for line in lines if line["episode_index"] == number)
    for name, stats in computed(root, [place]).items():
        expect_told(stats, told[name], MOMENTS, name)
        assert [stats.count] == told[name]["count"]


def test_statistics_of_episodes_are_merged_to_those_of_their_rows(real_data: Path) -> None:
    merged, notes = read_stats(read_set(real_data / G1))
    assert [note.code for note in notes] == ["no-quantiles"]
    camera = merged.pop("observation.images.cam_high")
    assert (camera.shape, camera.count, camera.origin, camera.q01) == ((3, 1, 1), 300, "merged", None)
    for name, stats in computed(real_data / G1).items():
        told = {kind: stats.array(kind) for kind in (*MOMENTS, "q01", "q99")}
        expect_told(merged[name], told, (*MOMENTS, "q01", "q99"), name)
        assert merged[name].count == 881


def test_what_lerobot_calls_quantiles_of_a_set_are_means_of_those_of_its_episodes(real_data: Path) -> None:
    stated, notes = read_stats(read_set(real_data / V3))
    assert notes == ()
    rows = computed(real_data / V3)
    for name, stats in rows.items():
        told = {kind: stated[name].array(kind) for kind in MOMENTS}
        # Deviations of float32 sums, as LeRobot takes them.
        for kind in MOMENTS:
            np.testing.assert_allclose(stats.array(kind), told[kind], rtol=1e-5, atol=5e-5, err_msg=f"{name} {kind}")  # type: ignore[arg-type]
    assert (stated["index"].quantiles_origin, rows["index"].q01) == ("stated", (3.15,))
    assert stated["index"].q01 is not None
    assert round(stated["index"].q01[0] or 0) == 124
    assert stated["observation.images.crop"].shape == (3, 1, 1)
