"""Thresholds by the name of their file and key: nothing is taken in the place of what is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.schema.base import Tool
from lapsdata.schema.result import BoundaryRules
from lapsdata.schema.threshold import BoundarySearch, LeaveOneOut, LeftOutThreshold, ThresholdChance, ThresholdRecord
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.stages.threshold import measured_record, read_threshold, record_problems
from lapsdata.stages.threshold_reports import named_threshold
from lapsdata.storage.sealed_json import sealed_json, write_sealed_json
from lapsdata.testing.samples import sample_energies, sample_provenance

LAPS = {
    "label_spec": "auto",
    "n_samples": 120,
    "quantized_token_diff_best": {
        "best_j": {"J": 0.5, "thr": 0.25, "tp": 3},
        "best_f1": {"F1": 0.5, "thr": 0.75, "tp": 4},
    },
    "smoothing": {"enabled": True, "alpha": 0.4},
}


def record(value: float) -> ThresholdRecord:
    return measured_record(value, sample_energies(), method="given", provenance=sample_provenance())


def written(path: Path, document: Any) -> str:
    path.write_text(json.dumps(document))
    return str(path)


def value(text: str) -> float:
    named = named_threshold(text)
    assert named is not None
    return named.value


@pytest.mark.parametrize("text", ["otsu", "otsu-linear", "0.5", "1e-3", "a:b"])
def test_words_and_numbers_name_no_file(text: str) -> None:
    assert named_threshold(text) is None


def test_a_record_is_its_value(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    write_sealed_json(path, record(0.5))
    for text in (f"{path}", f"{path}:value"):
        named = named_threshold(text)
        assert named is not None
        assert (named.value, named.path, named.text, named.record) == (0.5, path, text, record(0.5))
    with pytest.raises(SchemaError, match=r"t.json: expected a key of a threshold, got 'lowest'; there are value"):
        named_threshold(f"{path}:lowest")


def test_one_of_several_records_is_named_by_its_key(tmp_path: Path) -> None:
    several = {
        "slow": record(0.5).as_json(),
        "fast": json.loads(sealed_json(record(0.75))),
        "nested": {"x": {"thr": 2}},
    }
    text = written(tmp_path / "several.json", several)
    assert (value(f"{text}:slow"), value(f"{text}:fast"), value(f"{text}:fast.value")) == (0.5, 0.75, 0.75)
    named = named_threshold(f"{text}:slow")
    assert named is not None
    assert named.record == record(0.5)
    assert value(f"{text}:nested.x") == 2
    message = r"got '{}'; there are slow.value, fast.value, nested.x.thr; name one: several.json:KEY \[no-key\]"
    for text_of, got in ((f"{text}:middle", "middle"), (f"{text}:", "")):
        with pytest.raises(SchemaError, match=message.format(got)):
            named_threshold(text_of)
    with pytest.raises(SchemaError, match=r"got no key; there are slow.value"):
        named_threshold(text)


def test_a_sealed_record_in_a_report_is_compared_with_its_seal(tmp_path: Path) -> None:
    changed = json.loads(sealed_json(record(0.5))) | {"value": 0.75}
    with pytest.raises(CorruptDataError, match=r"several.json: slow: expected crc32c"):
        named_threshold(written(tmp_path / "several.json", {"slow": changed}) + ":slow")


def test_fault_what_laps_writes_is_read_by_its_keys_and_nothing_else_in_their_place(tmp_path: Path) -> None:
    """The original took the first threshold it found where the key was not there."""
    text = written(tmp_path / "best_threshold_quantized_token_diff.json", LAPS)
    assert value(f"{text}:quantized_token_diff_best.best_f1.thr") == 0.75
    assert value(f"{text}:quantized_token_diff_best.best_j") == 0.25
    told = r"there are quantized_token_diff_best.best_j.thr, quantized_token_diff_best.best_f1.thr"
    with pytest.raises(SchemaError, match=rf"got 'optical_flow_mag_mean_best.best_f1.thr'; {told};"):
        named_threshold(f"{text}:optical_flow_mag_mean_best.best_f1.thr")
    named = named_threshold(f"{text}:quantized_token_diff_best.best_j")
    assert named is not None
    assert named.record is None
    assert named.problems(sample_energies()) == ()


def test_an_object_of_numbers_is_a_report(tmp_path: Path) -> None:
    text = written(tmp_path / "n.json", {"slow": 0.5, "fast": 2, "on": True})
    assert value(f"{text}:fast") == 2
    with pytest.raises(SchemaError, match=r"got 'on'; there are slow, fast"):
        named_threshold(f"{text}:on")
    with pytest.raises(SchemaError, match=r"got no key; there are none"):
        named_threshold(written(tmp_path / "none.json", {"name": "x"}))


def test_a_file_whose_name_holds_a_colon_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "t.json:value"
    write_sealed_json(path, record(0.5))
    write_sealed_json(tmp_path / "t.json", record(0.75))
    assert value(str(path)) == 0.5
    assert value(f"{path}:value") == 0.5


def test_what_is_no_report_is_told(tmp_path: Path) -> None:
    for text in (f"{tmp_path / 'nowhere.json'}", f"{tmp_path / 'nowhere.json'}:key"):
        with pytest.raises(StorageError, match=r"nowhere.json: cannot read: no such file"):
            named_threshold(text)
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(StorageError, match=r"folder.json: expected a file, got a folder"):
        named_threshold(str(tmp_path / "folder.json"))
    for document, got in (("[]", "list"), ("{", "unreadable text")):
        (tmp_path / "bad.json").write_text(document)
        with pytest.raises(SchemaError, match=rf"bad.json: expected one JSON object, got {got}"):
            named_threshold(f"{tmp_path / 'bad.json'}:x")


# --- numbers and keys -------------------------------------------------------------------------------------------

finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**12), 10**12)
words = st.text("abcdefgh_", min_size=1, max_size=4).filter(lambda word: word not in ("value", "thr", "threshold"))


@given(st.recursive(finite, lambda inner: st.dictionaries(words, inner, min_size=1, max_size=3), max_leaves=8))
def test_every_number_is_found_by_its_keys(tmp_path_factory: pytest.TempPathFactory, drawn: Any) -> None:
    def leaves(one: Any, keys: tuple[str, ...] = ("top",)) -> list[tuple[str, float]]:
        if isinstance(one, dict):
            return [leaf for key, inner in one.items() for leaf in leaves(inner, (*keys, key))]
        return [(".".join(keys), float(one))]

    text = written(tmp_path_factory.getbasetemp() / "drawn.json", {"top": drawn, "label": "auto", "on": True})
    for key, expected in leaves(drawn):
        assert value(f"{text}:{key}") == expected
    with pytest.raises(SchemaError, match=rf"got 'nowhere'; there are {leaves(drawn)[0][0]}"):
        named_threshold(f"{text}:nowhere")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1" + "0" * 400, "-1" + "0" * 400, "1e999"])
def test_fault_a_number_that_is_no_threshold_is_told_when_it_is_named(tmp_path: Path, number: str) -> None:
    """Python's JSON knows them; nothing is above such a threshold, and everything above another."""
    path = tmp_path / "best.json"
    path.write_text(f'{{"good": 0.5, "bad": {{"thr": {number}}}}}')
    assert value(f"{path}:good") == 0.5
    for key in ("bad", "bad.thr"):
        with pytest.raises(SchemaError, match=r"expected a finite threshold by the key 'bad.thr', got -?(inf|nan); "):
            named_threshold(f"{path}:{key}")


