"""Ledgers: the proof that an epoch was seen exactly once, and that nothing escapes it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import LapsWarning, StorageError
from lapsdata.loading import ledger as ledger_module
from lapsdata.loading import ledger_check
from lapsdata.loading.ledger import Ledger, ledger_name, run_name
from lapsdata.loading.ledger_check import LedgerReport, check_ledgers
from lapsdata.loading.loader import Loader
from lapsdata.loading.mixture import Mixture
from lapsdata.schema.base import Record, canonical_json
from lapsdata.schema.ledger import LedgerRun, LedgerSpan
from lapsdata.schema.loader import EpochOrder, OrderedSource
from lapsdata.storage.seal import crc32c
from lapsdata.storage.sealed_json import sealed_json
from lapsdata.testing.numbers import Numbers

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.loading.source import BatchSource

State = dict[str, Any] | None


def run(
    folder: Path,
    steps: int | None,
    *,
    state: State = None,
    world: int = 1,
    batch: int = 4,
    source: BatchSource | None = None,
    ragged: int = 0,
    **options: Any,
) -> dict[str, Any]:
    """Let every rank take some steps (None: to the end of the round), the last rank fewer; return its state."""
    states = []
    for rank in range(world):
        loader = Loader(
            source or Numbers(50),
            **{
                "batch_size": batch, "shuffle": "global", "rank": rank, "world_size": world, "epochs": None,
                "workers": 0, "ledger": folder, **options,
            },
        )  # fmt: skip
        if state is not None:
            loader.load_state_dict(state)
        with loader:
            now = loader.plan().steps if steps is None else steps
            for _, _ in zip(range(now - ragged * (rank == world - 1)), loader, strict=False):
                pass
            states.append(loader.state_dict())
    return states[-1]


def codes(report: LedgerReport) -> list[str]:
    return [problem.code for problem in report.problems]


def errors(report: LedgerReport) -> list[str]:
    return [problem.code for problem in report.problems if problem.severity == "error"]


def forge(path: Path, **changed: Any) -> None:
    """Change the line that opens a run, leave out what it hides, and seal it anew."""
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    lines[0] |= changed
    lines = [lines[0], *(line for line in lines[1:] if line["epoch"] >= lines[0]["epoch"])]
    written = b""
    for line in lines:
        line.pop("x-seal")
        kind = LedgerRun if "format" in line else LedgerSpan
        written += sealed_json(kind.parse(canonical_json(line)))
    path.write_bytes(written)


def first_run(order: EpochOrder) -> LedgerRun:
    """The line that opens the run of one rank, of steps of 9."""
    begin: dict[str, Any] = {"epoch": 0, "position": 0, "world_size": 1, "global_batch_size": 9, "last": "mask"}
    return LedgerRun(order=order, run=run_name(None, **begin, steps_per_epoch=None), rank=0, **begin)


class TestProof:
    @pytest.mark.parametrize("shuffle", [None, "global", "block"])
    @pytest.mark.parametrize("last", ["mask", "drop"])
    @pytest.mark.parametrize("world", [1, 3])
    def test_a_whole_epoch_is_seen_exactly_once(self, tmp_path: Path, shuffle: Any, last: Any, world: int) -> None:
        rows: dict[str, Any] = {"block_rows": 8} if shuffle == "block" else {}
        run(tmp_path, None, world=world, shuffle=shuffle, last=last, **rows)
        report = check_ledgers([tmp_path])
        assert report.problems == []
        (epoch,) = report.epochs
        dropped = 50 % (4 * world) if last == "drop" else 0
        assert (epoch.whole, epoch.received, epoch.dropped) == (True, 50 - dropped, dropped)
        assert "1 of 1 epochs seen exactly once; 0 samples taken back" in report.text

    @pytest.mark.parametrize("last", ["mask", "drop"])
    @pytest.mark.parametrize("steps", [None, 3])
    def test_a_run_that_goes_on_behind_its_last_step_is_proven(self, tmp_path: Path, last: Any, steps: Any) -> None:
        options: dict[str, Any] = {"batch_size": 4, "last": last, "steps_per_epoch": steps, "ledger": tmp_path}
        with Loader(Numbers(10), epochs=2, **options) as loader:
            for _ in loader:
                state = loader.state_dict()
        with Loader(Numbers(10), epochs=3, **options) as loader:
            loader.load_state_dict(state)
            assert len(list(loader)) == loader.plan().steps
        report = check_ledgers([tmp_path])
        assert errors(report) == []
        assert [epoch.whole for epoch in report.epochs[:3]] == [True, True, True]

    @given(
        plan=st.lists(
            st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 9), st.integers(0, 2)),
            min_size=1,
            max_size=5,
        ),
        last=st.sampled_from(["mask", "drop"]),
        steps=st.none() | st.integers(1, 6),
        mixed=st.booleans(),
        data=st.data(),
    )
    @settings(max_examples=40)
    def test_restarts_from_any_checkpoint_with_any_world_are_proven(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        plan: Any,
        last: Any,
        steps: Any,
        mixed: bool,
        data: st.DataObject,
    ) -> None:
        """Each run begins at the state of an earlier one, with ranks and batches of its own; the last goes far."""
        folder = tmp_path_factory.mktemp("ledgers")
        source = Mixture({"a": Numbers(9), "b": Numbers(4)}, weights={"a": 1, "b": 1}) if mixed else Numbers(24)
        options: dict[str, Any] = {"source": source, "last": last, "steps_per_epoch": steps}
        saved: list[State] = [None]
        for number, (world, batch, count, ragged) in enumerate(plan):
            from_where = data.draw(st.sampled_from(saved)) if number else None
            if last == "drop" and steps is None:
                world, batch = min(world, 2), min(batch, 6)
            ended = run(
                folder, count, state=from_where, world=world, batch=batch, ragged=min(ragged, count - 1), **options
            )
            saved.append(ended)
        report = check_ledgers([folder])
        assert errors(report) == []
        run(folder, 60, state=saved[-1], world=2, batch=2, **options)
        report = check_ledgers([folder])
        assert errors(report) == []
        assert report.whole_epochs >= len(report.epochs) - 1
        assert report.runs == len(report.world_sizes)

    def test_what_a_restart_with_a_larger_batch_drops_is_counted(self, tmp_path: Path) -> None:
        """21 of 24 samples are there, and the next run's step of 4 has no room in this epoch."""
        options: dict[str, Any] = {"source": Numbers(24), "last": "drop"}
        state = run(tmp_path, 7, batch=3, **options)
        run(tmp_path, 6, batch=2, world=2, state=state, **options)
        report = check_ledgers([tmp_path])
        assert report.problems == []
        assert [(epoch.received, epoch.dropped) for epoch in report.epochs] == [(21, 3), (24, 0)]

    def test_steps_that_go_on_from_epoch_to_epoch_are_proven(self, tmp_path: Path) -> None:
        run(tmp_path, 40, world=2, batch=3, steps_per_epoch=7)
        report = check_ledgers([tmp_path])
        assert [(epoch.received, epoch.whole) for epoch in report.epochs] == [(50, True)] * 4 + [(40, False)]
        assert codes(report) == ["unfinished"]

    def test_what_a_restart_takes_back_is_counted(self, tmp_path: Path) -> None:
        state = run(tmp_path, 5, world=2)
        run(tmp_path, 1, state=state, world=2)
        run(tmp_path, 2, state=state, world=4, batch=1)
        run(tmp_path, 1, state=state, world=1)
        report = check_ledgers([tmp_path])
        assert (report.runs, report.world_sizes) == (4, (2, 2, 4, 1))
        assert codes(report) == ["unfinished"]
        assert (report.epochs[0].received, report.taken_back) == (44, 8 + 8)

    def test_a_mixture_is_proven_by_its_own_order(self, tmp_path: Path) -> None:
        source = Mixture({"a": Numbers(30), "b": Numbers(7)}, weights={"a": 3, "b": 2})
        run(tmp_path, None, world=2, source=source)
        report = check_ledgers([tmp_path])
        assert report.problems == []
        assert report.epochs[0].samples == source.samples_per_epoch

    def test_an_order_of_a_million_is_checked_in_pieces(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ledger_check, "_CHUNK", 7)
        run(tmp_path, None, world=3, batch=2)
        assert check_ledgers([tmp_path]).problems == []

    def test_branches_that_nothing_goes_on_from_are_taken_back(self, tmp_path: Path) -> None:
        """Begun anew by mistake, stopped, and then gone on with from the checkpoint of the first run."""
        state = run(tmp_path, 5, world=2)
        run(tmp_path, 2, world=1)
        run(tmp_path, 1, world=2)
        run(tmp_path, None, state=state, world=1, batch=10)
        report = check_ledgers([tmp_path])
        assert report.problems == [] or codes(report) == ["unfinished"]
        assert report.whole_epochs == 1
        assert errors(report) == []


