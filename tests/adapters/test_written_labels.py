"""Segments as labels per frame: every frame has its label, nothing is rounded, and what stands against it is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata.adapters._written_labels import write_frame_labels
from lapsdata.adapters.mstcn import read
from lapsdata.containers import Segments
from lapsdata.errors import SchemaError, StorageError
from lapsdata.schema import SegmentedVideo, SegmentsHeader
from lapsdata.testing.samples import sample_provenance
from lapsdata.timebase import FrameRate, frame_to_s

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def cut(
    *rows: tuple[float, float, str | None], end_s: float = 4.0, start_s: float = 0.0, overlap: bool = False, **more: Any
) -> Segments:
    video = SegmentedVideo(name="one", start_s=start_s, end_s=end_s)
    header = SegmentsHeader(provenance=sample_provenance(), videos=(video,), overlap=overlap)
    times = np.array([row[:2] for row in rows], np.float64).reshape(-1, 2)
    count = len(rows)
    labels = tuple(row[2] for row in rows)
    at = np.zeros(count, np.int64)
    return Segments(header, at, times[:, 0].copy(), times[:, 1].copy(), ("annotation",) * count, labels, **more)


def labels(folder: Path) -> list[str]:
    return (folder / "groundTruth" / "one.txt").read_text().splitlines()


@given(
    words=st.lists(st.sampled_from(["lift", "turn", "rest"]), min_size=1, max_size=40),
    rate=st.sampled_from(["15", "30", "30000/1001", "12.5"]),
)
def test_labels_are_written_as_they_were_read(
    words: list[str], rate: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("labels")
    (folder / "groundTruth").mkdir()
    (folder / "groundTruth" / "one.txt").write_text("\n".join(words) + "\n")
    truth: Any = read(folder, rate=rate).container
    write_frame_labels(folder / "again", truth, rate=FrameRate.parse(rate))
    assert labels(folder / "again") == words
    back: Any = read(folder / "again", rate=rate).container
    assert (back.start_s.tolist(), back.end_s.tolist()) == (truth.start_s.tolist(), truth.end_s.tolist())
    assert back.label == truth.label
    numbers = "".join(f"{k} {name}\n" for k, name in enumerate(sorted(set(words))))
    assert (folder / "again" / "mapping.txt").read_text() == numbers


def test_gaps_have_the_label_that_is_told(tmp_path: Path) -> None:
    report = write_frame_labels(tmp_path / "out", cut((1.0, 2.0, "x")), rate=FrameRate(2), gap_label="background")
    assert labels(tmp_path / "out") == ["background"] * 2 + ["x"] * 2 + ["background"] * 4
    assert [note.message for note in report.notes] == ["6 frames are in no segment: called 'background'"]


def test_decimals_that_were_written_out_are_their_frames(tmp_path: Path) -> None:
    rate = FrameRate(30)
    exact = [float(frame_to_s(k, rate)) for k in (0, 10, 31)]
    rough = [round(value, 6) for value in exact]
    write_frame_labels(
        tmp_path / "out", cut((rough[0], rough[1], "x"), (rough[1], rough[2], "y"), end_s=rough[2]), rate=rate
    )
    assert labels(tmp_path / "out") == ["x"] * 10 + ["y"] * 21


def test_what_has_no_place_is_told(tmp_path: Path) -> None:
    given = cut((0.0, 4.0, "x"), score=np.array([0.5]))
    report = write_frame_labels(tmp_path / "out", given, rate=FrameRate(2))
    assert [(note.code, note.message) for note in report.notes] == [("left-behind", "no place for: scores")]


BAD: dict[str, tuple[Callable[[], Segments], str]] = {
    "overlap": (lambda: cut((0.0, 3.0, "x"), (2.0, 4.0, "y"), overlap=True), "expected no overlap, got a header"),
    "a gap": (lambda: cut((1.0, 4.0, "x")), "expected a label for every frame, got none for 2 of 8; .* --gap-label"),
    "no label": (lambda: cut((0.0, 4.0, None)), "expected a label for every frame, got none for 8 of 8"),
    "a late start": (lambda: cut((1.0, 4.0, "x"), start_s=1.0), "expected a video from 0 s to a frame of 2 per second"),
    "an early start": (lambda: cut((0.0, 4.0, "x"), start_s=-1.0), "from 0 s to a frame of 2 per second, got -1 to 4"),
    "an end between": (lambda: cut((0.0, 4.0, "x"), end_s=4.2), "from 0 s to a frame of 2 per second, got 0 to 4.2"),
    "a cut between": (
        lambda: cut((0.0, 1.2, "x"), (1.2, 3.0, "y"), (3.0, 4.0, "x")),
        "expected segments from frame to frame at 2 per second, got 2 of 3 between frames; .* nothing is rounded",
    ),
    "a sliver": (
        lambda: cut((0.0, 1.0, "x"), (1.0, 1.0000001, "y"), (1.0000001, 4.0, "x")),
        "expected a frame in each segment, got none in that of row 1",
    ),
    "two words": (lambda: cut((0.0, 4.0, "take cup")), "expected a word of up to 100 letters, got 'take cup'"),
    "a line break": (lambda: cut((0.0, 4.0, "a\n")), r"expected a word of up to 100 letters, got 'a\\n'"),
    "no word": (lambda: cut((0.0, 4.0, "")), "expected a word of up to 100 letters, got ''"),
    "a long word": (lambda: cut((0.0, 4.0, "x" * 101)), "expected a word of up to 100 letters, got 'xxx"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_stands_against_it_is_named_and_nothing_is_written(what: str, tmp_path: Path) -> None:
    make, message = BAD[what]
    with pytest.raises(SchemaError, match=message):
        write_frame_labels(tmp_path / "out", make(), rate=FrameRate(2))
    assert not (tmp_path / "out").exists()


def test_a_rate_and_a_free_place_are_needed(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="expected the frames per second of the labels, got none; give --rate"):
        write_frame_labels(tmp_path / "out", cut((0.0, 4.0, "x")))
    (tmp_path / "out").mkdir()
    with pytest.raises(StorageError, match="exists"):
        write_frame_labels(tmp_path / "out", cut((0.0, 4.0, "x")), rate=FrameRate(2))


def test_videos_of_all_lengths_are_written(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "one.parquet", cut((0.0, 4.0, "x")))
    again = lapsdata.read(tmp_path / "one.parquet", Segments)
    report = write_frame_labels(tmp_path / "out", again, rate=FrameRate(1))
    assert (report.format, report.nbytes) == ("mstcn", len("x\n" * 4) + len("0 x\n"))
