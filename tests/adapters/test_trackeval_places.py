"""Truth and results where TrackEval's options say they lie; what is missing is named before anything is scored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lapsdata.adapters.motchallenge import read_seqmap, trackeval_sequences
from lapsdata.errors import SchemaError, StorageError
from tests.adapters.mot_by_hand import RESULT, TRUTH, put, sequence

if TYPE_CHECKING:
    from pathlib import Path

BOTH = "MOT17-train"


def layout(root: Path, *, split: str = BOTH, trackers: tuple[str, ...] = ("ours", "theirs")) -> tuple[Path, Path]:
    """Write two sequences and their results as TrackEval wants them by default."""
    for name, length in (("b", 5), ("a", 3)):
        sequence(root / "gt" / split / name, truth=TRUTH, seqLength=length)
        for tracker in trackers:
            put(root / "trackers" / split / tracker / "data" / f"{name}.txt", *RESULT)
    return root / "gt", root / "trackers"


def found(*folders: Path, **options: Any) -> list[tuple[str, list[str], int | None]]:
    return [(one.name, sorted(one.results), one.length) for one in trackeval_sequences(*folders, **options)]


def test_the_seqmap_says_which_sequences_and_in_which_order(tmp_path: Path) -> None:
    folders = layout(tmp_path)
    put(tmp_path / "gt" / "seqmaps" / f"{BOTH}.txt", "name", "b", "a", "")
    assert found(*folders) == [("b", ["ours", "theirs"], 5), ("a", ["ours", "theirs"], 3)]
    one = trackeval_sequences(*folders)[0]
    assert one.truth == tmp_path / "gt" / BOTH / "b" / "gt" / "gt.txt"
    assert one.results["ours"] == tmp_path / "trackers" / BOTH / "ours" / "data" / "b.txt"


def test_without_a_seqmap_every_folder_with_truth_is_a_sequence(tmp_path: Path) -> None:
    folders = layout(tmp_path)
    sequence(tmp_path / "gt" / BOTH / "c", truth=None, seqLength=3)
    assert [name for name, _, _ in found(*folders)] == ["a", "b"]


def test_every_option_moves_what_it_moves(tmp_path: Path) -> None:
    folders = layout(tmp_path, split=".")
    assert [name for name, _, _ in found(*folders, skip_split_folder=True)] == ["a", "b"]
    assert found(*folders, skip_split_folder=True, trackers=["ours"])[0] == ("a", ["ours"], 3)
    assert found(*folders, skip_split_folder=True, lengths={"b": 7, "a": None}) == [
        ("b", ["ours", "theirs"], 7),
        ("a", ["ours", "theirs"], 3),
    ]
    listing = put(tmp_path / "mine.txt", "name", "a")
    assert [name for name, _, _ in found(*folders, skip_split_folder=True, seqmap=listing)] == ["a"]
    put(tmp_path / "maps" / "DanceTrack-val.txt", "name", "b")
    mapped = {"benchmark": "DanceTrack", "split": "val", "seqmap_folder": tmp_path / "maps"}
    assert [name for name, _, _ in found(*folders, skip_split_folder=True, **mapped)] == ["b"]


def test_other_places_of_truth_and_results(tmp_path: Path) -> None:
    put(tmp_path / "gt" / "a.txt", *TRUTH)
    put(tmp_path / "gt" / "unused" / "readme.md")
    put(tmp_path / "trackers" / "ours" / "a.txt", *RESULT)
    (one,) = trackeval_sequences(
        *(tmp_path / "gt", tmp_path / "trackers"),
        skip_split_folder=True,
        lengths={"a": 3},
        gt_format="{gt_folder}/{seq}.txt",
        tracker_sub_folder="",
    )
    assert one.truth.name == "a.txt"
    assert one.results["ours"] == tmp_path / "trackers" / "ours" / "a.txt"


def test_every_file_that_is_missing_is_named(tmp_path: Path) -> None:
    folders = layout(tmp_path)
    (tmp_path / "gt" / BOTH / "a" / "gt" / "gt.txt").unlink()
    (tmp_path / "trackers" / BOTH / "ours" / "data" / "b.txt").unlink()
    with pytest.raises(SchemaError, match="2 problems") as error:
        trackeval_sequences(*folders, lengths={"a": 3, "b": 5})
    assert sorted(problem.message for problem in error.value.problems) == [
        "expected a file of ours for b, got 'a.txt'",
        "expected a file of truth for a, got nothing",
    ]
    assert all(problem.fix == "where nothing was found, write an empty file" for problem in error.value.problems)


def test_no_sequence_and_no_tracker(tmp_path: Path) -> None:
    for name in ("gt", "trackers"):
        (tmp_path / name / BOTH).mkdir(parents=True)
    with pytest.raises(SchemaError, match="expected sequences with truth, got none") as error:
        trackeval_sequences(tmp_path / "gt", tmp_path / "trackers")
    assert [problem.code for problem in error.value.problems] == ["no-sequences", "no-trackers"]


@pytest.mark.parametrize(
    "options", [{"split": "test"}, {"benchmark": "MOT20"}, {"seqmap_folder": "maps"}, {"seqmap": "nothing.txt"}]
)
def test_a_folder_or_list_that_is_not_there(tmp_path: Path, options: dict[str, Any]) -> None:
    folders = layout(tmp_path)
    paths = {key: tmp_path / value if key.startswith("seqmap") else value for key, value in options.items()}
    with pytest.raises(StorageError, match="no such file or folder"):
        trackeval_sequences(*folders, **paths)


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["name", "a", "b"], ("a", "b")),
        (["name", "", "a", "", "b", ""], ("a", "b")),
        (["name,length", "a,10", "b,20"], ("a", "b")),
        (["name"], ()),
        ([], ()),
    ],
)
def test_a_seqmap(tmp_path: Path, lines: list[str], names: tuple[str, ...]) -> None:
    assert read_seqmap(put(tmp_path / "all.txt", *lines)) == names


def test_a_seqmap_whose_first_sequence_would_be_lost(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"line 1: expected `name` above the sequences, got 'a'; write it there"):
        read_seqmap(put(tmp_path / "all.txt", "a", "b"))
    with pytest.raises(SchemaError, match=r"line 4: expected each sequence once, got a again"):
        read_seqmap(put(tmp_path / "all.txt", "name", "a", "b", "a"))


def test_a_seqinfo_that_is_wrong_is_told(tmp_path: Path) -> None:
    folders = layout(tmp_path)
    put(tmp_path / "gt" / BOTH / "a" / "seqinfo.ini", "[Sequence]", "seqLength=many")
    with pytest.raises(SchemaError, match="seqLength: expected a whole number from 1, got 'many'"):
        trackeval_sequences(*folders)
