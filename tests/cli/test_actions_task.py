"""`lapsdata evaluate --task actions`: what a person and a script see, and how keys are spelled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

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
