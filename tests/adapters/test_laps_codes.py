"""Segments of LAPS with their codes: two layouts, times that only the user knows, and faults that are named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata._convert import convert
from lapsdata.adapters import find_adapter
from lapsdata.adapters.laps.codes import read_code_files
from lapsdata.containers import Segments
from lapsdata.errors import SchemaError
from lapsdata.plugins import registry

if TYPE_CHECKING:
    from pathlib import Path

CODES = [[1164, 1221, 1157], [1221, 1220, 1284]]
FLAT = [1164, 1221, 1157, 1221, 1220, 1284]


def write(path: Path, first: int = 332, last: int = 355, *, codes: Any = CODES, **more: Any) -> Path:
    """Write a file with the keys that LAPS writes, in its order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number = path.name.removesuffix(".codes.json")
    told = {
        "codes_windows": codes,
        "selected_win_idxs": [81, 82],
        "overlap_ratio_threshold": 0.25,
        "segment": {"start_frame": first, "end_frame": last, "start_win": 81},
        "window": {"T": 15, "stride": 4, "target_fps": 10},
        "align": "center",
        "video_segment_path": f"/data/out/S1_Tea/segmented_videos/{number}.mp4",
        "source": "stream_online",
        "allow_overlap": True,
        **more,
    }
    path.write_text(json.dumps(told, indent=2))
    return path


