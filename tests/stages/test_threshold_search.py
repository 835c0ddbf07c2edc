"""The search for a threshold by a truth: every threshold there is, as the machine and the score say one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapsdata import formats
from lapsdata.containers import Energies, Segments
from lapsdata.errors import SchemaError
from lapsdata.metrics import evaluate_boundaries
from lapsdata.schema import EnergiesHeader
from lapsdata.schema.threshold import CURVE_POINTS, BoundarySearch, ThresholdRecord
from lapsdata.segmenters import segment
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.stages.threshold import read_threshold
from lapsdata.stages.threshold_search import SearchOptions, search_threshold
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from pathlib import Path

HOP_S = 0.25
INSTANT: dict[str, Any] = {"up_s": 0.0, "down_s": 0.0}


def energies(**videos: list[float]) -> Energies:
    """Return energies per step, four a second; NaN is gated."""
    names = tuple(videos)
    header = EnergiesHeader(
        provenance=sample_provenance(), per="step", source="velocity", mode="velocity_step", support_s=HOP_S,
        hop_s=HOP_S, videos=names,
    )  # fmt: skip
    video = np.concatenate([np.full(len(videos[name]), at) for at, name in enumerate(names)])
    index = np.concatenate([np.arange(len(videos[name])) for name in names])
    values = np.concatenate([np.array(videos[name], np.float64) for name in names])
    state = np.isnan(values).astype(np.uint8)
    return Energies(header, video, index, index * HOP_S, (index + 1) * HOP_S, values, state)


def truth_of(made: Energies, threshold: float, **rules: Any) -> Segments:
    return segment(made, StateMachine(threshold=threshold, **(INSTANT | rules)))


@pytest.fixture
def search(tmp_path: Path) -> Any:
    def run(made: Energies, truth: Segments | Path, force: bool = True, **options: Any) -> ThresholdRecord:
        how = {name: options.pop(name) for name in ("rate", "split") if name in options}
        formats.write(tmp_path / "e.jsonl", made, overwrite=True)
        place = tmp_path / "truth.parquet" if isinstance(truth, Segments) else truth
        if isinstance(truth, Segments):
            formats.write(place, truth, overwrite=True)
        chosen = SearchOptions(**({"segmenter": INSTANT} | options))
        output, run.problems = search_threshold(tmp_path / "e.jsonl", place, tmp_path / "t.json", chosen, **how,
                                                force=force)  # fmt: skip
        run.fate = output.fate
        assert read_threshold(tmp_path / "t.json") == output.content
        return output.content

    return run


def told(search: Any) -> list[str]:
    return [problem.code for problem in search.problems]


def searched(record: ThresholdRecord) -> BoundarySearch:
    assert record.boundary_search is not None
    return record.boundary_search


def f_at(
    made: Energies,
    truth: Segments,
    machine: StateMachine,
    threshold: float,
    objective: str,
    at_s: float,
    known: dict[bytes, float] | None = None,
) -> float:
    """Score a threshold; `known` keeps the score of segments, for most thresholds find those of another."""
    found = segment(made, machine.model_copy(update={"threshold": threshold}))
    known = {} if known is None else known
    key = b"".join(values.tobytes() for values in (found.video_index, found.start_s, found.end_s))
    if key not in known:
        score = evaluate_boundaries(truth, found, tolerances_s=(at_s,), draws=1).rows[0].scores[0]
        known[key] = score.macro.f if objective == "f_macro" else score.micro.f
    return known[key]


QUIET = [0.1, 0.2, 0.15, 0.1]
TWO = {
    "one": [*QUIET, 3.0, 4.0, 5.0, *QUIET, 2.5, 6.0, *QUIET],
    "two": [*QUIET, *QUIET, 2.0, 9.0, 8.0, 3.0, *QUIET],
}

# --- exactness --------------------------------------------------------------------------------------------------


@st.composite
def cases(draw: st.DrawFn) -> tuple[Energies, Segments, dict[str, Any]]:
    """Draw two or three videos, true segments that have nothing to do with them, and options."""
    values = st.sampled_from([0.0, 0.25, 0.5, 0.9, 0.96, 1.0, 1.5, 2.0, 2.1, float("nan")])
    videos = {
        name: draw(st.lists(values, min_size=3, max_size=10)) for name in ("a", "b", "c")[: draw(st.integers(2, 3))]
    }
    made = energies(**{name: [*rows, 1.25] for name, rows in videos.items()})
    other = energies(
        **{name: [draw(st.sampled_from([0.0, 1.0])) for _ in rows] + [0.0] for name, rows in videos.items()}
    )
    rules = {"off_ratio": draw(st.sampled_from([1.0, 0.95, 0.5])), "up_s": draw(st.sampled_from([0.0, 0.5]))}
    rules["max_duration_s"] = draw(st.sampled_from([None, 0.75]))
    options = {
        "objective": draw(st.sampled_from(["f_macro", "f_micro"])),
        "tolerance_s": draw(st.sampled_from([0.0, 0.25])),
        "segmenter": INSTANT | rules,
    }
    return made, truth_of(other, 0.5), options


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cases(), st.lists(st.floats(0.01, 2.5), max_size=6))
def test_no_threshold_scores_higher(
    search: Any, drawn: tuple[Energies, Segments, dict[str, Any]], others: list[float]
) -> None:
    made, truth, options = drawn
    record = search(made, truth, **options)
    machine = StateMachine(**({"threshold": 1.0} | options["segmenter"]))
    told, known = searched(record), dict[bytes, float]()
    objective, at_s = options["objective"], options["tolerance_s"]
    assert told.score == pytest.approx(f_at(made, truth, machine, record.value, objective, at_s, known), abs=1e-9)
    values = made.energy[made.state == 0]
    edges = np.unique(np.concatenate([values, values / machine.off_ratio]))
    every = [*edges.tolist(), *(edges[:-1] + np.diff(edges) / 2).tolist(), float(edges[-1]) + 1, *others]
    scores = [f_at(made, truth, machine, one, objective, at_s, known) for one in every if one > 0]
    assert max(scores) <= told.score + 1e-9
    # Any threshold of the stretch is as good; above all energies it has no length, for it has no end.
    inside = np.linspace(told.plateau_low, told.plateau_high, 5)[1:-1]
    for one in inside[inside > told.plateau_low].tolist():
        assert f_at(made, truth, machine, one, objective, at_s, known) == pytest.approx(told.score, abs=1e-9)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cases())
def test_left_out_is_as_if_it_had_never_been_there(
    search: Any, drawn: tuple[Energies, Segments, dict[str, Any]]
) -> None:
    made, truth, options = drawn
    left = searched(search(made, truth, **options, leave_one_out=True)).leave_one_out
    assert left is not None
    machine = StateMachine(**({"threshold": 1.0} | options["segmenter"]))
    for one in left.videos:
        others = [name for name in made.header.videos if name != one.video]
        alone = search(only(made, others), only(truth, others), **options)
        assert one.threshold == alone.value
        own = only(made, [one.video]), only(truth, [one.video])
        assert one.score == pytest.approx(f_at(*own, machine, one.threshold, "f_macro", options["tolerance_s"]))
    assert left.score == pytest.approx(np.mean([one.score for one in left.videos]))
    thresholds = sorted(one.threshold for one in left.videos)
    assert (left.lowest, left.highest, left.median) == (thresholds[0], thresholds[-1], np.median(thresholds))


def only(made: Any, names: list[str]) -> Any:
    """Return the rows of some videos."""
    videos = made.header.videos
    named = [one if isinstance(one, str) else one.name for one in videos]
    kept = tuple(one for one, name in zip(videos, named, strict=True) if name in names)
    place = np.array([names.index(name) if name in names else -1 for name in named])[made.video_index]
    rows = place >= 0
    header = made.header.model_copy(update={"videos": kept})
    if isinstance(made, Energies):
        columns = {name: getattr(made, name)[rows] for name in ("index", "start_s", "end_s", "energy", "state")}
        return replace(made, header=header, video_index=place[rows], **columns)
    pick = np.flatnonzero(rows)
    return replace(
        made, header=header, video_index=place[rows], start_s=made.start_s[rows], end_s=made.end_s[rows],
        end_reason=tuple(made.end_reason[at] for at in pick), label=tuple(made.label[at] for at in pick),
        score=made.score[rows],
    )  # fmt: skip


# --- what is told -----------------------------------------------------------------------------------------------


def test_the_record_says_how_it_was_found(search: Any) -> None:
    made = energies(**TWO)
    record = search(made, truth_of(made, 1.0), tolerance_s=0.1)
    found = searched(record)
    assert (record.method, record.value) == ("boundary_search", pytest.approx(np.sqrt(0.2 * 2.0)))
    assert (found.score, found.search, found.reaches, found.other_plateaus) == (1.0, "exact", (), 0)
    assert found.tried == found.candidates == 2 * len(np.unique(made.energy)) + 1
    assert found.rules.tolerances_s == (0.1,)
    assert (found.rules.matching, found.rules.counting) == ("maximum", "once")
    assert found.segmenter.parameters["threshold"] == record.value
    assert found.segmenter.parameters["up_s"] == 0.0
    assert found.ended_by == {"threshold": 3}
    assert [parent.role for parent in record.provenance.parents] == ["energies", "truth"]
    assert told(search) == []
    truth, segments = truth_of(made, 1.0), truth_of(made, record.value)
    judged = evaluate_boundaries(truth, segments, tolerances_s=(0.1,))
    assert found.truth_digest == judged.truth_digest
    metronome = next(row for row in judged.rows if row.name == "uniform_best_period")
    assert found.chance.uniform_best_period == metronome.scores[0].macro.f
    assert metronome.parameters["period_s"] == [found.chance.period_s]
    assert found.chance.constant_energy == 0.0


def test_a_search_that_was_made_is_kept_and_another_is_made_anew(search: Any) -> None:
    made = energies(**TWO)
    fates = []
    for options in ({}, {}, {"tolerance_s": 0.1}, {"tolerance_s": 0.1, "objective": "f_micro"}):
        search(made, truth_of(made, 1.0), force=False, **options)
        fates.append(search.fate)
    assert fates == ["made", "kept", "changed", "changed"]


def test_the_curve_is_thin_and_holds_the_best(search: Any) -> None:
    random = np.random.default_rng(0)
    made = energies(one=np.exp(random.normal(0, 1, 300)).tolist())
    record = search(made, truth_of(made, 1.0))
    curve = searched(record).curve
    assert len(curve) == CURVE_POINTS
    assert (record.value, 1.0) in curve
    assert max(score for _, score in curve) == 1.0
    short = searched(search(energies(**TWO), truth_of(energies(**TWO), 1.0)))
    assert len(short.curve) < short.candidates


def test_fault_gated_windows_are_no_energy_of_zero_and_zero_is_no_threshold(search: Any) -> None:
    """LAPS's search took 0.0, the energy it wrote for gated windows, as the best threshold."""
    rows = [0.0, 0.0, 2.0, 3.0, 0.0, 2.0, 0.0, 0.0]
    made = energies(one=rows)
    record = search(made, truth_of(made, 1.0))
    assert record.value > 0
    assert searched(record).not_positive == 1
    assert searched(record).curve[0][0] > 0
    # With a ratio of 1 a threshold of 0.0 may be tried: where it is no worse than others, that is told.
    blind = search(energies(one=[0.0, 0.1] * 4), truth_of(energies(one=[1.0] * 8), 0.5), segmenter={"off_ratio": 1.0})
    assert blind.value == 0.0
    assert told(search) == ["threshold-outside", "not-above-chance"]


