"""A folder of pictures: whole or not at all, known by the result in it, and never in the place of others' files."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

import lapsdata
from lapsdata.errors import StorageError
from lapsdata.provenance import marked_synthetic
from lapsdata.report.tracking_pictures import Picture, draw_picture
from lapsdata.schema import FrameRange, TrackingResult
from lapsdata.stages import _tracking_pictures as stage
from lapsdata.stages._tracking_pictures import expect_pictures_place, write_tracking_pictures
from lapsdata.stages.tracking import TrackingOptions, score_tracking, tracking_result
from lapsdata.stages.tracking_files import TrackEvalFolders
from lapsdata.storage.sealed_json import read_sealed_json
from lapsdata.testing.samples import sample_tracked
from tests.report.made_tracks import matched, scored

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lapsdata.report._tracking_time import MatchedSequence

Seen = list[tuple[Picture, TrackingResult, "Mapping[str, MatchedSequence]", str | None]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What is asked to be drawn: pictures themselves have tests of their own."""
    asked: Seen = []

    def draw(picture: Picture, result: TrackingResult, sequences: object, note: str | None) -> np.ndarray:
        asked.append((picture, result, sequences, note))  # type: ignore[arg-type]
        return np.full((4, 6, 3), 9, np.uint8)

    monkeypatch.setattr(stage, "draw_picture", draw)
    return asked


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    truth, found = sample_tracked()
    lapsdata.write(tmp_path / "gt.parquet", truth)
    lapsdata.write(tmp_path / "ours.parquet", replace(found, x=found.x + 1, score=np.array([0.2, 0.6, 0.9])))
    return [tmp_path / "gt.parquet", tmp_path / "ours.parquet"]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


WRITTEN = [
    "detection_confusion.png", "frames/rally.png", "hota_over_alpha.png", "losses.png", "metrics_overview.png",
    "scores.json", "summary_dashboard.png", "tracks/rally.png",
]  # fmt: skip


def test_a_folder_holds_each_picture_and_the_result(tmp_path: Path) -> None:
    truth, found = sample_tracked()
    result = scored(truth, {"ours": found})
    assert write_tracking_pictures(tmp_path / "plots", result, truth, {"ours": found}) == ()
    assert files(tmp_path / "plots") == WRITTEN
    assert read_sealed_json(tmp_path / "plots" / "scores.json", TrackingResult) == result
    picture = Picture("tracks/rally.png", "time", "tracks", "player", "rally")
    # Here frames count from 0.
    sequence = matched(truth, {"ours": found})["rally"]._replace(first_number=0)
    kept = cv2.imread(str(tmp_path / "plots" / "tracks" / "rally.png"))
    assert kept is not None
    np.testing.assert_array_equal(kept[..., ::-1], draw_picture(picture, result, {"rally": sequence}))


def test_what_is_there_is_replaced_only_when_it_is_asked_for_and_drawn_here(tmp_path: Path, seen: Seen) -> None:
    truth, found = sample_tracked()
    result, folder = scored(truth, {"ours": found}), tmp_path / "plots"
    write_tracking_pictures(folder, result, truth, {"ours": found})
    with pytest.raises(StorageError, match="pass --force to replace it, or name another folder"):
        write_tracking_pictures(folder, result, truth, {"ours": found})
    other = scored(truth, {"theirs": truth})
    write_tracking_pictures(folder, other, truth, {"theirs": truth}, overwrite=True)
    assert read_sealed_json(folder / "scores.json", TrackingResult) == other
    (folder / "frames" / "mine.png").write_bytes(b"mine")
    with pytest.raises(StorageError, match=r"expected pictures of scores and nothing else, got 'frames/mine\.png'"):
        write_tracking_pictures(folder, result, truth, {"ours": found}, overwrite=True)
    assert (folder / "frames" / "mine.png").read_bytes() == b"mine"
    assert read_sealed_json(folder / "scores.json", TrackingResult) == other
    assert len(seen) == 2 * (len(WRITTEN) - 1)


@pytest.mark.parametrize("there", ["losses.png", "scores.json"])
def test_a_folder_of_others_is_never_replaced(tmp_path: Path, there: str) -> None:
    folder = tmp_path / "plots"
    folder.mkdir()
    expect_pictures_place(folder, overwrite=True)  # nothing would be lost
    (folder / there).write_bytes(b"{}")
    # A file of a picture's or the result's name is as foreign as any other where no result lies beside it.
    with pytest.raises(StorageError, match=f"and nothing else, got '{re.escape(there)}'"):
        expect_pictures_place(folder, overwrite=True)
    with pytest.raises(StorageError, match="expected a free name"):
        expect_pictures_place(folder)
    assert (folder / there).read_bytes() == b"{}"