def segment(folder: Path, number: int, *frames: int, **more: Any) -> Path:
    return write(folder / f"segment_{number:04}_startwin_000081.codes.json", *frames, **more)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Return a folder of two classes, one of them with a folder per video."""
    vectors = [[[0.5, 1.0]] * 3] * 2
    segment(tmp_path / "pick", 0, 10, 29, quantized_windows=vectors)
    segment(tmp_path / "pick", 1, 60, 89, quantized_windows=vectors)
    segment(tmp_path / "place" / "S2_Tea" / "code_indices", 0, 0, 9, codes=[[7]], quantized_windows=[[[2.0, 3.0]]])
    return tmp_path


def test_folders_of_classes_are_labels_and_windows_follow_one_another(classes: Path) -> None:
    found = read_code_files(classes, rate=10)
    segments = found.segments
    assert segments.label == ("pick", "pick", "place")
    assert [video.name for video in segments.header.videos] == ["S1_Tea", "S2_Tea"]
    assert segments.video_index.tolist() == [0, 0, 1]
    assert segments.codes is not None
    assert [one.tolist() for one in segments.codes] == [FLAT, FLAT, [7]]
    assert found.latents is not None
    assert [one.shape for one in found.latents] == [(6, 2), (6, 2), (1, 2)]
    assert found.latents[2].tolist() == [[2.0, 3.0]]
    assert [note.code for note in found.notes] == ["end-unknown"]


def test_frames_are_times_by_the_rate_that_is_told_and_the_last_is_part_of_it(classes: Path) -> None:
    """Regression: target_fps says 10; what ran was the rate of the video, or of the wall clock."""
    segments = read_code_files(classes, rate="7.5").segments
    np.testing.assert_allclose(segments.start_s, [10 / 7.5, 60 / 7.5, 0])
    np.testing.assert_allclose(segments.end_s, [30 / 7.5, 90 / 7.5, 10 / 7.5])
    with pytest.raises(SchemaError, match="expected frames per second, got none: target_fps is what was meant, and no"):
        read_code_files(classes)


@pytest.mark.parametrize("below", ["S1_Tea/code_indices", "code_indices"])
def test_what_laps_writes_has_no_labels(tmp_path: Path, below: str) -> None:
    segment(tmp_path / "video" / below, 0)
    found = read_code_files(tmp_path / "video", rate=10)
    assert found.segments.label == (None,)
    assert found.segments.header.videos[0].name == ("S1_Tea" if below.startswith("S1") else "video")
    assert "no-labels" in [note.code for note in found.notes]


def test_a_file_that_does_not_say_its_video_is_one_of_its_own(tmp_path: Path) -> None:
    segment(tmp_path / "pick", 3, video_segment_path="")
    segment(tmp_path / "pick", 4, video_segment_path="C:\\out\\S9\\segmented_videos\\x.mp4")
    found = read_code_files(tmp_path, rate=10)
    assert [video.name for video in found.segments.header.videos] == ["S9", "segment_0003_startwin_000081"]
    notes = {note.code: str(note) for note in found.notes}
    assert "1 of 2 files do not say which video they are of" in notes["video-unknown"]


def test_files_without_codes_are_counted(classes: Path) -> None:
    segment(classes / "place", 5, codes=[])
    found = read_code_files(classes, rate=10)
    assert len(found.segments) == 3
    assert found.segments.header.policies["segments_without_codes"] == 1
    assert "1 of 4 files hold no codes: left out" in {note.code: str(note) for note in found.notes}[
        "segments-without-codes"]  # fmt: skip
    for path in classes.rglob("*.codes.json"):
        write(path, codes=[[], []])
    with pytest.raises(SchemaError, match="expected codes, got none in 4 files"):
        read_code_files(classes, rate=10)


def test_vectors_that_not_every_file_has_are_left_out_and_told(classes: Path) -> None:
    segment(classes / "place", 5)
    found = read_code_files(classes, rate=10)
    assert found.latents is None
    notes = {note.code: str(note) for note in found.notes}
    assert "3 of 4 files have vectors of one width behind their codes: left out" in notes["latents-left-out"]


def test_segments_that_cross_are_allowed_and_said(tmp_path: Path) -> None:
    segment(tmp_path / "pick", 0, 0, 20)
    segment(tmp_path / "pick", 1, 20, 30)
    segments = read_code_files(tmp_path, rate=10).segments
    assert segments.header.overlap
    assert not read_code_files(tmp_path / "pick" / "segment_0000_startwin_000081.codes.json", rate=10).segments.label[0]


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"codes": [[1, -2]]}, "codes_windows: expected lists of integers from 0, got others"),
        ({"codes": [[1.5]]}, "codes_windows: expected lists of integers from 0"),
        ({"codes": [1, 2]}, "codes_windows: expected lists of integers from 0"),
        ({"codes": None}, "codes_windows: expected lists of integers from 0"),
        ({"first": -1}, r"segment: expected start_frame from 0 up to end_frame, got \(-1, 355\); LAPS writes -1"),
        ({"last": 3}, "segment: expected start_frame from 0 up to end_frame"),
        ({"segment": None}, "expected JSON with codes_windows and segment.start_frame and .end_frame, got: TypeError"),
        ({"quantized_windows": [[[1.0]]]}, "quantized_windows: expected a finite vector of one width for each code"),
        ({"quantized_windows": 3}, "quantized_windows: expected a finite vector"),
        ({"codes": [[1]], "quantized_windows": [[["x"]]]}, "quantized_windows: expected a finite vector"),
    ],
)
def test_faults_are_named_with_their_file(tmp_path: Path, told: dict[str, Any], message: str) -> None:
    segment(tmp_path / "pick", 0)
    write(tmp_path / "pick" / "bad.codes.json", **told)
    with pytest.raises(SchemaError, match=rf"bad\.codes\.json.*{message}"):
        read_code_files(tmp_path, rate=10)


def test_every_bad_file_is_named_at_once(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.codes.json").write_text('{"codes_windows": [[1]')
    with pytest.raises(SchemaError, match="3 problems:"):
        read_code_files(tmp_path, rate=10)
    with pytest.raises(SchemaError, match=r"expected files \*\.codes\.json, got none"):
        read_code_files((tmp_path / "empty").mkdir() or tmp_path / "empty", rate=10)


def test_the_adapter_knows_them_and_energies_as_before(classes: Path) -> None:
    found = find_adapter(classes)
    assert found is not None
    assert (found[0].name, found[1]) == ("laps", "segments")
    assert found[0].recognises(classes / "pick" / "segment_0000_startwin_000081.codes.json") == "segments"
    (classes / "pick" / "other.json").write_text('{"codes_windows": []}')
    (classes / "pick" / "other.codes.json").write_text("{}")
    assert found[0].recognises(classes / "pick" / "other.json") is None
    assert found[0].recognises(classes / "pick" / "other.codes.json") is None
    (classes / "stream_energy_velocity_l2_mean.jsonl").write_text("")
    assert found[0].recognises(classes) == "energies"


def test_vectors_have_no_place_in_segments_and_that_is_told(classes: Path) -> None:
    container, notes, *_ = registry("adapters").load("laps").read(classes, rate=10, stride=None, zeros="measured")
    assert isinstance(container, Segments)
    assert "`lapsdata cluster FOLDER` uses them" in str({note.code: note for note in notes}["latents-left-out"])


def test_they_are_converted_to_segments_of_ours(
    classes: Path, tmp_path_factory: pytest.TempPathFactory, one_process: list[int]
) -> None:
    target = tmp_path_factory.mktemp("out") / "out.parquet"
    convert(classes, target, to="segments_parquet", rate=10)
    found = lapsdata.read(target)
    assert isinstance(found, Segments)
    assert found.label == ("pick", "pick", "place")
    assert found.equals(read_code_files(classes, rate=10).segments) or len(one_process) == 1
