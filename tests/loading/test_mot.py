"""Clips of tracked boxes: each is what a plain reading of the files gives, in batches, loaders and other processes."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.loading import BatchSource, Loader, Mixture, MotClip, open_mot
from tests.loading.clips_by_hand import (
    Hand,
    opened,
    plain_clips,
    plain_numbers,
    put_database,
    put_root,
    walked,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.loading import MotDataset

NAMES = ("a", "b", "c")


@st.composite
def leagues(draw: st.DrawFn) -> list[Hand]:
    """Draw sequences whose boxes come and go, some of them to be ignored, and detections that know nothing of them."""
    hands = []
    for name in NAMES[: draw(st.integers(1, 3))]:
        length = draw(st.integers(2, 7))
        hand = Hand(name, length, [])
        for number in range(1, length + 1):
            for one in sorted(draw(st.sets(st.integers(1, 4), max_size=3))):
                x, y = (draw(st.integers(1, 40)) + 0.25 * one for _ in range(2))
                flag = int(one != 4)
                hand.truth.append((number, one, x, y, 9.5, 12, flag, 1 if flag else 8, draw(st.sampled_from((0.5, 1)))))
            found = draw(st.lists(st.integers(1, 30), max_size=3))
            hand.found[number] = [(float(x), 3.5, 8, 7.25, 0.25) for x in found]
        hands.append(hand)
    if not any(row[6] for hand in hands for row in hand.truth):
        hands[0].truth.append((1, 9, 3, 4, 5, 6, 1, 1, 1))
    return hands


def assert_boxes(batch: dict[str, Any], place: tuple[int, int], hands: list[Hand], at: int, number: int) -> None:
    """Compare the boxes of one frame of a batch with the rows of the files."""
    rows, names = hands[at].of(number), plain_numbers(hands)
    count = int(batch["truth/count"][place])
    assert count == len(rows) == batch["truth/valid"][place].sum()
    for got, (_, one, x, y, w, h, flag, _, seen) in enumerate(rows):
        here = (*place, got)
        assert batch["truth/box"][here].tolist() == [x, y, x + w, y + h]
        assert batch["truth/track_id"][here] == names.get((at, one), -1)
        assert bool(batch["truth/ignored"][here]) == (flag == 0)
        assert batch["truth/visibility"][here] == seen
    rest = (*place, slice(count, None))
    assert (batch["truth/track_id"][rest] == -1).all()
    assert (batch["truth/box"][rest] == 0).all()
    assert not batch["truth/valid"][rest].any()
    found = hands[at].found[number]
    count = int(batch["proposals/count"][place])
    assert count == len(found)
    # A database counts from the edge of the frame, this text from 1.
    wanted = [[x + 1, y + 1, x + w + 1, y + h + 1] for x, y, w, h, _ in found]
    assert batch["proposals/box"][place][:count].tolist() == wanted
    assert batch["proposals/score"][place][:count].tolist() == [row[4] for row in found]
    assert (batch["proposals/label"][place][count:] == -1).all()


@given(hands=leagues(), clip=st.integers(1, 3), interval=st.integers(1, 2), more=st.integers(0, 2), data=st.data())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_clip_is_what_a_plain_reading_of_the_files_gives(
    hands: list[Hand], clip: int, interval: int, more: int, data: st.DataObject, tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("league")
    given = put_root(folder / "train", hands), put_database(folder / "det_db.json", hands)
    intervals = range(interval, interval + (more if clip > 1 else 0) + 1)
    plain = plain_clips(hands, clip, intervals)
    options: dict[str, Any] = {"clip": clip, "interval": interval}
    if len(intervals) > 1:
        options["max_interval"] = intervals[-1]
    if not plain:
        with pytest.raises(SchemaError, match="no-clips"):
            opened(*given, **options)
        return
    clips = opened(*given, **options).at_epoch(data.draw(st.integers(0, 3)))
    assert len(clips) == len(plain)
    ids = data.draw(st.permutations([*range(len(plain)), 0]))
    batch = clips.gather(ids)
    windows = clips.windows()
    for at, one in enumerate(ids):
        sequence, first, fits = plain[one]
        step = int(batch["interval"][at])
        assert step in fits
        numbers = [first + step * turn for turn in range(clip)]
        assert batch["frame_number"][at].tolist() == numbers == windows.frame_number[one].tolist()
        assert batch["sequence"][at] == sequence == windows.sequence[one]
        assert clips.locate(one) == MotClip(one, hands[sequence].name, tuple(numbers), step)
        for turn, number in enumerate(numbers):
            assert_boxes(batch, (at, turn), hands, sequence, number)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[Hand]]:
    """Two sequences in which the same ids are other people."""
    hands = [walked("a", 9, (3, 7)), walked("b", 6, (7, 8, 12))]
    folder = tmp_path_factory.mktemp("two")
    return put_root(folder / "train", hands), put_database(folder / "det_db.json", hands), hands


@pytest.fixture
def clips(two: tuple[Path, Path, list[Hand]]) -> MotDataset:
    return open_mot(two[0], two[1], clip=3, max_interval=3, images=False)


class TestFields:
    def test_truth_and_proposals_are_fields_of_their_own(self, clips: MotDataset) -> None:
        batch = clips.gather([0, 9])
        assert list(batch) == list(clips.spec)
        for name, array in batch.items():
            assert (array.shape, array.dtype) == ((2, *clips.spec[name].shape), clips.spec[name].dtype), name
        assert batch["truth/box"].shape == batch["proposals/box"].shape == (2, 3, 3, 4)
        assert not any(np.may_share_memory(batch["truth/box"], array) for array in (batch["proposals/box"],))
        assert batch["truth/count"].tolist() == [[2] * 3, [3] * 3]
        assert batch["frame_size"].tolist() == [[48, 64]] * 2

    def test_the_specification_says_what_boxes_are(self, clips: MotDataset) -> None:
        assert clips.spec["truth/box"].unit == "pixel xyxy, edges of the frame from -0.5 on"
        assert isinstance(clips, BatchSource)
        assert "11 clips of 3 frames of 2 sequences, 5 identities" in repr(clips)

    def test_without_proposals_there_are_no_fields_of_them(self, two: Any) -> None:
        alone = open_mot(two[0], clip=2, images=False)
        assert not [name for name in alone.spec if name.startswith("proposals")]

    def test_only_what_is_asked_for_is_read_into_what_is_given(self, clips: MotDataset) -> None:
        whole = clips.gather([4])
        out = {"truth/track_id": np.full((1, 3, 3), 77), "proposals/count": np.full((1, 3), 77)}
        got = clips.gather([4], fields=[*out, "truth/valid"], out=out)
        assert list(got) == ["truth/track_id", "proposals/count", "truth/valid"]
        for name, array in out.items():
            assert got[name] is array
            np.testing.assert_array_equal(array, whole[name])
        assert list(clips.gather([4], fields=["sequence"])) == ["sequence"]

    def test_what_is_wrong_is_refused(self, clips: MotDataset) -> None:
        with pytest.raises(SchemaError, match=r"expected some of .*, got \['boxes'\]"):
            clips.gather([0], fields=["boxes"])
        with pytest.raises(SchemaError, match=r"truth/count: expected \(1, 3\) int64"):
            clips.gather([0], out={"truth/count": np.zeros((1, 2), np.int64)})
        with pytest.raises(IndexError, match="expected 0 to 10, got 11"):
            clips.gather([11])
        with pytest.raises(IndexError, match="expected 0 to 10, got -1"):
            clips.locate(-1)
        with pytest.raises(SchemaError, match="from 0 on, got -1"):
            clips.at_epoch(-1)

    def test_an_empty_batch_is_empty(self, clips: MotDataset) -> None:
        assert clips.gather(np.zeros(0, np.int64))["truth/box"].shape == (0, 3, 3, 4)

    @pytest.mark.parametrize(
        ("form", "origin", "wanted"),
        [
            ("xyxy", "one_based", [3, 5, 13, 17]),
            ("xyxy", "edge", [2, 4, 12, 16]),
            ("xywh", "centre", [1.5, 3.5, 10, 12]),
            ("cxcywh", "edge", [7, 10, 10, 12]),
        ],
    )
    def test_boxes_are_written_as_is_asked_for(self, two: Any, form: Any, origin: Any, wanted: list[float]) -> None:
        found = open_mot(two[0], clip=1, images=False, box_form=form, box_origin=origin)
        assert found.gather([0])["truth/box"][0, 0, 0].tolist() == wanted

    def test_boxes_go_with_pictures_that_are_resized(self, two: Any) -> None:
        found = open_mot(two[0], two[1], clip=1, images=False, box_origin="edge", image_size=(24, 16))
        batch = found.gather([0])
        # 64 x 48 becomes 16 x 24: a quarter of the width, half of the height.
        assert batch["truth/box"][0, 0, 0].tolist() == [0.5, 2, 3, 8]
        assert batch["proposals/box"][0, 0, 0].tolist() == [3.5 / 4, 2, 14 / 4, 8.5]
        assert batch["frame_size"].tolist() == [[24, 16]]

    def test_boxes_of_a_frame_of_unknown_size_cannot_be_resized(self, tmp_path: Path) -> None:
        root = put_root(tmp_path, [walked("a", 3)], imWidth=0, imHeight=0)
        (root / "a" / "seqinfo.ini").unlink()
        with pytest.raises(SchemaError, match="a: expected the size of each frame"):
            open_mot(root / "a", clip=2, images=False, image_size=(24, 32))
        assert "frame_size" not in open_mot(root / "a", clip=2, images=False).spec

    def test_room_for_boxes_is_told_and_never_cuts(self, two: Any) -> None:
        wide = open_mot(two[0], two[1], clip=2, images=False, max_boxes=5, max_proposals=4)
        assert (wide.spec["truth/box"].shape, wide.spec["proposals/box"].shape) == ((2, 5, 4), (2, 4, 4))
        with pytest.raises(SchemaError, match="max_boxes: b: expected at most 2 boxes, got 3 in frame 1; max_boxes=3"):
            open_mot(two[0], clip=2, images=False, max_boxes=2)
        with pytest.raises(SchemaError, match="max_proposals: b: expected at most 1"):
            open_mot(two[0], two[1], clip=2, images=False, max_proposals=1)


class TestIdentities:
    def test_the_same_id_in_two_sequences_is_two_people(self, clips: MotDataset) -> None:
        assert clips.identities.offset.tolist() == [0, 2, 5]
        assert [(who.sequence, who.id) for who in clips.identities] == [
            ("a", 3), ("a", 7), ("b", 7), ("b", 8), ("b", 12)
        ]  # fmt: skip
        assert clips.identities.number("a", 7) != clips.identities.number("b", 7)
        ids = clips.gather([0, 9], fields=["truth/track_id"])["truth/track_id"]
        assert ids[:, 0].tolist() == [[0, 1, -1], [2, 3, 4]]

    def test_numbers_stay_where_sequences_are_chosen(self, two: Any) -> None:
        found = open_mot(two[0], two[1], clip=2, images=False, sequences=["b"])
        assert (found.sequences, found.identities.offset.tolist()) == (("b",), [0, 3])
        assert found.gather([0])["proposals/count"].tolist() == [[3, 3]]


class TestEpochs:
    def test_each_epoch_draws_anew_and_always_the_same(self, clips: MotDataset) -> None:
        drawn = [clips.at_epoch(epoch).windows().interval.tolist() for epoch in range(6)]
        assert len({tuple(one) for one in drawn}) == 6
        assert drawn[0] == clips.windows().interval.tolist()
        assert clips.epoch == 0
        again = clips.at_epoch(3)
        assert again.gather([2, 0])["interval"].tolist() == [drawn[3][2], drawn[3][0]]

    def test_another_seed_draws_other_intervals(self, two: Any, clips: MotDataset) -> None:
        other = open_mot(two[0], two[1], clip=3, max_interval=3, images=False, seed=1)
        assert other.windows().interval.tolist() != clips.windows().interval.tolist()
        assert other.fingerprint != clips.fingerprint

    def test_a_loader_tells_the_epoch(self, clips: MotDataset) -> None:
        loader = Loader(clips, batch_size=4, shuffle="global", epochs=3, workers=2)
        for epoch in range(3):
            wanted = clips.at_epoch(epoch).windows()
            for _, batch in zip(range(3), loader, strict=False):
                np.testing.assert_array_equal(batch["interval"], wanted.interval[batch["id"]])
                np.testing.assert_array_equal(batch["frame_number"], wanted.frame_number[batch["id"]])
        assert loader.epoch == 3
        loader.close()

    def test_one_interval_is_the_same_in_every_epoch(self, two: Any) -> None:
        fixed = open_mot(two[0], clip=2, interval=2, images=False)
        assert not fixed.by_epoch
        assert set(fixed.at_epoch(5).windows().interval.tolist()) == {2}


class TestLoading:
    def test_a_loader_gives_each_clip_once_and_goes_on_where_it_stopped(self, clips: MotDataset) -> None:
        def make(workers: int = 0) -> Loader:
            return Loader(clips, global_batch_size=4, seed=3, shuffle="block", epochs=2, workers=workers)

        def told(batch: Any) -> list[Any]:
            return [batch["id"].tolist(), batch["frame_number"].tolist(), batch["truth/track_id"].tolist()]

        whole = [told(batch) for batch in make()]
        assert {i for batch in whole[:3] for i in batch[0]} == set(range(11))
        first = make(workers=2)
        iterator = iter(first)
        begun = [told(next(iterator)) for _ in range(4)]
        state = json.loads(json.dumps(first.state_dict()))
        first.close()
        later = make(workers=1)
        later.load_state_dict(state)
        assert begun + [told(batch) for batch in later] == whole
        later.close()

    def test_ranks_share_an_epoch_and_see_what_one_alone_sees(self, clips: MotDataset) -> None:
        alone = Loader(clips, global_batch_size=4, shuffle="global", workers=0)
        wanted = [batch["frame_number"].tolist() for batch in alone]
        ranks = [
            Loader(clips, global_batch_size=4, shuffle="global", workers=0, rank=rank, world_size=2)
            for rank in range(2)
        ]
        for step, one, other in zip(wanted, *ranks, strict=True):
            mixed = np.stack([one["frame_number"], other["frame_number"]], axis=1).reshape(4, -1)
            assert mixed.tolist() == step

    def test_a_state_of_other_boxes_is_refused(self, two: Any, clips: MotDataset, tmp_path: Path) -> None:
        hands = [walked("a", 9, (3, 7)), walked("b", 6, (7, 8, 12))]
        number, one, left, *rest = hands[1].truth[-1]
        hands[1].truth[-1] = (number, one, left + 1, *rest)  # type: ignore[assignment]
        moved = open_mot(put_root(tmp_path, hands), two[1], clip=3, max_interval=3, images=False)
        assert dict(moved.spec) == dict(clips.spec)
        state = Loader(clips, batch_size=2).state_dict()
        with pytest.raises(SchemaError, match="fingerprint"):
            Loader(moved, batch_size=2).load_state_dict(state)

    def test_the_fingerprint_takes_no_notice_of_where_files_lie(
        self, two: Any, clips: MotDataset, tmp_path: Path
    ) -> None:
        again = put_root(tmp_path, two[2]), put_database(tmp_path / "other.json", two[2])
        assert open_mot(*again, clip=3, max_interval=3, images=False).fingerprint == clips.fingerprint
        assert clips.at_epoch(4).fingerprint == clips.fingerprint

    def test_blocks_end_with_sequences(self, clips: MotDataset) -> None:
        assert clips.part_rows.tolist() == [7, 4]
        assert clips.block_rows == 64

    def test_notes_are_in_the_plan(self, clips: MotDataset) -> None:
        told = str(Loader(clips, batch_size=2).plan())
        assert "note: truth: 8 of 11 clips have a shorter choice of intervals" in told

    def test_sets_of_the_same_room_are_mixed(self, two: Any, tmp_path: Path) -> None:
        room = {"clip": 2, "images": False, "max_boxes": 4}
        other = open_mot(put_root(tmp_path, [walked("c", 5, (1,))]), max_interval=2, **room)
        mixture = Mixture({"two": open_mot(two[0], **room), "other": other})
        assert mixture.by_epoch
        seen = {epoch: [] for epoch in range(8)}  # type: ignore[var-annotated]
        loader = Loader(mixture, batch_size=len(mixture), epochs=8, workers=0)
        for epoch, batch in enumerate(loader):
            order = np.argsort(batch["id"])
            seen[epoch] = batch["interval"][order][-4:].tolist()
            assert batch["interval"][order][:-4].tolist() == [1] * 13
            assert seen[epoch] == other.at_epoch(epoch).windows().interval.tolist()
        assert len({tuple(one) for one in seen.values()}) > 1

    def test_one_clip_and_several_are_tensors(self, clips: MotDataset) -> None:
        one, several = clips[-1], clips[2:4]
        assert one["truth/box"].shape == (3, 3, 4)
        assert one["frame_number"].tolist() == list(clips.locate(10).frame_number)
        assert isinstance(several["truth/label"], torch.Tensor)
        assert several["sequence"].tolist() == [0, 0]

    def test_a_pickled_data_set_gives_the_same(self, clips: MotDataset) -> None:
        copied = pickle.loads(pickle.dumps(clips.at_epoch(2)))
        for name, array in clips.at_epoch(2).gather([5, 1]).items():
            np.testing.assert_array_equal(copied.gather([5, 1])[name], array, err_msg=name)
        assert copied.fingerprint == clips.fingerprint

    def test_processes_of_a_data_loader_give_the_same(self, clips: MotDataset) -> None:
        forked = multiprocessing.get_context("fork")
        loader = torch.utils.data.DataLoader(
            clips.at_epoch(2), batch_size=4, num_workers=2, multiprocessing_context=forked
        )
        frames = torch.cat([batch["frame_number"] for batch in loader])
        assert frames.tolist() == clips.at_epoch(2).windows().frame_number.tolist()

    def test_a_sampler_of_batches_gathers_once(self, clips: MotDataset) -> None:
        sampler = torch.utils.data.BatchSampler(torch.utils.data.SequentialSampler(clips), 4, drop_last=False)
        batches = list(torch.utils.data.DataLoader(clips, sampler=sampler, batch_size=None))
        assert [len(batch["sequence"]) for batch in batches] == [4, 4, 3]
