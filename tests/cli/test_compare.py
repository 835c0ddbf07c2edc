"""`lapsdata compare`, and what `lapsdata evaluate` takes: named predictions, splits, rules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.schema import SegmentationResult
from lapsdata.storage.sealed_json import read_sealed_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

# Two actions and background, 10 frames per second.
LABELS = {
    "P1_tea": [("background", 12), ("pour", 20), ("stir", 25), ("background", 13)],
    "P2_tea": [("background", 8), ("pour", 31), ("background", 6), ("stir", 20)],
    "P3_tea": [("pour", 18), ("stir", 22), ("background", 20)],
    "P4_tea": [("background", 5), ("stir", 30), ("pour", 15), ("background", 9)],
}
QUICK = ("--draws", "5", "--shift-draws", "5")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder in MS-TCN's layout with two splits."""
    root = tmp_path / "data"
    for name in ("groundTruth", "splits"):
        (root / name).mkdir(parents=True)
    for video, runs in LABELS.items():
        lines = [label for label, count in runs for _ in range(count)]
        (root / "groundTruth" / f"{video}.txt").write_text("\n".join(lines) + "\n")
    (root / "splits" / "test.split1.bundle").write_text("P1_tea.txt\nP2_tea.txt\n")
    (root / "splits" / "train.split1.bundle").write_text("P3_tea.txt\nP4_tea.txt\n")
    return root


def results(folder: Path, late: int) -> Path:
    """Write results of all videos whose first label lasts some frames longer, as programs of MS-TCN's kind do."""
    folder.mkdir()
    for video, runs in LABELS.items():
        (first, count), (second, less), *rest = runs
        given = [(first, count + late), (second, less - late), *rest]
        words = " ".join(label for label, count in given for _ in range(count))
        (folder / video).write_text(f"### Frame level recognition: ###\n{words}")
    return folder


def well(done: Any) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_split_is_scored_and_the_other_known(inside: Run, data: Path, tmp_path: Path) -> None:
    results(tmp_path / "found", 1)
    given = ("evaluate", "found", "data", "--rate", "10", "--split", "test.split1", *QUICK, "--out", "r.json")
    told = well(inside(*given))
    result = read_sealed_json(tmp_path / "r.json", SegmentationResult)
    assert [video.name for video in result.boundaries.videos] == ["P1_tea", "P2_tea"]
    assert result.boundaries.policies["without_truth_left_out"] == 2
    assert (str(result.clock.rate), result.clock.origin, result.split) == ("10", "told", "test.split1")
    assert "train_copy" in told
    assert max(map(len, told.splitlines())) <= 80
    labels = result.labels
    assert labels is not None
    # One frame of 70 and one of 65 have the label before.
    assert labels.rows[0].accuracy_micro.mean == pytest.approx(133 / 135)
    assert labels.rules.clock == "frames"
    assert result.detections is not None
    (data / "splits" / "train.split1.bundle").unlink()
    assert "train_copy" not in well(inside(*given, "--force"))


@pytest.mark.parametrize(
    ("rules", "labels", "detections", "tolerances"),
    [("default", True, True, 5), ("laps-2025", False, True, 2), ("ms-tcn", True, False, 5)],
)
def test_a_word_says_what_is_scored_and_how(
    inside: Run, data: Path, tmp_path: Path, rules: str, labels: bool, detections: bool, tolerances: int
) -> None:
    results(tmp_path / "found", 2)
    told = json.loads(well(inside("evaluate", "found", data, "--rate", "10", "--rules", rules, *QUICK, "--json")))
    assert (told["labels"] is not None, told["detections"] is not None) == (labels, detections)
    assert len(told["boundaries"]["rules"]["tolerances_s"]) == tolerances
    assert (told["old_keys"] is not None) == (rules == "laps-2025")
    if rules == "laps-2025":
        macro = told["boundaries"]["rows"][0]["scores"][0]["macro"]
        assert told["old_keys"]["F1@2.0s_mean"] == macro["f"]
        assert set(told["old_keys"]) == {
            *(f"{word}@{at}s_mean" for word in ("F1", "Precision", "Recall") for at in ("2.0", "5.0")),
            "mAP@0.5", "mAP@0.75",
        }  # fmt: skip


