"""What every engine promises: one outcome per item whatever a task does, and the other items go on."""

from __future__ import annotations

import functools
import math
import os
import pickle
import signal
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, LapsError, LapsWarning, Problem, Problems, SchemaError
from lapsdata.execution.engine import ExecutionError, Outcome, PerItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from lapsdata.execution.engine import Engine, Task

    Run = Callable[[Engine, Task[Any, Any], Any], list[Outcome[Any, Any]]]


def test_each_item_has_one_outcome(engine: Engine, run: Run, tasks: ModuleType) -> None:
    outcomes = run(engine, tasks.square, range(20))
    assert [outcome.result for outcome in outcomes] == [number**2 for number in range(20)]
    assert [outcome.item for outcome in outcomes] == list(range(20))
    assert not any(outcome.failed or outcome.traceback for outcome in outcomes)


def test_no_items_are_no_work(engine: Engine, run: Run, tasks: ModuleType) -> None:
    assert run(engine, tasks.square, []) == []


def test_fewer_items_than_workers(make_engine: Callable[[int], Engine], run: Run, tasks: ModuleType) -> None:
    outcomes = run(make_engine(50), tasks.process_id, [0, 1])
    assert len(outcomes) == 2


def test_a_thousand_items(engine: Engine, run: Run) -> None:
    outcomes = run(engine, PerItem(math.sqrt), range(1000))
    assert [outcome.result for outcome in outcomes] == [math.sqrt(number) for number in range(1000)]


def test_outcomes_come_as_items_end(make_engine: Callable[[int], Engine], tasks: ModuleType, tmp_path: Path) -> None:
    """The first item waits for a file that appears only when the others have been told."""
    seen: list[int] = []

    def finished(outcome: Outcome[Path | None, None]) -> None:
        seen.append(outcome.index)
        if len(seen) == 2:
            (tmp_path / "go").touch()

    make_engine(2).run(tasks.wait_for, [tmp_path / "go", None, None], finished=finished)
    assert seen == [1, 2, 0]


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(st.tuples(st.integers(-9, 9), st.floats(0, 0.02)), max_size=12),
    workers=st.integers(1, 4),
)
def test_results_do_not_depend_on_who_works(
    numbers: list[tuple[int, float]],
    workers: int,
    make_engine: Callable[[int], Engine],
    run: Run,
    tasks: ModuleType,
) -> None:
    outcomes = run(make_engine(workers), tasks.late, numbers)
    assert [outcome.result for outcome in outcomes] == [number for number, _ in numbers]
    assert [outcome.index for outcome in outcomes] == list(range(len(numbers)))


def test_items_are_taken_when_a_worker_is_free_for_them(
    make_engine: Callable[[int], Engine], tasks: ModuleType
) -> None:
    taken: list[int] = []
    ended: list[int] = []
    ahead: list[int] = []

    def items() -> Iterator[int]:
        for number in range(200):
            taken.append(number)
            ahead.append(len(taken) - len(ended))
            yield number

    make_engine(3).run(tasks.square, items(), finished=lambda outcome: ended.append(outcome.index))
    assert len(ended) == 200
    assert max(ahead) <= 3


def test_a_task_is_loaded_once_per_worker_and_keeps_what_it_learnt(
    make_engine: Callable[[int], Engine], run: Run, tasks: ModuleType, tmp_path: Path
) -> None:
    outcomes = run(make_engine(2), tasks.CountsLoads(tmp_path), range(30))
    loads = {int(path.stem): path.read_text() for path in tmp_path.iterdir()}
    assert 1 <= len(loads) <= 2
    assert set(loads.values()) == {"x"}
    by_worker: dict[int, list[int]] = {number: [] for number in loads}
    for outcome in outcomes:
        number, done = outcome.result
        by_worker[number].append(done)
    assert all(done == list(range(1, len(done) + 1)) for done in by_worker.values())


def test_the_caller_is_no_worker(engine: Engine, run: Run, tasks: ModuleType) -> None:
    """One worker is a process of its own too: it may crash, and is ended by Ctrl-C like any other."""
    assert os.getpid() not in {outcome.result for outcome in run(engine, tasks.process_id, range(5))}


def test_large_items_and_results(engine: Engine, run: Run) -> None:
    items = [bytes([number]) * 5_000_000 for number in range(4)]
    outcomes = run(engine, PerItem(bytes), items)
    assert [outcome.result for outcome in outcomes] == items


# Failures of a task


