"""ActivityNet's JSON: truth, results, subsets, names, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters import find_adapter
from lapsdata.adapters.activitynet import read
from lapsdata.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[1] / "samples" / "activitynet"


def codes(notes: Any) -> list[str]:
    return [note.code for note in notes]


def test_a_truth_keeps_overlap_and_what_stands_twice(rows: Callable[[Any], Any]) -> None:
    segments, notes, unmeasured, *_ = read(SAMPLES / "truth.json")
    assert rows(segments) == [
        ("surf_1", 1.5, 5.0, "Paddle"),
        ("surf_1", 1.5, 5.0, "Paddle"),
        ("surf_1", 4.0, 9.25, "Ride"),
        ("surf_2", 0.0, 8.5, "Ride"),
    ]
    assert segments.header.overlap
    # A video without a segment is a video.
    assert [(video.name, video.end_s) for video in segments.header.videos] == [
        ("surf_1", 12.5),
        ("surf_2", 8.5),
        ("surf_3", 3.0),
    ]
    assert segments.header.policies == {"doubled_segments": 1, "empty_segments": 1, "beyond_video": 1}
    assert codes(notes) == ["doubled-segments", "empty-segments", "beyond-video"]
    assert unmeasured == ()


def test_a_subset_is_a_split(rows: Callable[[Any], Any]) -> None:
    found = read(SAMPLES / "truth.json", split="validation").container
    assert rows(found) == [("surf_2", 0.0, 8.5, "Ride")]
    assert [video.name for video in found.header.videos] == ["surf_2"]


def test_a_result_has_scores_and_no_lengths(rows: Callable[[Any], Any]) -> None:
    segments, notes, unmeasured, *_ = read(SAMPLES / "result.json")
    assert rows(segments) == [("AAAAAAAAAA1", 0.0, 3.0, "Ride"), ("AAAAAAAAAA1", 0.5, 2.0, "Ride")]
    assert segments.score.tolist() == [0.75, 0.25]
    assert unmeasured == ("AAAAAAAAAA1",)
    assert codes(notes) == ["prefix-taken-off", "videos-without-time"]
    assert "'AAAAAAAAAA2'" in notes[1].message


SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30), st.sampled_from("xyz")), min_size=1, max_size=12)


@given(spans=SPANS)
def test_every_row_is_a_segment(spans: list[tuple[int, int, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("activitynet") / "gt.json"
    rows = [{"segment": [start / 4, (start + length) / 4], "label": label} for start, length, label in spans]
    path.write_text(json.dumps({"v_short": {"duration_second": 20, "annotations": rows}}))
    segments: Any = read(path).container
    got = sorted(zip(segments.start_s.tolist(), segments.end_s.tolist(), segments.label, strict=True))
    assert got == sorted((row["segment"][0], row["segment"][1], row["label"]) for row in rows)
    assert np.all(np.diff(segments.start_s) >= 0)
    assert [(video.name, video.end_s) for video in segments.header.videos] == [("v_short", 20.0)]


def test_it_is_known_by_what_it_begins_with(tmp_path: Path) -> None:
    for name in ("truth.json", "result.json"):
        found = find_adapter(SAMPLES / name)
        assert found is not None
        assert (found[0].name, found[1]) == ("activitynet", "segments")
    for text in ("{}", '[{"annotations": []}]', '{"images": [], "annotations": [{"bbox": []}]}', '{"results": {}}'):
        (tmp_path / "other.json").write_text(text)
        assert find_adapter(tmp_path / "other.json", ("segments",)) is None


def row(**changed: Any) -> str:
    one = {"segment": [0, 1], "label": "x", "score": 0.5, **changed}
    return json.dumps({"results": {"a": [one]}})


BAD = {
    "no JSON": ("{", "expected one JSON object in UTF-8"),
    "a video twice": ('{"results": {"a": [], "a": []}}', "expected each key once, got twice: a"),
    "a list": ('{"results": []}', "results: expected an object with a key per video, got list"),
    "no videos": ('{"database": {"a": 3}}', "expected an object with annotations for each video, got others: 'a'"),
    "no annotations": ('{"database": {"a": {"duration": 3}}}', "a: expected a list of segments, got NoneType"),
    "no length": ('{"database": {"a": {"duration": 0, "annotations": []}}}', "expected seconds above 0, got 0"),
    "nothing": ('{"results": {"a": []}}', "expected a segment, got none"),
    "one time": (row(segment=[1]), r'segment 0: expected \{"segment": \[start, end\], "label": text\}'),
    "a label of numbers": (row(label=3), 'segment 0: expected {"segment"'.replace("{", r"\{")),
    "times that fall": (row(segment=[2, 1]), "a: segment 0: expected start <= end in seconds, got 2 and 1"),
    "times of words": (row(segment=["x", True]), "expected start <= end in seconds, got 'x' and True"),
    "a score of words": (row(score="high"), "expected a finite number as score, got 'high'"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_named(what: str, tmp_path: Path) -> None:
    text, message = BAD[what]
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(SchemaError, match=message):
        read(tmp_path / "bad.json")


def test_all_rows_at_fault_are_named_at_once(tmp_path: Path) -> None:
    rows = [{"segment": [2, 1], "label": "x"}, {"segment": [0, 1], "label": "x"}, {"label": "x"}]
    (tmp_path / "bad.json").write_text(json.dumps({"results": {"a": rows}}))
    with pytest.raises(SchemaError, match="2 problems") as raised:
        read(tmp_path / "bad.json")
    assert [problem.code for problem in raised.value.problems] == ["wrong-time", "wrong-row"]


def test_splits_that_mean_nothing_are_named() -> None:
    with pytest.raises(SchemaError, match="got 'val'; there are 'testing', 'training', 'validation'"):
        read(SAMPLES / "truth.json", split="val")
    with pytest.raises(SchemaError, match="expected no split of a result, got 'training'"):
        read(SAMPLES / "result.json", split="training")