def test_a_named_prediction_looks_at_no_video(inside: Run, data: Path, tmp_path: Path) -> None:
    told = json.loads(well(inside("evaluate", "uniform:2.0", data, "--rate", "10", *QUICK, "--json")))
    assert told["provenance"]["parameters"]["prediction"] == "uniform:2"
    assert [video["found"] for video in told["boundaries"]["videos"]] == [3, 3, 2, 2]
    assert told["labels"] is None
    again = json.loads(well(inside("evaluate", "random:3", data, "--rate", "10", *QUICK, "--json")))
    assert [video["found"] for video in again["boundaries"]["videos"]] == [3, 3, 3, 3]
    done = inside("evaluate", "uniform:none", data, "--rate", "10")
    assert done.returncode == 1
    assert "expected seconds of at least 0.001 after 'uniform:', got 'none'" in done.stderr
    # A file of that name is a file.
    (tmp_path / "uniform:2").mkdir()
    done = inside("evaluate", "uniform:2", data, "--rate", "10")
    assert done.returncode == 1
    assert "uniform:2: expected segments" in done.stderr


def test_lengths_that_differ_are_an_error_with_both_numbers(inside: Run, data: Path, tmp_path: Path) -> None:
    results(tmp_path / "found", 1)
    path = tmp_path / "found" / "P1_tea"
    path.write_text(path.read_text() + " background")
    done = inside("evaluate", "found", data, "--rate", "10", *QUICK)
    assert done.returncode == 1
    assert "P1_tea" in done.stderr
    assert "7.1 s" in done.stderr
    assert "7.0 s" in done.stderr
    told = json.loads(well(inside("evaluate", "found", data, "--rate", "10", "--end-slack", "0.2", *QUICK, "--json")))
    assert told["labels"]["policies"]


def test_frames_without_a_rate_are_an_error(inside: Run, data: Path) -> None:
    done = inside("evaluate", "uniform:2", data)
    assert done.returncode == 1
    assert "give --rate" in done.stderr


def test_scores_of_one_truth_stand_beside_each_other(inside: Run, data: Path, tmp_path: Path) -> None:
    for name, late in (("near", 1), ("far", 7)):
        results(tmp_path / f"found_{name}", late)
        well(inside("evaluate", f"found_{name}", data, "--rate", "10", *QUICK, "--out", f"{name}.json"))
    told = well(inside("compare", "near.json", "far.json", "--draws", "200"))
    rows = {line.split("  ")[0]: line.split() for line in told.splitlines()}
    assert rows["near"][1] > rows["far"][1]
    assert "best chance" in rows
    assert rows["near less far"][3].startswith("+0.")
    boundaries, labels = told.split("labels: 4 videos")
    assert "95 % of draws from" in boundaries
    assert "counted in frames at 10 per second" in labels
    # Six frames more of 254 in each of four videos.
    assert next(line for line in labels.splitlines() if line.startswith("near less far")).split()[3] == "+0.094"
    assert max(map(len, told.splitlines())) <= 80
    document = json.loads(well(inside("compare", "near.json", "far.json", "--draws", "200", "--json")))
    found = document["less"]["far"]
    assert [one["tolerance_s"] for one in found] == [0.25, 0.5, 1.0, 2.0, 5.0]
    assert all(one["higher"] + one["equal"] + one["lower"] == 4 for one in found)
    of_labels = document["labels_less"]["far"]
    assert [one["score"] for one in of_labels] == ["acc", "macro", "edit", "F@10", "F@25", "F@50"]
    assert (of_labels[0]["higher"], of_labels[0]["lower"]) == (4, 0)
    # What --json prints can be compared as well.
    printed = inside("evaluate", "found_near", data, "--rate", "10", *QUICK, "--json")
    (tmp_path / "printed.json").write_text(well(printed))
    same = json.loads(well(inside("compare", "near.json", "printed.json", "--json")))["less"]["printed"]
    assert {one["difference"] for one in same} == {0.0}


