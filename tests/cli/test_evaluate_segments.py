"""What `lapsdata evaluate` hands on of each word, what its table says, and what `lapsdata compare` calls its files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata import formats
from lapsdata.schema import SegmentationResult
from lapsdata.storage.sealed_json import read_sealed_json
from lapsdata.testing.samples import labelled_segments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

TRUTH = {
    "P1_tea": [("background", 1.0), ("pour", 2.0), ("stir", 3.0)],
    "P2_tea": [("pour", 4.0), ("background", 1.5), ("stir", 2.5)],
    "P3_milk": [("pour", 1.0), ("stir", 3.0)],
}
QUICK = ("--draws", "2", "--shift-draws", "2")


@pytest.fixture
def score(inside: Run, tmp_path: Path) -> Run:
    """Score what is late by some seconds, with more words, and return how it went."""

    def run(late_s: float, *words: str) -> Any:
        late = {
            name: [(first, last + late_s), (second, less - late_s), *rest]
            for name, ((first, last), (second, less), *rest) in TRUTH.items()
        }
        formats.write(tmp_path / "found.parquet", labelled_segments(late), overwrite=True)
        formats.write(tmp_path / "truth.parquet", labelled_segments(TRUTH), overwrite=True)
        return inside("evaluate", "found.parquet", "truth.parquet", *QUICK, *words)

    return run


def well(done: Any) -> str:
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


WORDS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "nothing": ((), {"rules": "default", "tolerances_s": None, "missing": "raise", "extra": "raise", "seed": 0}),
    "rules": (("--rules", "laps-2025"), {"rules": "laps-2025"}),
    "tolerances": (("--tolerance", "0.5", "--tolerance", "2"), {"tolerances_s": [0.5, 2.0]}),
    "rate": (("--rate", "30000/1001"), {"rate": "30000/1001"}),
    "background": (("--background", "pour", "--background", "stir"), {"background": ["pour", "stir"]}),
    "missing": (("--missing", "empty"), {"missing": "empty"}),
    "extra": (("--extra", "leave_out"), {"extra": "leave_out"}),
    "slack": (("--end-slack", "0"), {"end_slack_s": 0.0}),
    "seed": (("--seed", "7"), {"seed": 7}),
    "classes": (("--classes", "each"), {"classes": "each"}),
    "clusters": (("--clusters", "activity"), {"clusters": "activity"}),
}


@pytest.mark.parametrize("case", WORDS)
def test_each_word_is_the_rule_of_its_name(score: Run, case: str) -> None:
    words, told = WORDS[case]
    parameters = json.loads(well(score(0.1, *words, "--json")))["provenance"]["parameters"]
    assert told.items() <= parameters.items()
    assert (parameters["draws"], parameters["shift_draws"]) == (2, 2)
    # No word changes what another one says.
    unsaid = parameters.keys() - told.keys() - {"draws", "shift_draws"}
    usual = {"rules": "default", "missing": "raise", "extra": "raise", "seed": 0}
    assert all(parameters[name] == usual.get(name) for name in unsaid)


WRONG: dict[str, tuple[tuple[str, ...], int, str]] = {
    "negative": (("--tolerance", "-1"), 2, "Invalid value for '--tolerance'"),
    "endless": (("--end-slack", "inf"), 1, "end_slack_s: expected a finite number, got inf"),
    "rate": (("--rate", "fast"), 1, "'fast'"),
    "no rate": (("--rules", "ms-tcn"), 1, "expected frames per second, got none: these rules count frames"),
    "no draw": (("--draws", "0"), 2, "Invalid value for '--draws'"),
    "split": (("--split", "test.split1"), 1, "expected no split with a table of times, got 'test.split1'"),
    "train": (("--train", "truth.parquet"), 1, "expected other videos than those that are scored"),
    "energies": (("--energies", "truth.parquet"), 1, "expected segments that a segmenter has made, got annotations"),
    "rules": (("--rules", "laps"), 2, "'laps-2025'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_told_in_words(score: Run, tmp_path: Path, case: str) -> None:
    words, code, message = WRONG[case]
    done = score(0.1, *words, "--out", "r.json")
    assert done.returncode == code
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "r.json").exists()


def test_what_is_printed_written_and_drawn_up_is_one_score(score: Run, tmp_path: Path) -> None:
    table = well(score(0.4, "--out", "r.json"))
    written = read_sealed_json(tmp_path / "r.json", SegmentationResult)
    printed = json.loads(well(score(0.4, "--json")))
    assert printed.pop("problems") == []
    assert printed == written.as_json()
    first = next(line for line in table.splitlines() if line.startswith("prediction"))
    expected = [f"{score.macro.f:.3f}" for score in written.boundaries.rows[0].scores]
    assert first.split()[1:6] == expected
    # The same table, kept: nothing is scored again, and nothing is said less.
    before = (tmp_path / "r.json").stat().st_ino
    assert well(score(0.4, "--out", "r.json")) == table
    assert (tmp_path / "r.json").stat().st_ino == before
    assert well(score(0.4, "--out", "r.json", "--force")) == table
    assert (tmp_path / "r.json").stat().st_ino != before


def test_an_average_is_of_the_table_and_of_no_score(score: Run, tmp_path: Path) -> None:
    macro = well(score(0.4, "--out", "r.json"))
    before = (tmp_path / "r.json").stat().st_ino
    micro = well(score(0.4, "--out", "r.json", "--average", "micro"))
    assert (tmp_path / "r.json").stat().st_ino == before
    rows = read_sealed_json(tmp_path / "r.json", SegmentationResult).boundaries.rows
    # P3 has one boundary and the others two, so that both means differ.
    for table, side in ((macro, "macro"), (micro, "micro")):
        line = next(line for line in table.splitlines() if line.startswith("prediction"))
        assert line.split()[1] == f"{getattr(rows[0].scores[0], side).f:.3f}"
    assert macro != micro


@pytest.mark.parametrize("word", ["uniform:2", "random:3"])
def test_a_word_is_no_file_and_has_no_energies(score: Run, inside: Run, tmp_path: Path, word: str) -> None:
    score(0.0)
    done = inside("evaluate", word, "truth.parquet", *QUICK, "--energies", "found.parquet")
    assert done.returncode == 1
    assert f"expected segments that a segmenter has made, got {word}, made of no energies" in done.stderr
    assert "[no-segmenter]" in done.stderr
    table = well(inside("evaluate", word, "truth.parquet", *QUICK))
    assert "constant_energy" not in table


def test_a_seed_draws_random_cuts_anew(score: Run, inside: Run) -> None:
    score(0.0)
    words = ("evaluate", "random:4", "truth.parquet", *QUICK, "--json", "--seed")
    one, again, other = (json.loads(well(inside(*words, seed))) for seed in (1, 1, 2))
    assert one["boundaries"] == again["boundaries"]
    assert one["boundaries"]["rows"][0] != other["boundaries"]["rows"][0]
    assert {told["provenance"]["parameters"]["prediction"] for told in (one, other)} == {"random:4"}


# --- beside each other ------------------------------------------------------------------------------------------


def test_files_of_one_name_are_called_by_their_folders(score: Run, inside: Run, tmp_path: Path) -> None:
    for folder, late_s in (("near", 0.1), ("far", 0.9)):
        (tmp_path / folder).mkdir()
        well(score(late_s, "--out", f"{folder}/r.json"))
    document = json.loads(well(inside("compare", "near/r.json", "far/r.json", "--draws", "50", "--json")))
    assert (document["first"], list(document["less"])) == ("near/r.json", ["far/r.json"])
    assert (document["average"], document["draws"], document["seed"]) == ("macro", 50, 0)
    assert "near/r.json less far/r.json" in well(inside("compare", "near/r.json", "far/r.json", "--draws", "50"))


def test_turned_round_a_difference_is_the_same_with_the_other_sign(score: Run, inside: Run) -> None:
    for name, late_s in (("near", 0.1), ("far", 0.9)):
        well(score(late_s, "--out", f"{name}.json"))
    for average in ("macro", "micro"):
        words = ("--draws", "50", "--average", average, "--json")
        there = json.loads(well(inside("compare", "near.json", "far.json", *words)))["less"]["far"]
        back = json.loads(well(inside("compare", "far.json", "near.json", *words)))["less"]["near"]
        for one, other in zip(there, back, strict=True):
            assert one["difference"] == pytest.approx(-other["difference"])
            assert (one["higher"], one["equal"], one["lower"]) == (other["lower"], other["equal"], other["higher"])
        assert there[0]["difference"] > 0


def test_of_three_each_stands_against_the_first(score: Run, inside: Run) -> None:
    for name, late_s in (("a", 0.1), ("b", 0.4), ("c", 0.9)):
        well(score(late_s, "--out", f"{name}.json"))
    told = well(inside("compare", "a.json", "b.json", "c.json", "--draws", "50"))
    assert "a less b" in told
    assert "a less c" in told
    assert "b less c" not in told
    done = inside("compare", "a.json", "nowhere.json")
    assert done.returncode == 1
    assert "nowhere.json: cannot open: no such file or folder" in done.stderr