def test_a_best_threshold_that_is_as_good_beyond_the_energies_is_told(search: Any) -> None:
    made = energies(one=[1.0, 0.5] * 8)
    record = search(made, truth_of(energies(one=[0.0] * 16), 0.5), segmenter={"up_s": 1.0})
    assert searched(record).reaches == ("lowest", "highest")
    assert searched(record).ended_by == {}
    assert told(search) == ["search-at-the-end", "search-at-the-end", "not-above-chance"]
    assert "beyond the lowest, where everything is loud" in search.problems[0].message
    assert "beyond the highest, where nothing is loud" in search.problems[1].message


def test_a_metronome_is_told_and_so_is_chance(search: Any) -> None:
    """Of a truth like a clock, the clock of the longest duration is the best that noise can do."""
    random = np.random.default_rng(1)
    made = energies(one=np.exp(random.normal(0, 1, 120)).tolist())
    clock = truth_of(energies(one=[1.0] * 120), 0.5, max_duration_s=2.0)
    record = search(made, clock, segmenter={"max_duration_s": 2.0, "up_s": 0.0, "down_s": 2.0}, tolerance_s=0.25)
    assert searched(record).ended_by["max_duration"] > 10
    assert "metronome" in told(search)
    assert "not-above-chance" in told(search)
    (problem,) = (one for one in search.problems if one.code == "not-above-chance")
    assert "by a metronome of 2 s" in problem.message


