"""Mixtures: shares that hold at every position, epochs that end as they are told to, samples of the right source."""

from __future__ import annotations

import pickle
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.loading.loader import Loader
from lapsdata.loading.mixture import Mixture, mixed_samples
from lapsdata.loading.schedule import Schedule, whole_shares
from lapsdata.loading.source import Batch, BatchSource, BatchSpec, FieldSpec
from lapsdata.testing.numbers import Numbers

if TYPE_CHECKING:
    from collections.abc import Callable

shares = st.lists(st.integers(1, 50), min_size=1, max_size=6).map(tuple)


class TestSchedule:
    @given(shares=shares, positions=st.integers(1, 500))
    def test_counts_are_those_of_the_positions_before(self, shares: tuple[int, ...], positions: int) -> None:
        schedule = Schedule(shares)
        sources, counts = schedule.at(np.arange(positions))
        seen = Counter[int]()
        for position, (source, count) in enumerate(zip(sources.tolist(), counts.tolist(), strict=True)):
            assert count == seen[source]
            assert schedule.counts_before(position) == tuple(seen[k] for k in range(len(shares)))
            seen[source] += 1

    @given(shares=shares, position=st.integers(0, 2**53))
    def test_no_source_strays_far_from_its_share(self, shares: tuple[int, ...], position: int) -> None:
        """Low discrepancy, however far along: the bound of the module."""
        bound = 1 + sum(Fraction(1, k) for k in range(1, len(shares)))
        for share, count in zip(shares, Schedule(shares).counts_before(position), strict=True):
            assert abs(Fraction(share * position, sum(shares)) - count) < bound

    @given(shares=shares)
    def test_a_period_has_exactly_the_shares(self, shares: tuple[int, ...]) -> None:
        assert Schedule(shares).counts_before(sum(shares)) == shares

    def test_far_positions_do_not_overflow(self) -> None:
        schedule = Schedule((2**29, 2**29 - 1, 1))
        sources, counts = schedule.at(np.array([2**52, 2**52 + 1]))
        before = schedule.counts_before(2**52)
        assert counts[0] == before[sources[0]]

    @pytest.mark.parametrize(
        ("weights", "expected"),
        [
            ([0.7, 0.2, 0.1], (7, 2, 1)),
            ([1, 1], (1, 1)),
            ([0.1 + 0.2, 0.3], None),
            ([Fraction(1, 3), Fraction(2, 3)], (1, 2)),
            ([1e-3, 1.0], (1, 1000)),
            ([np.float64(0.7), np.int64(3)], (7, 30)),
            ([np.float32(0.5), Fraction(1, 2)], (1, 1)),
            ([123456, 654321], (41152, 218107)),
        ],
    )
    def test_weights_are_taken_as_they_are_spelled(self, weights: Any, expected: tuple[int, ...] | None) -> None:
        found = whole_shares(weights)
        assert expected is None or found == expected
        assert sum(found) <= 2**30
        assert np.allclose(np.array(found) / sum(found), np.array(weights, float) / float(sum(weights)), atol=1e-8)

    def test_a_weight_that_is_too_fine_is_at_least_one_part(self) -> None:
        assert whole_shares([1e-300, 1.0])[0] == 1


class TestEpoch:
    @given(
        parts=st.lists(st.tuples(st.integers(1, 20), st.integers(1, 30)), min_size=1, max_size=5),
        exhausted=st.sampled_from(["repeat", "stop"]),
    )
    def test_it_ends_where_the_policy_says(self, parts: list[tuple[int, int]], exhausted: Any) -> None:
        shares, lengths = zip(*parts, strict=True)
        end = mixed_samples(shares, lengths, exhausted)
        schedule = Schedule(shares)
        at_end = list(zip(schedule.counts_before(end), lengths, strict=True))
        if exhausted == "stop":
            assert all(count <= length for count, length in at_end)
            after = zip(schedule.counts_before(end + 1), lengths, strict=True)
            assert any(count > length for count, length in after)
        else:
            assert all(count >= length for count, length in at_end)
            before = zip(schedule.counts_before(end - 1), lengths, strict=True)
            assert not all(count >= length for count, length in before)

    def test_an_epoch_that_json_cannot_count_is_refused(self) -> None:
        with pytest.raises(SchemaError, match=r"weights: expected an epoch of up to 2\*\*53 - 1 positions, got"):
            mixed_samples((2**29, 1), (1, 2**40), "repeat")


