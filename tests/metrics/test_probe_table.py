"""A probe as text: draws with their spread, what was left out, and verdicts that hold like against like."""

from __future__ import annotations

from typing import Any

from lapsdata.metrics.probe_table import not_above_controls, probe_table
from lapsdata.schema import LeftOutVideo, ProbedGroup, ProbeResult, ProbeRow, ProbeRules
from lapsdata.testing.samples import sample_provenance


def row(name: str, r2: float, kind: Any = "control", **more: Any) -> ProbeRow:
    given = {"columns": 4, "columns_left_out": 0, "quantities": (r2,), "groups": (r2 - 0.1, min(r2 + 0.1, 1.0))}
    return ProbeRow(name=name, kind=kind, r2=r2, **{**given, **more})


def result(*rows: ProbeRow, **more: Any) -> ProbeResult:
    rules = ProbeRules(
        target="velocity", per="step", least_spread=0.1, strengths=(0.1, 1.0, 10.0), folds=2, inner_folds=2,
        time_degree=5, flow_cells=8,
    )  # fmt: skip
    groups = (ProbedGroup(name="a", videos=("a", "b"), rows=9), ProbedGroup(name="c", videos=("c",), rows=8))
    given: dict[str, Any] = {"quantities": ("x",), "truth_digest": "sha256:" + "0" * 64, "groups": groups}
    return ProbeResult(provenance=sample_provenance(), rules=rules, rows=rows, **{**given, **more})


def test_draws_columns_and_empty_groups() -> None:
    found = probe_table(
        result(
            row("tokens", 0.5, "prediction", columns_left_out=3, groups=(None, 0.5)),
            row("shuffled_tokens", -0.01, r2_sd=0.02, draws=20),
            row("flat", 0.0, groups=(None, None)),
        )
    ).splitlines()
    assert found[0] == "action probe: velocity of 1 quantity, 17 rows of 3 videos, 2 groups held out as a whole"
    assert found[3].split() == ["tokens", "4", "(3", "left", "out)", "0.500", "0.500", "0.500"]
    assert "-0.010 ± 0.020" in found[4]
    assert found[5].split() == ["flat", "4", "0.000", "-", "-"]
    assert len(found) == 6


def test_what_was_left_out_and_where_the_ridge_was_at_its_end() -> None:
    videos = (
        LeftOutVideo(name="d", why="no_truth"),
        LeftOutVideo(name="e", why="no_truth"),
        LeftOutVideo(name="f", why="no_rows"),
    )
    found = probe_table(
        result(
            row("tokens", 0.5, "prediction", strengths=(10.0, 1.0)),
            row("time", 0.1, strengths=(10.0, 10.0)),
            left_out=videos,
            policies={"rows_outside_the_truth": 2, "rows_in_a_gap_of_the_truth": 0},
        )
    )
    assert "rows outside the truth: 2\n" in found
    assert "gap" not in found
    assert "videos without a truth: 2 ('d', 'e')" in found
    assert "videos of which no row has a partner in time: 1 ('f')" in found
    assert found.endswith("tokens: 1 of 2 folds chose the weakest or strongest ridge")


def test_a_verdict_names_every_control_that_is_as_good() -> None:
    rows = (
        row("tokens", 0.2, "prediction"),
        row("energy", 0.1, "prediction"),
        row("shuffled_tokens", 0.0),
        row("shuffled_energy", 0.15),
        row("time", 0.1),
        row("random_projection_tokens", 0.3),
    )
    assert not_above_controls(result(*rows)) == (
        "tokens is not above its controls (0.200, random_projection_tokens has 0.300).",
        "energy is not above its controls (0.100, shuffled_energy has 0.150, time has 0.100).",
    )
    assert not_above_controls(result(row("tokens", 0.2, "prediction"), row("time", 0.1))) == ()