# --- many -------------------------------------------------------------------------------------------------------


def test_more_thresholds_than_asked_for_are_refused_or_searched_from_coarse_to_fine(search: Any) -> None:
    random = np.random.default_rng(0)
    made = energies(one=np.exp(random.normal(0, 1, 200)).tolist(), two=[0.1, 2.0, 0.1])
    truth = truth_of(made, 1.0)
    with pytest.raises(SchemaError, match=r"up to 60 thresholds that .*, got 401 in 'one' \(200 values\).*--most 401"):
        search(made, truth, most=60)
    exact = searched(search(made, truth, most=401))
    coarse = searched(search(made, truth, most=60, beyond="coarse_to_fine"))
    assert (exact.search, coarse.search) == ("exact", "coarse_to_fine")
    assert exact.candidates == coarse.candidates == exact.tried
    assert 40 < coarse.tried <= 60
    assert 0.9 < coarse.score <= exact.score


# --- videos -----------------------------------------------------------------------------------------------------


def test_energies_of_other_videos_are_refused_or_left_out_and_counted(search: Any) -> None:
    made = energies(**TWO, three=[50.0, 60.0] * 4)
    truth = only(truth_of(made, 1.0), ["one", "two"])
    with pytest.raises(SchemaError, match=r"found: three: expected videos of the truth, got another"):
        search(made, truth)
    record = search(made, truth, extra="leave_out")
    assert record.policies == {"without_truth_left_out": 1}
    assert (record.highest, searched(record).videos) == (9.0, 2)
    assert record == replaced_provenance(search(energies(**TWO), truth), record)


