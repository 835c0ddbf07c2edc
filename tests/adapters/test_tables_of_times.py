"""RTTM, label files and EPIC's tables: what each row says, units, and what is wrong with rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters import epic, find_adapter, lab, rttm
from lapsdata.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.mark.parametrize("name", ["rttm", "lab", "epic"])
def test_a_file_and_its_folder_are_known(name: str) -> None:
    for path in (SAMPLES / name, next((SAMPLES / name).iterdir())):
        found = find_adapter(path)
        assert found is not None
        assert (found[0].name, found[1]) == (name, "segments")


def test_of_a_transcript_the_speakers_are_read(rows: Callable[[Any], Any]) -> None:
    segments, notes, unmeasured, *_ = rttm.read(SAMPLES / "rttm")
    assert rows(segments) == [("talk", 0.0, 3.0, "ann"), ("talk", 2.5, 3.75, "ben")]
    assert segments.header.overlap
    assert segments.score.tolist()[0] == 0.9
    assert (segments.header.policies, unmeasured) == ({"rows_left_out": 2}, ("talk",))
    assert [note.message for note in notes] == [
        "rows of other types, or without a time: left out (1 NON-SPEECH, 1 SPKR-INFO)"
    ]


def test_without_speakers_all_types_are_read(tmp_path: Path, rows: Callable[[Any], Any]) -> None:
    path = tmp_path / "one.rttm"
    path.write_text("NON-SPEECH a 1 1 2 <NA> laugh <NA> <NA> <NA>\nSEGMENT a 2 5 1 <NA> <NA> <NA> <NA>\n")
    segments, notes, *_ = rttm.read(path)
    assert rows(segments) == [("a", 1.0, 3.0, "laugh"), ("a", 5.0, 6.0, "SEGMENT")]
    assert [note.code for note in notes] == ["several-channels"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SPEAKER a 1 0 1", r"line 1: expected at least 9 fields, got 5"),
        ("SPEAKER a 1 x 1 <NA> <NA> n <NA>", "expected onset and duration in seconds, got 'x' and '1'"),
        ("SPEAKER a 1 0 -1 <NA> <NA> n <NA>", "expected onset and duration in seconds, got '0' and '-1'"),
        ("SPEAKER a 1 0 1 <NA> <NA> n sure", "expected a finite number as score, got 'sure'"),
        ("SPKR-INFO a 1 <NA> <NA> <NA> adult n <NA>", "expected a segment, got none"),
        ("SPEAKER ../a 1 0 1 <NA> <NA> n <NA>", "name"),
    ],
)
def test_rows_that_are_none_of_a_transcript_are_named(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.rttm").write_text(line + "\n")
    with pytest.raises(SchemaError, match=message):
        rttm.read(tmp_path / "bad.rttm")


@given(onset=st.integers(0, 10**7), lasts=st.integers(1, 10**5))
def test_a_turn_ends_at_the_decimal_that_the_next_begins_at(
    onset: int, lasts: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As a sum of binary numbers 0.1 and 0.2 after it would end behind 0.3, and overlap."""
    path = tmp_path_factory.mktemp("rttm") / "one.rttm"
    first, length, end = (f"{value / 1000:.3f}" for value in (onset, lasts, onset + lasts))
    path.write_text(f"SPEAKER a 1 {first} {length} <NA> <NA> x <NA> <NA>\nSPEAKER a 1 {end} 1 <NA> <NA> y <NA> <NA>\n")
    segments: Any = rttm.read(path).container
    assert segments.end_s[0] == segments.start_s[1] == float(end)
    assert not segments.header.overlap


def test_labels_are_the_rest_of_the_line(rows: Callable[[Any], Any]) -> None:
    segments, notes, *_ = lab.read(SAMPLES / "lab")
    assert rows(segments) == [
        ("song", 0.0, 1.25, "Intro"),
        ("song", 1.25, 4.5, "Verse (guitar solo)"),
        ("song", 4.5, 6.0, None),
    ]
    assert [(note.code, note.severity) for note in notes] == [("unit-by-decimals", "info")]
    assert lab.read(SAMPLES / "lab", unit="s").notes == ()


