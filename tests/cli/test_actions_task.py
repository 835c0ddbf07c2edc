"""`lapsdata evaluate --task actions`: what a person and a script see, and how keys are spelled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from lapsdata.cli.main import main
from lapsdata.testing.episode_sets import episode_rows, write_lerobot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ran = tuple[int, str, str]

MODALITY = {"action": {"arm": {"start": 0, "end": 2}, "hand": {"start": 2, "end": 3}}, "state": {}}


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the task in this process, beside a set and a prediction of it; return its code and both outputs."""
    root = write_lerobot(tmp_path / "set", lengths=(4, 6))
    (root / "meta/modality.json").write_text(json.dumps(MODALITY))
    actions = episode_rows((4, 6))[1].columns["action"]
    np.savez(tmp_path / "said.npz", episode=[1, 1], row=[1, 3], actions=np.stack([actions[1:4], actions[3:6]]) + 0.25)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lapsdata.cli.main.console.prepare", lambda: None)

    def command(*arguments: str) -> Ran:
        monkeypatch.setattr("lapsdata.console._kept", None)
        monkeypatch.setattr("sys.argv", ["lapsdata", "evaluate", "--task", "actions", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


@pytest.mark.parametrize("plot", [(), ("--plot", "curves.png")])
def test_keys_stand_one_behind_the_other(evaluate: Callable[..., Ran], tmp_path: Path, plot: tuple[str, ...]) -> None:
    code, out, err = evaluate("said.npz", "set", "--keys", "arm", "hand", *plot)
    assert (code, err) == (0, "")
    told = [line.split() for line in out.splitlines()]
    assert ["prediction", "arm", "0.25", "0.0625"] in told
    assert ["prediction", "hand", "0.25", "0.0625"] in told
    assert (tmp_path / "curves.png").is_file() == bool(plot)


def test_json_is_the_record_and_out_holds_it(evaluate: Callable[..., Ran], tmp_path: Path) -> None:
    code, out, _ = evaluate("said.npz", "set", "--json", "--out", "scores.json", "--train", "0:1")
    told = json.loads(out)
    assert (code, told["format"], told["rules"]["means_of"]) == (0, "lapsdata.action_result", "train_episodes")
    assert told["parts"][0]["numbers"] == ["0", "1", "2"]
    assert json.loads((tmp_path / "scores.json").read_text())["rows"] == told["rows"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("said.npz", "set", "arm"), "expected one --keys with all keys behind it"),
        (("said.npz", "set", "--keys", "arm", "hand", "--keys", "arm"), "expected one --keys with all keys behind it"),
        (("said.npz", "set", "--train", "3"), "expected FIRST:STOP, such as 0:80, got '3'"),
        (("said.npz", "set", "--train", "3:3"), "expected FIRST:STOP"),
    ],
)
def test_wrong_usage(evaluate: Callable[..., Ran], words: tuple[str, ...], message: str) -> None:
    code, _, err = evaluate(*words)
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())


def test_a_key_that_is_not_there_is_named(evaluate: Callable[..., Ran]) -> None:
    code, _, err = evaluate("said.npz", "set", "--keys", "leg")
    assert code == 1
    assert "got 'leg' [unknown-key]" in err


def test_numbers_that_a_script_reads(evaluate: Callable[..., Ran]) -> None:
    code, out, err = evaluate("said.npz", "set", "--json", "--keys", "arm", "hand")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert (told["rules"]["horizon"], told["rules"]["means_of"], told["episodes"]) == (3, "other_episodes", [1])
    assert (told["rows_predicted"], told["steps_scored"]) == (2, [2, 2, 2])
    assert [row["name"] for row in told["rows"]] == ["prediction", "hold_last", "mean_action", "mean_trajectory"]
    # Of episode 1, two numbers rise by 1 from row to row, and one rests: what is held is 1, 2 and 3 behind.
    arm, hand = told["rows"][1]["parts"]
    assert [step["mae"] for step in hand["steps"]] == [1, 2, 3]
    assert [step["mae"] for step in arm["steps"]] == [0.5, 1, 1.5]
    assert [(one["mae"], one["mse"]) for one in arm["numbers"]] == [(0, 0), (2, pytest.approx(14 / 3))]


def test_an_episode_without_others_says_so(evaluate: Callable[..., Ran]) -> None:
    code, out, _ = evaluate("said.npz", "set", "--train", "1:2")
    assert code == 0
    assert "means of train_episodes" in out
    assert "no other episode is known: rows that need one are absent" in out
    assert "mean_action" not in out


def test_steps_beyond_the_end_are_counted_in_words(evaluate: Callable[..., Ran], tmp_path: Path) -> None:
    np.savez(tmp_path / "late.npz", episode=[1, 0], row=[5, 0], actions=np.zeros((2, 3, 3)))
    code, out, _ = evaluate("late.npz", "set")
    assert code == 0
    assert "2 steps beyond the end left out" in out.splitlines()
    assert "1 first rows held by the mean action" in out.splitlines()


@pytest.mark.parametrize("keys", [("arm",), ("arm", "hand")])
def test_the_plot_has_a_panel_for_each_key_and_is_replaced_by_force_alone(
    evaluate: Callable[..., Ran], tmp_path: Path, keys: tuple[str, ...]
) -> None:
    words = ("said.npz", "set", "--keys", *keys, "--plot", "curves.png")
    assert evaluate(*words)[0] == 0
    image = cv2.imread(str(tmp_path / "curves.png"))
    assert image.shape == (130 + 420 * len(keys) + 30, 1440, 3)
    (tmp_path / "curves.png").write_bytes(b"mine")
    code, _, err = evaluate(*words)
    assert (code, (tmp_path / "curves.png").read_bytes()) == (1, b"mine")
    # Regression: it told to pass overwrite=True, which no command takes, when all had been scored.
    assert "curves.png: expected a free name, got an existing one; pass --force to replace it, or name another" in err
    assert evaluate(*words, "--force")[0] == 0
    assert np.array_equal(cv2.imread(str(tmp_path / "curves.png")), image)


def test_predictions_that_are_none_end_with_their_code(evaluate: Callable[..., Ran], tmp_path: Path) -> None:
    np.savez(tmp_path / "twice.npz", episode=[1, 1], row=[2, 2], actions=np.zeros((2, 3, 3)))
    (tmp_path / "said.csv").write_text("episode,row")
    for path, wanted in (("twice.npz", "row-twice"), ("said.csv", "unknown-format"), ("set", "unknown-format")):
        code, out, err = evaluate(path, "set")
        assert (code, out) == (1, "")
        assert f"[{wanted}]" in err


def test_errors_of_steps_are_told_as_such(evaluate: Callable[..., Ran], tmp_path: Path) -> None:
    """Errors of steps are not those of places: whoever compares two data sets must see it."""
    path = tmp_path / "set/meta/info.json"
    told = json.loads(path.read_text())
    state = {"feature": "observation.state", "start": 1, "stop": 3}
    told["features"]["action"]["info"] = {
        "lapsdata": {"parts": [{"start": 1, "stop": 3, "steps": "relative", "state": state}]}
    }
    path.write_text(json.dumps(told))
    code, out, _ = evaluate("said.npz", "set", "--keys", "arm", "hand")
    assert code == 0
    assert "arm: relative (1:2), as the data set stores it: errors of steps, not of places" in out.splitlines()
    assert "hand: relative (0:1), as the data set stores it: errors of steps, not of places" in out.splitlines()
    _, out, _ = evaluate("said.npz", "set", "--json")
    assert [part["steps"] for part in json.loads(out)["parts"]] == [{"1:3": "relative"}]