def test_a_failed_item_leaves_the_others_alone(engine: Engine, run: Run, tasks: ModuleType) -> None:
    outcomes = run(engine, tasks.even_only, range(7))
    assert [outcome.index for outcome in outcomes if outcome.failed] == [1, 3, 5]
    assert [outcome.result for outcome in outcomes] == [0, None, 2, None, 4, None, 6]


def test_any_exception_is_told_with_type_text_and_place(engine: Engine, run: Run, tasks: ModuleType) -> None:
    (outcome,) = run(engine, tasks.even_only, [3])
    (problem,) = outcome.problems
    assert problem.code == "task-failed"
    assert problem.message == "expected a result, got ValueError: 3 is odd"
    assert outcome.traceback is not None
    assert 'raise ValueError(f"{item} is odd")' in outcome.traceback


def test_problems_of_ours_come_back_as_they_are(engine: Engine, run: Run, tasks: ModuleType) -> None:
    (outcome,) = run(engine, tasks.corrupt, ["clip.mp4"])
    with pytest.raises(CorruptDataError, match="expected a frame") as raised:
        tasks.corrupt("clip.mp4", lambda units: None)
    assert outcome.problems == raised.value.problems
    assert outcome.problems[0].fix == "record it again"
    assert outcome.problems[1].severity == "warning"
    assert "CorruptDataError" in (outcome.traceback or "")


@settings(max_examples=25)
@given(
    problems=st.lists(
        st.builds(Problem, st.text(), st.text(), st.text(), st.none() | st.text(), st.just("error")), min_size=1
    ),
    kind=st.sampled_from([LapsError, *LapsError.__subclasses__()]),
)
def test_errors_of_ours_pass_through_pickle(problems: list[Problem], kind: type[LapsError]) -> None:
    error = kind(*problems).within("clip")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert again.problems == error.problems
    assert str(again) == str(error)


def test_an_exception_that_cannot_be_told_is_told(engine: Engine, run: Run, tasks: ModuleType) -> None:
    (outcome,) = run(engine, tasks.dumb, [0])
    assert outcome.problems[0].message == "expected a result, got DumbError: <exception str() failed>"


@pytest.mark.parametrize("code", ["bye", 0, 3, None])
def test_leaving_the_program_is_a_failure_of_the_item(
    engine: Engine, run: Run, tasks: ModuleType, code: object
) -> None:
    outcomes = run(engine, tasks.leave, [code, code])
    assert [outcome.problems[0].code for outcome in outcomes] == ["task-exited", "task-exited"]
    assert outcomes[0].problems[0].message == f"expected a result, got sys.exit({code!r})"


def test_an_interrupt_that_nobody_sent_is_a_failure_of_the_item(engine: Engine, run: Run, tasks: ModuleType) -> None:
    (outcome,) = run(engine, tasks.interrupt_itself, [0])
    assert outcome.problems[0].message == "expected a result, got KeyboardInterrupt: from inside"


@pytest.mark.parametrize(
    ("how", "told", "advice"),
    [
        (signal.SIGKILL, "was ended by SIGKILL", "memory runs out"),
        (signal.SIGSEGV, "was ended by SIGSEGV", "compiled library"),
        (signal.SIGABRT, "was ended by SIGABRT", "compiled library"),
        (signal.SIGTERM, "was ended by SIGTERM", ""),
        (signal.SIGRTMIN + 1, f"was ended by signal {signal.SIGRTMIN + 1}", ""),
        (-9, "left with exit code 9", ""),
        (-0x100, "left with exit code 0", ""),
    ],
    ids=str,
)
def test_a_worker_that_dies_fails_its_item_and_is_replaced(
    engine: Engine, run: Run, tasks: ModuleType, how: int, told: str, advice: str
) -> None:
    outcomes = run(engine, tasks.die_by, [None, None, how, None, None, how, None])
    assert [outcome.result for outcome in outcomes] == ["well", "well", None, "well", "well", None, "well"]
    (problem,) = outcomes[2].problems
    assert problem.code == "worker-died"
    assert problem.message == f"expected a result, but the worker process {told}"
    assert advice in (problem.fix or "")
    assert outcomes[5].problems == outcomes[2].problems
    assert outcomes[2].traceback is None


def test_a_worker_that_closes_its_channel_fails_its_item(engine: Engine, run: Run, tasks: ModuleType) -> None:
    (outcome,) = run(engine, tasks.close_everything, [0])
    assert outcome.problems[0].message == "expected a result, but the worker process left with exit code 74"


def test_every_item_may_kill_its_worker(engine: Engine, run: Run, tasks: ModuleType) -> None:
    outcomes = run(engine, tasks.die_by, [signal.SIGKILL] * 6)
    assert [outcome.problems[0].code for outcome in outcomes] == ["worker-died"] * 6


