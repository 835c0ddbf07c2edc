"""Segments of LAPS: both layouts, seconds and frames, and files that are written and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from lapsdata.adapters import find_adapter
from lapsdata.adapters.laps_segments import read, write
from lapsdata.errors import SchemaError, StorageError
from lapsdata.testing.samples import sample_segments
from lapsdata.testing.strategies import segments as drawn_segments

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[1] / "samples" / "laps_segments"
FOUND = SAMPLES / "found" / "V1_Box" / "segmented_videos"


@pytest.mark.parametrize("path", [FOUND.parents[1], FOUND.parent, FOUND, FOUND / "V1_Box_segments.json"])
def test_frames_are_found_in_every_depth(path: Path, rows: Callable[[Any], Any]) -> None:
    found = read(path)
    assert rows(found.container) == [("V1_Box", 0.4, 2.4, None), ("V1_Box", 2.8, 4.8, None)]
    assert found.container.score is not None
    assert found.container.score.tolist()[0] == 1.5
    assert (str(found.rate), found.rate_origin, found.unmeasured) == ("10", "fps of the files", ("V1_Box",))
    known = find_adapter(path)
    assert known is not None
    assert (known[0].name, known[1]) == ("laps_segments", "segments")


def test_seconds_need_no_rate(rows: Callable[[Any], Any]) -> None:
    found = read(SAMPLES / "truth", rate=30)
    assert rows(found.container) == [("V1_Box", 0.0, 1.5, "rest"), ("V1_Box", 1.5, 6.0, "lift")]
    assert (found.rate, found.unmeasured) == (None, ())
    assert [(note.code, note.severity) for note in found.notes] == [("times-as-written", "info")]


def test_frames_without_a_rate_take_the_one_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a_segments.json"
    path.write_text('{"segments": [{"start_frame": 0, "end_frame": 14}]}')
    found = read(path, rate=15)
    assert found.container.end_s.tolist() == [1.0]
    assert (str(found.rate), found.rate_origin) == ("15", "told")
    with pytest.raises(SchemaError, match=r"expected frames per second beside frames that rise.*give --rate"):
        read(path)


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
    assert document["source"] == "lapsdata"
    assert document["segments"][0]["start_sec"] == found.start_s[0]
    with pytest.raises(StorageError, match="exists"):
        write(tmp_path / "out", found)


BAD = {
    "no JSON": ("[]", "expected one JSON object, got list"),
    "no list": ('{"segments": 3, "fps": 1}', "expected a list called segments, got segments, fps"),
    "no times": ('{"segments": [{"begin": 1}]}', "expected start_sec and end_sec, or start_frame and end_frame, got"),
    "a number": ('{"segments": [3]}', "segment 0: expected start_sec and end_sec, .* got 3"),
    "times that fall": (
        '{"segments": [{"start_sec": 2, "end_sec": 1}]}',
        "expected start <= end in seconds, got 2 and",
    ),
    "a wrong rate": ('{"fps": 0, "segments": []}', "fps: expected frames per second above 0, got 0"),
    "frames that fall": ('{"fps": 5, "segments": [{"start_frame": 2, "end_frame": 1}]}', "beside frames that rise"),
    "no length": ('{"duration_sec": -1, "segments": []}', "duration_sec: expected seconds above 0, got -1"),
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
