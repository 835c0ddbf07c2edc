"""Boxes of others at a glance: sequences, labels, images, and what databases beside them cover."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lapsdata._inspect import InspectedBoxes, look_at
from lapsdata.adapters import Adapted, Adapter
from lapsdata.errors import SchemaError
from lapsdata.testing.samples import sample_boxes

if TYPE_CHECKING:
    from lapsdata._inspect.boxes import ListedSequence

SAMPLES = Path(__file__).parents[1] / "samples"


def looked(path: Path, **said: object) -> InspectedBoxes:
    found = look_at(path, **said)  # type: ignore[arg-type]
    assert isinstance(found, InspectedBoxes)
    return found


def test_sequences_are_counted() -> None:
    found = looked(SAMPLES / "detection_db" / "upstream.json")
    first, *_, alone = found.sequences
    assert (first.name, first.frames, first.annotated, first.boxes, first.without_boxes) == (
        "dancetrack0001",
        4,
        3,
        3,
        1,
    )
    assert (first.scores, first.identities, first.images, first.labels) == ((0.5, 0.875), 0, None, {"object": 3})
    assert alone.name == "273271,c9db000d5146c15"
    assert found.facts()["per frame"] == "1.0 in annotated frames"
    assert found.facts()["frames"] == "6, 5 annotated, 1 of these without boxes"
    assert [note.code for note in found.notes] == ["single-images", "frames-missing"]
    assert json.loads(json.dumps(found.as_json()))["sequences"][0]["scores"] == [0.5, 0.875]


def test_labels_and_identities_have_columns() -> None:
    found = looked(SAMPLES / "coco_boxes" / "truth.json")
    ((columns, rows),) = found.tables()
    assert columns == ["sequence", "images", "frames", "annotated", "without boxes", "boxes", "ball", "player", "ids"]
    assert rows == [
        ["game1", "-", "3", "2", "0", "4", "1", "3", "2"],
        ["game2", "-", "1", "1", "1", "0", "0", "0", "0"],
    ]
    assert "scores" not in found.facts()
    assert found.facts()["identities"] == "2"


def test_a_rate_is_taken_by_what_needs_one() -> None:
    found = looked(SAMPLES / "detection_db" / "fork.json", rate="25")
    assert str(found.boxes.header.sequences[0].rate) == "25"
    with pytest.raises(SchemaError, match="expected no rate for what has times of its own"):
        look_at(SAMPLES / "lerobot" / "v21", rate="25")


def test_many_sequences_are_listed_in_json_alone(tmp_path: Path) -> None:
    path = tmp_path / "db.json"
    path.write_text(json.dumps({f"a/s{n}/img1/000001": [] for n in range(45)}))
    found = looked(path)
    ((_, rows),) = found.tables()
    assert (len(rows), len(found.as_json()["sequences"])) == (40, 45)
    assert found.remark == "40 of 45 sequences are listed: --json has all"
    assert found.facts()["per frame"] == "0.0 in annotated frames"


def test_of_a_folder_databases_in_it_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a folder of sequences: what reads it is stood in for here."""
    for name, count in (("left", 12), ("right", 0)):
        (tmp_path / name / "img1").mkdir(parents=True)
        for number in range(count):
            (tmp_path / name / "img1" / f"{number:06d}.jpg").touch()
    (tmp_path / "some.json").write_text(json.dumps({f"left/img1/{n:06d}": [] for n in range(5)}))
    (tmp_path / "other.json").write_text("{}")
    whole = Adapter("whole", "a folder", lambda _: "boxes", lambda _: Adapted(sample_boxes()), frozenset())
    monkeypatch.setattr(
        "lapsdata.adapters.find_adapter", lambda path, _: (whole, "boxes") if path == tmp_path else None
    )
    found = looked(tmp_path)
    left: ListedSequence = found.sequences[0]
    assert (left.images, left.covered) == (12, {"some.json": "5 of 12"})
    ((columns, rows),) = found.tables()
    assert columns[-2:] == ["ids", "some.json"]
    assert [row[-1] for row in rows] == ["5 of 12", "-"]
    assert next(iter(found.facts())) == "folder"