class TestFaults:
    def test_a_rank_whose_ledger_is_absent_is_told(self, tmp_path: Path) -> None:
        run(tmp_path, None, world=3)
        (tmp_path / ledger_name(2)).unlink()
        report = check_ledgers([tmp_path])
        assert "rank-missing" in errors(report)
        first, second = report.problems
        assert "expected 3 ranks in this run, got no word of rank 2" in first.message
        assert second.message == "expected every position before 50, got 16 missing: 2, 5, 8, 11, 14 and others"
        (epoch,) = report.epochs
        assert (epoch.received, epoch.missing, epoch.whole, report.proven) == (34, 16, False, False)
        assert "no ledger of rank 2: what was received there counts as missing" in report.text

    def test_several_absent_ranks_are_told_as_ranges(self, tmp_path: Path) -> None:
        run(tmp_path, None, world=4)
        for rank in (1, 2):
            (tmp_path / ledger_name(rank)).unlink()
        report = check_ledgers([tmp_path])
        assert report.absent == (1, 2)
        assert "no ledger of ranks 1 .. 2: what" in report.text
        assert report.epochs[0].received + report.epochs[0].missing == 50

    def test_a_rank_that_died_before_its_first_step_is_not_absent(self, tmp_path: Path) -> None:
        state = run(tmp_path, 2, world=2)
        with Loader(Numbers(50), batch_size=4, shuffle="global", rank=0, world_size=2, ledger=tmp_path) as loader:
            loader.load_state_dict(state)
            next(iter(loader))
        report = check_ledgers([tmp_path])
        assert [(p.code, p.severity) for p in report.problems] == [
            ("rank-missing", "warning"),
            ("unfinished", "warning"),
        ]
        assert (report.absent, report.epochs[0].missing) == ((), 0)

    def test_an_epoch_that_a_forged_head_hides_is_found(self, tmp_path: Path) -> None:
        """Both heads say epoch 1, the lines of epoch 0 are gone, and every seal is right."""
        run(tmp_path, 14, world=2)
        for rank in range(2):
            forge(tmp_path / ledger_name(rank), epoch=1)
        report = check_ledgers([tmp_path])
        assert errors(report) == ["wrong-run", "begins-late"] * 2
        assert report.proven is False
        assert "expected epoch 0, position 0 where no run came before, got 1, 0" in str(report.problems[1])

    @pytest.mark.parametrize(
        "change",
        [{"epoch": 1}, {"position": 8}, {"world_size": 2}, {"global_batch_size": 8}, {"last": "drop"},
         {"steps_per_epoch": 3}, {"parent": "0" * 16}, {"run": "0" * 16}],
    )  # fmt: skip
    def test_a_head_that_is_not_what_its_name_says_is_found(self, tmp_path: Path, change: dict[str, Any]) -> None:
        run(tmp_path, None)
        forge(tmp_path / ledger_name(0), **change)
        assert "wrong-run" in errors(check_ledgers([tmp_path]))

    def test_a_run_whose_parent_is_not_there_is_told(self, tmp_path: Path) -> None:
        state = run(tmp_path / "lost", 13)
        run(tmp_path / "kept", None, state=state)
        report = check_ledgers([tmp_path / "kept"])
        assert [(p.code, p.severity) for p in report.problems] == [("run-missing", "warning")]
        assert "nothing is proven of what came before epoch 1, position 0" in report.problems[0].message
        assert report.proven

    def test_without_rank_0_nothing_is_proven(self, tmp_path: Path) -> None:
        run(tmp_path, None, world=2)
        report = check_ledgers([tmp_path / ledger_name(1)])
        assert errors(report) == ["rank-missing"]
        assert report.whole_epochs == 0

    def test_a_line_that_is_cut_out_leaves_its_positions_missing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ledger_module, "_STEPS", 2)
        run(tmp_path, None)
        path = tmp_path / ledger_name(0)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:3] + lines[4:]))
        report = check_ledgers([path])
        (problem,) = [problem for problem in report.problems if problem.code == "missing"]
        assert problem.message == "expected every position before 50, got 8 missing: 16 .. 23"
        assert report.epochs[0].whole is False

    def test_a_line_that_stands_twice_is_seen_twice(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ledger_module, "_STEPS", 2)
        run(tmp_path, None, world=2)
        path = tmp_path / ledger_name(1)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines, lines[1]]))
        (problem,) = check_ledgers([tmp_path]).problems
        assert problem.code == "seen-twice"
        assert problem.message == "expected each position once, got 8 more often: 1, 3, 5, 7, 9 and others"

    def test_two_ranks_that_load_the_same_are_found(self, tmp_path: Path) -> None:
        """The usual mistake: every process takes itself for rank 0 of 1."""
        for name in ("one", "two"):
            run(tmp_path / name, None)
        report = check_ledgers([tmp_path / "one", tmp_path / "two"])
        assert "same-rank" in errors(report)
        assert "expected one file for rank 0, got 2" in str(report.problems[0])

    def test_ids_of_another_order_are_found(self, tmp_path: Path) -> None:
        """Positions are right, and the samples were not those of the order."""
        order = EpochOrder(seed=0, shuffle="global", samples=9, sources=(OrderedSource(name="source", samples=9),))
        head = first_run(order)
        ids = np.arange(9, dtype="<i8")
        ids[3] = 4
        span = LedgerSpan(
            epoch=0, start=0, stop=9, first=0, count=9, ids_sum="0" * 16, ids_crc32c=f"{crc32c(ids.tobytes()):08x}"
        )
        (tmp_path / ledger_name(0)).write_bytes(sealed_json(head) + sealed_json(span))
        report = check_ledgers([tmp_path])
        assert codes(report) == ["wrong-ids", "wrong-sum"]
        assert "line 2: expected the 9 ids that the order has there" in str(report.problems[0])

    def test_positions_beyond_the_epoch_are_refused(self, tmp_path: Path) -> None:
        order = EpochOrder(seed=0, shuffle="none", samples=5, sources=(OrderedSource(name="source", samples=5),))
        head = first_run(order)
        span = LedgerSpan(epoch=0, start=0, stop=9, first=0, count=9, ids_sum="0" * 16, ids_crc32c="0" * 8)
        (tmp_path / ledger_name(0)).write_bytes(sealed_json(head) + sealed_json(span))
        assert "expected positions below 5, got 0 .. 9" in str(check_ledgers([tmp_path]).problems[0])

    def test_ledgers_of_two_trainings_are_not_put_together(self, tmp_path: Path) -> None:
        run(tmp_path, None)
        run(tmp_path, None, seed=1)
        report = check_ledgers([tmp_path])
        assert codes(report) == ["other-order"]
        assert re.search(r"line 3: seed: expected 0 as in .*line 1, got 1", str(report.problems[0]))
        assert report.epochs == ()

    def test_ledgers_that_begin_amid_an_epoch_say_so(self, tmp_path: Path) -> None:
        state = run(tmp_path / "lost", 3)
        run(tmp_path / "kept", None, state=state)
        report = check_ledgers([tmp_path / "kept"])
        assert codes(report) == ["run-missing", "missing", "unfinished"]
        assert "got 12 missing: 0 .. 11 (the ledgers begin amid this epoch)" in str(report.problems[1])

    def test_an_epoch_that_was_not_finished_is_a_warning(self, tmp_path: Path) -> None:
        run(tmp_path, 5, world=2, ragged=2)
        report = check_ledgers([tmp_path])
        assert [(p.code, p.severity) for p in report.problems] == [("unfinished", "warning")]
        assert "got one that ends at 24" in report.problems[0].message
        assert (report.epochs[0].received, report.whole_epochs) == (32, 0)

    def test_a_checkpoint_that_a_rank_had_not_reached_leaves_its_samples_out(self, tmp_path: Path) -> None:
        behind = run(tmp_path, 2, world=2, ragged=1)
        run(tmp_path, 5, state={**behind, "position": 16, "step": 2}, world=2)
        report = check_ledgers([tmp_path])
        assert "expected every position before 50, got 4 missing: 9, 11, 13, 15" in str(report.problems[0])

    def test_nothing_to_check_is_a_problem(self, tmp_path: Path) -> None:
        assert codes(check_ledgers([tmp_path])) == ["not-found"]
        assert codes(check_ledgers([])) == ["not-found"]
        with pytest.raises(StorageError, match="cannot open: no such file or folder"):
            check_ledgers([tmp_path / "nowhere"])
        (tmp_path / ledger_name(0)).write_bytes(b"")
        assert codes(check_ledgers([tmp_path])) == ["empty"]

    @pytest.mark.parametrize("line", [0, 1])
    def test_a_flipped_bit_is_found_in_every_byte(self, tmp_path: Path, line: int) -> None:
        run(tmp_path, None)
        path = tmp_path / ledger_name(0)
        content = path.read_bytes()
        first = content.index(b"\n")
        places = range(0, first) if line == 0 else range(first + 1, len(content) - 1)
        for place in places:
            path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
            assert errors(check_ledgers([path])), place