def test_a_folder_that_pictures_would_lie_in_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"nowhere: cannot open: no such file or folder"):
        expect_pictures_place(tmp_path / "nowhere" / "plots")


def test_a_file_is_never_replaced_by_a_folder(tmp_path: Path) -> None:
    (tmp_path / "plots").write_text("mine")
    with pytest.raises(StorageError, match="expected a folder of pictures, got a file"):
        expect_pictures_place(tmp_path / "plots", overwrite=True)


def test_a_picture_that_cannot_be_drawn_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, found = sample_tracked()
    result = scored(truth, {"ours": found})

    def stop(picture: Picture, *_: object) -> np.ndarray:
        if picture.what == "tracks":
            raise KeyboardInterrupt(picture.path)
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr(stage, "draw_picture", stop)
    with pytest.raises(KeyboardInterrupt, match=r"rally\.png"):
        write_tracking_pictures(tmp_path / "plots", result, truth, {"ours": found})
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_scored_where_pictures_have_no_place(
    tmp_path: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plots").mkdir()
    monkeypatch.setattr("lapsdata.stages.tracking.read_trackers", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(StorageError, match="plots"):
        tracking_result(paths[0], paths[1:], pictures=tmp_path / "plots")
    with pytest.raises(StorageError, match="plots"):
        score_tracking(paths[0], paths[1:], tmp_path / "out.json", pictures=tmp_path / "plots")


def test_what_is_drawn_is_what_was_scored(tmp_path: Path, paths: list[Path], seen: Seen) -> None:
    options = TrackingOptions(min_score=0.5, threshold=0.9, rules="py-motmetrics", labels=("player",))
    result, _ = tracking_result(paths[0], paths[1:], options, pictures=tmp_path / "plots")
    assert {id(one) for _, one, _, _ in seen} == {id(result)}
    matches = seen[0][2]["rally"].trackers["ours"]["player"]
    counts = result.rows[0].classes["player"].counts
    assert counts["CLR_TP"] == (matches.found >= 0).sum() == 2
    assert counts["CLR_FP"] == len(matches.false_id) == 0
    assert counts["IDSW"] == matches.switched.sum() == 1


def test_frames_are_numbered_and_left_out_as_the_truth_says(tmp_path: Path, seen: Seen) -> None:
    truth, found = sample_tracked()
    (told,) = truth.header.sequences
    spans = (FrameRange(start=0, stop=2), FrameRange(start=3, stop=4))
    header = truth.header.model_copy(
        update={"sequences": (told.model_copy(update={"annotated": spans, "first_number": 7}),)}
    )
    truth = replace(truth, header=header)
    write_tracking_pictures(tmp_path / "plots", scored(truth, {"ours": found}), truth, {"ours": found})
    sequence = seen[0][2]["rally"]
    assert (sequence.length, sequence.first_number) == (4, 7)
    assert sequence.trackers["ours"]["player"].series.frame.tolist() == [0, 1, 3]


def test_pictures_of_rendered_videos_say_so(tmp_path: Path, seen: Seen) -> None:
    truth, found = sample_tracked()
    result = scored(truth, {"ours": found})
    marked = result.model_copy(update={"provenance": marked_synthetic(result.provenance, "SYNTHETIC: rendered")})
    write_tracking_pictures(tmp_path / "plots", marked, truth, {"ours": found})
    assert {note for *_, note in seen} == {"SYNTHETIC: rendered"}


def test_a_kept_result_is_drawn_as_well(tmp_path: Path, paths: list[Path], seen: Seen) -> None:
    out = tmp_path / "out.json"
    first, _ = score_tracking(paths[0], paths[1:], out)
    again, _ = score_tracking(paths[0], paths[1:], out, pictures=tmp_path / "plots")
    assert (first.fate, again.fate) == ("made", "kept")
    assert files(tmp_path / "plots") == WRITTEN
    assert seen[0][1] == first.content
    forced, _ = score_tracking(paths[0], paths[1:], out, pictures=tmp_path / "plots", force=True)
    assert forced.fate == "forced"


def test_frames_of_trackevals_folders_have_the_numbers_of_their_texts(tmp_path: Path, seen: Seen) -> None:
    line = "5,1,5,5,9,9,1,1,1\n"
    for path in ("gt/MOT17-train/a/gt/gt.txt", "results/MOT17-train/ours/data/a.txt"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(line)
    folders = TrackEvalFolders()
    tracking_result(tmp_path / "gt", [tmp_path / "results"], folders=folders, pictures=tmp_path / "plots")
    sequence = seen[0][2]["a"]
    frame = next(iter(sequence.trackers["ours"].values())).frame.tolist()
    assert [one + sequence.first_number for one in frame] == [5]
