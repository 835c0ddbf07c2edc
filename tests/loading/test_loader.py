"""The loader as a whole: one order for any ranks, threads, restarts and processes, and nothing left behind."""

from __future__ import annotations

import gc
import itertools
import json
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lapsdata.errors import LapsError, SchemaError
from lapsdata.loading.ledger_check import check_ledgers
from lapsdata.loading.loader import EndlessError, Loader
from lapsdata.loading.mixture import Mixture
from lapsdata.loading.orders import make_order
from lapsdata.loading.source import BatchSource, BatchSpec, FieldSpec
from lapsdata.testing.numbers import Numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# What a run may change when it goes on.
WORLDS = st.integers(1, 4)
BATCHES = st.integers(1, 5)


def source_of(kind: str, samples: int) -> BatchSource:
    if kind == "mixture":
        parts = {"a": Numbers(samples, block_rows=3), "b": Numbers(5, block_rows=3)}
        return Mixture(parts, weights={"a": 2, "b": 1})
    return Numbers(samples, block_rows=3)


class Resuming(RuleBasedStateMachine):
    """Ranks, threads and batches change at every restart; the order does not, and every sample comes exactly once.

    The model of it all is a list: what has been received and not been taken back, in the order of positions.
    """

    @initialize(
        samples=st.integers(1, 30),
        kind=st.sampled_from(["numbers", "mixture"]),
        shuffle=st.sampled_from([None, "global", "block"]),
        seed=st.integers(0, 2**53 - 1),
        steps=st.none() | st.integers(1, 4),
        world=WORLDS,
        batch=BATCHES,
        workers=st.integers(0, 3),
    )
    def begin(
        self, samples: int, kind: str, shuffle: Any, seed: int, steps: Any, world: int, batch: int, workers: int
    ) -> None:
        self.source = source_of(kind, samples)
        self.options = {"shuffle": shuffle, "seed": seed, "steps_per_epoch": steps}
        self.received: list[int] = []
        self.saved: list[tuple[dict[str, Any], int]] = []
        self.ranks: list[Loader] = []
        self.start(None, world, batch, workers)
        self.order = make_order(self.ranks[0]._sampler.record)

    def start(self, state: Any, world: int, batch: int, workers: int) -> None:
        for loader in self.ranks:
            loader.close()
        self.ranks = [
            Loader(self.source, batch_size=batch, workers=workers, rank=r, world_size=world, **self.options)
            for r in range(world)
        ]
        if state is not None:
            for loader in self.ranks:
                loader.load_state_dict(state)
        self.rounds: list[Any] = []

    @rule(most=st.integers(1, 6))
    def receive(self, most: int) -> None:
        """Take some steps on every rank; a round that ends is followed by the next."""
        for _ in range(most):
            left = {len(loader) for loader in self.ranks}
            assert len(left) == 1
            self.rounds = self.rounds or [iter(loader) for loader in self.ranks]
            batches = [next(iteration) for iteration in self.rounds]
            ids = np.stack([batch["id"] for batch in batches], 1).ravel()
            valid = np.stack([batch["valid"] for batch in batches], 1).ravel()
            for batch in batches:
                sources, places = (
                    self.source.locate(batch["id"]) if isinstance(self.source, Mixture) else (0, batch["id"])
                )
                assert np.array_equal(batch["number"], places)
                assert np.array_equal(batch["row"][:, 1], places + 1)
                assert isinstance(sources, int) or np.array_equal(batch["source"], sources)
            self.received += ids[valid].tolist()
            if left == {1}:
                for iteration in self.rounds:
                    assert next(iteration, None) is None
                self.rounds = []

    @rule()
    def leave_the_loop(self) -> None:
        """What was fetched ahead is lost, and nothing of it counts."""
        self.rounds = []

    @rule()
    def save(self) -> None:
        states = [loader.state_dict() for loader in self.ranks]
        assert all(state == states[0] for state in states)
        self.saved.append((json.loads(json.dumps(states[0])), len(self.received)))

    @precondition(lambda self: self.saved)
    @rule(data=st.data(), world=WORLDS, batch=BATCHES, workers=st.integers(0, 3))
    def restart(self, data: st.DataObject, world: int, batch: int, workers: int) -> None:
        state, length = data.draw(st.sampled_from(self.saved))
        self.saved = [entry for entry in self.saved if entry[1] <= length]
        del self.received[length:]
        self.start(state, world, batch, workers)

    @rule()
    def pickle_all(self) -> None:
        self.rounds = []
        self.ranks = [pickle.loads(pickle.dumps(loader)) for loader in self.ranks]

    @invariant()
    def the_order_is_the_reference(self) -> None:
        size = len(self.order) if hasattr(self, "order") else 0
        for epoch in range(-(-len(self.received) // size) if size else 0):
            expected = self.order.ids(epoch, np.arange(size)).tolist()
            found = self.received[epoch * size : (epoch + 1) * size]
            assert found == expected[: len(found)]
            if len(found) == size and isinstance(self.source, Numbers):
                assert Counter(found) == Counter(range(size))

    def teardown(self) -> None:
        for loader in getattr(self, "ranks", []):
            loader.close()


TestResuming = Resuming.TestCase
TestResuming.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)


def ids_of(loader: Loader) -> list[int]:
    return [int(i) for batch in loader for i in batch["id"][batch["valid"]]]


class TestIteration:
    def test_one_epoch_per_iteration_and_the_next_one_is_another(self) -> None:
        loader = Loader(Numbers(100), batch_size=8, shuffle="global")
        first, second = ids_of(loader), ids_of(loader)
        assert sorted(first) == sorted(second) == list(range(100))
        assert first != second
        assert loader.epoch == 2

    def test_the_length_is_what_is_left(self) -> None:
        loader = Loader(Numbers(20), batch_size=8, epochs=2)
        assert len(loader) == 6
        for left, _ in zip((5, 4), loader, strict=False):
            assert len(loader) == left
        assert len(loader) == 4
        assert len(list(loader)) == 4
        assert len(loader) == 0

    @pytest.mark.parametrize("steps", [None, 3])
    def test_the_length_is_none_in_the_last_step_and_that_of_the_next_loop_behind_it(self, steps: int | None) -> None:
        loader = Loader(Numbers(9), batch_size=2, workers=0, steps_per_epoch=steps)
        whole = steps or 5
        for _ in range(2):
            assert [len(loader) for _ in loader] == list(range(whole))[::-1]
            assert len(loader) == whole

    @pytest.mark.parametrize("steps", [None, 3])
    @pytest.mark.parametrize("last", ["mask", "drop"])
    def test_epochs_count_from_the_start_of_the_run(self, steps: int | None, last: Any) -> None:
        """A finished run that is started again with its state trains no more, wherever the state was saved."""

        def made(epochs: int) -> Loader:
            return Loader(Numbers(9), batch_size=2, epochs=epochs, steps_per_epoch=steps, last=last, workers=0)

        loader, inside = made(2), []
        every = []
        for batch in loader:
            inside.append(loader.state_dict())
            every.append(batch["id"].tolist())
        for state in (inside[-1], loader.state_dict()):
            again = made(2)
            again.load_state_dict(json.loads(json.dumps(state)))
            assert len(again) == 0
            assert [list(again), list(again)] == [[], []]
            more = made(3)
            more.load_state_dict(state)
            assert len(list(more)) == len(every) / 2
            assert more.state_dict()["round"] == 3
        amid = made(2)
        amid.load_state_dict(inside[0])
        assert [batch["id"].tolist() for batch in amid] == every[1:]

    @pytest.mark.parametrize("steps", [None, 3])
    @pytest.mark.parametrize("last", ["mask", "drop"])
    def test_a_state_of_the_last_step_goes_on_with_the_loop_it_was_saved_in(self, steps: int | None, last: Any) -> None:
        """With a loop for each epoch: no epoch is trained twice, and none is passed over."""

        def made() -> Loader:
            return Loader(Numbers(9), batch_size=2, shuffle="global", steps_per_epoch=steps, last=last, workers=0)

        loader, states = made(), []
        for batch in loader:
            states.append(loader.state_dict())
            del batch
        between = loader.state_dict()
        second = ids_of(loader)
        inside = made()
        inside.load_state_dict(states[-1])
        assert [ids_of(inside), ids_of(inside)] == [[], second]
        behind = made()
        behind.load_state_dict(between)
        assert ids_of(behind) == second

    def test_a_loop_that_is_left_in_its_last_step_is_over(self) -> None:
        loader = Loader(Numbers(9), batch_size=2, workers=0)
        for number, _ in enumerate(loader):
            if number == 4:
                break
        assert len(loader) == 5
        assert loader.state_dict()["round"] == 1
        assert len(list(loader)) == 5

    @pytest.mark.parametrize("workers", [0, 2])
    def test_a_second_thread_in_a_loop_is_refused_and_the_first_goes_on(self, workers: int) -> None:
        begun, go = threading.Event(), threading.Event()

        class Slow(Numbers):
            def gather(self, ids: Any, **options: Any) -> Any:
                begun.set()
                assert go.wait(20)
                return super().gather(ids, **options)

        loader = Loader(Slow(20), batch_size=4, workers=workers)
        batches, got = iter(loader), []
        first = threading.Thread(target=lambda: got.extend(next(batches)["id"].tolist()))
        first.start()
        assert begun.wait(20)
        with pytest.raises(LapsError, match="Loader: expected one thread per iterator, got a second one"):
            next(batches)
        go.set()
        first.join(20)
        assert got == [0, 1, 2, 3]
        assert [batch["id"].tolist()[0] for batch in batches] == [4, 8, 12, 16]

    def test_an_endless_loader_has_no_length(self) -> None:
        loader = Loader(Numbers(5), batch_size=2, epochs=None)
        with pytest.raises(EndlessError, match="Loader: epochs: expected a number of epochs, got None: it never ends"):
            len(loader)
        assert [batch["id"].tolist() for batch in itertools.islice(loader, 4)][3] == [0, 1]

    def test_a_loop_that_is_left_early_is_gone_on_with(self) -> None:
        loader = Loader(Numbers(40), batch_size=4, shuffle="global", seed=2)
        seen = [int(i) for batch in itertools.islice(loader, 3) for i in batch["id"]]
        seen += ids_of(loader)
        assert seen == ids_of(Loader(Numbers(40), batch_size=4, shuffle="global", seed=2))

    def test_steps_go_on_in_the_endless_order(self) -> None:
        loader = Loader(Numbers(10), batch_size=4, steps_per_epoch=3)
        assert [batch["id"].tolist() for batch in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
        assert next(iter(loader))["id"].tolist() == [2, 3, 4, 5]
        assert "which go on from epoch to epoch of 10 samples: 12 visited" in loader.plan().text

    def test_dropped_samples_are_counted(self) -> None:
        loader = Loader(Numbers(10), batch_size=4, last="drop")
        assert ids_of(loader) == list(range(8))
        assert (loader.plan().visited, loader.plan().dropped, loader.plan().steps) == (8, 2, 2)

    def test_only_the_iteration_that_was_begun_last_goes_on(self) -> None:
        loader = Loader(Numbers(20), batch_size=4)
        one = iter(loader)
        next(one)
        two = iter(loader)
        with pytest.raises(LapsError, match="expected an iteration under way, got one that a newer one, a state"):
            next(one)
        assert next(two)["id"].tolist() == [4, 5, 6, 7]
        loader.close()
        with pytest.raises(LapsError, match=r"close\(\) has ended"):
            next(two)
        assert next(iter(loader))["id"].tolist() == [8, 9, 10, 11]

    def test_an_error_of_the_source_is_raised_as_it_was_and_the_batch_can_be_had_again(self) -> None:
        class Fails(Numbers):
            failing = True

            def gather(self, ids: Any, **options: Any) -> Any:
                if self.failing and 9 in ids:
                    raise OSError("disk on fire")
                return super().gather(ids, **options)

        source = Fails(20)
        loader = Loader(source, batch_size=4)
        iteration = iter(loader)
        assert [int(i) for _ in range(2) for i in next(iteration)["id"]] == list(range(8))
        with pytest.raises(OSError, match="disk on fire"):
            next(iteration)
        source.failing = False
        assert ids_of(loader) == list(range(8, 20))

    def test_what_was_waited_for_is_counted(self) -> None:
        class Slow(Numbers):
            def gather(self, ids: Any, **options: Any) -> Any:
                time.sleep(0.02)
                return super().gather(ids, **options)

        loader = Loader(Slow(10), batch_size=2, workers=0)
        list(loader)
        assert loader.batches == 5
        assert loader.waited_s >= 0.1
        ahead = Loader(Slow(10), batch_size=2, workers=2, prefetch=4)
        for _ in ahead:
            time.sleep(0.03)
        assert ahead.waited_s < 0.1


class TestBatches:
    def test_the_source_says_id_and_valid_itself_if_it_has_them(self) -> None:
        class Own(Numbers):
            @property
            def spec(self) -> BatchSpec:
                return BatchSpec({"id": FieldSpec((), np.dtype("i8")), "valid": FieldSpec((), np.dtype(bool))})

            def gather(self, ids: Any, *, fields: Any = None, out: Any = None, to: str = "numpy") -> Any:
                values = {"id": ids + 100, "valid": ids != 2}
                for name in self.spec.only(fields):
                    out[name][...] = values[name]
                return out

        loader = Loader(Own(5), batch_size=4)
        assert [(b["id"].tolist(), b["valid"].tolist()) for b in loader] == [
            ([100, 101, 102, 103], [True, True, False, True]),
            ([104, 100, 101, 102], [True, False, False, False]),
        ]
        assert list(loader.spec) == ["id", "valid"]

    def test_a_field_of_that_name_and_another_kind_is_refused(self) -> None:
        class Odd(Numbers):
            @property
            def spec(self) -> BatchSpec:
                return BatchSpec({"valid": FieldSpec((16,), np.dtype(bool))})

        with pytest.raises(SchemaError, match=r"Loader: valid: expected \(\) bool, got \(16,\) bool; rename it"):
            Loader(Odd(5), batch_size=4)

    def test_some_fields_can_be_asked_for(self) -> None:
        loader = Loader(Numbers(5), batch_size=4, fields=["row", "id"])
        assert {tuple(batch) for batch in loader} == {("row", "valid", "id")}
        assert set(loader.spec) == {"row", "valid", "id"}
        with pytest.raises(SchemaError, match=r"fields: expected some of \['number', 'row'\], got \['rows'\]"):
            Loader(Numbers(5), batch_size=4, fields=["rows"])

    @pytest.mark.parametrize("workers", [0, 1, 3])
    @pytest.mark.parametrize("reuse", [True, False])
    def test_a_batch_that_is_held_is_never_overwritten(self, workers: int, reuse: bool) -> None:
        loader = Loader(Numbers(900), batch_size=3, workers=workers, reuse=reuse, shuffle="global")
        kept: list[Any] = []
        for number, batch in enumerate(loader):
            # A whole batch, a view of one field, a view of a view; the others are let go of.
            kept.append({0: batch, 1: batch["row"][1:], 2: batch["row"][1:][::2], 3: None}[number % 4])
        ids = ids_of(Loader(Numbers(900), batch_size=3, shuffle="global"))
        for number, thing in enumerate(kept):
            mine = np.array(ids[number * 3 : number * 3 + 3])
            if isinstance(thing, dict):
                assert thing["number"].tolist() == thing["id"].tolist() == mine.tolist()
                assert np.array_equal(thing["row"], mine[:, None] + np.arange(3))
            elif thing is not None:
                rows = mine[1:] if number % 4 == 1 else mine[1:][::2]
                assert np.array_equal(thing, rows[:, None] + np.arange(3))

    def test_what_a_user_writes_into_a_batch_is_in_no_other(self) -> None:
        loader = Loader(Numbers(60), batch_size=3)
        for number, batch in enumerate(loader):
            assert batch["id"].tolist() == [number * 3, number * 3 + 1, number * 3 + 2]
            assert batch["valid"].all()
            for array in batch.values():
                array[...] = 0

    def test_pages_are_used_again(self) -> None:
        loader = Loader(Numbers(4000), batch_size=4, prefetch=3)
        assert len({batch["row"].ctypes.data for batch in loader}) <= 8


class TestPlan:
    def test_a_process_that_is_alone_says_so(self) -> None:
        text = Loader(Numbers(8), global_batch_size=4, seed=0).plan().text
        assert "this is rank 0, the only process, as no launcher says that there are others" in text

    def test_it_says_what_a_round_does(self) -> None:
        plan = Loader(
            Numbers(1000, block_rows=50),
            global_batch_size=64,
            shuffle="block",
            window_blocks=4,
            seed=9,
            rank=1,
            world_size=2,
        ).plan()
        assert plan.text == str(plan)
        assert plan.text.splitlines() == [
            "a round is an epoch of 1000 samples: "
            "1000 visited, 24 repeated to fill the last step (valid=False), 0 dropped",
            "16 steps of 64 samples: 32 for each of 2 ranks; this is rank 1, says the caller",
            "order: blocks of 50 neighbours at any place, samples shuffled within windows of 200, seed 9",
        ]
        told = json.loads(json.dumps(plan.as_json()))
        assert (told["masked"], told["shuffle_window"], told["sources"]) == (24, 200, [])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({}, "expected one of batch_size and global_batch_size, got None and None"),
            (
                {"batch_size": 1, "global_batch_size": 1},
                "expected one of batch_size and global_batch_size, got 1 and 1",
            ),
            ({"batch_size": 0}, "batch_size: expected a whole number from 1 on, got 0"),
            ({"batch_size": 2.0}, "batch_size: expected a whole number from 1 on, got 2.0"),
            ({"batch_size": 2, "seed": -1}, "seed: expected a whole number from 0 on, got -1"),
            ({"batch_size": 2, "seed": None}, "seed: expected a whole number from 0 on, got None"),
            ({"batch_size": 2, "epochs": 0}, "epochs: expected a whole number from 1 on, got 0"),
            ({"batch_size": 2, "shuffle": True}, "shuffle: expected one of"),
            ({"batch_size": 2, "last": "keep"}, "last: expected one of"),
            ({"batch_size": 2, "block_rows": 8}, "block_rows: expected shuffle='block' for it, got None"),
            ({"batch_size": 2, "shuffle": "block"}, "expected the samples of a block for shuffle='block', got none"),
            ({"batch_size": 2, "to": "numpy", "device": "cpu"}, "to: expected to='torch' for a device"),
            ({"batch_size": 11, "last": "drop"}, "expected a step within 10 samples, got one of 11; use last='mask'"),
            (
                {"global_batch_size": 10, "rank": 0, "world_size": 4},
                "global_batch_size: expected a number that 4 ranks can share evenly, got 10; use 8 or 12",
            ),
        ],
    )
    def test_wrong_arguments_are_refused(self, options: Any, message: str) -> None:
        with pytest.raises(SchemaError, match=message):
            Loader(Numbers(10), **options)

    def test_all_wrong_arguments_are_named_at_once(self) -> None:
        with pytest.raises(SchemaError, match="3 problems:"):
            Loader(Numbers(10), batch_size=0, seed=-1, last="no")  # type: ignore[arg-type]  # the refusal is the test

    @pytest.mark.parametrize("kind", [np.int64, np.uint8, np.array, torch.tensor])
    def test_integers_of_any_library_are_taken(self, kind: Any, tmp_path: Path) -> None:
        options: dict[str, Any] = {"shuffle": "block", "ledger": tmp_path / "ledgers"}
        numbers: dict[str, Any] = {
            "seed": 1, "epochs": 2, "steps_per_epoch": 3, "block_rows": 4, "window_blocks": 2, "rank": 0,
            "world_size": 2, "workers": 0, "prefetch": 2,
        }  # fmt: skip
        for size in ({"batch_size": 3}, {"global_batch_size": 6}):
            with Loader(Numbers(40), **numbers, **size, **options) as plain:
                expected = ids_of(plain), json.dumps(plain.plan().as_json()), json.dumps(plain.state_dict())
            told = {name: kind(value) for name, value in (numbers | size).items()}
            with Loader(Numbers(40), **told, **options) as loader:
                assert (
                    ids_of(loader),
                    json.dumps(loader.plan().as_json()),
                    json.dumps(loader.state_dict()),
                ) == expected

    @pytest.mark.parametrize("name", ["batch_size", "seed", "rank", "epochs", "steps_per_epoch", "prefetch"])
    @pytest.mark.parametrize("value", [True, np.True_, torch.tensor(True), 2.0, np.float64(2), "2"])
    def test_what_is_no_integer_is_refused(self, name: str, value: Any) -> None:
        options = {"batch_size": 2, "rank": 1, "world_size": 4, name: value}
        with pytest.raises(SchemaError, match=rf"{name}: expected a (whole number|rank) from [01]"):
            Loader(Numbers(40), **options)

    def test_a_source_may_say_its_block_in_integers_of_numpy(self) -> None:
        loader = Loader(Numbers(40, block_rows=np.int64(8)), batch_size=4, shuffle="block")  # type: ignore[arg-type]
        assert json.loads(json.dumps(loader.plan().as_json()))["block_rows"] == 8

    def test_an_empty_source_is_refused(self) -> None:
        with pytest.raises(SchemaError, match="Loader: source: expected at least one sample, got none"):
            Loader(Numbers(0), batch_size=1)


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("lapsdata")]