class TestWriting:
    def test_a_line_is_the_record_with_its_seal(self, tmp_path: Path) -> None:
        run(tmp_path, None, world=2)
        head, *lines = (tmp_path / ledger_name(1)).read_bytes().splitlines()
        kinds: list[type[Record]] = [LedgerRun, *[LedgerSpan] * len(lines)]
        for line, kind in zip((head, *lines), kinds, strict=True):
            document = json.loads(line)
            told = document.pop("x-seal")
            assert told == f"crc32c:{crc32c(canonical_json(document)):08x}"
            assert sealed_json(kind.parse(canonical_json(document))) == line + b"\n"

    def test_the_file_stays_small(self, tmp_path: Path) -> None:
        run(tmp_path, 2000, batch=2, source=Numbers(10**6))
        assert len((tmp_path / ledger_name(0)).read_bytes().splitlines()) == 2

    def test_a_step_is_noted_before_the_user_has_it(self, tmp_path: Path) -> None:
        loader = Loader(Numbers(50), batch_size=4, ledger=tmp_path)
        for number, _ in enumerate(loader, 1):
            last = (tmp_path / ledger_name(0)).read_bytes().splitlines()[-1]
            assert json.loads(last)["count"] == min(50, 4 * number)
        loader.close()

    def test_one_process_at_a_time_writes_to_a_ledger(self, tmp_path: Path) -> None:
        first = Loader(Numbers(50), batch_size=4, ledger=tmp_path)
        next(iter(first))
        with pytest.raises(
            StorageError, match=r"got one that another Loader of this process writes to; close\(\) that"
        ):
            next(iter(Loader(Numbers(50), batch_size=4, ledger=tmp_path)))
        program = (
            "import sys; from lapsdata.loading.loader import Loader; from lapsdata.testing.numbers import Numbers\n"
        )
        program += "next(iter(Loader(Numbers(50), batch_size=4, ledger=sys.argv[1])))"
        done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
        assert "got one that another process writes to; end that process" in done.stderr
        first.close()
        with Loader(Numbers(50), batch_size=4, ledger=tmp_path) as second:
            next(iter(second))

    def test_a_state_that_is_loaded_amid_a_run_opens_another(self, tmp_path: Path) -> None:
        loader = Loader(Numbers(50), batch_size=4, ledger=tmp_path)
        state = loader.state_dict()
        for _, _ in zip(range(3), loader, strict=False):
            pass
        loader.load_state_dict(state)
        list(loader)
        loader.close()
        report = check_ledgers([tmp_path])
        assert (report.problems, report.runs, report.taken_back, report.whole_epochs) == ([], 2, 12, 1)

    @pytest.mark.parametrize("cut", [1, 20, 150])
    def test_a_torn_last_line_is_told_and_kept(self, tmp_path: Path, cut: int) -> None:
        state = run(tmp_path, 4)
        path = tmp_path / ledger_name(0)
        path.write_bytes(path.read_bytes()[:-cut])
        report = check_ledgers([path])
        assert ("torn-line", "warning") in [(p.code, p.severity) for p in report.problems]
        with pytest.warns(LapsWarning, match="its last line was torn by a crash; it is kept, and counts as damaged"):
            run(tmp_path, None, state=None)
        report = check_ledgers([path])
        if cut > 1:
            assert [(p.code, p.severity) for p in report.problems] == [("torn-line", "warning")]
        assert report.whole_epochs == 1
        assert state["position"] == 16

    def test_a_folder_that_cannot_be_written_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StorageError, match="cannot write"):
            next(iter(Loader(Numbers(50), batch_size=4, ledger=tmp_path / "file")))

    def test_a_full_disk_is_told_and_the_batch_does_not_count(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loader = Loader(Numbers(50), batch_size=4, ledger=tmp_path)
        iteration = iter(loader)
        next(iteration)

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", full)
            with pytest.raises(StorageError, match="cannot write: no space left on the device"):
                next(iteration)
        assert loader.state_dict()["position"] == 4
        assert next(iter(loader))["id"].tolist() == [4, 5, 6, 7]
        loader.close()

    def test_a_closed_ledger_takes_no_more(self, tmp_path: Path) -> None:
        order = EpochOrder(seed=0, shuffle="none", samples=5, sources=(OrderedSource(name="source", samples=5),))
        head = first_run(order)
        ledger = Ledger(tmp_path, head)
        ledger.close()
        ledger.close()
        with pytest.raises(StorageError, match="cannot write: Bad file descriptor"):
            ledger.begin(head)


KILLED = """
import os, signal, sys
from lapsdata.loading.loader import Loader
from lapsdata.testing.numbers import Numbers
loader = Loader(Numbers(400), batch_size=4, shuffle="global", ledger=sys.argv[1])
for number, batch in enumerate(loader):
    print(*batch["id"], flush=True)
    if number == 30:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_leaves_what_it_had_received(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    report = check_ledgers([tmp_path])
    assert codes(report) == ["unfinished"]
    assert report.epochs[0].received == len(done.stdout.split()) == 124