def loaded(mixture: Mixture, **options: Any) -> list[tuple[int, int]]:
    """Return (source, number) of every valid sample of one epoch."""
    found = []
    for batch in Loader(mixture, **{"batch_size": 7, "workers": 0, **options}):
        assert batch["id"].dtype == batch["source"].dtype == np.int64
        sources, ids = mixture.locate(batch["id"])
        assert np.array_equal(sources, batch["source"])
        assert np.array_equal(ids, batch["number"])
        assert np.array_equal(batch["row"][:, 2], ids + 2)
        valid = batch["valid"]
        found += list(zip(batch["source"][valid].tolist(), batch["number"][valid].tolist(), strict=True))
    return found


class TestMixture:
    @pytest.mark.parametrize("shuffle", ["none", "global", "block"])
    def test_by_default_every_sample_comes_once(self, shuffle: str) -> None:
        mixture = Mixture({"a": Numbers(50), "b": Numbers(13), "c": Numbers(101)})
        rows = {"block_rows": 8} if shuffle == "block" else {}
        found = loaded(mixture, shuffle=shuffle, **rows)
        expected = [(k, i) for k, n in enumerate((50, 13, 101)) for i in range(n)]
        assert sorted(found) == expected

    @given(
        lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4),
        weights=st.lists(st.sampled_from([0.1, 0.25, 1, 2, 3.5]), min_size=4, max_size=4),
        exhausted=st.sampled_from(["repeat", "stop"]),
        shuffle=st.sampled_from([None, "global", "block"]),
    )
    @settings(max_examples=60)
    def test_sources_are_seen_evenly(
        self, lengths: list[int], weights: list[float], exhausted: Any, shuffle: Any
    ) -> None:
        """A source that is repeated has had all its samples before any comes again; no other has one twice."""
        mixture = Mixture(
            {f"s{k}": Numbers(n, block_rows=4) for k, n in enumerate(lengths)},
            weights={f"s{k}": weights[k] for k in range(len(lengths))},
            exhausted=exhausted,
        )
        found = Counter(loaded(mixture, shuffle=shuffle, seed=3))
        assert sum(found.values()) == mixture.samples_per_epoch
        for number, length in enumerate(lengths):
            counts = [found[number, i] for i in range(length)]
            assert max(counts) - min(counts) <= 1
            assert min(counts) >= 1 if exhausted == "repeat" else max(counts) <= 1

    def test_every_batch_holds_the_shares(self) -> None:
        mixture = Mixture({"a": Numbers(5000), "b": Numbers(5000)}, weights={"a": 3, "b": 1})
        for batch in Loader(mixture, batch_size=64, shuffle="global", last="drop", workers=0):
            assert abs(int(batch["source"].sum()) - 16) <= 2

    def test_every_rank_meets_every_source(self) -> None:
        """Two sources in turn, and two ranks in turn: without a shuffle of places each rank would meet one source."""
        mixture = Mixture({"a": Numbers(2048), "b": Numbers(2048)})
        for rank in (0, 1):
            loader = Loader(mixture, batch_size=128, shuffle="global", rank=rank, world_size=2, workers=0)
            shares = [float(batch["source"].mean()) for batch in loader]
            assert 0.35 < min(shares) <= max(shares) < 0.65

    def test_the_plan_counts_what_is_repeated_and_what_is_left_out(self) -> None:
        sources = {"a": Numbers(10), "b": Numbers(4)}
        weights = {"a": 1.0, "b": 1.0}
        plan = Loader(Mixture(sources, weights=weights), batch_size=4).plan()
        assert [(part.visited, part.repeated, part.left_out) for part in plan.sources] == [(10, 0, 0), (9, 5, 0)]
        assert "b: 9 of an epoch's samples, 5 of them repeated; 0 of its 4 left out" in plan.text
        plan = Loader(Mixture(sources, weights=weights, exhausted="stop"), batch_size=4).plan()
        assert [(part.visited, part.repeated, part.left_out) for part in plan.sources] == [(5, 0, 5), (4, 0, 0)]

    def test_weights_and_policy_are_in_the_state(self) -> None:
        sources: dict[str, BatchSource] = {"a": Numbers(10), "b": Numbers(4)}
        state = Loader(Mixture(sources, weights={"a": 1, "b": 2}), batch_size=4).state_dict()
        other = Loader(Mixture(sources, weights={"a": 1, "b": 3}, exhausted="stop"), batch_size=4)
        with pytest.raises(SchemaError, match="b: share: expected 3 as this loader has, got 2") as caught:
            other.load_state_dict(state)
        assert [problem.where for problem in caught.value.problems] == [
            "state: b: share",
            "state: exhausted",
            "state: samples",
        ]

    def test_what_the_sources_say_about_their_content_is_in_the_state(self) -> None:
        assert Mixture({"a": Numbers(3)}).fingerprint is None
        mixed = [Mixture({"a": Numbers(3, fingerprint=text), "b": Numbers(3)}) for text in ("one", "two")]
        assert mixed[0].fingerprint == '{"a":"one"}'
        with pytest.raises(SchemaError, match=r'fingerprint: expected .*"a":"two".* as this loader.*, got .*"a":"one"'):
            Loader(mixed[1], batch_size=2).load_state_dict(Loader(mixed[0], batch_size=2).state_dict())

    def test_gather_takes_fields_buffers_and_torch(self) -> None:
        mixture = Mixture({"a": Numbers(3), "b": Numbers(2)})
        ids = np.array([4, 0, 4, 2])
        out = {"row": np.zeros((4, 3), "f4"), "source": np.zeros(4, "i8")}
        batch = mixture.gather(ids, fields=["row", "source"], out=out)
        assert batch["row"] is out["row"]
        assert out["row"][:, 0].tolist() == [1, 0, 1, 2]
        assert out["source"].tolist() == [1, 0, 1, 0]
        assert mixture.gather(ids[1:2], fields=["row"], out={"row": out["row"][:1]})["row"].tolist() == [[0, 1, 2]]
        tensors = mixture.gather(ids, to="torch")
        assert tensors["number"].tolist() == [1, 0, 1, 2]
        assert list(mixture.spec) == ["number", "row", "source"]
        assert len(mixture.gather(ids[:0])["row"]) == 0

    @pytest.mark.parametrize("ids", [[-1], [5], [0, 9]])
    def test_ids_outside_are_an_index_error(self, ids: list[int]) -> None:
        with pytest.raises(IndexError, match="expected ids from 0 to 4, got"):
            Mixture({"a": Numbers(3), "b": Numbers(2)}).gather(np.array(ids))

    def test_it_can_be_pickled_after_use(self) -> None:
        mixture = Mixture({"a": Numbers(30), "b": Numbers(20)})
        before = loaded(mixture, shuffle="global")
        assert loaded(pickle.loads(pickle.dumps(mixture)), shuffle="global") == before