def test_fault_two_numbers_by_one_name_are_told(tmp_path: Path) -> None:
    """The later one was taken."""
    text = written(tmp_path / "dots.json", {"a.b": 1, "a": {"b": 2}, "c": 3})
    with pytest.raises(SchemaError, match=r"expected each key once, got two numbers by the keys 'a\.b'; rename"):
        named_threshold(f"{text}:c")
    assert value(written(tmp_path / "dot.json", {"a.b": 1, "a": {"c": 2}}) + ":a.b") == 1


@pytest.mark.parametrize(
    ("document", "key", "expected"),
    [
        ({"x": {"value": 1, "thr": 2, "threshold": 3}}, "x", 1),
        ({"x": {"thr": 2, "threshold": 3}}, "x", 2),
        ({"x": {"threshold": 3, "score": 4}}, "x", 3),
        ({"x": {"threshold": 3, "score": 4}}, "x.score", 4),
        ({"thr": 0}, "thr", 0),
    ],
)
def test_a_key_of_an_object_is_its_threshold(tmp_path: Path, document: Any, key: str, expected: float) -> None:
    assert value(f"{written(tmp_path / 'r.json', document)}:{key}") == expected


def test_a_record_that_is_broken_is_told_by_its_place(tmp_path: Path) -> None:
    plain = record(0.5).as_json()
    del plain["mode"]
    text = written(tmp_path / "several.json", {"fast": {"slow": plain}, "other": 1})
    with pytest.raises(SchemaError, match=r"several\.json: fast\.slow: mode: expected"):
        named_threshold(f"{text}:other")


