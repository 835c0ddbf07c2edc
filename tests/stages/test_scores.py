"""Files of scores: who may have written them, what is none, and which may stand beside each other."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, LapsError, SchemaError, StorageError
from lapsdata.metrics.segmentation import evaluate_segments
from lapsdata.stages.scores import check_alike, read_scores
from lapsdata.storage.sealed_json import sealed_json, write_sealed_json
from lapsdata.testing.samples import labelled_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema import SegmentationResult

TEA = {"tea": [("pour", 2.0), ("background", 1.0), ("stir", 3.0)]}
MILK = {"milk": [("pour", 1.0), ("stir", 3.0)]}


def scores(truth: Any = None, **rules: Any) -> SegmentationResult:
    made = labelled_segments(truth or TEA)
    return evaluate_segments(made, made, **{"draws": 2, "shift_draws": 2, **rules})


# --- reading ----------------------------------------------------------------------------------------------------


def test_what_is_written_and_what_is_printed_is_read(tmp_path: Path) -> None:
    made = scores()
    write_sealed_json(tmp_path / "written.json", made)
    problem = {"code": "known-rate", "where": "data", "message": "taken for 15", "fix": None, "severity": "info"}
    for name, problems in (("quiet", []), ("noted", [problem])):
        (tmp_path / f"{name}.json").write_text(json.dumps({**made.as_json(), "problems": problems}, indent=2))
    assert [read_scores(tmp_path / f"{name}.json") for name in ("written", "quiet", "noted")] == [made] * 3


def test_what_is_written_has_its_checksum(tmp_path: Path) -> None:
    text = sealed_json(scores()).decode()
    path = tmp_path / "scores.json"
    path.write_text(text.replace('"draws":2', '"draws":4', 1))
    with pytest.raises(CorruptDataError, match=r"scores\.json: expected crc32c"):
        read_scores(path)
    document = json.loads(text)
    del document["x-seal"]
    # Neither sealed nor as a verb prints it: somebody has taken the checksum out.
    path.write_text(json.dumps(document))
    with pytest.raises(CorruptDataError, match=r"scores\.json: expected .*x-seal"):
        read_scores(path)
    # Problems beside a checksum are no print-out, and the checksum is not of them.
    path.write_text(json.dumps({**json.loads(text), "problems": []}))
    with pytest.raises(LapsError, match=r"scores\.json: "):
        read_scores(path)


@pytest.mark.parametrize("broken", ["profile", "clock", "boundaries", "truth_digest", "provenance"])
def test_what_is_printed_is_judged_as_strictly(tmp_path: Path, broken: str) -> None:
    document = scores().as_json() | {"problems": []}
    del document[broken]
    path = tmp_path / "printed.json"
    path.write_text(json.dumps(document))
    with pytest.raises(SchemaError, match=rf"printed\.json: {broken}: expected"):
        read_scores(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected one JSON object"),
        (b"[1]", "expected one JSON object"),
        (b'{"problems": []}', r"expected"),
        (b"\xff\xfe\x00", "expected one JSON object"),
        (b"[" * 100_000, "expected one JSON object"),
        (b'{"format": "lapsdata.threshold"}', "expected"),
    ],
)
def test_fault_what_is_none_is_told(tmp_path: Path, data: bytes, message: str) -> None:
    """Text that is nested too deeply ended in a traceback."""
    (tmp_path / "none.json").write_bytes(data)
    with pytest.raises(LapsError, match=rf"none\.json: .*{message}"):
        read_scores(tmp_path / "none.json")


def test_a_folder_is_no_file_of_scores(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot open: "):
        read_scores(tmp_path)


@settings(max_examples=30)
@given(st.data())
def test_no_byte_of_a_file_may_change(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    good = sealed_json(scores())
    path = tmp_path_factory.getbasetemp() / "flipped.json"
    at = data.draw(st.integers(0, len(good) - 1))
    path.write_bytes(good[:at] + bytes([good[at] ^ 1 << data.draw(st.integers(0, 7))]) + good[at + 1 :])
    with pytest.raises(LapsError, match=r"flipped\.json"):
        read_scores(path)


# --- which are alike --------------------------------------------------------------------------------------------

TEN = FrameRate(10)
UNLIKE: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "rules": ({}, {"rules": "laps-2025"}, "b: rules", "expected 'default' as in a, got 'laps-2025'"),
    "tolerances": ({}, {"tolerances_s": (1.0,)}, "b: rules: tolerances_s", "got [1.0]"),
    "split": ({"split": "x"}, {}, "b: split", "expected 'x' as in a, got None"),
    "background": ({}, {"background": ("pour",)}, "b: labels: rules: background", "expected ['background'] as in a"),
    "classes": ({}, {"classes": "each"}, "b: detections: rules: classes", "expected 'agnostic' as in a, got 'each'"),
    "clusters": ({"clusters": "all"}, {"clusters": "video"}, "b: clusters: rules: scope", "expected 'all' as in a"),
    "slack": ({}, {"end_slack_s": 0.5}, "b: labels: rules: length", "expected 'raise' as in a, got 'pad'"),
    "clock": ({}, {"rate": TEN}, "b: clock: rate", "expected None as in a, got '10'"),
    "rate": ({"rate": TEN}, {"rate": FrameRate(20)}, "b: clock: rate", "expected '10' as in a, got '20'"),
}


@pytest.mark.parametrize("case", UNLIKE)
def test_what_was_asked_in_another_way_is_named_with_both_values(case: str) -> None:
    ours, theirs, where, told = UNLIKE[case]
    one, other = scores(**ours), scores(**theirs)
    with pytest.raises(SchemaError, match=r"\[unlike-(rules|clock)\]") as error:
        check_alike({"a": one, "b": other})
    problems = {problem.where: problem for problem in error.value.problems}
    assert told in problems[where].message
    assert problems[where].code == ("unlike-clock" if where == "b: clock: rate" else "unlike-rules")
    # The other way round it is no more alike, in the same respects.
    with pytest.raises(SchemaError, match=r"expected .* as in b") as back:
        check_alike({"b": other, "a": one})
    assert {problem.where.removeprefix("a") for problem in back.value.problems} == {
        where.removeprefix("b") for where in problems
    }


def test_another_truth_is_told_by_its_videos() -> None:
    with pytest.raises(SchemaError, match=r"b: truth_digest: .*only one of them has: milk, tea \[unlike-truth\]"):
        check_alike({"a": scores(), "b": scores(MILK)})
    # A label alone: boundaries are the same, and those of other segments are not.
    longer = {"tea": [("pour", 2.5), ("background", 0.5), ("stir", 3.0)]}
    with pytest.raises(SchemaError, match=r"b: truth_digest: .*, of the same videos \[unlike-truth\]"):
        check_alike({"a": scores(), "b": scores(longer)})


def test_every_result_is_held_against_the_first_and_all_is_told_at_once() -> None:
    results = {"a": scores(), "b": scores(rules="laps-2025"), "c": scores(MILK), "d": scores(split="test")}
    with pytest.raises(SchemaError, match=r"\d+ problems") as error:
        check_alike(results)
    told = {problem.where.partition(":")[0] for problem in error.value.problems}
    assert told == {"b", "c", "d"}
    assert all("as in a" in problem.message for problem in error.value.problems)


@pytest.mark.parametrize(
    "rules", [{"seed": 3}, {"draws": 5}, {"shift_draws": 7}, {"rate_origin": "told"}, {"missing": "empty"}]
)
def test_what_is_no_rule_does_not_matter(rules: dict[str, Any]) -> None:
    one, other = scores(), scores(**rules)
    check_alike({"a": one, "b": other})
    check_alike({"alone": other})
    assert one.boundaries.rules == other.boundaries.rules


def test_a_part_that_only_one_has_is_compared_with_nothing() -> None:
    truth = labelled_segments(TEA)
    unnamed = evaluate_segments(truth, replace(truth, label=(None,) * len(truth)), draws=2, shift_draws=2)
    assert unnamed.labels is None
    for other in (unnamed, scores(clusters="all")):
        check_alike({"a": scores(), "b": other})
        check_alike({"b": other, "a": scores()})


def test_nothing_is_not_alike() -> None:
    with pytest.raises(SchemaError, match=r"expected at least one result, got none \[nothing-to-compare\]"):
        check_alike({})
