"""Boxes of any file: what is told to those that take it, and what pixels are counted from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import lapsdata
from lapsdata.adapters import expect_boxes, motchallenge
from lapsdata.errors import UnknownFormatError
from lapsdata.testing.samples import sample_boxes, sample_energies

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.geometry import BoxOrigin

ROW = "1,7,10,20,30,40,0.9,-1,-1,-1\n"


def test_ours_and_those_of_others(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "ours.parquet", sample_boxes())
    (tmp_path / "theirs.txt").write_text(ROW)
    (tmp_path / "database.json").write_text(json.dumps({"a/img1/000001": ["1,2,3,4,0.5"]}))
    found = [expect_boxes(tmp_path / name) for name in ("ours.parquet", "theirs.txt", "database.json")]
    assert [one.format for one in found] == ["boxes_parquet", "motchallenge", "detection_db"]
    assert [len(one.boxes) for one in found] == [4, 1, 1]
    assert found[0].boxes.equals(sample_boxes())
    assert found[0].notes == ()
    assert "kind-guessed" in [note.code for note in found[1].notes]


def test_what_is_told_reaches_those_that_take_it(tmp_path: Path) -> None:
    (tmp_path / "theirs.txt").write_text(ROW)
    (tmp_path / "database.json").write_text(json.dumps({"a/img1/000001": ["1,2,3,4,0.5"]}))
    told = expect_boxes(tmp_path / "theirs.txt", whose="ours", pixels="edge")
    assert told.boxes.source == ("ours",)
    assert expect_boxes(tmp_path / "database.json", whose="ours").boxes.source == ("detector",)


def test_what_holds_no_boxes_is_refused(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "energies.jsonl", sample_energies())
    with pytest.raises(UnknownFormatError, match="expected boxes, got energies; name a file with boxes"):
        expect_boxes(tmp_path / "energies.jsonl")
    (tmp_path / "note.md").write_text("no boxes")
    with pytest.raises(UnknownFormatError, match=r"note.md"):
        expect_boxes(tmp_path / "note.md")


@pytest.mark.parametrize(("pixels", "place"), [("one_based", 8.5), ("edge", 9.5), ("centre", 10)])
def test_what_pixels_are_counted_from(tmp_path: Path, pixels: BoxOrigin, place: float) -> None:
    (tmp_path / "ours.txt").write_text(ROW)
    adapted = motchallenge.read(tmp_path / "ours.txt", pixels=pixels)
    boxes = adapted.container
    assert (boxes.x.tolist(), boxes.y.tolist(), boxes.w.tolist()) == ([place], [place + 10], [30])
    said = boxes.header.provenance.parameters
    assert said.get("pixels") == (None if pixels == "one_based" else pixels)
