"""Rows of two energies brought together by time, against the same looked for row by row."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers import Energies
from lapsdata.errors import SchemaError
from lapsdata.schema import EnergiesHeader
from lapsdata.stages._pseudo_labels import labelled_rows
from lapsdata.testing.samples import sample_provenance

Row = tuple[float, float, float | None, int]
"""Start, end, energy and state."""


def energies(videos: dict[str, list[Row]]) -> Energies:
    header = EnergiesHeader(
        provenance=sample_provenance(), per="window", source="velocity", mode="velocity_mean", support_s=1.0,
        hop_s=None, videos=tuple(videos),
    )  # fmt: skip
    rows = [(at, number, *row) for at, name in enumerate(videos) for number, row in enumerate(videos[name])]
    return Energies(
        header,
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        np.array([row[3] for row in rows], np.float64),
        np.array([np.nan if row[4] is None else row[4] for row in rows], np.float64),
        np.array([row[5] for row in rows], np.uint8),
    )


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Draw windows on a grid of quarters of a second, all of one length, some of them without an energy."""
    starts = sorted(draw(st.lists(st.integers(0, 24), max_size=8, unique=True)))
    length = draw(st.sampled_from([1, 2, 5]))
    found: list[Row] = []
    for start in starts:
        state = draw(st.sampled_from([0, 0, 0, 1, 2]))
        energy = draw(st.sampled_from([0.0, 0.5, 1.0, 2.0])) if state == 0 else None
        found.append((start / 4, (start + length) / 4, energy, state))
    return found


def plain(mine: list[Row], theirs: list[Row], threshold: float) -> tuple[list[tuple[float, bool]], Counter[str]]:
    """Look for the label of each row among all of the other's."""
    found: list[tuple[float, bool]] = []
    counts = Counter[str]()
    for start, end, energy, _ in mine:
        middle = (start + end) / 2
        near = sorted(theirs, key=lambda row: (abs((row[0] + row[1]) / 2 - middle), row[0]))
        label = next(iter(near), None)
        if label is not None and not label[0] <= middle <= label[1]:
            label = None
        if energy is None:
            counts["rows_without_energy"] += 1
        elif label is None or label[3] == 2:
            counts["rows_without_label"] += 1
        else:
            counts["gated_labels_quiet"] += label[3] == 1
            found.append((energy, label[2] is not None and label[2] >= threshold))
    return found, counts


@given(st.lists(st.tuples(rows(), rows()), min_size=1, max_size=3), st.sampled_from([0.0, 0.5, 1.5]))
def test_labels_by_middles_are_those_that_are_looked_for(
    videos: list[tuple[list[Row], list[Row]]], threshold: float
) -> None:
    mine = {f"v{at}": pair[0] for at, pair in enumerate(videos)}
    theirs = {f"v{at}": pair[1] for at, pair in enumerate(videos)}
    expected: list[tuple[float, bool]] = []
    counts = Counter[str]()
    for name in mine:
        found, some = plain(mine[name], theirs[name], threshold)
        expected += found
        counts += some
    if not expected:
        with pytest.raises(SchemaError, match=r"expected rows with an energy and a label, got none"):
            labelled_rows(energies(mine), energies(theirs), threshold, "middles")
        return
    told = labelled_rows(energies(mine), energies(theirs), threshold, "middles")
    assert list(zip(told.energy.tolist(), told.active.tolist(), strict=True)) == expected
    assert told.policies == {name: count for name, count in counts.items() if count}


@given(rows(), st.sampled_from([0.5, 1.5]))
def test_rows_of_the_same_times_are_those_by_middles(drawn: list[Row], threshold: float) -> None:
    drawn = [*drawn, (50.0, 51.0, 1.0, 0)]
    both = energies({"v": drawn}), energies({"v": drawn})
    by_rows: Any = labelled_rows(*both, threshold, "rows")
    by_middles: Any = labelled_rows(*both, threshold, "middles")
    assert by_rows.energy.tolist() == by_middles.energy.tolist()
    assert by_rows.active.tolist() == by_middles.active.tolist() == [one >= threshold for one in by_rows.energy]
    assert by_rows.policies == by_middles.policies


def test_times_that_differ_by_noise_are_the_same() -> None:
    row: Row = (0.0, 1.0, 2.0, 0)
    near: Row = (5e-7, 1.0 + 5e-7, 2.0, 0)
    assert labelled_rows(energies({"v": [row]}), energies({"v": [near]}), 1.0, "rows").active.tolist() == [True]
    far: Row = (5e-3, 1.005, 2.0, 0)
    with pytest.raises(SchemaError, match=r"expected rows of the same times, 0.000 s to 1.000 s in row 0, got 0.005 s"):
        labelled_rows(energies({"v": [row]}), energies({"v": [far]}), 1.0, "rows")
