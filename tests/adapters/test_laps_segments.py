"""Segments of LAPS: both layouts, what found them, and files that are written and read back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from lapsdata.adapters import find_adapter
from lapsdata.adapters.laps_segments import read, write
from lapsdata.errors import SchemaError, StorageError
from lapsdata.schema import Tool
from lapsdata.testing.samples import sample_segments
from lapsdata.testing.strategies import segments as drawn_segments

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[1] / "samples" / "laps_segments"
FOUND = SAMPLES / "found" / "V1_Box" / "segmented_videos"


@pytest.mark.parametrize("path", [SAMPLES, FOUND.parents[1], FOUND.parent, FOUND, FOUND / "V1_Box_segments.json"])
def test_found_ones_lie_in_every_depth(path: Path, rows: Callable[[Any], Any], tmp_path: Path) -> None:
    if path == SAMPLES:
        shutil.copytree(SAMPLES / "found", tmp_path / "deep" / "er")
        path = tmp_path / "deep"
    found = read(path)
    segments: Any = found.container
    assert rows(segments) == [("V1_Box", 0.4, 2.4, None), ("V1_Box", 2.8, 4.8, None)]
    assert (segments.score, segments.header.videos[0].end_s, found.unmeasured) == (None, 6.5, ())
    assert [(note.code, note.severity) for note in found.notes] == [
        ("numbered-labels", "info"),
        ("times-as-written", "info"),
    ]
    assert segments.header.policies == {"numbered_labels": 2}
    known = find_adapter(path)
    assert known is not None
    assert (known[0].name, known[1]) == ("laps_segments", "segments")


def test_true_ones_have_labels_and_no_segmenter(rows: Callable[[Any], Any]) -> None:
    found = read(SAMPLES / "truth")
    assert rows(found.container) == [("V1_Box", 0.0, 1.5, "rest"), ("V1_Box", 1.5, 6.0, "lift")]
    assert (found.rate, found.unmeasured) == (None, ())
    assert [(note.code, note.severity) for note in found.notes] == [("times-as-written", "info")]
    assert found.container.header.segmenter is None  # type: ignore[union-attr]


def test_the_segmenter_has_the_parameters_in_which_files_agree(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "found", tmp_path / "found")
    told = json.loads((FOUND / "V1_Box_segments.json").read_text())
    header: Any = read(tmp_path).container.header
    assert header.segmenter == Tool(name="laps", version="unknown", parameters=told["segmentation_params"])
    told["segmentation_params"]["orig_fps"] = 30.0
    del told["segmentation_params"]["mode"], told["video_duration_sec"]
    (tmp_path / "V2_segments.json").write_text(json.dumps(told))
    found: Any = read(tmp_path)
    del told["segmentation_params"]["orig_fps"]
    assert found.container.header.segmenter.parameters == told["segmentation_params"]
    assert found.unmeasured == ("V2",)
    (note,) = (note for note in found.notes if note.code == "parameters-differ")
    assert note.message == "'mode', 'orig_fps' of segmentation_params differ between files: left out"


@pytest.mark.parametrize("label", ["segment_", "segment_1b", "Segment_1", "a segment_1"])
def test_only_the_number_of_a_segment_is_no_label(label: str, tmp_path: Path) -> None:
    row = {"start_sec": 0, "end_sec": 1, "label": label}
    (tmp_path / "a_segments.json").write_text(json.dumps({"segments": [row]}))
    assert read(tmp_path).container.label == (label,)  # type: ignore[union-attr]


def test_a_folder_with_energies_beside_holds_both(tmp_path: Path) -> None:
    place = tmp_path / "V1_Box"
    (place / "segmented_videos").mkdir(parents=True)
    (place / "segmented_videos" / "V1_Box_segments.json").write_text('{"segments": [{"start_sec": 0, "end_sec": 1}]}')
    (place / "stream_energy_quantized_l2_mean.jsonl").write_text(
        '{"window": 0, "energy": 1, "source": "quantized", "mode": "l2_mean"}\n'
    )
    known = [find_adapter(tmp_path, {record}) for record in ("segments", "energies")]
    assert [one and one[0].name for one in known] == ["laps_segments", "laps"]


@given(drawn=drawn_segments())
def test_what_is_written_is_read_back(drawn: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("laps") / "out"
    report = write(folder, drawn)
    late = any(video.start_s for video in drawn.header.videos)
    told = {note.code for note in report.notes}
    assert ("left-behind" in told) == bool(
        late or drawn.header.segmenter or drawn.codes is not None or drawn.embedding is not None
    )
    files = sorted(folder.rglob("*_segments.json"))
    assert [file.name for file in files] == sorted(f"{video.name}_segments.json" for video in drawn.header.videos)
    if not len(drawn):
        return
    back: Any = read(folder).container
    for name in {drawn.header.videos[at].name for at in drawn.video_index.tolist()}:
        ours, theirs = drawn.of_video(name), back.of_video(name)
        assert back.start_s[theirs].tolist() == drawn.start_s[ours].tolist()
        assert back.end_s[theirs].tolist() == drawn.end_s[ours].tolist()
        assert [back.label[at] for at in theirs] == [drawn.label[at] for at in ours]


def test_found_ones_lie_in_a_folder_for_each_video(tmp_path: Path) -> None:
    found = sample_segments()
    write(tmp_path / "out", found)
    inside = sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.json"))
    nested = found.header.segmenter is not None
    assert inside == [
        f"{video.name}/segmented_videos/{video.name}_segments.json" if nested else f"{video.name}_segments.json"
        for video in found.header.videos
    ]
    document = json.loads((tmp_path / "out" / inside[0]).read_text())
    first = {"start_sec": 0.5, "end_sec": 1.5, "label": "reach", "score": 0.5}
    assert document == {
        "video": "clip_0.mp4",
        "video_duration_sec": 4.0,
        "segments": [first, {"start_sec": 1.5, "end_sec": 3.25, "label": "grasp"}],
    }
    with pytest.raises(StorageError, match="exists"):
        write(tmp_path / "out", found)


BAD = {
    "no JSON": ("[]", "expected one JSON object, got list"),
    "no list": ('{"segments": 3, "fps": 1}', "expected a list called segments, got segments, fps"),
    "no times": ('{"segments": [{"begin": 1}]}', "expected start_sec and end_sec, got {'begin': 1}"),
    "another key": ('{"segments": [{"start_s": 1, "end_s": 2}]}', "expected start_sec and end_sec, got"),
    "a number": ('{"segments": [3]}', "segment 0: expected start_sec and end_sec, got 3"),
    "times that fall": (
        '{"segments": [{"start_sec": 2, "end_sec": 1}]}',
        "expected start <= end in seconds, got 2 and",
    ),
    "parameters": ('{"segmentation_params": 3, "segments": []}', "expected segmentation_params by name, got 3"),
    "no length": ('{"video_duration_sec": -1, "segments": []}', "duration_sec: expected seconds above 0, got -1"),
    "none": ('{"segments": []}', "expected a segment, got none"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_named(what: str, tmp_path: Path) -> None:
    text, message = BAD[what]
    (tmp_path / "a_segments.json").write_text(text)
    with pytest.raises(SchemaError, match=message):
        read(tmp_path / "a_segments.json")


def test_a_video_in_two_places_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "a" / "segmented_videos"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "a_segments.json").write_text('{"segments": [{"start_sec": 0, "end_sec": 1}]}')
    with pytest.raises(SchemaError, match=r"expected each video in one file, got 'a' in .* too"):
        read(tmp_path)
