"""The true segments of a split, written down: those of the labels, in the order that is asked for, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.adapters.mstcn import labels_of
from lapsdata.containers import Segments
from lapsdata.errors import SchemaError, StorageError
from lapsdata.formats import read
from lapsdata.stages._split_truth import write_split_truth
from lapsdata.testing.made_up_labels import MADE_UP_TEST, MADE_UP_TRAIN, write_made_up_labels
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_made_up_labels(tmp_path / "data", seconds=5.0)
    return tmp_path / "data"


def write(root: Path, **told: Any) -> Any:
    """Write the truth beside the data set."""
    usual = {"rate": FrameRate(15), "split": "test.split1", "videos": MADE_UP_TEST}
    return write_split_truth(root, root.parent / "truth.parquet", **{**usual, **told})


@pytest.mark.parametrize(("split", "videos"), [("test.split1", MADE_UP_TEST), ("train.split1", MADE_UP_TRAIN)])
@pytest.mark.parametrize("rate", [15, 30])
def test_each_frame_has_its_label_back(root: Path, split: str, videos: tuple[str, ...], rate: int) -> None:
    output, problems, synthetic = write(root, split=split, videos=videos, rate=FrameRate(rate))
    assert (problems, synthetic) == ((), None)
    made = read(output.path, Segments)
    assert [video.name for video in made.header.videos] == list(videos)
    for name in videos:
        rows = made.of_video(name)
        frames = [round(float(one) * rate) for one in made.end_s[rows] - made.start_s[rows]]
        words = [made.label[at] for at in np.arange(len(made))[rows]]
        assert np.repeat(words, frames).tolist() == labels_of(root)[name]
    assert [(one.role, one.name) for one in made.header.provenance.parents] == [
        ("labels", "groundTruth"), ("split", f"{split}.bundle"),
    ]  # fmt: skip


def test_some_videos_of_a_split_are_those_of_all(root: Path) -> None:
    whole = write(root, split="train.split1", videos=MADE_UP_TRAIN)[0].content
    name = MADE_UP_TRAIN[2]
    one = write(root, split="train.split1", videos=[name])[0]
    assert one.fate == "changed"
    assert [video.name for video in one.content.header.videos] == [name]
    np.testing.assert_array_equal(one.content.end_s, whole.end_s[whole.of_video(name)])
    assert set(one.content.video_index.tolist()) == {0}


def test_what_is_written_is_kept_until_labels_or_split_change(root: Path) -> None:
    assert [write(root)[0].fate for _ in range(2)] == ["made", "kept"]
    (root / "Videos").mkdir()
    (root / "Videos" / "S1_Tea_C1.mp4").touch()
    assert write(root)[0].fate == "kept"
    assert write(root, force=True)[0].fate == "forced"
    assert write(root, rate=FrameRate(30))[0].fate == "changed"
    assert write(root)[0].fate == "changed"
    file = root / "groundTruth" / "S2_Tea_C1.txt"
    file.write_text(file.read_text() + "take\n")
    assert write(root)[0].fate == "changed"
    bundle = root / "splits" / "test.split1.bundle"
    bundle.write_text("".join(reversed(bundle.read_text().splitlines(keepends=True))))
    turned = write(root)[0]
    assert turned.fate == "changed"
    assert [video.name for video in turned.content.header.videos] == list(reversed(MADE_UP_TEST))


def test_what_the_labels_call_for_is_told_each_time(root: Path) -> None:
    (root / "mapping.txt").write_text("0 background\n1 take\n")
    for fate in ("made", "kept"):
        output, problems, _ = write(root)
        assert output.fate == fate
        assert [problem.code for problem in problems] == ["unknown-labels"]


def test_what_does_not_fit_is_told_and_nothing_written(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"expected a split of .*got 'test.split2' \[no-split\]"):
        write(root, split="test.split2")
    (root / "groundTruth" / "S1_Tea_C1.txt").unlink()
    with pytest.raises(SchemaError, match=r"expected labels of every video of test.split1, got none of 'S1_Tea_C1'"):
        write(root)
    assert not (tmp_path / "truth.parquet").exists()
    (tmp_path / "truth.parquet").write_text("mine\n")
    write_made_up_labels(root, seconds=5.0)
    with pytest.raises(StorageError, match=r"truth\.parquet: .*it is left as it is"):
        write(root, force=True)
    assert (tmp_path / "truth.parquet").read_text() == "mine\n"
