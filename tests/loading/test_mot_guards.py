"""What would spoil a training without an error is an error at opening, and what is let pass has a name and a count."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.adapters import read_boxes
from lapsdata.errors import LapsWarning, SchemaError, StorageError, UnknownFormatError
from lapsdata.loading import open_mot
from lapsdata.schema import FrameRange
from tests.adapters.mot_by_hand import put
from tests.loading.clips_by_hand import Hand, opened, put_database, put_root, walked

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Boxes
    from lapsdata.loading import MotDataset


def codes(error: pytest.ExceptionInfo[SchemaError]) -> list[tuple[str, str]]:
    return [(one.code, one.where) for one in error.value.problems]


def noted(clips: MotDataset) -> set[str]:
    return {re.findall(r"\[([a-z-]+)\]$", note)[0] for note in clips.notes}


def boxes_at(path: Path, **told: Any) -> Boxes:
    found = read_boxes(path, **told)
    assert found is not None
    return found.boxes


@pytest.fixture
def hands() -> list[Hand]:
    return [walked("a", 8), walked("b", 12, (5, 6))]


class TestCopies:
    def test_a_truth_as_its_own_proposals_is_refused(self, tmp_path: Path, hands: list[Hand]) -> None:
        root = put_root(tmp_path / "train", hands)
        with pytest.raises(SchemaError, match=r"stand among the others.*allow=\['detections-equal-truth'\]") as told:
            open_mot(root, root, clip=2, images=False)
        assert codes(told) == [("detections-equal-truth", f"proposals: {name}") for name in "ab"]

    @pytest.mark.parametrize("shift", [0, 1, 0.004])
    def test_one_copied_sequence_of_two_is_enough(self, tmp_path: Path, hands: list[Hand], shift: float) -> None:
        """The text counts from 1 and the database from 0: copied numbers lie one pixel apart."""
        hands[1].found = {
            number: [(left - shift, top - shift, w, h, 1.0) for _, _, left, top, w, h, *_ in hands[1].of(number)]
            for number in range(1, 13)
        }
        given = put_root(tmp_path / "train", hands), put_database(tmp_path / "det_db.json", hands)
        with pytest.raises(SchemaError, match="run a detector") as told:
            open_mot(*given, clip=2, images=False)
        assert codes(told) == [("detections-equal-truth", "proposals: b")]
        with pytest.warns(LapsWarning, match="allowed by allow="):
            clips = open_mot(*given, clip=2, images=False, allow=["detections-equal-truth"])
        assert "detections-equal-truth" in noted(clips)

    def test_boxes_in_memory_are_looked_at_as_well(self, tmp_path: Path, hands: list[Hand]) -> None:
        truth = boxes_at(put_root(tmp_path / "train", hands))
        with pytest.raises(SchemaError, match="detections-equal-truth"):
            open_mot(truth, truth, clip=2, images=False)


class TestCoverage:
    @pytest.fixture
    def given(self, tmp_path: Path, hands: list[Hand]) -> tuple[Path, Path]:
        for number in (3, 4, 9, 10, 11, 12):
            del hands[1].found[number]
        return put_root(tmp_path / "train", hands), put_database(tmp_path / "det_db.json", hands)

    def test_frames_that_no_detector_looked_at_are_an_error(self, given: tuple[Path, Path]) -> None:
        with pytest.raises(SchemaError, match="covers 6 of 12 annotated frames: none of 3-4, 9-12 was looked") as told:
            open_mot(*given, clip=2, images=False)
        assert codes(told) == [("frames-not-covered", "proposals: b")]

    def test_they_are_empty_where_somebody_says_so(self, given: tuple[Path, Path]) -> None:
        with pytest.warns(LapsWarning, match="covers 6 of 12 annotated frames.*they have no proposals"):
            clips = open_mot(*given, clip=2, images=False, missing_proposals="empty")
        assert len(clips) == 7 + 11
        batch = clips.gather([7, 8])
        assert batch["proposals/count"].tolist() == [[2, 2], [2, 0]]

    def test_or_no_clip_holds_them(self, given: tuple[Path, Path]) -> None:
        with pytest.warns(LapsWarning, match="no clip holds them"):
            clips = open_mot(*given, clip=2, images=False, missing_proposals="leave_out")
        assert clips.windows().frame_number[7:].tolist() == [[1, 2], [5, 6], [6, 7], [7, 8]]
        assert "truth: 6 frames are in no clip: nobody annotated them, or looked at them" in "\n".join(clips.notes)
        assert clips.gather(np.arange(len(clips)))["proposals/count"].min() == 2

    def test_a_sequence_without_any_key_is_told_in_full(self, tmp_path: Path, hands: list[Hand]) -> None:
        root = put_root(tmp_path / "train", hands)
        with pytest.raises(SchemaError, match="covers 0 of 12 annotated frames: none of 1-12"):
            open_mot(root, put_database(tmp_path / "det_db.json", hands[:1]), clip=2, images=False)

    def test_frames_go_by_their_numbers_and_never_by_position(self, tmp_path: Path) -> None:
        hand = walked("a", 8)
        late = Hand("a", 8, [], {number: hand.found[number] for number in range(3, 9)})
        root = put_root(tmp_path / "train", [hand])
        found = put_database(tmp_path / "det_db.json", [late])
        clips = opened(root, found, clip=1, missing_proposals="empty")
        batch = clips.gather(np.arange(8))
        assert batch["proposals/count"][:, 0].tolist() == [0, 0, 2, 2, 2, 2, 2, 2]
        # One database counts from the edge, this text from 1.
        assert batch["proposals/box"][4, 0, 0, 0] == hand.found[5][0][0] + 1

    def test_keys_that_count_from_0_are_one_frame_short(self, tmp_path: Path) -> None:
        hand = walked("a", 8)
        hand.found = {number - 1: boxes for number, boxes in hand.found.items()}
        given = put_root(tmp_path / "train", [hand]), put_database(tmp_path / "det_db.json", [hand])
        with pytest.raises(SchemaError, match="covers 7 of 8 annotated frames: none of 8 was looked at") as told:
            open_mot(*given, clip=2, images=False)
        assert codes(told) == [("frames-not-covered", "proposals: a"), ("other-first-frame", "proposals: a")]

    @pytest.mark.parametrize("fast", [True, False])
    def test_frames_before_the_first_one_are_told_whatever_is_let_pass(self, tmp_path: Path, *, fast: bool) -> None:
        """Of people who walk slowly boxes of the frame before look right."""
        hand = walked("a", 8, step=2.0 if fast else 0.25)
        hand.found = {number - 1: boxes for number, boxes in hand.found.items()} | {8: []}
        given = put_root(tmp_path / "train", [hand]), put_database(tmp_path / "det_db.json", [hand])
        said = r"a: 1 frames that the truth does not have were looked at, 0: not used; the truth begins with frame 1; "
        with pytest.warns(LapsWarning, match=f"{said}if that is its first one, boxes are off by 1 frames"):
            clips = open_mot(*given, clip=2, images=False)
        assert "[other-first-frame]" in "\n".join(clips.notes)

    def test_frames_behind_the_last_one_are_counted(self, tmp_path: Path, hands: list[Hand]) -> None:
        hands[0].found |= {9: [], 10: [], 12: []}
        given = put_root(tmp_path / "train", hands), put_database(tmp_path / "det_db.json", hands)
        clips = open_mot(*given, clip=2, images=False)
        assert "proposals: a: 3 frames that the truth does not have were looked at, 9-10, 12: not used" in "\n".join(
            clips.notes
        )


class TestProposals:
    def test_a_database_without_a_box_is_refused(self, tmp_path: Path, hands: list[Hand]) -> None:
        for hand in hands:
            hand.found = {number: [] for number in hand.found}
        given = put_root(tmp_path / "train", hands), put_database(tmp_path / "det_db.json", hands)
        with pytest.raises(SchemaError, match="expected proposals, got none in the frames of 16 true boxes") as told:
            open_mot(*given, clip=2, images=False)
        assert codes(told) == [("no-proposals", "proposals: a"), ("no-proposals", "proposals: b")]
        with pytest.warns(LapsWarning, match="no-proposals"):
            clips = open_mot(*given, clip=2, images=False, allow=["no-proposals"])
        assert clips.gather([0])["proposals/box"].shape == (1, 2, 0, 4)
        assert clips.gather([0])["proposals/valid"].shape == (1, 2, 0)

    def test_those_of_another_detector_are_refused(self, tmp_path: Path, hands: list[Hand]) -> None:
        for number, boxes in hands[0].found.items():
            hands[0].found[number] = [(left + 30, top + 5, w, h, score) for left, top, w, h, score in boxes]
        given = put_root(tmp_path / "train", hands), put_database(tmp_path / "det_db.json", hands)
        with pytest.raises(SchemaError, match=r"got a mean best IoU of 0\.000") as told:
            open_mot(*given, clip=2, images=False)
        assert codes(told) == [("wrong-detections", "proposals: a")]

    def test_those_of_other_sequences_are_refused_or_told(self, tmp_path: Path, hands: list[Hand]) -> None:
        given = put_root(tmp_path / "train", hands), put_database(tmp_path / "det_db.json", hands)
        other = put_root(tmp_path / "val", [walked("c", 8)])
        with pytest.raises(SchemaError, match=r"expected proposals of 'c', got those of 'a', 'b'.*\{'c': 'a'\}"):
            open_mot(other, given[1], clip=2, images=False)
        clips = open_mot(other, given[1], clip=2, images=False, proposal_names={"c": "a"})
        assert clips.gather([0])["proposals/count"].tolist() == [[2, 2]]
        assert "proposals of 1 other sequences are not used: 'b'" in "\n".join(clips.notes)
        with pytest.raises(SchemaError, match="unknown-sequence") as told:
            open_mot(other, given[1], clip=2, images=False, proposal_names={"d": "e"})
        assert [one.where for one in told.value.problems] == ["proposal_names: d", "proposal_names: e"]
        with pytest.raises(SchemaError, match="expected proposals of one sequence of the truth, got them for 'a', 'b'"):
            open_mot(*given, clip=2, images=False, proposal_names={"b": "a"})

    def test_a_root_holds_the_detections_of_its_detector(self, tmp_path: Path, hands: list[Hand]) -> None:
        root = put_root(tmp_path / "train", hands[:1])
        rows = [f"{number},-1,{x},{y},{w},{h},{score}" for number, boxes in hands[0].found.items()
                for x, y, w, h, score in boxes]  # fmt: skip
        put(root / "a" / "det" / "det.txt", *rows)
        clips = open_mot(root, root, clip=2, images=False)
        assert clips.gather([0])["proposals/score"][0, 0].round(2).tolist() == pytest.approx([0.5, 0.6])
        assert "other-sources" in noted(clips)

    def test_of_several_sources_one_is_named(self, tmp_path: Path, hands: list[Hand]) -> None:
        truth = boxes_at(put_root(tmp_path / "train", hands))
        found = boxes_at(put_database(tmp_path / "det_db.json", hands))
        half = replace(found, source=tuple(("yolo", "dfine")[at % 2] for at in range(len(found))))
        with pytest.raises(SchemaError, match="expected proposals of one source, got those of 'dfine', 'yolo'"):
            open_mot(truth, half, clip=2, images=False)
        clips = open_mot(truth, half, clip=2, images=False, proposals_source="yolo")
        assert clips.gather([0])["proposals/count"].tolist() == [[1, 1]]
        with pytest.raises(SchemaError, match="expected boxes of 'ssd'"):
            open_mot(truth, half, clip=2, images=False, proposals_source="ssd")

    def test_boxes_to_be_ignored_are_none(self, tmp_path: Path, hands: list[Hand]) -> None:
        truth = boxes_at(put_root(tmp_path / "train", hands))
        found = boxes_at(put_database(tmp_path / "det_db.json", hands))
        marked = replace(found, ignored=np.arange(len(found)) % 2 == 1)
        clips = open_mot(truth, marked, clip=2, images=False)
        assert clips.gather([0])["proposals/count"].tolist() == [[1, 1]]
        assert "proposals: 20 boxes to be ignored are left out [ignored-left-out]" in clips.notes


class TestIdentities:
    def test_ids_that_restart_in_every_frame_are_refused(self, tmp_path: Path) -> None:
        hand = walked("a", 6)
        hand.truth = [(row[0], 1 + at, *row[2:]) for at, row in enumerate(hand.truth)]  # type: ignore[misc]
        root = put_root(tmp_path, [hand, walked("b", 6)])
        with pytest.raises(SchemaError, match="got 12 of them, each in one frame only") as told:
            open_mot(root, clip=2, images=False)
        assert codes(told) == [("ids-never-persist", "a: truth")]
        with pytest.warns(LapsWarning, match="ids-never-persist"):
            assert len(open_mot(root, clip=2, images=False, allow=["ids-never-persist"])) == 10

    def test_true_boxes_without_one_are_refused(self, tmp_path: Path) -> None:
        truth = boxes_at(put_root(tmp_path, [walked("a", 6)]))
        lost = replace(truth, id=np.where(np.arange(12) < 3, -1, truth.id))
        with pytest.raises(SchemaError, match="a: expected an identity of each true box, got none of 3 of 12"):
            open_mot(lost, clip=2, images=False)
        clips = opened(lost, clip=2)
        assert clips.gather([0])["truth/track_id"].tolist() == [[[-1, -1], [-1, 1]]]


class TestTruth:
    def test_boxes_to_be_ignored_are_marked_or_left_out(self, tmp_path: Path) -> None:
        hand = walked("a", 5)
        hand.truth = [(*row[:6], int(row[1] == 1), 1 if row[1] == 1 else 8, 1.0) for row in hand.truth]
        root = put_root(tmp_path, [hand])
        marked = open_mot(root, clip=2, images=False)
        batch = marked.gather([0])
        assert batch["truth/ignored"].tolist() == [[[False, True]] * 2]
        assert batch["truth/track_id"].tolist() == [[[0, -1]] * 2]
        assert "truth: 5 boxes are marked as to be ignored [ignored-marked]" in marked.notes
        without = open_mot(root, clip=2, images=False, ignored="leave_out")
        assert without.gather([0])["truth/count"].tolist() == [[1, 1]]
        assert "truth: 5 boxes to be ignored are left out [ignored-left-out]" in without.notes

    def test_labels_are_numbers_in_the_order_asked_for(self, tmp_path: Path) -> None:
        hand = walked("a", 5)
        hand.truth = [(*row[:7], 1 if row[1] == 1 else 3, 1.0) for row in hand.truth]
        given = put_root(tmp_path / "train", [hand]), put_database(tmp_path / "det_db.json", [hand])
        usual = open_mot(*given, clip=1, images=False)
        assert usual.labels == ("car", "pedestrian", "object")
        assert usual.gather([0])["truth/label"].tolist() == [[[1, 0]]]
        assert usual.gather([0])["proposals/label"].tolist() == [[[2, 2]]]
        assert "unknown-labels" in noted(usual)
        turned = open_mot(*given, clip=1, images=False, labels=["pedestrian", "car"])
        assert turned.gather([0])["truth/label"].tolist() == [[[0, 1]]]

    def test_labels_that_nobody_asked_for_are_an_error_ignored_or_left_out(self, tmp_path: Path) -> None:
        hand = walked("a", 5)
        hand.truth = [(*row[:7], 1 if row[1] == 1 else 3, 1.0) for row in hand.truth]
        root = put_root(tmp_path, [hand])
        with pytest.raises(SchemaError, match="expected boxes of 'pedestrian', got 5 of 'car'"):
            open_mot(root, clip=1, images=False, labels=["pedestrian"])
        ignored = open_mot(root, clip=1, images=False, labels=["pedestrian"], other_labels="ignore")
        assert ignored.gather([0])["truth/ignored"].tolist() == [[[False, True]]]
        assert ignored.gather([0])["truth/track_id"].tolist() == [[[0, -1]]]
        gone = open_mot(root, clip=1, images=False, labels=["pedestrian"], other_labels="leave_out")
        assert gone.gather([0])["truth/count"].tolist() == [[1]]
        assert gone.labels == ("pedestrian",)
        assert "truth: 5 boxes of 'car' are left out [unknown-labels]" in gone.notes
        with pytest.raises(SchemaError, match=r"'pedestrain', got none.*as the truth does: 'car', 'pedestrian'"):
            open_mot(root, clip=1, images=False, labels=["pedestrain"], other_labels="leave_out")

    def test_boxes_of_others_are_no_truth(self, tmp_path: Path) -> None:
        root = put_root(tmp_path, [walked("a", 5)])
        tracker = boxes_at(root / "a" / "gt" / "gt.txt", whose="ours")
        with pytest.raises(SchemaError, match="expected boxes of 'truth', got those of 'ours'"):
            open_mot(tracker, clip=2, images=False)
        assert len(open_mot(tracker, clip=2, images=False, truth_source="ours")) == 4

    def test_frames_that_nobody_annotated_are_in_no_clip_and_counted(self, tmp_path: Path) -> None:
        """They are no empty frames: what stands in one is counted as well."""
        truth = boxes_at(put_root(tmp_path, [walked("a", 10)]))
        spans = FrameRange(start=0, stop=2), FrameRange(start=4, stop=10)
        sequence = truth.header.sequences[0].model_copy(update={"annotated": spans})
        part = replace(truth, header=truth.header.model_copy(update={"sequences": (sequence,)}))
        clips = open_mot(part, clip=3, images=False)
        assert clips.windows().frame_number.tolist() == [[5, 6, 7], [6, 7, 8], [7, 8, 9], [8, 9, 10]]
        told = "\n".join(clips.notes)
        assert "truth: 2 frames are in no clip: nobody annotated them" in told
        assert "a: 2 annotated frames are in no clip, as none fits there: 1-2" in told
        assert "truth: 4 true boxes stand in frames that no clip may hold" in told
        stepped = open_mot(part, clip=3, interval=4, gaps="step_over", images=False)
        assert stepped.windows().frame_number.tolist() == [[1, 5, 9], [2, 6, 10]]

    def test_no_clip_at_all_is_an_error(self, tmp_path: Path) -> None:
        root = put_root(tmp_path, [walked("a", 5)])
        with pytest.raises(SchemaError, match="expected 7 frames in a row for a clip, got 5 frames"):
            open_mot(root, clip=4, interval=2, images=False)

    def test_what_holds_no_boxes_is_refused(self, tmp_path: Path) -> None:
        put(tmp_path / "a.txt", "no boxes here")
        with pytest.raises(UnknownFormatError, match=r"a\.txt"):
            open_mot(tmp_path / "a.txt", clip=2, images=False)
        with pytest.raises(StorageError, match="nowhere"):
            open_mot(tmp_path / "nowhere", clip=2, images=False)
        with pytest.raises(SchemaError, match="truth: expected boxes, or a path of some, got int"):
            open_mot(3, clip=2, images=False)  # type: ignore[arg-type]


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "where", "said"),
        [
            ({"clip": 0}, "clip", "a whole number from 1 on, got 0"),
            ({"clip": 2.5}, "clip", "a whole number from 1 on, got 2.5"),
            ({"clip": 2, "interval": 0}, "interval", "a whole number from 1 on, got 0"),
            ({"clip": 2, "interval": 3, "max_interval": 2}, "max_interval", "at least the interval, 3, got 2"),
            ({"clip": 1, "max_interval": 2}, "max_interval", "nothing for clips of one frame"),
            ({"clip": 2, "seed": -1}, "seed", "a whole number from 0 on"),
            ({"clip": 2, "gaps": "jump"}, "gaps", "one of ('split', 'step_over'), got 'jump'"),
            ({"clip": 2, "missing_proposals": "skip"}, "missing_proposals", "one of ('error', 'empty', 'leave_out')"),
            ({"clip": 2, "ignored": "no"}, "ignored", "one of ('mark', 'leave_out')"),
            ({"clip": 2, "labels": "player"}, "labels", "a list of names, got 'player'"),
            ({"clip": 2, "labels": ["a", "a"]}, "labels", "names, each once"),
            ({"clip": 2, "sequences": []}, "sequences", "names, each once, got []"),
            ({"clip": 2, "sequences": ["z"]}, "sequences", "some of 'a', got 'z'"),
            ({"clip": 2, "allow": ["everything"]}, "allow", "got 'everything'"),
            ({"clip": 2, "proposal_names": ["a"]}, "proposal_names", "names by the names of the truth"),
            ({"clip": 2, "image_size": 5}, "image_size", "(height, width) in pixel, got 5"),
            ({"clip": 2, "image_size": (0, 5)}, "image_size", "(height, width) in pixel, got (0, 5)"),
            ({"clip": 2, "box_form": "ltrb"}, "box_form", "one of ('xywh', 'xyxy', 'cxcywh')"),
            ({"clip": 2, "pixels": "gray"}, "pixels", "one of ('rgb', 'rgb_quick'), got 'gray'"),
            ({"clip": 2, "threads": 0}, "threads", "a whole number from 1 on, got 0"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path: Path, options: dict[str, Any], where: str, said: str) -> None:
        root = put_root(tmp_path, [walked("a", 5)])
        with pytest.raises(SchemaError, match=re.escape(said)) as told:
            open_mot(root, images=False, **options)
        assert told.value.problems[0].where.endswith(where)

    def test_all_of_it_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(SchemaError, match="4 problems"):
            open_mot(tmp_path, clip=0, interval=0, gaps="x", cache_bytes=-1)  # type: ignore[arg-type]
