"""What the ledgers of all ranks prove together: that each sample of an epoch was received exactly once.

Three things are compared, each by itself. Positions: every one before the *frontier* (what the slowest rank of the
last run has reached) was received once, over all ranks, restarts and changed world sizes; a run that goes on from a
checkpoint takes back what others have received behind it. Ids, in their order: those of every stretch are computed
anew from the seed, and their CRC-32C compared. Ids, in any order: the sum of their hashes over a whole epoch is that
of all ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, shown
from lapsdata.loading._hashing import EVERY_BIT, extended_crc32c, sum_of_hashes
from lapsdata.loading._ledger_lines import NotedRun, NotedSpan, ledger_files, read_runs
from lapsdata.loading.ledger import run_name
from lapsdata.loading.orders import make_order, position_ranges, sum_of_epoch
from lapsdata.loading.state import order_differences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.errors import Severity
    from lapsdata.loading.orders import Order
    from lapsdata.schema.loader import EpochOrder

__all__ = ["EpochReceived", "LedgerReport", "check_ledgers"]

_CHUNK = 1 << 20
_SHOWN = 5


class Mark(NamedTuple):
    """A place in the order of all epochs."""

    epoch: int
    position: int


@dataclass(frozen=True, slots=True)
class EpochReceived:
    """What was received of one epoch.

    Parameters
    ----------
    epoch : int
    samples : int
        Positions that it has.
    received : int
        Positions that were received once or more.
    twice : int
        Positions that were received more than once.
    missing : int
        Positions before the frontier that nobody received.
    dropped : int
        Positions at its end that `last="drop"` left out.
    whole : bool
        Every position was received exactly once, those that were dropped aside.

    Examples
    --------
    >>> EpochReceived(0, samples=10, received=10, twice=0, missing=0, dropped=0, whole=True).whole
    True
    """

    epoch: int
    samples: int
    received: int
    twice: int
    missing: int
    dropped: int
    whole: bool


@dataclass(frozen=True)
class LedgerReport:
    """What `check_ledgers` has found.

    Parameters
    ----------
    files : int
    runs : int
        Starts and restarts.
    world_sizes : tuple of int
        Of the runs, in their order.
    epochs : tuple of EpochReceived
        Those that the ledgers speak of.
    taken_back : int
        Samples that were received and then received again, because a run went back to a checkpoint.
    absent : tuple of int
        Ranks that no ledger is there of: what they received counts as missing.
    problems : list of Problem

    Examples
    --------
    >>> LedgerReport().whole_epochs
    0
    """

    files: int = 0
    runs: int = 0
    world_sizes: tuple[int, ...] = ()
    epochs: tuple[EpochReceived, ...] = ()
    taken_back: int = 0
    absent: tuple[int, ...] = ()
    problems: list[Problem] = field(default_factory=list)

    @property
    def whole_epochs(self) -> int:
        """Epochs that were seen exactly once."""
        return sum(epoch.whole for epoch in self.epochs)

    @property
    def proven(self) -> bool:
        """Whether something is proven: at least one epoch was seen exactly once, and no error speaks against any."""
        return self.whole_epochs > 0 and not any(problem.severity == "error" for problem in self.problems)

    @property
    def text(self) -> str:
        """The numbers in words, a line each."""
        worlds = ", ".join(map(str, self.world_sizes))
        lines = [
            f"{self.files} ledgers, {self.runs} runs (ranks: {worlds or 'none'})",
            f"{self.whole_epochs} of {len(self.epochs)} epochs seen exactly once; "
            f"{self.taken_back} samples taken back by restarts",
        ]
        if self.absent:
            ranks = f"rank {self.absent[0]}" if len(self.absent) == 1 else f"ranks {_ranges(list(self.absent))}"
            lines.append(f"no ledger of {ranks}: what was received there counts as missing")
        for epoch in self.epochs:
            state = "exactly once" if epoch.whole else "not whole"
            lines.append(
                f"epoch {epoch.epoch}: {state}: {epoch.received} of {epoch.samples} samples received, "
                f"{epoch.missing} missing, {epoch.twice} twice, {epoch.dropped} dropped"
            )
        return "\n".join(map(shown, lines))


def check_ledgers(paths: Sequence[Path]) -> LedgerReport:
    """Prove from the ranks' ledgers that each epoch was seen exactly once, or say what is missing or seen twice.

    Parameters
    ----------
    paths : sequence of Path
        Ledger files, or folders of them; those of all ranks.

    Returns
    -------
    LedgerReport
        Problems: errors are samples that are missing, seen twice or not those of the order, damaged lines, absent
        ranks, runs that are not what their names say; a warning tells of a line that a crash has torn, of an epoch that
        was not finished, and of a run that goes on from one whose ledgers are not there.

    Raises
    ------
    StorageError
        A path that cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> print(check_ledgers([folder]).problems[0].message)
    expected ledgers, got none
    """
    files = ledger_files(paths)
    problems: list[Problem] = []
    runs = [run for path in files for run in read_runs(path, problems)]
    if not files:
        where = ", ".join(map(str, paths))
        problems.append(Problem("not-found", where, "expected ledgers, got none", "name files or folders of them"))
    if not runs or not _of_one_order(runs, problems):
        return LedgerReport(len(files), problems=problems)
    _refuse_twins(runs, problems)
    _refuse_other_begins(runs, problems)
    lives = _lineage(runs, problems)
    if not lives:
        return LedgerReport(len(files), problems=problems)
    return _Check(runs, lives, problems).report(len(files))


def _of_one_order(runs: list[NotedRun], problems: list[Problem]) -> bool:
    first = runs[0]
    other = {}
    for run in runs:
        for where, got, own in order_differences(run.head.order, first.head.order):
            message = f"expected {own} as in {first.place}, got {got}"
            other[run.place, where] = Problem(
                "other-order", f"{run.place}: {where}", message, "name the ledgers of one training run alone"
            )
    problems.extend(other.values())
    return not other


def _refuse_twins(runs: list[NotedRun], problems: list[Problem]) -> None:
    """Tell of each rank that several files speak for."""
    files: dict[int, dict[str, None]] = {}
    for run in runs:
        files.setdefault(run.head.rank, {})[run.place.rpartition(": ")[0]] = None
    for rank, names in sorted(files.items()):
        if len(names) > 1:
            message = f"expected one file for rank {rank}, got {len(names)}: {', '.join(names)}"
            problems.append(Problem("same-rank", f"rank {rank}", message, "name the ledgers of one training run alone"))


def _refuse_other_begins(runs: list[NotedRun], problems: list[Problem]) -> None:
    """Tell of runs that do not begin where their names say, or that begin late and go on from none."""
    for run in runs:
        head = run.head
        told = {"epoch", "position", "world_size", "global_batch_size", "last", "steps_per_epoch"}
        name = run_name(head.parent, **head.model_dump(include=told))
        if name != head.run:
            message = f"expected the name {name} for a run of this begin, these ranks and this parent, got {head.run}"
            problems.append(Problem("wrong-run", run.place, message, "take the ledger from a copy"))
        if head.parent is None and (head.epoch, head.position) != (0, 0):
            message = f"expected epoch 0, position 0 where no run came before, got {head.epoch}, {head.position}"
            problems.append(Problem("begins-late", run.place, message, "take the ledger from a copy"))


def _lineage(runs: list[NotedRun], problems: list[Problem]) -> list[dict[int, NotedRun]]:
    """Return the last run and those whose states it goes on from, the first one first, each by rank.

    Runs of one name begin alike, so they receive the same samples in the same order: of those of a rank, the one that
    came furthest stands for all.
    """
    ranks = {run.head.rank for run in runs}
    own = [run for run in runs if run.head.rank == 0]
    if not own:
        message = f"expected the ledger of rank 0, got those of {_ranges(sorted(ranks))}"
        problems.append(Problem("rank-missing", "rank 0", message, "name the ledgers of all ranks"))
        return []
    known: dict[str, dict[int, NotedRun]] = {}
    for run in runs:
        named = known.setdefault(run.head.run, {})
        if run.head.rank not in named or _reached(run) >= _reached(named[run.head.rank]):
            named[run.head.rank] = run
    found: list[dict[int, NotedRun]] = []
    name: str | None = own[-1].head.run
    while name is not None and 0 in known.get(name, {}):
        # Each run is met once, should a name ever lead in a circle.
        found.insert(0, known.pop(name))
        name = found[0][0].head.parent
    for life in found:
        _refuse_absent(life, ranks, problems)
    if name is not None:
        head = found[0][0].head
        message = (
            f"expected the ledgers of run {name}, which it goes on from, got none: "
            f"nothing is proven of what came before epoch {head.epoch}, position {head.position}"
        )
        fix = "name the ledgers of all runs"
        problems.append(Problem("run-missing", found[0][0].place, message, fix, "warning"))
    return found


def _reached(run: NotedRun) -> Mark:
    """Return how far a rank has come in a run."""
    begin = Mark(run.head.epoch, run.head.position)
    return max((Mark(noted.span.epoch, noted.span.stop) for noted in run.spans), default=begin)


def _refuse_absent(life: dict[int, NotedRun], ranks: set[int], problems: list[Problem]) -> None:
    size = life[0].head.world_size
    absent = [rank for rank in range(size) if rank not in life]
    if absent:
        message = f"expected {size} ranks in this run, got no word of rank {_ranges(absent)}"
        # A rank that has a ledger may have died before its first sample of a run.
        severity: Severity = "error" if set(absent) - ranks else "warning"
        fix = "name the ledgers of all ranks"
        problems.append(Problem("rank-missing", life[0].place, message, fix, severity))


class _Check:
    """The comparison itself, over runs that are known to be of one order."""

    def __init__(self, runs: list[NotedRun], lives: list[dict[int, NotedRun]], problems: list[Problem]) -> None:
        self._runs, self._lives, self._problems = runs, lives, problems
        self._record: EpochOrder = runs[0].head.order
        self._order: Order = make_order(self._record)
        self._samples = self._record.samples
        self._ranks = {run.head.rank for run in runs}

    def report(self, files: int) -> LedgerReport:
        every = [noted for run in self._runs for noted in run.spans]
        for noted in every:
            self._compare(noted)
        kept = self._kept()
        epochs = tuple(self._epoch(epoch, kept.get(epoch, [])) for epoch in self._epochs(kept))
        received = sum(len(range(noted.span.first, noted.span.stop, noted.world_size)) for noted in every)
        worlds = tuple(run.head.world_size for run in self._runs if run.head.rank == 0)
        stands = sum(part.samples for parts in kept.values() for part in parts)
        return LedgerReport(files, len(worlds), worlds, epochs, received - stands, self._absent, self._problems)

    @property
    def _absent(self) -> tuple[int, ...]:
        """Ranks that no ledger is there of."""
        every = {rank for life in self._lives for rank in range(life[0].head.world_size)}
        return tuple(sorted(every - self._ranks))

    def _epochs(self, kept: dict[int, list[_Kept]]) -> range:
        """Return the epochs between the first that a run began in, and the last that a sample was received of."""
        if not kept:
            return range(0)
        return range(min(self._begin.epoch, *kept), max(kept) + 1)

    @property
    def _begin(self) -> Mark:
        """Where the ledgers begin."""
        return min(Mark(life[0].head.epoch, life[0].head.position) for life in self._lives)

    def _kept(self) -> dict[int, list[_Kept]]:
        """Return what was received and not taken back, by epoch."""
        kept: dict[int, list[_Kept]] = {}
        limit = Mark(2**63, 0)
        for life in reversed(self._lives):
            for run in life.values():
                for noted in run.spans:
                    span = noted.span
                    stop = span.stop if span.epoch < limit.epoch else 0
                    if span.epoch == limit.epoch:
                        stop = min(span.stop, limit.position)
                    found = _Kept(noted, max(stop, span.start))
                    if found.stop > span.start:
                        kept.setdefault(span.epoch, []).append(found)
            head = life[0].head
            limit = min(limit, Mark(head.epoch, head.position))
        return kept

    def _compare(self, noted: NotedSpan) -> None:
        """Compute the ids of a line anew, and compare them with what it says."""
        span, count, total, crc = noted.span, 0, 0, 0
        if span.stop > self._samples or span.start >= span.stop:
            message = f"expected positions below {self._samples}, got {span.start} .. {span.stop}"
            self._problems.append(Problem("wrong-span", noted.place, message))
            return
        for positions in position_ranges(span.first, span.stop, noted.world_size):
            ids = self._order.ids(span.epoch, positions)
            count, total, crc = count + len(ids), total + sum_of_hashes(ids), extended_crc32c(crc, ids)
        if (f"{crc:08x}", f"{total & EVERY_BIT:016x}", count) != (span.ids_crc32c, span.ids_sum, span.count):
            message = (
                f"expected the {count} ids that the order has there (CRC-32C {crc:08x}), "
                f"got {span.count} others ({span.ids_crc32c})"
            )
            fix = "the data or the code that orders them was another one"
            self._problems.append(Problem("wrong-ids", noted.place, message, fix))

    def _frontier(self) -> Mark:
        """Return what the slowest rank of the last run has reached; one without a ledger is taken to be no slower."""
        life = self._lives[-1]
        head = life[0].head
        begin = Mark(head.epoch, head.position)
        ranks = [rank for rank in range(head.world_size) if rank in self._ranks]
        return min(_reached(life[rank]) if rank in life else begin for rank in ranks)

    def _epoch(self, epoch: int, kept: list[_Kept]) -> EpochReceived:
        frontier, dropped = self._frontier(), 0
        ended = self._ends(epoch, frontier)
        due = self._samples if frontier.epoch > epoch else min(frontier.position, self._samples)
        if frontier.epoch < epoch:
            due = 0
        if ended is not None:
            due, dropped = ended, self._samples - ended
        begin = self._begin
        seen = _Seen()
        for start, counts in _counted(kept, self._samples):
            seen.add(start, counts, due)
        where = f"epoch {epoch}"
        if seen.twice:
            message = f"expected each position once, got {seen.twice} more often: {seen.twice_at}"
            self._problems.append(Problem("seen-twice", where, message))
        if seen.missing:
            late = " (the ledgers begin amid this epoch)" if begin.epoch == epoch and begin.position else ""
            message = f"expected every position before {due}, got {seen.missing} missing: {seen.missing_at}{late}"
            self._problems.append(Problem("missing", where, message, "name the ledgers of all ranks and runs"))
        whole = not seen.twice and not seen.missing and seen.received == self._samples - dropped
        if whole:
            self._compare_sums(epoch, kept, dropped)
        elif due < self._samples and ended is None:
            message = f"expected a whole epoch of {self._samples} samples, got one that ends at {due}"
            self._problems.append(Problem("unfinished", where, message, "go on with the run", "warning"))
        return EpochReceived(epoch, self._samples, seen.received, seen.twice, seen.missing, dropped, whole)

    def _ends(self, epoch: int, frontier: Mark) -> int | None:
        """Return where an epoch that `drop` has cut ends; None if it goes to its last sample, or is not at its end."""
        ends = [Mark(life[0].head.epoch, life[0].head.position) for life in self._lives[1:]] + [frontier]
        # The run that was under way when the epoch ended: the first one whose successor began behind it.
        for life, end in zip(self._lives, ends, strict=True):
            head = life[0].head
            if head.last != "drop" or head.steps_per_epoch is not None or head.epoch > epoch:
                continue
            begin = head.position if head.epoch == epoch else 0
            stop = self._samples - (self._samples - begin) % head.global_batch_size
            if end >= Mark(epoch, stop) and stop < self._samples:
                return stop
        return None

    def _compare_sums(self, epoch: int, kept: list[_Kept], dropped: int) -> None:
        """Compare the sum of the hashes of all ids received with that of all ids there are."""
        expected = sum_of_epoch(self._order, self._record, epoch)
        for positions in position_ranges(self._samples - dropped, self._samples):
            expected -= sum_of_hashes(self._order.ids(epoch, positions))
        found = sum(self._sum(epoch, part) for part in kept)
        if (expected - found) & EVERY_BIT:
            message = f"expected the sum {expected & EVERY_BIT:016x} over all ids, got {found & EVERY_BIT:016x}"
            self._problems.append(Problem("wrong-sum", f"epoch {epoch}", message, "the ids received are not all ids"))

    def _sum(self, epoch: int, part: _Kept) -> int:
        """Return the sum that a line tells; that of a part of it is computed."""
        if part.stop == part.noted.span.stop:
            return int(part.noted.span.ids_sum, 16)
        pieces = position_ranges(part.noted.span.first, part.stop, part.noted.world_size)
        return sum(sum_of_hashes(self._order.ids(epoch, positions)) for positions in pieces)


class _Kept(NamedTuple):
    """A line, as far as no later run has taken it back."""

    noted: NotedSpan
    stop: int

    @property
    def samples(self) -> int:
        return len(range(self.noted.span.first, self.stop, self.noted.world_size))


class _Seen:
    """How often positions were received, gathered piece by piece."""

    def __init__(self) -> None:
        self.received = self.twice = self.missing = 0
        self._twice: list[tuple[int, int]] = []
        self._missing: list[tuple[int, int]] = []

    def add(self, start: int, counts: NDArray[np.int32], due: int) -> None:
        """Take in the counts of the positions from `start` on, of which those before `due` must not be 0."""
        self.received += int((counts > 0).sum())
        twice, missing = counts > 1, counts[: max(0, due - start)] == 0
        self.twice += int(twice.sum())
        self.missing += int(missing.sum())
        _note_ranges(self._twice, start, twice)
        _note_ranges(self._missing, start, missing)

    @property
    def twice_at(self) -> str:
        return _told(self._twice)

    @property
    def missing_at(self) -> str:
        return _told(self._missing)


def _note_ranges(ranges: list[tuple[int, int]], start: int, marked: NDArray[np.bool_]) -> None:
    """Add the half-open ranges of marked positions, one more than are ever shown."""
    if len(ranges) > _SHOWN or not marked.any():
        return
    edges = np.flatnonzero(np.diff(np.concatenate(([False], marked, [False])).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2)[: _SHOWN + 1].tolist():
        if ranges and ranges[-1][1] == start + begin:
            ranges[-1] = ranges[-1][0], start + end
        else:
            ranges.append((start + begin, start + end))


def _told(ranges: list[tuple[int, int]]) -> str:
    words = [str(start) if stop == start + 1 else f"{start} .. {stop - 1}" for start, stop in ranges[:_SHOWN]]
    return ", ".join(words) + (" and others" if len(ranges) > _SHOWN else "")


def _ranges(numbers: list[int]) -> str:
    """Spell ascending numbers as ranges.

    >>> _ranges([1, 2, 3, 7])
    '1 .. 3, 7'
    """
    marked = np.zeros(numbers[-1] + 1, bool)
    marked[numbers] = True
    found: list[tuple[int, int]] = []
    _note_ranges(found, 0, marked)
    return _told(found)


def _counted(kept: list[_Kept], samples: int) -> Iterator[tuple[int, NDArray[np.int32]]]:
    """Yield, piece by piece, how often each position was received."""
    for start in range(0, samples, _CHUNK):
        counts = np.zeros(min(_CHUNK, samples - start), np.int32)
        for part in kept:
            first, step = part.noted.span.first, part.noted.world_size
            if first < start:
                first += -(-(start - first) // step) * step
            stop = min(part.stop, start + len(counts))
            if first < stop:
                counts[first - start : stop - start : step] += 1
        yield start, counts