class Other(Numbers):
    @property
    def spec(self) -> BatchSpec:
        return BatchSpec({**super().spec, "row": FieldSpec((4,), np.dtype("f4"))})


class Sourced(Numbers):
    @property
    def spec(self) -> BatchSpec:
        return BatchSpec({**super().spec, "source": FieldSpec((), np.dtype("i8"))})


@pytest.mark.parametrize(
    ("sources", "options", "message"),
    [
        ({}, {}, "Mixture: sources: expected at least one source, got none"),
        ({"a": Numbers(3), "b": Numbers(0)}, {}, "Mixture: b: expected at least one sample, got none; leave it out"),
        ({"a": Numbers(3), "b": Other(3)}, {}, r"b: row: expected \(3,\) float32 metre as in a, got \(4,\) float32"),
        ({"a": Sourced(3)}, {}, "Mixture: a: source: expected no such field: mixtures add it"),
        ({"a": Mixture({"b": Numbers(3)})}, {}, "Mixture: a: expected a source, got a mixture"),
        ({"a": Numbers(3)}, {"weights": {"b": 1}}, "2 problems:(?s:.*)weights: b: expected a weight for each of"),
        ({"a": Numbers(3)}, {"weights": {"a": 0}}, "weights: a: expected a positive number, got 0"),
        ({"a": Numbers(3)}, {"weights": {"a": float("nan")}}, "weights: a: expected a positive number, got nan"),
        ({"a": Numbers(3)}, {"weights": {"a": True}}, "weights: a: expected a positive number, got True"),
        ({"a": Numbers(3)}, {"exhausted": "cycle"}, "exhausted: expected 'repeat' or 'stop', got 'cycle'"),
    ],
)
def test_what_cannot_be_mixed_is_refused(sources: Any, options: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Mixture(sources, **options)


class Transformed(Numbers):
    """Numbers whose batches are changed on their way out, as a data set's `transform` does."""

    def __init__(self, length: int, change: Callable[[Batch], Batch]) -> None:
        super().__init__(length)
        self._change = change

    def gather(self, ids: Any, **options: Any) -> Batch:
        return self._change(super().gather(ids, **options))


def less(batch: Batch) -> Batch:
    return {"number": batch["number"]}


def more(batch: Batch) -> Batch:
    return batch | {"extra": batch["number"] * 2}


def shorter(batch: Batch) -> Batch:
    return batch | {"row": batch["row"][:, :2]}


def finer(batch: Batch) -> Batch:
    return batch | {"row": batch["row"] / np.float64(2)}


class TestTransforms:
    """A batch holds what the sources return, and nothing else."""

    IDS = np.array([6, 0, 4, 2, 1])

    @pytest.mark.parametrize(
        ("change", "fields"),
        [
            (less, {"number": ((5,), "int64")}),
            (more, {"number": ((5,), "int64"), "row": ((5, 3), "float32"), "extra": ((5,), "int64")}),
            (shorter, {"number": ((5,), "int64"), "row": ((5, 2), "float32")}),
            (finer, {"number": ((5,), "int64"), "row": ((5, 3), "float64")}),
        ],
    )
    @pytest.mark.parametrize("buffers", [False, True])
    def test_what_transforms_make_is_delivered(self, change: Any, fields: dict[str, Any], buffers: bool) -> None:
        mixture = Mixture({"a": Transformed(4, change), "b": Transformed(3, change)})
        out = {name: field.empty(5) for name, field in mixture.spec.items()} if buffers else None
        batch = mixture.gather(self.IDS, out=out)
        found = {name: (values.shape, str(values.dtype)) for name, values in batch.items()}
        assert found == fields | {"source": ((5,), "int64")}
        plain = change(Mixture({"a": Numbers(4), "b": Numbers(3)}).gather(self.IDS))
        for name in fields:
            np.testing.assert_array_equal(batch[name], plain[name])
        with Loader(mixture, batch_size=5, shuffle="global") as loader:
            assert set(next(iter(loader))) == {*fields, "source", "id", "valid"}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (less, r"b: row: expected \(3,\) float32 as in a, got no such field"),
            (more, r"b: extra: expected no such field as in a, got \(\) int64"),
            (shorter, r"b: row: expected \(3,\) float32 as in a, got \(2,\) float32"),
            (finer, r"b: row: expected \(3,\) float32 as in a, got \(3,\) float64"),
        ],
    )
    def test_sources_that_return_unlike_batches_are_refused(self, change: Any, message: str) -> None:
        mixture = Mixture({"a": Numbers(4), "b": Transformed(3, change)})
        with pytest.raises(SchemaError, match=message):
            mixture.gather(self.IDS)
        assert mixture.gather(np.array([3, 0]))["number"].tolist() == [3, 0]
        # Also where a batch is of one source alone.
        with pytest.raises(SchemaError, match=message):
            mixture.gather(np.array([5, 6]))

    def test_a_source_that_changes_its_mind_is_refused(self) -> None:
        turns = iter([less, more])
        mixture = Mixture({"a": Transformed(4, lambda batch: next(turns)(batch))})
        mixture.gather(np.array([0]))
        with pytest.raises(SchemaError, match="a: row: expected no such field as in a, before, got"):
            mixture.gather(np.array([0]))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda batch: {"number": batch["number"].tolist()}, "a: number: expected an array of 3 rows, got list"),
            (
                lambda batch: {"number": batch["number"][:1]},
                r"a: number: expected an array of 3 rows, got shape \(1,\)",
            ),
            (lambda batch: {"source": batch["number"]}, "a: source: expected no such field: mixtures add it"),
        ],
    )
    def test_what_is_no_batch_is_refused(self, change: Any, message: str) -> None:
        with pytest.raises(SchemaError, match=message):
            Mixture({"a": Transformed(4, change), "b": Numbers(4)}).gather(np.array([0, 5, 1, 2]))


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ({"number": np.zeros(2, "i4")}, {}, r"out: number: expected \(2,\) int64 in C order .*, got \(2,\) int32"),
        ({"number": np.zeros(5, "i8")}, {}, r"out: number: expected \(2,\) int64 in C order .*, got \(5,\) int64"),
        ({"source": np.zeros(2, "i4")}, {}, r"out: source: expected \(2,\) int64 in C order .*, got \(2,\) int32"),
        ({"number": [0, 0]}, {}, r"out: number: expected \(2,\) int64 in C order .*, got list"),
        ({"row": np.zeros((2, 3), "f4")}, {"fields": ["number"]}, r"buffers for some of \['number'\], got \['row'\]"),
        ({"nope": np.zeros(2)}, {}, r"expected buffers for some of .*, got \['nope'\]"),
        (None, {"to": "jax"}, "to: expected 'numpy' or 'torch', got 'jax'"),
    ],
)
def test_buffers_of_another_kind_are_refused(out: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Mixture({"a": Numbers(3), "b": Numbers(2)}).gather(np.array([0, 4]), out=out, **options)


@pytest.mark.parametrize("ids", [[0, 4], [0, 1]])
def test_buffers_for_some_of_the_fields_are_filled(ids: list[int]) -> None:
    out = {"row": np.full((2, 3), -1, "f4")}
    batch = Mixture({"a": Numbers(3), "b": Numbers(2)}).gather(np.array(ids), out=out)
    assert batch["row"] is out["row"]
    assert set(batch) == {"number", "row", "source"}
    assert out["row"][:, 1].tolist() == (batch["number"] + 1).tolist()