class TestLeavingNothing:
    @pytest.mark.parametrize("way", ["end", "break", "drop", "close", "with", "error"])
    def test_no_thread_outlives_its_loop(self, way: str) -> None:
        loader = Loader(Numbers(400), batch_size=4, workers=3)
        if way == "end":
            list(loader)
        elif way == "break":
            for _ in loader:
                assert ours()
                break
        elif way == "with":
            with loader:
                iteration = iter(loader)
                next(iteration)
        elif way == "error":
            with pytest.raises(ZeroDivisionError, match="zero"):
                [1 / 0 for _ in loader]
        else:
            iteration = iter(loader)
            next(iteration)
            if way == "close":
                loader.close()
            else:
                del loader, iteration
        assert ours() == []

    def test_a_loader_in_a_circle_leaves_no_thread(self) -> None:
        loader = Loader(Numbers(400), batch_size=4)
        iteration = iter(loader)
        next(iteration)
        circle: list[Any] = [loader, iteration]
        circle.append(circle)
        del loader, iteration, circle
        gc.collect()
        assert ours() == []

    def test_a_thousand_short_loops_leave_nothing(self) -> None:
        loader = Loader(Numbers(40), batch_size=4, epochs=None)
        for _ in range(200):
            next(iter(loader))
        assert ours() == []
        assert loader.batches == 200