def test_scores_without_labels_are_compared_by_boundaries_alone(inside: Run, data: Path, tmp_path: Path) -> None:
    results(tmp_path / "found", 1)
    for name, given in (("cuts", "uniform:2"), ("labels", "found"), ("again", "found")):
        well(inside("evaluate", given, data, "--rate", "10", *QUICK, "--out", f"{name}.json"))
    told = well(inside("compare", "cuts.json", "labels.json", "--draws", "9"))
    assert "cuts less labels" in told
    assert "labels: " not in told
    document = json.loads(well(inside("compare", "labels.json", "cuts.json", "again.json", "--draws", "9", "--json")))
    assert (list(document["less"]), list(document["labels_less"])) == (["cuts", "again"], ["again"])


def test_labels_of_another_truth_are_refused(inside: Run, data: Path, tmp_path: Path) -> None:
    """The boundaries are the same."""
    results(tmp_path / "found", 1)
    well(inside("evaluate", "found", data, "--rate", "10", *QUICK, "--out", "a.json"))
    path = data / "groundTruth" / "P1_tea.txt"
    path.write_text(path.read_text().replace("stir", "shake"))
    well(inside("evaluate", "found", data, "--rate", "10", *QUICK, "--out", "b.json"))
    done = inside("compare", "a.json", "b.json")
    assert done.returncode == 1
    assert "b: labels: truth_digest: expected sha256:" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rules", "laps-2025"), "b: rules: expected 'default' as in a, got 'laps-2025'"),
        (("--tolerance", "0.3"), "b: rules: tolerances_s: expected"),
        (("--split", "test.split1"), "b: split: expected None as in a, got 'test.split1'"),
        (("--background", "stir"), "b: labels: rules: background: expected"),
        (("--rate", "20"), "b: clock: rate: expected '10' as in a, got '20'"),
    ],
)
def test_scores_of_other_rules_are_refused_by_name(
    inside: Run, data: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    results(tmp_path / "found", 1)
    for name, more in (("a", ()), ("b", words)):
        well(inside("evaluate", "found", data, "--rate", "10", *QUICK, *more, "--out", f"{name}.json"))
    done = inside("compare", "a.json", "b.json")
    assert done.returncode == 1
    assert message in done.stderr


def test_another_truth_is_refused(inside: Run, data: Path, tmp_path: Path) -> None:
    results(tmp_path / "found", 1)
    well(inside("evaluate", "found", data, "--rate", "10", *QUICK, "--out", "a.json"))
    path = data / "groundTruth" / "P1_tea.txt"
    path.write_text(path.read_text().replace("stir\nbackground", "background\nbackground"))
    well(inside("evaluate", "found", data, "--rate", "10", *QUICK, "--out", "b.json"))
    done = inside("compare", "a.json", "b.json")
    assert done.returncode == 1
    assert "b: truth_digest: expected sha256:" in done.stderr
    assert "of the same videos" in done.stderr
    assert inside("compare", "a.json").returncode == 2
    (tmp_path / "c.json").write_text("[1]")
    done = inside("compare", "a.json", "c.json")
    assert done.returncode == 1
    assert "c.json" in done.stderr


def test_one_file_given_twice_is_refused(inside: Run, data: Path, tmp_path: Path) -> None:
    results(tmp_path / "found", 1)
    well(inside("evaluate", "found", "data", "--rate", "10", *QUICK, "--out", "r.json"))
    done = inside("compare", "r.json", "./r.json")
    assert done.returncode == 2
    assert "expected each file once, got r.json twice" in done.stderr
    assert "Traceback" not in done.stderr


def test_tolerances_may_come_in_any_order(inside: Run, data: Path, tmp_path: Path) -> None:
    given = ("evaluate", "uniform:1", "data", "--rate", "10", *QUICK, "--json")
    told = json.loads(well(inside(*given, "--tolerance", "2", "--tolerance", "0.5", "--tolerance", "2")))
    assert told["boundaries"]["rules"]["tolerances_s"] == [0.5, 2.0]


def test_an_end_that_no_file_tells_is_no_secret(inside: Run, tmp_path: Path) -> None:
    head = "video,start_s,end_s,label\na,0,5,x\n"
    (tmp_path / "truth.csv").write_text(f"{head}a,5,10,y\n")
    (tmp_path / "longer.csv").write_text(f"{head}a,5,12,y\n")
    (tmp_path / "shorter.csv").write_text(f"{head}a,5,9,y\n")
    done = inside("evaluate", "longer.csv", "truth.csv", *QUICK)
    assert "in 1 video, and no file says how long" in done.stderr
    assert "'a' (10 s in the truth, 12 s found)" in done.stderr
    assert "ends-guessed" not in inside("evaluate", "shorter.csv", "truth.csv", *QUICK).stderr


def test_what_is_not_scored_and_what_is_misspelt_is_told(inside: Run, data: Path, tmp_path: Path) -> None:
    told = well(inside("evaluate", "uniform:1", "data", "--rate", "10", *QUICK))
    assert "labels: not scored, for 26 of 26 segments of the prediction have none" in told
    assert "labels: not scored" not in well(
        inside("evaluate", "uniform:1", "data", "--rate", "10", "--rules", "laps-2025", *QUICK)
    )
    results(tmp_path / "found", 1)
    done = inside("evaluate", "found", "data", "--rate", "10", "--background", "bakground", *QUICK)
    assert done.returncode == 0
    assert "expected labels of the truth, got 'bakground', which no segment has" in done.stderr
    assert "labels: not scored" not in done.stdout


@pytest.mark.parametrize("prediction", ["uniform:0.001", "random:1000000"])
def test_cuts_without_end_are_refused(inside: Run, data: Path, prediction: str) -> None:
    done = inside("evaluate", prediction, "data", "--rate", "10")
    assert done.returncode == 1
    assert "P1_tea: expected up to 20 cuts per second, got" in done.stderr


def test_an_activity_is_part_of_a_name(inside: Run, data: Path, tmp_path: Path) -> None:
    results(tmp_path / "found", 1)
    for folder, suffix in ((data / "groundTruth", ".txt"), (tmp_path / "found", "")):
        for video, name in zip(LABELS, ("S1_Tea_C1", "S2_Tea_C1", "S1_Pealate_C1", "P1_cam01_P1_milk"), strict=True):
            (folder / f"{video}{suffix}").rename(folder / f"{name}{suffix}")
    words = ("evaluate", "found", "data", "--rate", "10", "--clusters", "activity", *QUICK, "--json")
    told = json.loads(well(inside(*words)))
    assert {group["name"] for group in told["clusters"]["groups"]} == {"Tea", "Pealate", "milk"}


def test_confidences_put_found_segments_in_order(inside: Run, data: Path, tmp_path: Path) -> None:
    results(tmp_path / "found", 1)
    (data / "mapping.txt").write_text("0 background\n1 pour\n2 stir\n")
    numbers = {"background": 0, "pour": 1, "stir": 2}
    (tmp_path / "sure").mkdir()
    for video, runs in LABELS.items():
        labels = [numbers[label] for label, count in runs for _ in range(count)]
        rows = np.zeros((3, len(labels)), np.float32)
        rows[labels, np.arange(len(labels))] = np.linspace(0.1, 0.9, len(labels))
        np.save(tmp_path / "sure" / f"{video}.npy", rows)
    given = ("evaluate", "found", "data", "--rate", "10", "--split", "test.split1", *QUICK, "--json")
    plain = json.loads(well(inside(*given)))["detections"]
    told = json.loads(well(inside(*given, "--confidences", "sure")))
    assert "duration_as_score" in plain["policies"]
    assert "duration_as_score" not in told["detections"]["policies"]
    assert [one["role"] for one in told["provenance"]["parents"]][-1] == "confidences"
    (tmp_path / "sure" / "P2_tea.npy").unlink()
    done = inside(*given, "--confidences", "sure")
    assert done.returncode == 1
    assert "sure: P2_tea.npy" in done.stdout
    assert "expected the confidences of every video" in done.stdout
    done = inside("evaluate", "uniform:2", "data", "--rate", "10", "--confidences", "sure")
    assert done.returncode == 1
    assert "expected labels per frame and a truth with mapping.txt" in done.stderr
