"""Boxes as files of MOTChallenge: what is read back is what was written, to the last bit, or its loss is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters import motchallenge
from lapsdata.containers import Boxes
from lapsdata.errors import SchemaError, StorageError
from lapsdata.schema import BoxesHeader, BoxSequence, FrameRange, Size
from lapsdata.testing.samples import sample_boxes, sample_provenance
from lapsdata.timebase import FrameRate
from tests.adapters.mot_by_hand import boxes_of

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.formats import WriteReport

ROWS = [
    # sequence, frame, id, x, y, w, h, label, source, ignored, score, visibility
    (0, 0, 1, 8.5, 18.5, 30.0, 40.0, "pedestrian", "truth", False, np.nan, 0.5),
    (0, 0, 2, 86.6, -13.84, 61.08, 218.56, "car", "truth", True, np.nan, np.nan),
    (0, 1, -1, 0.1, 2.8, 0.0, 1e-7, "pedestrian", "detector", False, 0.875, np.nan),
    (0, 1, -1, 300.0, 18.5, 30.0, 40.0, "pedestrian", "detector", False, 0.1, np.nan),
    (1, 2, 7, 1e6, 18.5, 1e16, 40.0, "pedestrian", "ours", False, -3.25, np.nan),
    (1, 3, 7, 12.5, 18.5, 30.0, 40.0, "pedestrian", "ours", False, 0.5, np.nan),
]


def sequence(name: str, length: int = 10, **more: Any) -> BoxSequence:
    spans = (FrameRange(start=0, stop=length),)
    return BoxSequence(**{"name": name, "length": length, "annotated": spans, "first_number": 1, **more})


def boxes(rows: list[tuple[Any, ...]], names: tuple[str, ...] = ("a", "b"), **header: Any) -> Boxes:
    columns = list(zip(*rows, strict=True)) or [()] * 12
    numbers = [np.array(column, np.float64) for column in columns[3:7]]
    sequences = tuple(sequence(name, rate=FrameRate(25), size=Size(width=640, height=360)) for name in names)
    scores, seen = np.array(columns[10], np.float64), np.array(columns[11], np.float64)
    return Boxes(
        BoxesHeader(**{"provenance": sample_provenance(), "sequences": sequences, **header}),
        *(np.array(column, np.int64) for column in columns[:3]),
        *numbers,
        label=tuple(columns[7]),
        source=tuple(columns[8]),
        ignored=np.array(columns[9], bool),
        score=None if np.isnan(scores).all() else scores,
        visibility=None if np.isnan(seen).all() else seen,
    )


def rows_in(table: Boxes) -> list[tuple[Any, ...]]:
    """Return all rows in an order of their own, which says nothing of that of the table."""
    names = [one.name for one in table.header.sequences]
    none = np.full(len(table), np.nan)
    scores = none if table.score is None else table.score
    seen = none if table.visibility is None else table.visibility
    columns = [table.frame, table.id, table.x, table.y, table.w, table.h]
    return sorted(
        (names[at], *numbers, label, source, ignored, repr(score), repr(share))
        for at, *numbers, label, source, ignored, score, share in zip(
            table.sequence_index.tolist(),
            *(column.tolist() for column in columns),
            table.label,
            table.source,
            table.ignored.tolist(),
            scores.tolist(),
            seen.tolist(),
            strict=True,
        )
    )


def there_and_back(folder: Path, table: Boxes, **told: Any) -> tuple[Boxes, WriteReport]:
    report = motchallenge.write_rows(folder / "set", table, **told)
    return boxes_of(folder / "set"), report


def told(report: WriteReport) -> list[str]:
    return sorted(note.message if note.code == "left-behind" else note.code for note in report.notes)


def test_what_is_written_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    table = boxes(ROWS[:2] + ROWS[3:])
    again, report = there_and_back(tmp_path, table)
    assert rows_in(again) == rows_in(table)
    assert again.header.sequences == table.header.sequences
    assert told(report) == []
    files = sorted(str(path.relative_to(tmp_path / "set")) for path in (tmp_path / "set").rglob("*") if path.is_file())
    assert files == [
        *("a/det/det.txt", "a/gt/gt.txt", "a/seqinfo.ini"),
        *("b/gt/gt.txt", "b/seqinfo.ini"),
        "seqmaps/all.txt",
        *("trackers/ours/data/a.txt", "trackers/ours/data/b.txt"),
    ]
    assert (tmp_path / "set" / "b" / "gt" / "gt.txt").read_bytes() == b""
    assert report.nbytes == sum((tmp_path / "set" / file).stat().st_size for file in files)


def test_numbers_are_spelled_as_short_as_they_can_be(tmp_path: Path) -> None:
    there_and_back(tmp_path, boxes(ROWS))
    truth = (tmp_path / "set" / "a" / "gt" / "gt.txt").read_text().splitlines()
    assert truth == ["1,1,10,20,30,40,1,1,0.5", "1,2,88.1,-12.34,61.08,218.56,0,3,-1"]
    found = (tmp_path / "set" / "trackers" / "ours" / "data" / "b.txt").read_text().splitlines()
    assert found == ["3,7,1000001.5,20,1e+16,40,-3.25,1,-1,-1", "4,7,14,20,30,40,0.5,1,-1,-1"]
    assert (tmp_path / "set" / "a" / "seqinfo.ini").read_text() == (
        "[Sequence]\nname=a\nframeRate=25\nseqLength=10\nimWidth=640\nimHeight=360\n"
    )
    assert (tmp_path / "set" / "seqmaps" / "all.txt").read_text() == "name\na\nb\n"


def test_positions_without_a_like_are_as_near_as_can_be_and_told(tmp_path: Path) -> None:
    table = boxes(ROWS[2:3])
    again, report = there_and_back(tmp_path, table)
    assert told(report) == ["rounded"]
    assert np.abs(again.x - table.x).max() < 1e-15
    assert np.abs(again.y - table.y).max() < 1e-15
    assert (again.h.tolist(), again.w.tolist()) == ([1e-7], [0.0])


def test_results_alone_are_a_folder_of_trackers(tmp_path: Path) -> None:
    table = boxes(ROWS[4:])
    again, report = there_and_back(tmp_path, table)
    assert rows_in(again) == rows_in(table)
    assert told(report) == ["no place for length, rate and size of sequences, of 2"]
    files = sorted(str(path.relative_to(tmp_path / "set")) for path in (tmp_path / "set").rglob("*.txt"))
    assert files == ["ours/data/a.txt", "ours/data/b.txt"]
    assert (tmp_path / "set" / "ours" / "data" / "a.txt").read_bytes() == b""
    assert (tmp_path / "set" / "ours" / "data" / "b.txt").read_text().splitlines()[1] == "4,7,14,20,30,40,0.5,-1,-1,-1"


def test_labels_of_others_are_listed_beside_the_rows(tmp_path: Path) -> None:
    rows = [(*row[:7], label, *row[8:]) for row, label in zip(ROWS, ["ball", "player"] * 3, strict=True)]
    table = boxes(rows[:2] + rows[3:])
    again, report = there_and_back(tmp_path, table)
    assert rows_in(again) == rows_in(table)
    (note,) = report.notes
    assert (note.code, note.severity) == ("numbered-labels", "info")
    assert (note.fix or "").endswith("--classes 1=ball,2=player")
    for place in ("a/gt", "a/det", "trackers/ours"):
        assert (tmp_path / "set" / place / "labels.txt").read_text() == "ball\nplayer\n"


def test_labels_are_numbered_in_order_of_their_list(tmp_path: Path) -> None:
    rows = [(*row[:7], "ball", *row[8:]) for row in ROWS[:1]]
    there_and_back(tmp_path, boxes(rows, labels=("player", "ball")))
    assert (tmp_path / "set" / "a" / "gt" / "gt.txt").read_text() == "1,1,10,20,30,40,1,2,0.5\n"
    assert (tmp_path / "set" / "a" / "gt" / "labels.txt").read_text() == "player\nball\n"


@pytest.mark.parametrize("label", ["pedestrian", "car", "ball"])
@pytest.mark.parametrize("source", ["truth", "detector", "ours"])
def test_one_label_comes_back_whoever_says_it(tmp_path: Path, label: str, source: str) -> None:
    rows = [(*ROWS[5][:7], label, source, *ROWS[5][9:])]
    if source == "truth":
        rows = [(*rows[0][:10], np.nan, np.nan)]
    table = boxes(rows)
    assert rows_in(there_and_back(tmp_path, table)[0]) == rows_in(table)


def test_mot15_has_no_class_and_no_visibility(tmp_path: Path) -> None:
    again, report = there_and_back(tmp_path, boxes(ROWS[:2]), to="motchallenge-15")
    assert (tmp_path / "set" / "a" / "gt" / "gt.txt").read_text().splitlines()[0] == "1,1,10,20,30,40,1,-1,-1,-1"
    assert report.format == "motchallenge-15"
    assert told(report) == ["no place for the labels of truth (3=car,1=pedestrian)",
                            "no place for the visible share, of 1"]  # fmt: skip
    assert again.label == ("pedestrian", "pedestrian")
    assert again.visibility is None
    assert again.ignored.tolist() == [False, True]


def test_what_has_no_place_is_told(tmp_path: Path) -> None:
    report = motchallenge.write_rows(tmp_path / "set", sample_boxes())
    assert told(report) == [
        "no place for a first frame other than 1, of 2",
        "no place for the pattern of image names, of 2",
        "no place for the source's own identity, of 2",
        "numbered-labels",
    ]
    extra = [
        (0, 0, -1, *ROWS[0][3:10], 0.5, np.nan),
        (0, 1, 4, *ROWS[0][3:8], "ours", True, 0.5, 0.25),
        (0, 2, 4, *ROWS[0][3:8], "ours", False, np.nan, np.nan),
    ]
    table = boxes(extra)
    half = sequence("a", annotated=(FrameRange(start=0, stop=5),))
    table = replace(table, header=table.header.model_copy(update={"sequences": (half, sequence("b"))}))
    assert told(motchallenge.write_rows(tmp_path / "other", table)) == [
        "no place for ranges that were annotated, of 1",
        "no place for that it is to be ignored, of 1",
        "no place for the score of truth, of 1",
        "no place for the score, which only some boxes have, of 1",
        "no place for the visible share, of 1",
        "no-identity",
    ]


@pytest.mark.parametrize(
    ("rate", "spelled"),
    [(FrameRate(30000, 1001), "29.97"), (FrameRate(25), "25"), (FrameRate(7, 3), "7/3"), (None, None)],
)
def test_a_rate_is_spelled_so_that_it_is_read_back(tmp_path: Path, rate: FrameRate | None, spelled: str | None) -> None:
    table = boxes(ROWS[:1], ("a",))
    table = replace(table, header=table.header.model_copy(update={"sequences": (sequence("a", rate=rate),)}))
    again, _ = there_and_back(tmp_path, table)
    assert again.header.sequences[0].rate == rate
    said = (tmp_path / "set" / "a" / "seqinfo.ini").read_text()
    assert f"frameRate={spelled}\n" in said if spelled else "frameRate" not in said


def test_the_pattern_of_images_gives_their_folder_and_ending(tmp_path: Path) -> None:
    motchallenge.write_rows(tmp_path / "set", sample_boxes())
    said = (tmp_path / "set" / "left" / "seqinfo.ini").read_text()
    assert "imDir=img1\n" in said
    assert "imExt=.jpg\n" in said


@pytest.mark.parametrize("source", ["", ".hidden", "a/b", "..", "x" * 201, "a\nb"])
def test_a_source_that_names_no_folder_is_refused(tmp_path: Path, source: str) -> None:
    table = boxes([(*ROWS[5][:8], source, *ROWS[5][9:])])
    with pytest.raises(SchemaError, match="expected a name that a folder can have"):
        motchallenge.write_rows(tmp_path / "set", table)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("label", ["", " ball", "a\nb", "a\0b", "a\x85b"])
def test_a_label_that_is_no_line_is_refused(tmp_path: Path, label: str) -> None:
    table = boxes([(*ROWS[0][:7], label, *ROWS[0][8:])])
    with pytest.raises(SchemaError, match=r"expected a label that is a line of text, got .*; labels.txt has one"):
        motchallenge.write_rows(tmp_path / "set", table)


def test_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(StorageError, match="exists"):
        motchallenge.write_rows(tmp_path / "set", boxes(ROWS))
    assert list((tmp_path / "set").iterdir()) == []


def test_a_table_without_a_box_is_its_sequences(tmp_path: Path) -> None:
    again, _ = there_and_back(tmp_path, boxes([]))
    assert again.header.sequences == boxes([]).header.sequences
    assert len(again) == 0


# Positions that a file may hold: what is read of them is a position that is written back.
SPELLED = st.one_of(
    st.integers(-2000, 4000).map(float),
    st.floats(-2000, 4000).map(lambda value: round(value, 2)),
    st.floats(-2000, 4000),
    st.floats(-1, 3),
)
SIZES = st.one_of(
    st.integers(0, 4000).map(float), st.floats(0, 4000).map(lambda value: round(value, 3)), st.floats(0, 1e9)
)


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 9), SPELLED, SPELLED, SIZES, SIZES, st.booleans(), st.floats(0, 1), st.integers(1, 13)
        ),
        min_size=1,
        max_size=8,
    ),
    source=st.sampled_from(["truth", "detector", "ours"]),
)
def test_files_of_others_come_back_as_they_were_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, ...]], source: str
) -> None:
    folder = tmp_path_factory.mktemp("there")
    place = {"truth": "a/gt/gt.txt", "detector": "a/det/det.txt", "ours": "ours/data/a.txt"}[source]
    (folder / place).parent.mkdir(parents=True)
    tail = "{flag:d},{label},{share!r}" if source == "truth" else "{share!r},{label},-1,-1"
    lines = [
        f"{frame + 1},{number},{x!r},{y!r},{w!r},{h!r}," + tail.format(flag=flag, label=label, share=share)
        for number, (frame, x, y, w, h, flag, share, label) in enumerate(rows)
    ]
    (folder / place).write_text("\n".join(lines))
    read = boxes_of(folder)
    motchallenge.write_rows(folder / "again", read)
    again = boxes_of(folder / "again")
    assert rows_in(again) == rows_in(read)
    written = next(path for path in (folder / "again").rglob(f"{place.rpartition('/')[2]}"))
    shorter = sum(map(len, written.read_text().splitlines())) <= sum(map(len, lines))
    assert shorter