class TestProcesses:
    def test_a_loader_can_be_pickled_before_amid_and_after_use(self) -> None:
        loader = Loader(Numbers(40), batch_size=4, shuffle="global")
        expected = ids_of(pickle.loads(pickle.dumps(loader)))
        iteration = iter(loader)
        assert next(iteration)["id"].tolist() == expected[:4]
        amid = pickle.loads(pickle.dumps(loader))
        assert ids_of(amid) == expected[4:]
        assert next(iteration)["id"].tolist() == expected[4:8]
        loader.close()

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_a_fork_amid_a_loop_says_so_and_begins_anew(self) -> None:
        loader = Loader(Numbers(40), batch_size=4)
        iteration = iter(loader)
        next(iteration)
        assert in_a_fork(lambda: next(iteration)) == "forked"
        assert in_a_fork(lambda: ids_of(loader)) == str(list(range(4, 40)))
        assert [int(i) for batch in iteration for i in batch["id"]] == list(range(4, 40))

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
    def test_a_fork_does_not_write_to_the_ledger_of_its_parent(self, tmp_path: Path) -> None:
        loader = Loader(Numbers(40), batch_size=4, ledger=tmp_path)
        next(iter(loader))
        assert in_a_fork(lambda: ids_of(loader)) == "forked"
        assert in_a_fork(loader.close) == "None"
        list(loader)
        loader.close()
        assert check_ledgers([tmp_path]).problems == []

    @pytest.mark.slow
    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    def test_children_of_every_kind_load_the_same(self, method: str, tmp_path: Path) -> None:
        script = tmp_path / "children.py"
        script.write_text(CHILDREN)
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", script, method, tmp_path / "ledgers"],
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        found = json.loads(done.stdout)
        ranks = [found[str(rank)] for rank in range(3)]
        order = [i for step in zip(*ranks, strict=True) for row in zip(*step, strict=True) for i in row if i >= 0]
        assert order == ids_of(Loader(Numbers(100), batch_size=3, shuffle="global", seed=4))
        report = check_ledgers([tmp_path / "ledgers"])
        assert report.problems == []
        assert (report.whole_epochs, report.world_sizes) == (1, (3,))


