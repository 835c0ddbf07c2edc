"""Which files are truth and trackers, and what is said where they do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata.errors import SchemaError
from lapsdata.stages.tracking_files import TrackEvalFolders, read_trackers
from tests.metrics.tracks_by_trackeval import boxes_of

if TYPE_CHECKING:
    from pathlib import Path

ROWS = "".join(f"{frame},7,{10 * frame},20,30,40,0.9,-1,-1,-1\n" for frame in (1, 2, 3))
TRUE = "".join(f"{frame},1,{10 * frame + 1},20,30,40,1,1,1\n" for frame in (1, 2, 3))
INFO = "[Sequence]\nname={name}\nimDir=img1\nframeRate=25\nseqLength=4\nimWidth=640\nimHeight=360\nimExt=.jpg\n"


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def boxes(path: Path, *names: str, source: str = "hand") -> Path:
    rows = [(frame, 1, 10 * frame, 0, 9, 9) for frame in range(3)]
    made = boxes_of(dict.fromkeys(names, rows), 5, source=(source,) * (3 * len(names)))
    lapsdata.write(path, made)
    return path


def benchmark(root: Path, *, both: str = "MOT17-train", trackers: tuple[str, ...] = ("ours", "theirs")) -> Path:
    for name in ("s1", "s2"):
        put(root / "gt" / both / name / "gt" / "gt.txt", TRUE)
        put(root / "gt" / both / name / "seqinfo.ini", INFO.format(name=name))
        for tracker in trackers:
            put(root / "trackers" / both / tracker / "data" / f"{name}.txt", ROWS)
    put(root / "gt" / "seqmaps" / f"{both}.txt", "name\ns1\ns2\n")
    return root


def test_trackers_are_called_as_their_files(tmp_path: Path) -> None:
    truth = boxes(tmp_path / "truth.parquet", "a")
    found = read_trackers(truth, [boxes(tmp_path / "one.parquet", "a"), boxes(tmp_path / "two.parquet", "a")])
    assert list(found.trackers) == ["one", "two"]
    assert [(one.role, one.name) for one in found.parents] == [
        ("truth", "truth.parquet"), ("prediction", "one.parquet"), ("prediction", "two.parquet")
    ]  # fmt: skip
    assert (found.notes, found.policies) == ([], {})


def test_files_of_one_name_are_called_by_their_folders(tmp_path: Path) -> None:
    truth = boxes(tmp_path / "truth.parquet", "a")
    paths = [put(tmp_path / name / "out" / "a.txt", ROWS) for name in ("lr_1e-5", "lr_2e-5")]
    assert list(read_trackers(truth, paths).trackers) == ["lr_1e-5 out a", "lr_2e-5 out a"]
    with pytest.raises(SchemaError, match=r"expected each prediction once, got '.*a.txt' again"):
        read_trackers(truth, [paths[0], paths[0]])


def test_results_in_data_are_called_by_their_tracker(tmp_path: Path) -> None:
    truth = boxes(tmp_path / "truth.parquet", "a")
    put(tmp_path / "ours" / "data" / "a.txt", ROWS)
    for path in (tmp_path / "ours", tmp_path / "ours" / "data"):
        assert list(read_trackers(truth, [path]).trackers) == ["ours"]


def test_a_folder_of_several_trackers_is_several(tmp_path: Path) -> None:
    root = benchmark(tmp_path)
    found = read_trackers(root / "gt", [root / "trackers"])
    assert sorted(found.trackers) == ["ours", "theirs"]
    assert [one.name for one in found.truth.header.sequences] == ["s1", "s2"]
    assert {one.length for one in found.truth.header.sequences} == {4}
    assert {one.role for one in found.parents} == {"truth", "prediction"}


def test_detections_beside_a_truth_are_no_truth(tmp_path: Path) -> None:
    root = benchmark(tmp_path)
    for name in ("s1", "s2"):
        put(root / "gt" / "MOT17-train" / name / "det" / "det.txt", ROWS.replace(",7,", ",-1,"))
    found = read_trackers(root / "gt", [root / "trackers"])
    assert set(found.truth.source) == {"truth"}
    with pytest.raises(SchemaError, match="expected tracks, got boxes of 'truth', 'detector'"):
        read_trackers(root / "gt", [root / "gt"])


def test_a_truth_of_several_people_is_refused(tmp_path: Path) -> None:
    rows = [(0, 1, 0, 0, 9, 9), (0, 1, 3, 0, 9, 9)]
    lapsdata.write(tmp_path / "gt.parquet", boxes_of({"a": rows}, source=("ann", "bob")))
    with pytest.raises(SchemaError, match="expected boxes of one source, or of one called 'truth', got 'ann', 'bob'"):
        read_trackers(tmp_path / "gt.parquet", [tmp_path / "gt.parquet"])


def test_the_truth_in_a_file_of_tracks_is_left_out_and_told(tmp_path: Path) -> None:
    rows = [(0, 1, 0, 0, 9, 9), (0, 1, 3, 0, 9, 9), (0, 1, 6, 0, 9, 9)]
    lapsdata.write(tmp_path / "all.parquet", boxes_of({"a": rows}, source=("truth", "x", "y")))
    found = read_trackers(tmp_path / "all.parquet", [tmp_path / "all.parquet"])
    assert {name: len(one) for name, one in found.trackers.items()} == {"x": 1, "y": 1}
    assert [note.message for note in found.notes] == ["boxes of 'truth' lie beside the tracks: not scored"]


def test_the_only_sequence_of_both_is_one(tmp_path: Path) -> None:
    found = read_trackers(boxes(tmp_path / "gt.parquet", "match"), [boxes(tmp_path / "ours.parquet", "out")])
    assert [one.name for one in found.trackers["ours"].header.sequences] == ["match"]
    assert found.notes[0].message == "its only sequence 'out' is scored as 'match', the only one of the truth"
    assert found.policies == {"sequences_called_as_in_the_truth": 1}


def test_sequences_that_one_side_lacks_are_named(tmp_path: Path) -> None:
    truth, ours = boxes(tmp_path / "gt.parquet", "a", "b"), boxes(tmp_path / "ours.parquet", "b", "c")
    with pytest.raises(SchemaError, match="unequal-sequences") as caught:
        read_trackers(truth, [ours])
    assert [str(problem) for problem in caught.value.problems] == [
        "ours: expected the sequences of all sides, got none of 'a'; "
        "give --only-common to score 1 of them [unequal-sequences]",
        "truth: expected the sequences of all sides, got none of 'c'; "
        "give --only-common to score 1 of them [unequal-sequences]",
    ]


def test_only_common_sequences_are_scored_and_the_others_counted(tmp_path: Path) -> None:
    truth = boxes(tmp_path / "gt.parquet", "a", "b", "c")
    paths = [boxes(tmp_path / "x.parquet", "c", "b"), boxes(tmp_path / "y.parquet", "d", "b", "a", "c")]
    found = read_trackers(truth, paths, only_common=True)
    assert [one.name for one in found.truth.header.sequences] == ["b", "c"]
    assert {name: [one.name for one in side.header.sequences] for name, side in found.trackers.items()} == {
        "x": ["c", "b"], "y": ["b", "c"]
    }  # fmt: skip
    assert [len(side) for side in (found.truth, *found.trackers.values())] == [6, 6, 6]
    assert found.policies == {"sequences_of_the_truth_left_out": 1, "sequences_of_trackers_left_out": 2}


def test_nothing_in_common_is_an_error_in_any_case(tmp_path: Path) -> None:
    truth, ours = boxes(tmp_path / "gt.parquet", "a", "b"), boxes(tmp_path / "ours.parquet", "c", "d")
    with pytest.raises(SchemaError, match="got none of 'a', 'b'; look whose results these are"):
        read_trackers(truth, [ours], only_common=True)


def test_pixels_from_1_beside_another_truth_are_told(tmp_path: Path) -> None:
    truth, ours = boxes(tmp_path / "gt.parquet", "a"), put(tmp_path / "ours.txt", ROWS)
    told = read_trackers(truth, [ours])
    assert "pixels-counted-from-1" in [note.code for note in told.notes]
    said = read_trackers(truth, [ours], pixels="edge")
    assert "pixels-counted-from-1" not in [note.code for note in said.notes]
    assert (said.trackers["ours"].x - told.trackers["ours"].x).tolist() == [1, 1, 1]
    alike = read_trackers(put(tmp_path / "s" / "gt" / "gt.txt", TRUE), [ours])
    assert "pixels-counted-from-1" not in [note.code for note in alike.notes]


def test_frames_from_0_are_told_once_for_all_texts(tmp_path: Path) -> None:
    zero = [one.replace("3,", "0,", 1) if one[0] == "3" else one for one in ROWS.splitlines()]
    ours = put(tmp_path / "ours.txt", "\n".join(sorted(zero)))
    with pytest.raises(SchemaError, match=r"frame: expected frames from 1, got 0.*--first-number 0"):
        read_trackers(boxes(tmp_path / "gt.parquet", "a"), [ours])
    found = read_trackers(boxes(tmp_path / "true.parquet", "a"), [ours], first_numbers=[0])
    assert found.trackers["ours"].frame.tolist() == [0, 1, 2]
    assert "nothing-in-first-frame" not in [note.code for note in found.notes]


def test_sides_that_count_otherwise_are_told_one_by_one(tmp_path: Path) -> None:
    truth = put(tmp_path / "gt.txt", TRUE)
    ours = put(tmp_path / "ours.txt", ROWS.replace("1,7,", "0,7,").replace("2,7,", "1,7,").replace("3,7,", "2,7,"))
    theirs = put(tmp_path / "theirs.txt", ROWS)
    found = read_trackers(truth, [ours, theirs], first_numbers=[1, 0, 1])
    assert [one.frame.tolist() for one in (found.truth, *found.trackers.values())] == [[0, 1, 2]] * 3
    # Told of all, it would silently compare each box with that of the frame before.
    shifted = read_trackers(truth, [ours], first_numbers=[0])
    (warned,) = [note for note in shifted.notes if note.code == "nothing-in-first-frame"]
    assert (warned.severity, warned.where) == ("warning", str(truth))
    assert warned.message == "no box is in frame 0, the first as told; the first box is in frame 1"
    assert "--first-number for GT and each PRED" in str(warned.fix)
    with pytest.raises(SchemaError, match="first_number: expected one number, or one for GT and each PRED, 3, got 2"):
        read_trackers(truth, [ours, theirs], first_numbers=[1, 0])


@pytest.mark.parametrize("told", [{"pixels": "edge"}, {"first_numbers": [0]}])
def test_words_about_texts_need_a_text(tmp_path: Path, told: dict[str, Any]) -> None:
    truth, ours = boxes(tmp_path / "gt.parquet", "a"), boxes(tmp_path / "ours.parquet", "a")
    with pytest.raises(SchemaError, match="expected texts of MOTChallenge to tell it of, got 'boxes_parquet'"):
        read_trackers(truth, [ours], **told)


# --- TrackEval's own folders


def test_texts_of_a_benchmark_are_told_what_they_count_from(tmp_path: Path) -> None:
    root = benchmark(tmp_path, trackers=("ours",))
    for name in ("s1", "s2"):
        place = root / "trackers" / "MOT17-train" / "ours" / "data" / f"{name}.txt"
        place.write_text(ROWS.replace("1,7,", "0,7,").replace("2,7,", "1,7,").replace("3,7,", "2,7,"))
    plain = read_trackers(root / "gt", [root / "trackers"], folders=TrackEvalFolders(), first_numbers=[1, 0])
    edge = read_trackers(
        root / "gt", [root / "trackers"], folders=TrackEvalFolders(), first_numbers=[1, 0], pixels="edge"
    )
    assert plain.trackers["ours"].frame.tolist() == plain.truth.frame.tolist() == [0, 1, 2] * 2
    assert set(edge.trackers["ours"].x - plain.trackers["ours"].x) == set(edge.truth.x - plain.truth.x) == {1.0}


def test_folders_of_trackeval_by_its_own_options(tmp_path: Path) -> None:
    root = benchmark(tmp_path)
    found = read_trackers(root / "gt", [root / "trackers"], folders=TrackEvalFolders())
    assert list(found.trackers) == ["ours", "theirs"]
    assert {one.length for one in found.trackers["ours"].header.sequences} == {4}
    assert [one.role for one in found.parents] == ["truth"] * 2 + ["prediction"] * 4


def test_a_seqmap_and_no_split_folder(tmp_path: Path) -> None:
    root = benchmark(tmp_path, both="")
    seqmap = put(tmp_path / "some.txt", "name\ns2\n")
    folders = TrackEvalFolders(skip_split_folder=True, seqmap=seqmap)
    found = read_trackers(root / "gt", [root / "trackers"], folders=folders)
    assert [one.name for one in found.truth.header.sequences] == ["s2"]
    assert found.parents[-1].role == "seqmap"


def test_another_benchmark_and_split(tmp_path: Path) -> None:
    root = benchmark(tmp_path, both="MOT20-test")
    found = read_trackers(root / "gt", [root / "trackers"], folders=TrackEvalFolders("MOT20", "test"))
    assert len(found.truth) == 6


def test_a_file_that_trackeval_misses_is_named(tmp_path: Path) -> None:
    root = benchmark(tmp_path)
    (root / "trackers" / "MOT17-train" / "ours" / "data" / "s2.txt").unlink()
    with pytest.raises(SchemaError, match=r"expected a file of ours for s2, got 's1.txt'"):
        read_trackers(root / "gt", [root / "trackers"], folders=TrackEvalFolders())


def test_one_folder_of_trackers_and_no_frame_behind_the_end(tmp_path: Path) -> None:
    root = benchmark(tmp_path)
    with pytest.raises(SchemaError, match="expected TRACKERS_FOLDER alone beside GT_FOLDER, got 2 predictions"):
        read_trackers(root / "gt", [root / "trackers", root / "gt"], folders=TrackEvalFolders())
    put(root / "trackers" / "MOT17-train" / "ours" / "data" / "s2.txt", ROWS.replace("3,7,", "9,7,"))
    with pytest.raises(SchemaError, match="s2: expected 4 frames, as the sequence has, got frame 9"):
        read_trackers(root / "gt", [root / "trackers"], folders=TrackEvalFolders())
