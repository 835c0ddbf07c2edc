"""`lapsdata compare` of scores of tracks: one truth, one set of rules, and an old truth refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lapsdata.cli.main import main
from lapsdata.errors import SchemaError
from lapsdata.metrics.tracking.evaluation import evaluate_tracking, joined_results
from lapsdata.storage.sealed_json import write_sealed_json
from tests.metrics.tracks_by_trackeval import boxes_of, random_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Boxes

    Ran = tuple[int, str, str]


def crowd(seed: int, names: str = "abc") -> Boxes:
    return boxes_of({name: random_rows(10 * seed + n, 6, 3, 30.0) for n, name in enumerate(names)}, 6)


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the verb beside scores of one truth, of a corrected one, and by another rule."""
    truth = crowd(0)
    made = {
        "one": evaluate_tracking(truth, {"x": crowd(1)}),
        "two": evaluate_tracking(truth, {"y": crowd(2), "z": crowd(3)}, draws=10),
        "corrected": evaluate_tracking(replace(truth, x=truth.x + 0.25), {"x": crowd(1)}),
        "less": evaluate_tracking(crowd(0, "ab"), {"x": crowd(1, "ab")}),
        "strict": evaluate_tracking(truth, {"x": crowd(1)}, threshold=0.75),
        "mot15": evaluate_tracking(truth, {"x": crowd(1)}, profile="mot15"),
    }
    for name, result in made.items():
        write_sealed_json(tmp_path / f"{name}.json", result)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lapsdata.cli.main.console.prepare", lambda: None)

    def command(*arguments: str) -> Ran:
        monkeypatch.setattr("lapsdata.console._kept", None)
        monkeypatch.setattr("sys.argv", ["lapsdata", "compare", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return command


def test_all_trackers_stand_in_one_table(compare: Callable[..., Ran]) -> None:
    code, out, err = compare("one.json", "two.json", "--draws", "20")
    assert (code, err) == (0, "")
    assert "x less each other tracker:" in out
    assert "20 draws of 3 sequences" in out
    assert out.count("standing_still") == 2


def test_differences_are_those_of_one_run(compare: Callable[..., Ran]) -> None:
    _, out, _ = compare("one.json", "two.json", "--draws", "20", "--json")
    told = json.loads(out)
    together = evaluate_tracking(crowd(0), {"x": crowd(1), "y": crowd(2), "z": crowd(3)}, draws=20).as_json()
    for key in ("differences", "rows", "rules", "truth_digest", "sequences", "bootstrap"):
        assert told[key] == together[key], key


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ("corrected", "corrected: truth_digest: expected sha256:"),
        ("corrected", ", of the same sequences"),
        ("less", "sequences that only one of them has: c"),
        ("strict", "strict: rules: threshold: expected 0.5 as in one, got 0.75"),
        ("mot15", "mot15: rules: profile: expected 'plain' as in one, got 'mot15'"),
    ],
)
def test_what_is_not_alike_is_refused(compare: Callable[..., Ran], other: str, message: str) -> None:
    code, out, err = compare("one.json", f"{other}.json")
    assert (code, out) == (1, "")
    assert message in " ".join(err.split())


def test_tracks_and_others_are_not_compared(compare: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "segments.json").write_text("{}")
    code, _, err = compare("one.json", "segments.json")
    assert code == 2
    assert "expected scores of tracks alone, got others too" in " ".join(err.split())


def test_trackers_of_one_name_are_called_by_their_files() -> None:
    one = evaluate_tracking(crowd(0), {"x": crowd(1)})
    other = evaluate_tracking(crowd(0), {"x": crowd(2), "y": crowd(3)}, draws=10)
    both = joined_results({"old": one, "new": other}, draws=10)
    assert [(row.name, row.of) for row in both.rows] == [
        ("x of old", None), ("x of new", None), ("y", None),
        ("shifted_in_time", "x of old"), ("shifted_in_time", "x of new"), ("shifted_in_time", "y"),
        ("standing_still", None), ("new_identities", None),
    ]  # fmt: skip
    with pytest.raises(SchemaError, match="expected at least one result, got none"):
        joined_results({})