def in_a_fork(call: Callable[[], object]) -> str:
    """Return what a call comes to in a forked child: its value in words, or the code of its error."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        child = os.fork()
    if not child:
        try:
            try:
                told = str(call())
            except LapsError as error:
                told = error.problems[0].code
            os.write(writer, told.encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:  # noqa: PTH123 - a handle, no path
        told = file.read().decode()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return told


CHILDREN = """
import json, multiprocessing, pathlib, sys
from lapsdata.loading.loader import Loader
from lapsdata.testing.numbers import Numbers

def made(rank, folder):
    return Loader(Numbers(100), batch_size=5, shuffle="global", seed=4, rank=rank, world_size=3, ledger=folder)

def load(loader, results, rank):
    with loader:
        found = [[int(i) if v else -1 for i, v in zip(b["id"], b["valid"])] for b in loader]
    results.put((rank, found))

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    folder = pathlib.Path(sys.argv[2])
    # Something is under way in the parent when the children start.
    busy = iter(Loader(Numbers(1000), batch_size=5))
    next(busy)
    results = context.Queue()
    children = [context.Process(target=load, args=(made(rank, folder), results, rank)) for rank in range(3)]
    for child in children:
        child.start()
    found = dict(results.get(timeout=120) for _ in children)
    for child in children:
        child.join()
    next(busy)
    busy.close()
    print(json.dumps(found))
"""