@pytest.mark.parametrize("rules", [{"off_ratio": 0.5}, {"up_s": 0.4, "max_duration_s": 2.0}])
def test_a_searched_threshold_is_of_the_machine_that_it_was_searched_with(
    tmp_path: Path, rules: dict[str, Any]
) -> None:
    write_sealed_json(tmp_path / "t.json", searched_record())
    named = named_threshold(str(tmp_path / "t.json"))
    assert named is not None
    same = StateMachine(threshold=0.5)
    assert named.problems(sample_energies(), same.parameters) == named.problems(sample_energies())
    (problem,) = named.problems(sample_energies(), same.model_copy(update=rules).parameters)
    assert (problem.code, problem.severity) == ("other-rules", "warning")
    for name, got in rules.items():
        assert f"{name}={same.parameters[name]}" in problem.message
        assert f"{name}={got}" in problem.message


# --- files of other versions ------------------------------------------------------------------------------------

GOLDEN = Path(__file__).parent / "golden"


def test_a_threshold_of_1_0_is_read_and_says_what_it_said() -> None:
    old = read_threshold(GOLDEN / "threshold_1_0.json")
    assert (old.format_version, old.value, old.method) == ("1.1", 2.5, "otsu_log")
    assert (old.lowest, old.highest, old.above, old.smoothing) == (0.0, 8.5, 0.25, "ema 0.5 s")
    assert (old.quantiles, old.boundary_search, old.label_search, old.tried) == (None, None, None, None)
    assert record_problems(old) == ()
    named = named_threshold(f"{GOLDEN / 'threshold_1_0.json'}:value")
    assert named is not None
    assert named.record == old


def test_a_threshold_of_1_1_is_the_bytes_of_its_golden_file() -> None:
    golden = GOLDEN / "threshold_1_1.json"
    assert sealed_json(searched_record()) == golden.read_bytes()
    assert read_threshold(golden) == searched_record()


def searched_record() -> ThresholdRecord:
    """Return a record with all that 1.1 has."""
    rules = BoundaryRules(tolerances_s=(0.5,), counting="once", matching="maximum", resolution_s=1e-6)
    machine = StateMachine(threshold=0.5)
    left = (("clip_0", 0.5, 0.5), ("clip_1", 0.75, 1.0))
    return measured_record(
        0.5,
        sample_energies(),
        method="boundary_search",
        provenance=sample_provenance(),
        policies={"without_truth_left_out": 1},
        boundary_search=BoundarySearch(
            score=0.75, candidates=9, tried=5, search="coarse_to_fine", plateau_low=0.25, plateau_high=1.0,
            other_plateaus=1, reaches=("highest",), curve=((0.25, 0.5), (0.5, 0.75)), objective="f_macro", rules=rules,
            segmenter=Tool(name=machine.name, version=machine.version, parameters=machine.parameters), videos=2,
            truth_digest="sha256:" + "1" * 64, ended_by={"threshold": 5},
            chance=ThresholdChance(uniform_best_period=0.5, period_s=2.0, constant_energy=0.0),
            leave_one_out=LeaveOneOut(
                videos=tuple(LeftOutThreshold(video=name, threshold=at, score=f) for name, at, f in left),
                score=0.75, lowest=0.5, median=0.625, highest=0.75,
            ),
        ),
    )  # fmt: skip
