"""From energies of many videos to segments of many videos, and the constant-energy row."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings

from lapsdata.errors import SchemaError
from lapsdata.formats import segments_parquet
from lapsdata.schema import Parent
from lapsdata.segmenters import EnergySeries, constant_energy_segments, metronome_problems, segment
from lapsdata.segmenters.random_cuts import RandomCuts
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.segmenters.uniform import Uniform
from lapsdata.testing import strategies
from lapsdata.testing.samples import sample_energies

if TYPE_CHECKING:
    from lapsdata.containers import Energies, Segments

MACHINE = StateMachine(threshold=0.4, up_s=0.1, down_s=0.1)


def test_every_video_is_segmented_on_its_own() -> None:
    energies = sample_energies(steps=60)
    found = segment(energies, MACHINE)
    assert len(found) > 4
    for number, series in enumerate(EnergySeries.each_of(energies)):
        rows = found.of_video(series.video)
        expected = MACHINE.segment(series).segments
        assert found.video_index[rows].tolist() == [number] * len(expected)
        assert found.score is not None
        told = zip(found.start_s[rows], found.end_s[rows], found.score[rows], strict=True)
        assert list(told) == [(one.start_s, one.end_s, one.score) for one in expected]
        assert [found.end_reason[row] for row in rows] == [one.end_reason for one in expected]
    assert set(found.label) == {None}


def test_the_header_tells_what_made_the_segments() -> None:
    parent = Parent(role="energies", name="clip.jsonl", digest="sha256:" + "0" * 64)
    energies = sample_energies(steps=60)
    header = segment(energies, MACHINE, parents=[parent]).header
    tool = header.segmenter
    assert tool is not None
    assert (tool.name, tool.version, tool.parameters) == ("state_machine", "1", MACHINE.parameters)
    assert header.provenance.producer == "lapsdata"
    assert header.provenance.parents == (parent,)
    assert header.provenance.parameters == {
        "source": "velocity",
        "mode": "velocity_step",
        "per": "step",
        "support_s": 0.2,
        "smoothing": None,
    }
    assert [(video.name, video.start_s, video.end_s) for video in header.videos] == [
        ("clip_0", 0.0, 6.0),
        ("clip_1", 0.0, 6.0),
    ]
    assert not header.overlap


def test_policies_are_added_up_over_the_videos() -> None:
    energies = sample_energies(steps=60)
    found = segment(energies, MACHINE).header.policies
    expected = {"gated-quiet": int((energies.state == 1).sum()), "missing-break": int((energies.state == 2).sum())}
    assert found == expected
    assert expected["gated-quiet"] > 0 < expected["missing-break"]


def test_equal_inputs_give_equal_segments_that_a_file_keeps(tmp_path_factory: pytest.TempPathFactory) -> None:
    once, again = (segment(sample_energies(steps=60), MACHINE) for _ in range(2))
    assert once.equals(again)
    path = tmp_path_factory.mktemp("segments") / "clip.parquet"
    segments_parquet.PLUGIN.write(path, once)
    assert segments_parquet.PLUGIN.read(path).equals(once)


def test_a_video_without_a_row_is_an_error_that_names_it() -> None:
    energies = sample_energies(steps=3)
    first = energies.video_index == 0
    names = ("video_index", "index", "start_s", "end_s", "energy", "state")
    lacking = replace(energies, **{name: getattr(energies, name)[first] for name in names})
    with pytest.raises(SchemaError, match=r"energies: 'clip_1': expected at least one row, got none.*\[no-rows\]"):
        segment(lacking, MACHINE)
    with pytest.raises(SchemaError, match=r"'clip_1': expected at least one row"):
        constant_energy_segments(lacking, MACHINE, level=1.0)


def test_a_video_without_a_segment_is_in_the_header() -> None:
    found = segment(sample_energies(), StateMachine(threshold=9.0))
    assert len(found) == 0
    assert [video.name for video in found.header.videos] == ["clip_0", "clip_1"]


@settings(max_examples=40)
@given(strategies.energies())
def test_any_energies_are_segmented_or_refused_for_a_reason(energies: Energies) -> None:
    """Videos without a row and ends that do not rise are what a container allows and a segmenter cannot take."""
    rows = [energies.video_index == number for number in range(len(energies.header.videos))]
    able = all(mask.any() and (np.diff(energies.end_s[mask]) > 0).all() for mask in rows)
    if able:
        found = segment(energies, Uniform(count=2))
        assert len(found) == 2 * len(rows)
    else:
        with pytest.raises(SchemaError, match=r"expected (at least one row|rising seconds)"):
            segment(energies, Uniform(count=2))


def test_random_cuts_differ_from_video_to_video() -> None:
    found = segment(sample_energies(steps=60), RandomCuts(count=4))
    first, second = (found.start_s[found.of_video(name)] for name in ("clip_0", "clip_1"))
    assert (first[1:] != second[1:]).all()


def shifted(energies: Energies, seed: int) -> Energies:
    """Return energies of the same times and of other content, states included."""
    random = np.random.default_rng(seed)
    order = np.concatenate([random.permutation(np.flatnonzero(energies.video_index == number)) for number in (0, 1)])
    return replace(energies, energy=energies.energy[order], state=energies.state[order])


def test_the_constant_row_knows_nothing_but_times() -> None:
    machine = StateMachine(threshold=0.4, up_s=0.1, down_s=0.1, max_duration_s=1.0, cooldown_s=0.2)
    energies = sample_energies(steps=60)
    row = constant_energy_segments(energies, machine, level=machine.threshold)
    for seed in range(3):
        assert row.equals(constant_energy_segments(shifted(energies, seed), machine, level=machine.threshold))
    assert not row.equals(segment(energies, machine))
    assert row.header.policies == {}
    assert row.header.provenance.parameters["constant_energy"] == 0.4


def test_the_constant_row_of_a_longest_duration_is_a_metronome() -> None:
    machine = StateMachine(threshold=0.4, max_duration_s=1.0, cooldown_s=0.2)
    row = constant_energy_segments(sample_energies(steps=60), machine, level=machine.threshold)
    starts = row.start_s[row.of_video("clip_0")]
    assert starts == pytest.approx([0.0, 1.2, 2.4, 3.6, 4.8])
    assert [problem.code for problem in metronome_problems(row)] == ["metronome"]


def test_the_constant_row_without_a_longest_duration_is_the_whole_video() -> None:
    row = constant_energy_segments(sample_energies(), MACHINE, level=MACHINE.threshold)
    assert (row.start_s.tolist(), row.end_s.tolist()) == ([0.0, 0.0], [0.6, 0.6])


def test_the_constant_row_below_the_threshold_is_empty() -> None:
    assert len(constant_energy_segments(sample_energies(), MACHINE, level=0.3)) == 0


def test_a_constant_is_a_number() -> None:
    with pytest.raises(SchemaError, match=r"'clip_0': energy: expected a finite value where measured"):
        constant_energy_segments(sample_energies(), MACHINE, level=float("nan"))


def test_the_row_of_uniform_cuts_has_no_scores() -> None:
    found: Segments = segment(sample_energies(), Uniform(count=3))
    assert found.score is not None
    assert np.isnan(found.score).all()
