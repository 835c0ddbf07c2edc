"""Energies, segments and boxes: rows in order, and no value without the state for it; each rule broken once."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.containers import END_REASONS, ENERGY_STATES, Boxes, Container, Energies, Segments
from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.schema import BoxesHeader, BoxSequence, EnergiesHeader, EnergyRow, Size
from lapsdata.testing import strategies
from lapsdata.testing.samples import (
    sample_boxes,
    sample_energies,
    sample_provenance,
    sample_segments,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Refused = Callable[..., set[tuple[str, str]]]
    Case = tuple[dict[str, Any], str, str, str]


def changed(array: NDArray[Any], place: object, value: object) -> NDArray[Any]:
    """Return a copy with one place changed."""
    copy: NDArray[Any] = array.copy()
    copy[place] = value
    return copy


def expect_one(container: Container, case: Case) -> None:
    """Expect one problem of the code, place and words of a case; others of the same place may follow from it."""
    fields, code, place, message = case
    name = type(container).__name__.lower()
    with pytest.raises(SchemaError, match=message) as caught:
        dataclasses.replace(container, **fields)
    told = {(p.code, p.where): p.message + f"; {p.fix}" for p in caught.value.problems}
    assert (code, f"{name}: {place}") in told
    assert re.search(message, told[code, f"{name}: {place}"])


E = sample_energies(steps=3)  # measured, gated, missing; twice
ENERGY_CASES: tuple[Case, ...] = (
    ({"video_index": changed(E.video_index, 5, 2)}, "unknown-video", "video_index", "header's 2 videos; first at 5, 1"),
    ({"video_index": changed(E.video_index, 0, -1)}, "unknown-video", "video_index", "first at 0, 1 in all"),
    ({"video_index": E.video_index[::-1]}, "not-grouped", "video_index", "header's order; first at 3, 1 in all"),
    ({"video_index": E.video_index.astype(np.int32)}, "wrong-dtype", "video_index", "expected int64, got int32"),
    ({"index": E.index - 1}, "negative-index", "index", "numbers from 0; first at 0, 2 in all"),
    ({"index": changed(E.index, 4, 0)}, "non-monotone-index", "index", "rising numbers; first at 4, 1 in all"),
    ({"start_s": E.end_s}, "empty-span", "end_s", "expected finite start_s < end_s; first at 0, 6 in all"),
    ({"start_s": changed(E.start_s, 1, 0.0)}, "non-monotone-time", "start_s", "rising seconds; first at 1, 1 in all"),
    ({"end_s": changed(E.end_s, 2, np.inf)}, "not-finite", "end_s", "expected finite seconds; first at 2, 1 in all"),
    ({"start_s": changed(E.start_s, 2, np.nan)}, "not-finite", "end_s", "finite seconds; first at 2, 1 in all"),
    ({"end_s": E.end_s.astype(np.float32)}, "wrong-dtype", "end_s", "expected float64, got float32"),
    ({"state": changed(E.state, 1, 3)}, "unknown-state", "state", "'measured', 'gated', 'missing'.; first at 1"),
    ({"state": E.state.astype(np.int64)}, "wrong-dtype", "state", "expected uint8, got int64"),
    ({"energy": changed(E.energy, 0, np.nan)}, "energy-state", "energy", "finite value where measured; first at 0, 1"),
    ({"energy": changed(E.energy, 0, np.inf)}, "energy-state", "energy", "finite value where measured; first at 0, 1"),
    ({"energy": changed(E.energy, 1, 0.0)}, "energy-state", "energy", "NaN unless measured; first at 1, .*never 0.0"),
    ({"energy": changed(E.energy, 2, np.inf)}, "energy-state", "energy", "NaN unless measured; first at 2"),
    ({"energy": E.energy[:, None]}, "wrong-shape", "energy", r"expected shape \(R,\), got \(6, 1\)"),
    ({"energy": list(E.energy)}, "not-an-array", "energy", r"expected float64 \(R,\) array, got list"),
)  # fmt: skip


class TestEnergies:
    @pytest.mark.parametrize("case", ENERGY_CASES, ids=lambda case: f"{case[1]}-{case[2]}")
    def test_each_rule(self, case: Case) -> None:
        expect_one(E, case)

    @pytest.mark.parametrize("name", ["index", "start_s", "end_s", "energy", "state"])
    def test_unequal_lengths(self, name: str) -> None:
        with pytest.raises(LengthMismatchError, match="expected R = 6 as in video_index, got 5"):
            dataclasses.replace(E, **{name: getattr(E, name)[:5]})

    def test_several_faults_are_told_at_once(self, refused: Refused) -> None:
        found = refused(
            E,
            video_index=changed(E.video_index, 5, 9),
            index=changed(E.index, 0, -1),
            end_s=E.start_s,
            energy=np.zeros(6),
            state=changed(E.state, 1, 7),
        )
        assert found == {
            ("unknown-video", "video_index"),
            ("negative-index", "index"),
            ("empty-span", "end_s"),
            ("energy-state", "energy"),
            ("unknown-state", "state"),
        }

    def test_videos_may_start_again_at_zero_and_lack_rows(self) -> None:
        assert E.start_s.tolist() == [0.0, 0.1, 0.2] * 2
        only = Energies(E.header, *(getattr(E, f.name)[3:] for f in dataclasses.fields(E)[1:]))
        assert len(only) == 3

    def test_no_rows_are_valid(self) -> None:
        empty = Energies.of_rows(E.header, [])
        assert len(empty) == 0
        assert list(empty.rows()) == []

    @given(strategies.energies())
    @settings(max_examples=80)
    def test_rows_and_back(self, energies: Energies) -> None:
        rows = list(energies.rows())
        assert Energies.of_rows(energies.header, rows).equals(energies)
        assert [EnergyRow.parse(row.to_bytes()) for row in rows] == rows
        for row, state, value in zip(rows, energies.state, energies.energy, strict=True):
            assert row.state == ENERGY_STATES[state]
            assert (row.energy is None) == bool(np.isnan(value))

    def test_a_measured_zero_is_a_value_and_a_gated_row_is_none(self) -> None:
        zero = dataclasses.replace(E, energy=changed(E.energy, 0, 0.0))
        assert [row.energy for row in zero.rows()][:3] == [0.0, None, None]

    def test_of_rows_names_every_row_that_does_not_fit(self) -> None:
        rows = [*E.rows()]
        rows[1] = rows[1].model_copy(update={"video": "clip_9"})
        rows[4] = rows[4].model_copy(update={"step": None, "window": 1})
        with pytest.raises(SchemaError, match="2 problems:") as caught:
            Energies.of_rows(E.header, rows)
        assert [str(problem) for problem in caught.value.problems] == [
            "energies: row 1: expected a video of the header, got 'clip_9' [unknown-video]",
            "energies: row 4: expected the number of a step, as the header says [wrong-row]",
        ]

    def test_windows_are_numbered_where_the_header_says_so(self) -> None:
        header = EnergiesHeader(**{**dict(E.header), "per": "window"})
        windows = dataclasses.replace(E, header=header)
        assert [(row.step, row.window) for row in windows.rows()][:2] == [(None, 0), (None, 1)]


S = sample_segments()
assert S.score is not None
assert S.embedding is not None
assert S.codes is not None
LABELLED = dataclasses.replace(S, header=S.header.model_copy(update={"labels": ("reach", "grasp")}))
SEGMENT_CASES: tuple[Case, ...] = (
    ({"video_index": np.array([0, 0, 2])}, "unknown-video", "video_index", "header's 2 videos; first at 2, 1 in all"),
    ({"video_index": np.array([1, 0, 0])}, "not-grouped", "video_index", "order of videos; first at 1, 1 in all"),
    ({"start_s": np.array([0.5, 1.4, 0.0])}, "overlap", "start_s", "expected no overlap; first at 1, .*set overlap"),
    ({"start_s": np.array([-0.5, 1.5, 0.0])}, "outside-video", "start_s", "looked at; first at 0, 1 in all"),
    ({"end_s": np.array([1.5, 4.5, 2.0])}, "outside-video", "start_s", "looked at; first at 1, 1 in all"),
    ({"end_s": np.array([1.5, 1.5, 2.0])}, "empty-span", "end_s", "start_s < end_s; first at 1, 1 in all"),
    ({"end_s": np.array([1.5, np.inf, 2.0])}, "not-finite", "start_s", "finite seconds; first at 1, 1 in all"),
    ({"start_s": np.array([np.nan, 1.5, 0.0])}, "not-finite", "start_s", "finite seconds; first at 0, 1 in all"),
    ({"start_s": np.array([2.5, 1.5, 0.0]), "end_s": np.array([3.0, 2.0, 2.0])}, "non-monotone-time", "start_s",
     "rising seconds; first at 1, 1 in all"),
    ({"start_s": S.start_s.astype(np.float32)}, "wrong-dtype", "start_s", "expected float64, got float32"),
    ({"end_reason": ("threshold", "tired", "end_of_stream")}, "unknown-reason", "end_reason", "one of .*; first at 1"),
    ({"end_reason": ["threshold"] * 3}, "wrong-dtype", "end_reason", "expected a tuple of texts, got list"),
    ({"end_reason": ("threshold", None, "threshold")}, "wrong-dtype", "end_reason", "got NoneType in row 1"),
    ({"end_reason": ("threshold",) * 2}, "length-mismatch", "end_reason", "expected S = 3 as in video_index, got 2"),
    ({"label": ("reach", 2, None)}, "wrong-dtype", "label", "expected texts, got int in row 1"),
    ({"label": ("reach",)}, "length-mismatch", "label", "expected S = 3 as in video_index, got 1"),
    ({"label": ("reach", "push", None)}, "unknown-label", "label", "labels of the header's list; first at 1, 1 in all"),
    ({"score": np.array([0.5, np.inf, 1.0])}, "not-finite", "score", "finite scores, or NaN for none; first at 1"),
    ({"score": S.score.astype(np.float32)}, "wrong-dtype", "score", "expected float64, got float32"),
    ({"codes": list(S.codes)}, "wrong-dtype", "codes", r"a tuple of int32 arrays, got list; use tuple\(...\)"),
    ({"codes": S.codes[:2]}, "length-mismatch", "codes", "expected S = 3 as in video_index, got 2"),
    ({"codes": (*S.codes[:2], np.array([-7], np.int32))}, "code-outside", "codes[2]", "codes from 0; first at 0"),
    ({"codes": (*S.codes[:2], np.array([7]))}, "wrong-dtype", "codes[2]", "expected int32, got int64"),
    ({"codes": (*S.codes[:2], None)}, "not-an-array", "codes[2]", "got NoneType"),
    ({"embedding": None}, "embedding", "embedding", "header.embedding is 2, got none"),
    ({"embedding": S.embedding[:, :1]}, "wrong-shape", "embedding", r"expected shape \(S, 2\), got \(3, 1\)"),
    ({"embedding": S.embedding[:2]}, "length-mismatch", "embedding", "expected S = 3 as in video_index, got 2"),
    ({"embedding": S.embedding.astype(float)}, "wrong-dtype", "embedding", "expected float32, got float64"),
    ({"embedding": changed(S.embedding, (1, 1), np.nan)}, "not-finite", "embedding", r"values; first at \(1, 1\)"),
)  # fmt: skip


class TestSegments:
    @pytest.mark.parametrize("case", SEGMENT_CASES, ids=lambda case: f"{case[1]}-{case[2]}")
    def test_each_rule(self, case: Case) -> None:
        expect_one(LABELLED, case)

    def test_an_embedding_without_a_width_in_the_header(self, refused: Refused) -> None:
        header = S.header.model_copy(update={"embedding": None})
        assert refused(S, header=header) == {("embedding", "embedding")}

    def test_several_faults_are_told_at_once(self, refused: Refused) -> None:
        found = refused(
            LABELLED,
            start_s=np.array([0.5, 1.25, 0.0]),
            label=("reach", "push", None),
            score=np.zeros(3, int),
            codes=None,
            embedding=None,
        )
        assert found == {
            ("overlap", "start_s"),
            ("unknown-label", "label"),
            ("wrong-dtype", "score"),
            ("embedding", "embedding"),
        }

    def test_overlap_is_allowed_where_it_is_stated(self) -> None:
        header = S.header.model_copy(update={"overlap": True})
        crossing = dataclasses.replace(S, header=header, start_s=np.array([0.5, 0.5, 0.0]))
        assert len(crossing) == 3

    def test_touching_is_no_overlap(self) -> None:
        assert S.end_s[0] == S.start_s[1]

    def test_without_a_list_labels_are_free(self) -> None:
        assert dataclasses.replace(S, label=("anything", "", None)).label[0] == "anything"

    def test_no_segments_and_no_videos_are_valid(self) -> None:
        header = S.header.model_copy(update={"videos": (), "embedding": None})
        empty = Segments(header, np.zeros(0, int), np.zeros(0), np.zeros(0), (), (), codes=())
        assert len(empty) == 0
        assert not empty.equals(dataclasses.replace(empty, codes=None)), "no codes is not the same as none stored"

    def test_rows_of_a_video(self) -> None:
        assert [S.of_video(name).tolist() for name in ("clip_0", "clip_1")] == [[0, 1], [2]]
        with pytest.raises(KeyError, match=r"no video 'clip_9'; there are \['clip_0', 'clip_1'\]"):
            S.of_video("clip_9")

    @given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), min_size=1, max_size=6))
    def test_overlap_is_found_exactly_where_two_spans_share_time(self, spans: list[tuple[int, int]]) -> None:
        spans = sorted(spans)
        start, end = (np.array(values, float) for values in zip(*((a, a + n) for a, n in spans), strict=True))
        shared = any(max(start[i], start[j]) < min(end[i], end[j]) for i in range(len(spans)) for j in range(i))
        video = S.header.videos[0].model_copy(update={"end_s": 100.0})
        header = S.header.model_copy(update={"videos": (video,), "embedding": None})
        rows = len(spans)

        def build() -> Segments:
            return Segments(header, np.zeros(rows, int), start, end, ("annotation",) * rows, (None,) * rows)

        if shared:
            with pytest.raises(SchemaError, match="expected no overlap"):
                build()
        else:
            assert len(build()) == rows

    @given(strategies.segments())
    @settings(max_examples=60)
    def test_every_row_belongs_to_one_video(self, segments: Segments) -> None:
        rows = [segments.of_video(video.name).tolist() for video in segments.header.videos]
        assert [row for numbers in rows for row in numbers] == list(range(len(segments)))
        assert set(segments.end_reason) <= set(END_REASONS)


B = sample_boxes()
assert B.score is not None
assert B.visibility is not None
assert B.source_id is not None
NAMED = dataclasses.replace(B, header=B.header.model_copy(update={"labels": ("player", "stand")}))
BOX_CASES: tuple[Case, ...] = (
    ({"sequence_index": np.array([0, 0, 0, 2])}, "unknown-sequence", "sequence_index", "2 sequences; first at 3"),
    ({"sequence_index": np.array([-1, 0, 0, 1])}, "unknown-sequence", "sequence_index", "first at 0, 1 in all"),
    ({"sequence_index": np.array([1, 0, 0, 0])}, "not-grouped", "sequence_index", "order of sequences; first at 1"),
    ({"frame": np.array([0, 0, 1, 10])}, "frame-outside", "frame", "first at 3, .*; subtract 1 if the source"),
    ({"frame": np.array([-1, 0, 1, 5])}, "frame-outside", "frame", "0-based frames inside of the sequence; first at 0"),
    ({"frame": np.array([1, 0, 1, 5])}, "non-monotone-time", "frame", "rising frames; first at 1, 1 in all"),
    ({"frame": np.array([0, 0, 1, 5], np.int32)}, "wrong-dtype", "frame", "expected int64, got int32"),
    ({"id": np.array([0, -2, -1, 0])}, "negative-id", "id", "ids from 0, or -1 for none; first at 1, 1 in all"),
    ({"id": np.array([3, 3, -1, 0])}, "identity-twice", "id", "once per frame and source; first at 1, 1 in all"),
    ({"x": changed(B.x, 2, np.nan)}, "not-finite", "x", "expected finite pixels; first at 2, 1 in all"),
    ({"y": changed(B.y, 1, -np.inf)}, "not-finite", "y", "expected finite pixels; first at 1, 1 in all"),
    ({"w": changed(B.w, 0, -1)}, "negative-size", "w", "expected sizes from 0; first at 0, 1 in all"),
    ({"h": changed(B.h, 3, -0.5)}, "negative-size", "h", "expected sizes from 0; first at 3, 1 in all"),
    ({"x": B.x.astype(np.float32)}, "wrong-dtype", "x", "expected float64, got float32"),
    ({"label": ("player", "horse", "player", "stand")}, "unknown-label", "label", "header's list; first at 1, 1"),
    ({"label": ("player", None, "player", "stand")}, "wrong-dtype", "label", "expected texts, got NoneType in row 1"),
    ({"source": ("truth",) * 3}, "length-mismatch", "source", "expected R = 4 as in sequence_index, got 3"),
    ({"source": np.array(["truth"] * 4)}, "wrong-dtype", "source", "expected a tuple of texts, got ndarray"),
    ({"source_id": ("7", 12, None, None)}, "wrong-dtype", "source_id", "expected texts, got int in row 1"),
    ({"source_id": ("7",)}, "length-mismatch", "source_id", "expected R = 4 as in sequence_index, got 1"),
    ({"ignored": np.zeros(4, np.uint8)}, "wrong-dtype", "ignored", "expected bool, got uint8"),
    ({"score": changed(B.score, 2, np.inf)}, "not-finite", "score", "finite scores, or NaN for none; first at 2"),
    ({"score": np.zeros(4, int)}, "wrong-dtype", "score", "expected float64, got int64"),
    ({"visibility": changed(B.visibility, 1, 1.01)}, "visibility-outside", "visibility", "shares from 0 to 1, or NaN"),
    ({"visibility": changed(B.visibility, 0, -0.1)}, "visibility-outside", "visibility", "first at 0, 1 in all"),
    ({"visibility": B.visibility[:3]}, "length-mismatch", "visibility", "expected R = 4 as in sequence_index, got 3"),
)  # fmt: skip


class TestBoxes:
    @pytest.mark.parametrize("case", BOX_CASES, ids=lambda case: f"{case[1]}-{case[2]}")
    def test_each_rule(self, case: Case) -> None:
        expect_one(NAMED, case)

    def test_several_faults_are_told_at_once(self, refused: Refused) -> None:
        found = refused(
            NAMED,
            frame=np.array([0, 0, 1, 99]),
            id=np.array([0, 0, -5, 0]),
            w=changed(B.w, 0, -1),
            label=("horse",) * 4,
            ignored=None,
            score=np.full(4, np.inf),
        )
        assert found == {
            ("frame-outside", "frame"),
            ("identity-twice", "id"),
            ("negative-id", "id"),
            ("negative-size", "w"),
            ("unknown-label", "label"),
            ("not-an-array", "ignored"),
            ("not-finite", "score"),
        }

    def test_boxes_without_identity_may_share_a_frame(self) -> None:
        assert len(dataclasses.replace(B, id=np.full(4, -1))) == 4

    @pytest.mark.parametrize("source", ["truth\x00", "Truth", "truth ", ""])
    def test_sources_are_told_apart_to_the_letter(self, source: str) -> None:
        twins = dataclasses.replace(B, id=np.array([3, 3, -1, 0]), source=("truth", source, "truth", "truth"))
        assert len(twins) == 4

    def test_no_boxes_are_valid(self) -> None:
        no_number, no_place = np.zeros(0, int), np.zeros(0)
        empty = Boxes(B.header, *[no_number] * 3, *[no_place] * 4, (), (), np.zeros(0, bool), source_id=())
        assert len(empty) == 0

    @given(
        st.lists(
            st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(-1, 2), st.sampled_from(["a", "b", "a\0"])),
            max_size=9,
        )
    )
    def test_identities_are_found_twice_exactly_where_they_are(self, rows: list[tuple[int, int, int, str]]) -> None:
        rows = sorted(rows, key=lambda row: row[:2])
        count = len(rows)
        numbers = np.array([row[:3] for row in rows], np.int64).reshape(count, 3)
        again = [i for i, row in enumerate(rows) if row[2] >= 0 and row in rows[:i]]

        def build() -> Boxes:
            return Boxes(
                B.header,
                *(np.ascontiguousarray(column) for column in numbers.T),
                *[np.ones(count)] * 4,
                ("player",) * count,
                tuple(row[3] for row in rows),
                np.zeros(count, bool),
            )

        if again:
            with pytest.raises(SchemaError, match=f"first at {again[0]}, {len(again)} in all") as caught:
                build()
            assert [problem.code for problem in caught.value.problems] == ["identity-twice"]
        else:
            assert len(build()) == count

    def test_a_million_rows_are_checked_without_a_loop_over_pairs(self) -> None:
        # Anything that grows faster than sorting would run into the suite's time limit here.
        rows = 1_000_000
        header = BoxesHeader(
            provenance=sample_provenance(),
            sequences=(BoxSequence(name="match", length=rows, size=Size(width=9, height=9), annotated=()),),
        )
        frame, identity = np.divmod(np.arange(rows), 10)
        fields = dict.fromkeys("xywh", np.ones(rows))

        def build(ids: NDArray[np.int64]) -> Boxes:
            texts = {"label": ("player",) * rows, "source": ("truth", "tracker") * (rows // 2)}
            return Boxes(header, np.zeros(rows, int), frame, ids, **fields, **texts, ignored=np.zeros(rows, bool))

        assert len(build(identity)) == rows
        with pytest.raises(SchemaError, match="once per frame and source; first at 999998, 1 in all"):
            build(changed(identity, 999_998, 6))