def replaced_provenance(record: ThresholdRecord, like: ThresholdRecord) -> ThresholdRecord:
    return record.model_copy(update={"provenance": like.provenance, "policies": like.policies})


def test_a_video_without_energies_is_refused(search: Any) -> None:
    made = energies(**TWO)
    with pytest.raises(
        SchemaError, match=r"energies: .*every video of the truth, got none of 'two'; measure .*\[no-energies\]"
    ):
        search(only(made, ["one"]), truth_of(made, 1.0))
    with pytest.raises(SchemaError, match=r"expected a video that is in both.*\[no-common-video\]"):
        search(energies(other=[1.0, 2.0]), truth_of(made, 1.0), extra="leave_out")


def test_labels_per_frame_and_a_split_are_a_truth(search: Any, tmp_path: Path) -> None:
    folder = tmp_path / "gtea"
    (folder / "groundTruth").mkdir(parents=True)
    (folder / "splits").mkdir()
    for name, rows in {**TWO, "test": [1.0] * 8}.items():
        labels = ["take" if value > 1 else "background" for value in rows]
        (folder / "groundTruth" / f"{name}.txt").write_text("\n".join(labels) + "\n")
    (folder / "splits" / "train.split1.bundle").write_text("one.txt\ntwo.txt\n")
    record = search(energies(**TWO, test=[1.0] * 8), folder, rate=4, split="train.split1")
    assert (searched(record).score, searched(record).videos) == (1.0, 2)
    assert record.policies == {"without_truth_left_out": 1}
    assert record.provenance.parameters["split"] == "train.split1"


def test_a_table_of_text_is_a_truth(search: Any, tmp_path: Path) -> None:
    table = tmp_path / "truth.csv"
    table.write_text("video,start_s,end_s\none,1.0,1.75\none,2.75,3.25\ntwo,2.0,3.0\n")
    assert searched(search(energies(**TWO), table)).score == 1.0


def test_what_cannot_be_searched_is_refused(search: Any) -> None:
    made = energies(**TWO)
    truth = truth_of(made, 1.0)
    with pytest.raises(SchemaError, match=r"expected no threshold among the parameters"):
        search(made, truth, segmenter={"threshold": 1.0})
    with pytest.raises(SchemaError, match=r"expected at least 2 videos, got 1.*\[one-video\]"):
        search(only(made, ["one"]), only(truth, ["one"]), leave_one_out=True)
    gated = energies(one=[np.nan] * 4, two=[np.nan] * 4)
    with pytest.raises(SchemaError, match=r"expected measured energies, got none \[no-energy\]"):
        search(gated, truth_of(energies(one=[1.0] * 4, two=[1.0] * 4), 0.5))
    half = energies(one=[1.0, 2.0, 3.0], two=[np.nan] * 4)
    with pytest.raises(SchemaError, match=r"expected measured energies in two videos, got one"):
        search(half, truth_of(half, 1.5), leave_one_out=True)
