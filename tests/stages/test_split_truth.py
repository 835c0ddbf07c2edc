"""The truth of a split is written from the labels of its videos alone, once."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.adapters.mstcn import labels_of, read
from lapsdata.containers import Segments
from lapsdata.errors import SchemaError, StorageError
from lapsdata.provenance import path_digest, synthetic_note
from lapsdata.stages._split_truth import write_split_truth
from lapsdata.stages.segments_source import read_segments
from lapsdata.testing.made_up_labels import MADE_UP_TEST, MADE_UP_TRAIN, write_made_up_labels
from lapsdata.testing.standin import write_standin
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path

RATE = FrameRate(15)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_made_up_labels(tmp_path / "root", seconds=8)
    return tmp_path / "root"


def written(root: Path, out: Path, *, split: str = "train.split1", videos: tuple[str, ...] = MADE_UP_TRAIN) -> Any:
    return write_split_truth(root, out, rate=RATE, split=split, videos=videos)


def test_it_is_what_the_labels_say(root: Path, tmp_path: Path) -> None:
    output, notes, synthetic = written(root, tmp_path / "truth.parquet")
    assert (output.fate, notes, synthetic) == ("made", (), None)
    truth = formats.read(tmp_path / "truth.parquet", Segments)
    whole = read(root / "groundTruth", rate=15, split="train.split1").container
    assert [video.name for video in truth.header.videos] == list(MADE_UP_TRAIN)
    np.testing.assert_array_equal(truth.start_s, whole.start_s)
    np.testing.assert_array_equal(truth.end_s, whole.end_s)
    assert truth.label == whole.label
    for video in truth.header.videos:
        assert video.end_s == len(labels_of(root)[video.name]) / 15
    roles = {one.role: one.digest for one in truth.header.provenance.parents}
    assert roles["labels"] == path_digest(root / "groundTruth")
    assert roles["split"] == path_digest(root / "splits" / "train.split1.bundle")


@pytest.mark.parametrize("kept", [MADE_UP_TRAIN[1:], MADE_UP_TRAIN[::2], MADE_UP_TRAIN[-1:]])
def test_videos_that_are_left_out_are_in_no_row(root: Path, tmp_path: Path, kept: tuple[str, ...]) -> None:
    written(root, tmp_path / "all.parquet")
    written(root, tmp_path / "some.parquet", videos=kept)
    whole, some = (formats.read(tmp_path / f"{name}.parquet", Segments) for name in ("all", "some"))
    assert [video.name for video in some.header.videos] == list(kept)
    for name in kept:
        rows, own = whole.of_video(name), some.of_video(name)
        np.testing.assert_array_equal(some.start_s[own], whole.start_s[rows])
        assert [some.label[at] for at in own] == [whole.label[at] for at in rows]
    assert len(some) == sum(len(whole.of_video(name)) for name in kept)


def test_what_it_is_made_of_decides_whether_it_is_kept(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "truth.parquet"
    written(root, out)
    assert written(root, out)[0].fate == "kept"
    assert written(root, out, videos=MADE_UP_TRAIN[1:])[0].fate == "changed"
    labels = root / "groundTruth" / f"{MADE_UP_TRAIN[1]}.txt"
    labels.write_text(labels.read_text() + "background\n")
    assert written(root, out, videos=MADE_UP_TRAIN[1:])[0].fate == "changed"
    assert written(root, out, split="test.split1", videos=MADE_UP_TEST)[0].fate == "changed"


def test_nothing_of_others_is_replaced(root: Path, tmp_path: Path) -> None:
    (tmp_path / "truth.parquet").write_bytes(b"mine")
    with pytest.raises(StorageError, match="it is left as it is"):
        written(root, tmp_path / "truth.parquet")
    with pytest.raises(SchemaError, match=r"test\.split9"):
        written(root, tmp_path / "other.parquet", split="test.split9")
    (root / "groundTruth" / f"{MADE_UP_TRAIN[0]}.txt").unlink()
    with pytest.raises(SchemaError, match=f"got none of '{MADE_UP_TRAIN[0]}'"):
        written(root, tmp_path / "other.parquet")


def test_the_truth_of_a_stand_in_says_so_wherever_it_goes(root: Path, tmp_path: Path) -> None:
    write_standin(root, tmp_path / "standin", RATE, seconds=0.4)
    out = tmp_path / "truths" / "test.parquet"
    out.parent.mkdir()
    _, notes, synthetic = written(tmp_path / "standin", out, split="test.split1", videos=MADE_UP_TEST)
    assert [note.code for note in notes] == ["synthetic"]
    assert synthetic is not None
    truth = formats.read(out, Segments).header.provenance
    assert synthetic_note(truth) == truth.parameters["synthetic"] == synthetic
    # Also where it is read beside others, in one folder.
    written(root, out.with_name("train.parquet"))
    shutil.copy(out, tmp_path / "alone.parquet")
    for path in (out.parent, tmp_path / "alone.parquet"):
        assert synthetic_note(read_segments(path).segments.header.provenance) == synthetic
    # What was written before it became a stand-in is another truth.
    (tmp_path / "standin" / "SYNTHETIC.json").unlink()
    output, notes, synthetic = written(tmp_path / "standin", out, split="test.split1", videos=MADE_UP_TEST)
    assert (output.fate, notes, synthetic) == ("changed", (), None)