# What does not travel


class Local:
    """Holds what only this process has."""

    def __init__(self, held: object) -> None:
        self.held = held

    def __call__(self, item: object, tell: Callable[[int], None]) -> None:
        raise AssertionError


def test_a_task_that_cannot_be_pickled_is_refused_before_anything_starts(engine: Engine, run: Run) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        taken.append(1)
        yield 1

    with pytest.raises(ExecutionError, match=r"task: expected a task that can be sent .*lambda.*\[not-picklable\]"):
        run(engine, lambda item, tell: item, items())
    assert taken == []


def test_the_part_of_a_task_that_cannot_be_pickled_is_named(engine: Engine, run: Run, tmp_path: Path) -> None:
    with (tmp_path / "open.txt").open("w") as opened:
        task = Local({"model": [1, opened]})
        with pytest.raises(ExecutionError, match=r"task\.held\['model'\]\[1\]: expected a task .*TextIOWrapper"):
            run(engine, task, [1])


def test_an_endless_circle_is_named_and_not_followed(engine: Engine, run: Run) -> None:
    circle: list[Any] = [lambda: 0]
    circle.insert(0, circle)
    with pytest.raises(ExecutionError, match=r"task\.held(\[0\])+: expected a task"):
        run(engine, Local(circle), [1])


