"""`lapsdata evaluate --task mot`: what a person and a script see."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata.cli.main import main
from lapsdata.schema import TrackingResult
from lapsdata.testing.samples import sample_tracked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ran = tuple[int, str, str]


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the task in this process, beside a truth and a tracker; return its code and both outputs."""
    truth, found = sample_tracked()
    lapsdata.write(tmp_path / "gt.parquet", truth)
    lapsdata.write(tmp_path / "ours.parquet", replace(found, x=found.x + 1, score=np.array([0.2, 0.6, 0.9])))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lapsdata.cli.main.console.prepare", lambda: None)

    def command(*arguments: str) -> Ran:
        monkeypatch.setattr("lapsdata.console._kept", None)
        monkeypatch.setattr("sys.argv", ["lapsdata", "evaluate", "--task", "mot", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


def test_a_person_sees_a_table(evaluate: Callable[..., Ran]) -> None:
    code, out, err = evaluate("gt.parquet", "ours.parquet")
    assert (code, err) == (0, "")
    assert out.startswith("tracks: 1 sequence, 4 frames scored, 4 true boxes\n")
    assert [line.split()[0] for line in out.splitlines()[4:8]] == [
        "ours", "shifted_in_time", "standing_still", "new_identities"
    ]  # fmt: skip


def test_json_is_the_record_with_trackevals_names(evaluate: Callable[..., Ran], tmp_path: Path) -> None:
    code, out, _ = evaluate("gt.parquet", "gt.parquet", "--json", "--out", "scores.json")
    told: dict[str, Any] = json.loads(out)
    assert code == 0
    assert [problem["code"] for problem in told.pop("problems")] == ["copied-truth"]
    values = TrackingResult.parse(json.dumps(told)).rows[0].classes["player"]
    assert (values.scores["HOTA"], values.scores["MOTA"], values.scores["IDF1"]) == (1, 1, 1)
    assert (values.counts["CLR_TP"], values.counts["IDSW"]) == (4, 0)
    assert len(values.by_alpha["AssA"]) == 19
    held = json.loads((tmp_path / "scores.json").read_text())
    del held["x-seal"]
    assert held == told


def test_doubts_stand_beneath_the_table(evaluate: Callable[..., Ran]) -> None:
    code, _, err = evaluate("gt.parquet", "gt.parquet")
    assert code == 0
    assert err.startswith("warning: gt: all 4 matched boxes lie exactly on true ones")


def test_files_of_trackeval_and_a_spreadsheet(evaluate: Callable[..., Ran], tmp_path: Path) -> None:
    asked = ("gt.parquet", "ours.parquet", "--trackeval", "out", "--csv", "scores.csv")
    assert evaluate(*asked)[0] == 0
    assert sorted(path.name for path in (tmp_path / "out" / "ours").iterdir()) == [
        "player_detailed.csv", "player_summary.txt"
    ]  # fmt: skip
    assert (tmp_path / "scores.csv").read_text().startswith("row,kind,of,threshold,min_score,sequence,class,HOTA,")
    code, _, err = evaluate(*asked)
    assert code == 1
    assert "player_summary.txt: expected a free name, got an existing one; pass overwrite=True, --force, to" in err
    assert (
        "scores.csv: expected a free name, got an existing one; pass overwrite=True, --force, to"
        in evaluate(*asked[:2], *asked[4:])[2]
    )
    assert evaluate(*asked, "--force")[0] == 0


def test_rules_are_taken_as_they_are_spelled(evaluate: Callable[..., Ran]) -> None:
    rules = ("--threshold", "0.25", "--rules", "py-motmetrics", "--frames", "all", "--labels", "any")
    _, out, _ = evaluate("gt.parquet", "ours.parquet", *rules, "--json", "--min-score", "0.5")
    told = json.loads(out)
    assert told["rules"] == {
        "profile": "plain",
        "rules": "py-motmetrics",
        "frames": "all",
        "threshold": 0.25,
        "labels": "any",
        "classes": ["any"],
    }
    assert told["policies"] == {"boxes_below_the_least_score_left_out": 1}


@pytest.mark.parametrize(
    ("options", "profile"),
    [
        (("--benchmark", "MOT20"), "mot20"),
        (("--benchmark", "MOT20", "--profile", "plain"), "plain"),
        # What TrackEval takes where nobody says another one.
        ((), "mot17"),
    ],
)
def test_a_benchmark_has_its_own_profile(
    evaluate: Callable[..., Ran], tmp_path: Path, options: tuple[str, ...], profile: str
) -> None:
    for path, line in (("gt/s/gt/gt.txt", "1,1,5,5,9,9,1,1,1"), ("results/ours/data/s.txt", "1,1,6,5,9,9,1,-1,-1,-1")):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(line)
    code, out, _ = evaluate("gt", "results", "--skip-split-fol", *options, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["rules"]["profile"] == profile
    assert told["rows"][0]["classes"]["pedestrian"]["counts"]["CLR_TP"] == 1


@pytest.mark.parametrize(
    ("option", "value"), [("--sweep-score", "nan"), ("--sweep-threshold", "1.5"), ("--threshold", "0")]
)
def test_what_is_wrong_is_told_by_its_option(evaluate: Callable[..., Ran], option: str, value: str) -> None:
    code, _, err = evaluate("gt.parquet", "ours.parquet", option, value)
    assert code == 1
    assert err.startswith(f"error: {option}: expected ")


def test_a_sweep_is_one_table(evaluate: Callable[..., Ran]) -> None:
    sweep = ("--sweep-threshold", "0.9", "--sweep-threshold", "0.5", "--sweep-score", "0.5")
    _, out, _ = evaluate("gt.parquet", "ours.parquet", *sweep)
    rows = out[out.index("sweep:") :].splitlines()[2:4]
    assert [line.split()[:4] for line in rows] == [["ours", "0.5", "0.5", "1"], ["ours", "0.9", "0.5", "1"]]


def test_frames_from_0_are_told_by_an_option(evaluate: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "zero.txt").write_text("0,1,1.5,1.5,40,80,1,-1,-1,-1\n")
    code, _, err = evaluate("gt.parquet", "zero.txt")
    assert (code, "say so: --first-number 0" in err) == (1, True)
    code, out, _ = evaluate("gt.parquet", "zero.txt", "--labels", "any", "--first-number", "0", "--json")
    assert (code, json.loads(out)["rows"][0]["classes"]["any"]["counts"]["CLR_TP"]) == (0, 1)
    code, _, err = evaluate("gt.parquet", "zero.txt", *("--first-number", "0") * 3)
    assert (code, "got 3; give it once, or once for each of them" in " ".join(err.split())) == (1, True)
    code, _, err = evaluate("gt.parquet", "zero.txt", "--first-number", "-1")
    assert code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gt.parquet", "ours.parquet", "--threshold", "0"), "--threshold: expected"),
        (("gt.parquet", "ours.parquet", "--labels", "ball"), "expected labels of the truth, 'player', got 'ball'"),
        (("gt.parquet", "nowhere.txt"), "nowhere.txt"),
        (("gt.parquet", "ours.parquet", "--split", "test"), "MOT17-test"),
        (("gt.parquet", "ours.parquet", "--rules", "py-motmetrics", "--trackeval", "out"), "leave --rules out"),
    ],
)
def test_what_cannot_be_scored_is_said(evaluate: Callable[..., Ran], arguments: tuple[str, ...], message: str) -> None:
    code, out, err = evaluate(*arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert err.startswith("error: ")


def test_a_word_that_is_none_is_refused(evaluate: Callable[..., Ran]) -> None:
    code, _, err = evaluate("gt.parquet", "ours.parquet", "--profile", "mot18")
    assert code == 2
    assert "'mot18'" in err


def test_pictures_are_drawn_once_and_again_only_when_forced(
    evaluate: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = np.zeros((2, 2, 3), np.uint8)
    monkeypatch.setattr("lapsdata.stages._tracking_pictures.draw_picture", lambda *_: small)
    asked = ("gt.parquet", "ours.parquet", "--plot", "plots")
    assert evaluate(*asked)[0] == 0
    assert {"losses.png", "scores.json", "tracks"} <= {path.name for path in (tmp_path / "plots").iterdir()}
    code, out, err = evaluate(*asked)
    assert (code, out) == (1, "")
    assert "plots: expected a free name" in err
    assert "--force" in err
    assert evaluate(*asked, "--force")[0] == 0