@given(ticks=st.lists(st.integers(1, 10**10), min_size=1, max_size=8))
def test_units_of_htk_are_exact(ticks: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("lab") / "one.lab"
    ends = [sum(ticks[: at + 1]) for at in range(len(ticks))]
    path.write_text("".join(f"{end - length} {end} sil\n" for end, length in zip(ends, ticks, strict=True)))
    segments: Any = lab.read(path, unit="100ns").container
    assert segments.end_s.tolist() == [end / 10**7 for end in ends]
    assert segments.start_s.tolist() == [0.0, *(end / 10**7 for end in ends[:-1])]
    assert not segments.header.overlap


def test_whole_numbers_ask_for_their_unit(tmp_path: Path, rows: Callable[[Any], Any]) -> None:
    (tmp_path / "htk.lab").write_text("0 5000000 sil\n")
    (tmp_path / "music.lab").write_text("0 5.5 sil\n")
    # What one file says of its unit does not speak for another.
    for path in (tmp_path / "htk.lab", tmp_path):
        with pytest.raises(SchemaError, match="they are whole numbers, seconds or HTK's 100 ns, in 'htk'; give --unit"):
            lab.read(path)
    assert rows(lab.read(tmp_path / "htk.lab", unit="100ns").container) == [("htk", 0.0, 0.5, "sil")]
    with pytest.raises(SchemaError, match="expected whole numbers of 100 ns, got a decimal point in 1 of 2 rows"):
        lab.read(tmp_path, unit="100ns")
    (tmp_path / "htk.lab").write_text("0 1e-05 sil\n")
    assert rows(lab.read(tmp_path / "htk.lab").container) == [("htk", 0.0, 1e-05, "sil")]
    with pytest.raises(SchemaError, match="expected whole numbers of 100 ns, got a decimal point in 1 of 1 rows"):
        lab.read(tmp_path / "htk.lab", unit="100ns")
    wrong: Any = "ms"
    with pytest.raises(SchemaError, match="unit: expected one of s, 100ns, got 'ms'"):
        lab.read(tmp_path, unit=wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.5\n", r"line 1: expected start, end and a label, got '0.5'"),
        ("0.5 x y\n", r"line 1: expected start, end and a label, got '0.5 x y'"),
        ("1.5 0.5 x\n", r"line 1: expected start <= end in seconds"),
        ("# nothing\n", "expected a segment, got none"),
        ("\xff", "expected text in UTF-8"),
    ],
)
def test_rows_that_are_no_labels_are_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.lab").write_bytes(text.encode("latin-1"))
    with pytest.raises(SchemaError, match=message):
        lab.read(tmp_path / "bad.lab")


def test_kitchens_have_clock_times_and_overlap(rows: Callable[[Any], Any]) -> None:
    segments, notes, *_ = epic.read(SAMPLES / "epic")
    assert rows(segments) == [
        ("P01_01", 0.14, 3.37, "open door"),
        ("P01_01", 2.37, 3606.17, "take jar"),
        ("P02_01", 5.0, 6.5, "close cupboard"),
    ]
    assert segments.header.overlap
    assert [note.message for note in notes] == ["labels are those of verb and noun (3 segments)"]


@given(st.integers(0, 99 * 360_000))
def test_clock_times_are_exact(hundredths: int) -> None:
    seconds, rest = divmod(hundredths, 100)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:02}"
    assert epic._seconds(text) == hundredths / 100


@pytest.mark.parametrize(
    ("columns", "cells", "label"),
    [
        ("narration,verb", "open the door,open", "open"),
        ("narration,verb_class,noun_class", "open the door,3,5", "3 5"),
        ("narration", "open the door", "open the door"),
        ("narration_id", "P01_0", None),
    ],
)
def test_a_label_is_what_the_table_has(columns: str, cells: str, label: str | None, tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_text(f"video_id,start_timestamp,stop_timestamp,{columns}\na,00:00:01.5,00:00:02,{cells}\n")
    assert epic.read(path).container.label == (label,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video_id,start_timestamp,stop_timestamp\na,1.5,2\n", "expected times as HH:MM:SS.cc, got '1.5' and '2'"),
        ("video_id,start_timestamp,stop_timestamp\na,00:00:61,00:01:02\n", "expected times as HH:MM:SS.cc"),
        ("video_id,start_timestamp,stop_timestamp\na,00:00:05,00:00:02\n", "line 2: expected start <= end in seconds"),
        ("video_id,start_timestamp,stop_timestamp\na,00:00:05\n", "line 2: expected 3 values in each line"),
        ("video_id,start\na,00:00:05\n", "expected the columns video_id, start_timestamp and stop_timestamp, got"),
    ],
)
def test_rows_that_are_none_of_a_kitchen_are_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(SchemaError, match=message):
        epic.read(tmp_path / "bad.csv")


@pytest.mark.parametrize(("name", "text"), [("a.lab", "words alone"), ("a.rttm", "words"), ("a.csv", "video,x\n")])
def test_other_text_is_not_taken_for_them(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert find_adapter(tmp_path / name) is None