def test_a_function_of_the_script_is_refused(
    engine: Engine, run: Run, tasks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pickle would send the name `__main__.square`, and a worker has another `__main__`."""
    monkeypatch.setattr(tasks.square, "__module__", "__main__")
    with pytest.raises(ExecutionError, match="square is defined in the script that runs, and workers import modules"):
        run(engine, tasks.square, [1])
    with pytest.raises(ExecutionError, match="square is defined in the script that runs"):
        run(engine, functools.partial(tasks.square), [1])


def test_an_item_that_cannot_be_pickled_fails_alone(engine: Engine, run: Run) -> None:
    outcomes = run(engine, PerItem(str), ["one", {"source": (number for number in ())}, "three"])
    assert [outcome.result for outcome in outcomes] == ["one", None, "three"]
    assert str(outcomes[1].problems[0]).startswith(
        "item['source']: expected a item that can be sent to another process, got: TypeError: cannot pickle 'generator'"
    )


def test_items_that_cannot_be_pickled_need_no_worker(engine: Engine, run: Run) -> None:
    outcomes = run(engine, PerItem(str), [lambda: 0] * 100)
    assert {outcome.problems[0].code for outcome in outcomes} == {"not-picklable"}


def test_an_item_that_a_worker_cannot_load_fails_alone(engine: Engine, run: Run, tasks: ModuleType) -> None:
    outcomes = run(engine, PerItem(str), ["one", tasks.Closed(), "three"])
    assert [outcome.result for outcome in outcomes] == ["one", None, "three"]
    (problem,) = outcomes[1].problems
    assert problem.code == "not-loadable"
    assert "RuntimeError: cannot be put together again" in problem.message


def test_a_result_that_cannot_be_pickled_fails_its_item(engine: Engine, run: Run, tasks: ModuleType) -> None:
    outcomes = run(engine, tasks.unpicklable_result, ["good", "bad", "good"])
    assert [outcome.result for outcome in outcomes] == [{"fine": 1}, None, {"fine": 1}]
    assert outcomes[1].problems[0].where == "result['rows'][1]"
    assert outcomes[1].problems[0].code == "not-picklable"


def test_a_result_that_cannot_be_loaded_fails_its_item(engine: Engine, run: Run, tasks: ModuleType) -> None:
    outcomes = run(engine, tasks.closed_result, [0, 1])
    assert {outcome.problems[0].where for outcome in outcomes} == {"loading the result"}
    assert "cannot be put together again" in outcomes[0].problems[0].message


@pytest.mark.parametrize(("how", "told"), [("raises", "RuntimeError: no licence"), ("exits", "sys.exit('not today')")])
def test_a_task_that_cannot_be_loaded_ends_the_run(
    engine: Engine, run: Run, importable: Path, monkeypatch: pytest.MonkeyPatch, how: str, told: str
) -> None:
    import dies_on_import

    monkeypatch.setenv("DIES_ON_IMPORT", how)
    with pytest.raises(ExecutionError, match="loading the task: ") as raised:
        run(engine, dies_on_import.same, range(1000))
    assert told in str(raised.value)


# Units, warnings, noise


def test_units_are_told_while_and_after_an_item_runs(engine: Engine, tasks: ModuleType) -> None:
    told: list[int] = []
    engine.run(tasks.tells_often, [1000, 0, 50], finished=lambda outcome: None, told=told.append)
    assert sum(told) == 1050
    assert 0 not in told


def test_units_are_told_before_the_item_ends(make_engine: Callable[[int], Engine], tasks: ModuleType) -> None:
    order: list[object] = []
    make_engine(1).run(tasks.tells, [3], finished=order.append, told=order.append)
    assert order[0] == 3
    assert isinstance(order[1], Outcome)


def test_threads_of_a_task_may_tell(engine: Engine, tasks: ModuleType) -> None:
    told: list[int] = []
    engine.run(tasks.tells_from_threads, [300], finished=lambda outcome: None, told=told.append)
    assert sum(told) == 4 * 300


@pytest.mark.parametrize("units", [-1, 1.5, True, "1", None])
def test_what_is_no_number_of_units_fails_the_item(engine: Engine, run: Run, tasks: ModuleType, units: object) -> None:
    (outcome,) = run(engine, tasks.tells, [units])
    assert outcome.problems == (
        Problem("wrong-value", "tell", f"expected a number of units, 0 or more, got {units!r}"),
    )


def test_what_a_task_prints_is_no_output_of_the_caller(
    engine: Engine, run: Run, tasks: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    outcomes = run(engine, tasks.says, ["a", "b"])
    assert not any(outcome.failed for outcome in outcomes)
    out, err = capfd.readouterr()
    assert out == ""
    for noise in ("print a", "print b", "buffer", "descriptor", "child"):
        assert noise in err


def test_a_task_finds_no_input(engine: Engine, run: Run, tasks: ModuleType) -> None:
    """It would take from the caller what was typed for the caller."""
    assert [outcome.result for outcome in run(engine, tasks.reads_input, [0])] == [""]


def test_our_warnings_come_back_and_are_shown_once(
    engine: Engine, run: Run, tasks: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        run(engine, tasks.warns, ["one", "two", "one", "three"])
    told = sorted((str(item.message), item.category.__name__) for item in seen)
    assert told == [
        ("one: a border was found", "OwnWarning"),
        ("the same for all", "LapsWarning"),
        ("three: a border was found", "OwnWarning"),
        ("two: a border was found", "OwnWarning"),
    ]
    assert all(item.filename == __file__ or item.filename.endswith("conftest.py") for item in seen)
    assert "of another library" in capfd.readouterr().err


def test_a_warning_whose_class_stays_behind_is_told_as_what_it_is_a_kind_of(
    engine: Engine, run: Run, tasks: ModuleType
) -> None:
    with pytest.warns(tasks.OwnWarning, match="hidden"):
        run(engine, tasks.warns_of_local_kind, ["hidden"])


def test_warnings_that_the_caller_takes_for_errors_end_the_run(engine: Engine, run: Run, tasks: ModuleType) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", LapsWarning)
        with pytest.raises(LapsWarning, match=r"a border was found|the same for all"):
            run(engine, tasks.warns, map(str, range(1000)))


# Whatever the caller does


def test_an_error_of_the_caller_ends_all_workers(
    engine: Engine, tasks: ModuleType, alive: Callable[[int], bool]
) -> None:
    pids: set[int] = set()

    def finished(outcome: Outcome[int, int]) -> None:
        pids.add(outcome.result or 0)
        raise SchemaError(Problem("full", "list", "no more room"))

    with pytest.raises(SchemaError, match="no more room"):
        engine.run(tasks.process_id, range(100), finished=finished)
    assert len(pids) == 1
    assert not any(map(alive, pids))


def test_an_error_of_the_items_ends_the_run(engine: Engine, run: Run, tasks: ModuleType) -> None:
    def items() -> Iterator[int]:
        yield 1
        found = Problems()
        found.add("gone", "list of clips", "expected more, got none")
        found.raise_as(SchemaError)

    with pytest.raises(SchemaError, match="list of clips"):
        run(engine, tasks.square, items())


def test_one_engine_runs_again(engine: Engine, run: Run, tasks: ModuleType) -> None:
    first = run(engine, tasks.square, range(3))
    assert run(engine, tasks.square, range(3)) == first


def test_runs_may_be_nested(make_engine: Callable[[int], Engine], tasks: ModuleType) -> None:
    results: list[object] = []

    def finished(outcome: Outcome[int, int]) -> None:
        make_engine(1).run(tasks.square, [outcome.result or 0], finished=lambda inner: results.append(inner.result))

    make_engine(2).run(tasks.square, [1, 2, 3], finished=finished)
    assert sorted(results, key=str) == [1, 16, 81]
