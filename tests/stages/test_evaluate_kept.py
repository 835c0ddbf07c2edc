"""Scores in a file: kept while nothing changes that they were taken by, and never in place of what others have made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lapsdata import formats
from lapsdata.errors import SchemaError, StorageError
from lapsdata.schema import SegmentationResult
from lapsdata.stages._named_prediction import NamedPrediction
from lapsdata.stages.evaluate import EvaluateOptions, ScoredFiles, score_segments, segment_scores
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json
from lapsdata.testing.made_up_labels import write_made_up_labels
from lapsdata.testing.samples import labelled_segments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEA = {"tea": [("pour", 2.0), ("background", 1.0), ("stir", 3.0)]}
LATE = {"tea": [("pour", 2.5), ("background", 1.0), ("stir", 2.5)]}
MILK = {"milk": [("pour", 1.0), ("stir", 3.0)]}


def options(**told: Any) -> EvaluateOptions:
    return EvaluateOptions(**{"draws": 2, "shift_draws": 2, **told})


@pytest.fixture
def files(tmp_path: Path) -> ScoredFiles:
    for name, pieces in (("truth", TEA), ("found", LATE), ("train", MILK)):
        formats.write(tmp_path / f"{name}.parquet", labelled_segments(pieces))
    return ScoredFiles(tmp_path / "found.parquet", tmp_path / "truth.parquet")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "scores.json"


def test_what_stands_there_is_what_would_be_told(files: ScoredFiles, out: Path) -> None:
    made, _ = score_segments(files, out, options())
    assert (made.fate, made.path) == ("made", out)
    assert read_sealed_json(out, SegmentationResult) == made.content == segment_scores(files, options())[0]
    bytes_before, inode = out.read_bytes(), out.stat().st_ino
    kept, notes = score_segments(files, out, options())
    assert (kept.fate, kept.content, notes) == ("kept", made.content, ())
    assert (out.read_bytes(), out.stat().st_ino) == (bytes_before, inode)
    assert score_segments(files, out, options(), force=True)[0].fate == "forced"
    assert out.read_bytes() == bytes_before


CHANGES: dict[str, dict[str, Any]] = {
    "rules": {"rules": "laps-2025"},
    "tolerances": {"tolerances_s": (0.5,)},
    "background": {"background": ()},
    "classes": {"classes": "each"},
    "clusters": {"clusters": "all"},
    "confidence block": {"confidence_block": 1},
    "missing": {"missing": "empty"},
    "extra": {"extra": "leave_out"},
    "slack": {"end_slack_s": 0.0},
    "draws": {"draws": 3},
    "shift draws": {"shift_draws": 3},
    "seed": {"seed": 1},
}


@pytest.mark.parametrize("what", CHANGES)
def test_each_rule_makes_it_anew(files: ScoredFiles, out: Path, what: str) -> None:
    score_segments(files, out, options())
    changed = score_segments(files, out, options(**CHANGES[what]))[0]
    assert changed.fate == "changed"
    for name, value in CHANGES[what].items():
        expected = list(value) if isinstance(value, tuple) else value
        assert changed.content.provenance.parameters[name] == expected
    assert score_segments(files, out, options(**CHANGES[what]))[0].fate == "kept"


def test_every_option_is_part_of_what_is_compared() -> None:
    """An option that comes later is a change too: what is kept by default is what the record tells of."""
    told = {name for change in CHANGES.values() for name in change}
    assert EvaluateOptions().as_json().keys() == told | {"split", "train_split", "rate"}


@pytest.mark.parametrize("role", ["found", "truth", "train"])
def test_another_file_makes_it_anew_and_another_name_does_not(
    files: ScoredFiles, out: Path, tmp_path: Path, role: str
) -> None:
    files = files._replace(train=tmp_path / "train.parquet")
    score_segments(files, out, options())
    given = getattr(files, role)
    given.rename(tmp_path / "moved.parquet")
    moved = files._replace(**{role: tmp_path / "moved.parquet"})
    assert score_segments(moved, out, options())[0].fate == "kept"
    other = {"found": TEA, "truth": LATE, "train": {"milk": [("pour", 2.0), ("stir", 2.0)]}}[role]
    formats.write(tmp_path / "moved.parquet", labelled_segments(other), overwrite=True)
    assert score_segments(moved, out, options())[0].fate == "changed"


def test_a_file_more_or_less_makes_it_anew(files: ScoredFiles, out: Path, tmp_path: Path) -> None:
    score_segments(files, out, options())
    with_train = files._replace(train=tmp_path / "train.parquet")
    assert score_segments(with_train, out, options())[0].fate == "changed"
    assert score_segments(files, out, options())[0].fate == "changed"


def test_fault_metronomes_that_differ_in_a_late_digit_are_others(files: ScoredFiles, out: Path) -> None:
    """The seventh digit was not told: the score of one was kept for the other."""
    for seconds, fate in ((1.2345678, "made"), (1.23456, "changed"), (1.2345678, "changed"), (1.2345678, "kept")):
        word = files._replace(found=NamedPrediction("uniform", seconds))
        output = score_segments(word, out, options())[0]
        assert output.fate == fate
        assert output.content.provenance.parameters["prediction"] == f"uniform:{seconds}"
    assert [one.role for one in read_sealed_json(out, SegmentationResult).provenance.parents] == ["truth"]


@pytest.mark.parametrize("place", ["", "groundTruth"])
def test_fault_another_split_of_that_name_makes_it_anew(tmp_path: Path, out: Path, place: str) -> None:
    """The digest of the labels knows nothing of splits that lie beside them: old videos were kept."""
    root = tmp_path / "data"
    write_made_up_labels(root)
    files = ScoredFiles(NamedPrediction("uniform", 2.0), root / place)
    chosen = options(split="test.split1", rate="15")
    assert score_segments(files, out, chosen)[0].fate == "made"
    assert score_segments(files, out, chosen)[0].fate == "kept"
    (root / "splits" / "test.split1.bundle").write_text("S1_Tea_C1.txt\n")
    less = score_segments(files, out, chosen)[0]
    assert less.fate == "changed"
    assert [video.name for video in less.content.boundaries.videos] == ["S1_Tea_C1"]
    (root / "splits" / "train.split1.bundle").write_text("S2_Tea_C1.txt\n")
    assert score_segments(files, out, chosen)[0].fate == "changed"
    (root / "splits" / "train.split1.bundle").unlink()
    without = score_segments(files, out, chosen)[0]
    assert without.fate == "changed"
    assert "train_copy" not in [row.name for row in without.content.boundaries.rows]
    assert score_segments(files, out, chosen)[0].fate == "kept"


def test_the_lists_of_splits_beside_labels_are_named(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_made_up_labels(root)
    word = NamedPrediction("uniform", 2.0)
    for files, told, expected in (
        (ScoredFiles(word, root), {"split": "test.split1"}, []),
        (ScoredFiles(word, root / "groundTruth"), {}, []),
        (ScoredFiles(word, root / "groundTruth"), {"split": "train.split1"}, ["train.split1.bundle"]),
        (
            ScoredFiles(word, root / "groundTruth"),
            {"split": "test.split1"},
            ["test.split1.bundle", "train.split1.bundle"],
        ),
        (
            ScoredFiles(word, root, None, root / "groundTruth"),
            {"split": "test.split1", "train_split": "train.split1"},
            ["train.split1.bundle"],
        ),
    ):
        parents = segment_scores(files, options(rate="15", **told))[0].provenance.parents
        assert [one.name for one in parents if one.role == "split"] == expected


def test_what_is_damaged_is_made_again(files: ScoredFiles, out: Path) -> None:
    score_segments(files, out, options())
    good = out.read_bytes()
    out.write_bytes(good.replace(b'"draws":2', b'"draws":3', 1))
    assert out.read_bytes() != good
    assert score_segments(files, out, options())[0].fate == "damaged"
    assert out.read_bytes() == good


def theirs(path: Path) -> None:
    made = read_sealed_json(path, SegmentationResult)
    told = made.provenance.model_copy(update={"producer": "another"})
    write_sealed_json(path, made.model_copy(update={"provenance": told}), overwrite=True)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("become", "message"),
    [(theirs, "it is left as it is"), (cut, "it is left as it is"), (folder, "expected a file, got a folder")],
)
@pytest.mark.parametrize("force", [False, True])
def test_what_others_have_made_is_left_as_it_is(
    files: ScoredFiles, out: Path, become: Callable[[Path], None], message: str, force: bool
) -> None:
    score_segments(files, out, options())
    become(out)
    before = None if out.is_dir() else out.read_bytes()
    with pytest.raises(StorageError, match=rf"scores\.json: .*{message}"):
        score_segments(files, out, options(), force=force)
    assert before == (None if out.is_dir() else out.read_bytes())


def test_nothing_is_written_where_nothing_can_be_scored(files: ScoredFiles, out: Path, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"\[no-common-video\]"):
        score_segments(files._replace(truth=tmp_path / "train.parquet"), out, options())
    assert not out.exists()
    score_segments(files, out, options())
    good = out.read_bytes()
    with pytest.raises(SchemaError, match="has made, got annotations"):
        score_segments(files._replace(energies=tmp_path / "train.parquet"), out, options())
    assert out.read_bytes() == good


def test_a_file_that_is_not_there_is_told(files: ScoredFiles, out: Path, tmp_path: Path) -> None:
    for role in ("found", "truth", "energies", "train"):
        with pytest.raises(StorageError, match=r"nowhere\.parquet: expected a file or folder, got nothing"):
            score_segments(files._replace(**{role: tmp_path / "nowhere.parquet"}), out, options())
    assert not out.exists()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no tolerance": ({"tolerances_s": ()}, "tolerances_s: expected at least 1 item"),
    "a negative one": ({"tolerances_s": (-1.0,)}, r"tolerances_s.*expected .*0.*got -1"),
    "no length": ({"end_slack_s": float("nan")}, "end_slack_s: expected a finite number, got nan"),
    "an endless one": ({"end_slack_s": float("inf")}, "end_slack_s: expected a finite number, got inf"),
    "no draw": ({"draws": 0}, "draws: expected"),
    "a policy": ({"missing": "skip"}, "missing: expected 'raise' or 'empty', got 'skip'"),
    "rules": ({"rules": "laps"}, "rules: expected 'default', 'laps-2025' or 'ms-tcn', got 'laps'"),
    "no name": ({"split": ""}, "split: expected at least 1 character"),
    "a word": ({"tolerance": 1}, "tolerance: expected a known key"),
    "a rate": ({"rate": "fast"}, "rate: expected"),
}


@pytest.mark.parametrize("case", WRONG)
def test_options_that_are_none_are_told(case: str) -> None:
    told, message = WRONG[case]
    with pytest.raises(SchemaError, match=message):
        EvaluateOptions(**told)


def test_falling_tolerances_are_told_when_they_are_used(files: ScoredFiles) -> None:
    with pytest.raises(SchemaError, match=r"expected rising tolerances, got .*2\.0, 0\.5"):
        segment_scores(files, options(tolerances_s=(2.0, 0.5)))
