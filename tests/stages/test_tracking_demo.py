"""A benchmark that is made up: what other programs would read, kept or made anew, and found by scores."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata.adapters import expect_boxes
from lapsdata.checks.boxes import compare_boxes
from lapsdata.errors import SchemaError, StorageError
from lapsdata.stages import tracking_demo
from lapsdata.stages.tracking import tracking_result
from lapsdata.stages.tracking_demo import (
    DEMO_TRACKERS,
    DemoPlaces,
    TrackingDemo,
    demo_rows,
    draw_demo,
    drawn_boxes,
    make_demo,
)
from lapsdata.testing.noisy_boxes import BoxNoise, NoisyBoxes

if TYPE_CHECKING:
    from pathlib import Path

SMALL = TrackingDemo(sequences=2, frames=12, people=3, swapped=0.2)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> DemoPlaces:
    """A demo that is only looked at."""
    found = DemoPlaces(tmp_path_factory.mktemp("demo"))
    make_demo(found.out, SMALL)
    return found


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_are_those_of_a_benchmark(places: DemoPlaces) -> None:
    names = sorted(path.relative_to(places.mot).as_posix() for path in places.mot.rglob("*") if path.suffix != ".jpg")
    assert [name for name in names if "walk_2" not in name] == [
        "det_db.json", "train", "train/seqmaps", "train/seqmaps/all.txt", "train/walk_1", "train/walk_1/det",
        "train/walk_1/det/det.txt", "train/walk_1/gt", "train/walk_1/gt/gt.txt", "train/walk_1/img1",
        "train/walk_1/seqinfo.ini",
    ]  # fmt: skip
    assert len(list(places.images("walk_2").iterdir())) == 12
    assert "seqLength=12\nimWidth=640\nimHeight=360\nimExt=.jpg\n" in (
        places.mot / "train" / "walk_1" / "seqinfo.ini"
    ).read_text()  # fmt: skip
    row = (places.mot / "train" / "walk_1" / "gt" / "gt.txt").read_text().splitlines()[0].split(",")
    # Whole pixels, a flag and class 1, as people write it.
    assert row[6:] == ["1", "1", "-1"]
    assert all(one.isdigit() for one in row[:6])
    assert sorted(path.name for path in places.trackers.iterdir()) == sorted(DEMO_TRACKERS)
    keys = json.loads(places.database.read_text())
    assert len(keys) == 24
    assert next(iter(keys)) == "train/walk_1/img1/000001.txt"


def test_what_is_read_is_what_was_made_up(places: DemoPlaces) -> None:
    made = make_demo(places.out, SMALL).content
    every = expect_boxes(places.mot).boxes
    for source, wanted in (("truth", made.truth), ("detector", made.detector.boxes)):
        mine = [at for at, one in enumerate(every.source) if one == source]
        for name in ("sequence_index", "frame", "id", "x", "y", "w", "h"):
            assert getattr(every, name)[mine].tolist() == getattr(wanted, name).tolist(), (source, name)
    assert set(made.detector.boxes.id.tolist()) == {-1}
    for name, one in made.trackers.items():
        found = expect_boxes(places.trackers / name).boxes
        assert (found.x.tolist(), found.id.tolist()) == (one.boxes.x.tolist(), one.boxes.id.tolist())
    assert [note.severity for note in compare_boxes(places.database, places.mot, made.truth)] == ["info"]


def test_scores_stand_beside_what_was_put_in(places: DemoPlaces) -> None:
    made = make_demo(places.out, SMALL).content
    result, _ = tracking_result(places.mot, [places.trackers])
    rows = demo_rows(made, result)
    assert [row.score for row in rows[:4]] == ["FN", "FP", "IDSW", "mean IoU"]
    assert [row.tracker for row in rows[::4]] == ["careful", "usual", "hasty"]
    assert all(row.equal and row.certain for row in rows)
    noise = made.trackers["usual"].noise
    assert rows[4].put_in == f"{noise.removed} of {noise.boxes} boxes"
    assert [row.put_in for row in rows[2::4]] == [
        "2 exchanges of 2 ids",
        "4 exchanges of 2 ids",
        "8 exchanges of 2 ids",
    ]
    assert 0 < made.trackers["careful"].noise.removed < noise.removed < made.trackers["hasty"].noise.removed


def test_what_is_not_determined_is_told(places: DemoPlaces) -> None:
    made = make_demo(places.out, SMALL).content
    result, _ = tracking_result(places.mot, [places.trackers])

    def changed(**noise: Any) -> Any:
        usual = made.trackers["usual"]
        return replace(made, trackers={"usual": NoisyBoxes(usual.boxes, replace(usual.noise, **noise))})

    assert [row.certain for row in demo_rows(changed(ambiguous=1), result)] == [False] * 4
    lost = demo_rows(changed(lost=2), result)
    assert [row.equal for row in lost] == [False, False, True, True]
    assert lost[1].put_in.endswith(" boxes, 2 moved too far")
    unknown = replace(made, trackers={"other": NoisyBoxes(made.truth, made.trackers["usual"].noise)})
    with pytest.raises(SchemaError, match="expected scores of 'other', got those of careful, hasty, usual"):
        demo_rows(unknown, result)


def test_what_was_made_so_is_kept_and_else_made_anew(tmp_path: Path) -> None:
    options = TrackingDemo(sequences=1, frames=10, people=2)
    first = make_demo(tmp_path / "out", options)
    before = content(tmp_path)
    assert (first.fate, make_demo(tmp_path / "out", options).fate) == ("made", "kept")
    assert content(tmp_path) == before
    assert make_demo(tmp_path / "again", options).made
    assert content(tmp_path / "again") == content(tmp_path / "out")
    other = make_demo(tmp_path / "out", TrackingDemo(sequences=1, frames=10, people=2, seed=1))
    assert other.fate == "changed"
    assert content(tmp_path / "out") != content(tmp_path / "again")
    assert not [path for path in (tmp_path / "out").iterdir() if path.name != "data"]


def test_what_others_have_made_stays(tmp_path: Path) -> None:
    (tmp_path / "one" / "data").mkdir(parents=True)
    (tmp_path / "one" / "data" / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="made by something else"):
        make_demo(tmp_path / "one", SMALL)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "overlay.mp4").write_text("mine")
    with pytest.raises(StorageError, match=r"overlay.mp4: expected a free name, got a file.*--out"):
        make_demo(tmp_path / "two", SMALL)
    assert sorted(content(tmp_path)) == ["one/data/notes.txt", "two/overlay.mp4"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="file"):
        make_demo(tmp_path / "file", SMALL)


def test_another_truth_in_its_place_is_not_replaced(tmp_path: Path) -> None:
    places = DemoPlaces(tmp_path)
    places.data.mkdir()
    made = tracking_demo._made_up(SMALL).truth
    foreign = made.header.provenance.model_copy(update={"producer": "others"})
    header = made.header.model_copy(update={"provenance": foreign})
    lapsdata.write(places.truth, replace(made, header=header))
    with pytest.raises(StorageError, match="made by something else"):
        make_demo(tmp_path, SMALL)
    assert lapsdata.read(places.truth, lapsdata.Boxes).header.provenance.producer == "others"


def test_a_run_that_is_stopped_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(root: Path, truth: object) -> int:
        raise KeyboardInterrupt("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(tracking_demo, "write_painted", stopped)
        with pytest.raises(KeyboardInterrupt, match="stopped"):
            make_demo(tmp_path, SMALL)
    assert list(tmp_path.iterdir()) == []
    assert make_demo(tmp_path, SMALL).fate == "made"


def test_pictures_are_drawn_once_and_again_where_they_lack(tmp_path: Path) -> None:
    options, places = TrackingDemo(sequences=1, frames=10, people=2), DemoPlaces(tmp_path)
    made = make_demo(tmp_path, options)
    drawn = draw_demo(places, made)
    assert drawn is not None
    assert (drawn.frames, list(drawn.boxes)) == (10, ["truth", "usual"])
    kept = make_demo(tmp_path, options)
    before = places.video.read_bytes()
    assert draw_demo(places, kept) is None
    places.sheet.unlink()
    assert draw_demo(places, kept) is not None
    assert places.sheet.is_file()
    assert places.video.read_bytes() == before
    other = make_demo(tmp_path, TrackingDemo(sequences=1, frames=10, people=2, missing=0.5))
    assert draw_demo(places, other) is not None
    assert places.video.read_bytes() != before
    assert [path.is_file() or path.is_dir() for path in drawn_boxes(places)] == [True, True]


def test_noise_is_halved_and_doubled() -> None:
    options = TrackingDemo(missing=0.1, false=0.3, swapped=0.02, jitter_px=2.0)
    assert options.of("usual") == {"missing": 0.1, "false": 0.3, "swapped": 0.02, "jitter_px": 2.0}
    assert (
        options.of("hasty")["jitter_px"]
        == 2 * options.of("usual")["jitter_px"]
        == 4 * options.of("careful")["jitter_px"]
    )


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"missing": 0.6}, "missing"),
        ({"swapped": -0.1}, "swapped"),
        ({"frames": 9}, "frames"),
        ({"people": 17}, "people"),
        ({"jitter_px": float("inf")}, "jitter_px"),
    ],
)
def test_what_cannot_be_doubled_is_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=f"TrackingDemo: {message}: expected"):
        TrackingDemo(**told)


def test_noise_without_a_box_has_no_overlap() -> None:
    none = BoxNoise(boxes=4, removed=4, added=0, exchanges=0, switches=0, lost=0, overlap=0.0, ambiguous=0)
    assert none.counts == {"CLR_TP": 0, "CLR_FN": 4, "CLR_FP": 0, "IDSW": 0}
