"""Batches of a source: in an order that is a pure function, fetched ahead, and resumable to the sample."""

from __future__ import annotations

import os
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lapsdata.errors import LapsError, Problem, SchemaError
from lapsdata.loading._fetch import Fetch
from lapsdata.loading._options import LoaderOptions, Unreadable, batch_spec, order_of, rank_batch
from lapsdata.loading.ledger import Ledger, run_name
from lapsdata.loading.plan import LoaderPlan, make_plan
from lapsdata.loading.prefetch import Prefetch
from lapsdata.loading.quarantine import Quarantine
from lapsdata.loading.ranks import find_place
from lapsdata.loading.sampler import Cursor, Draw, Last, Sampler
from lapsdata.loading.state import read_state, write_state
from lapsdata.loading.torch_bridge import TorchBridge
from lapsdata.schema.ledger import LedgerRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import JsonValue

    from lapsdata.loading.source import Batch, BatchSource, BatchSpec, To
    from lapsdata.schema.loader import Shuffle

__all__ = ["EndlessError", "Loader"]


class EndlessError(LapsError, TypeError):
    """What never ends has no length."""


class Loader:
    """Loads a source in batches; `for batch in loader` is one round, and the next `for` is the next one.

    A round is an epoch, or `steps_per_epoch` steps. A loop that is left early is gone on with by the next one, so that
    no sample is passed over. A loop is for one thread: hand its batches over, not the loop. Every batch has the fields
    of the source, and `id (B,)` int64 and `valid (B,)` bool: the source's own where it has fields of these names, else
    ids of the source, and where a sample is no repeat that only fills the last step. A source that has `valid` itself
    gets these marked in it.

    Which id comes when depends on data, seed, epoch and position alone: not on the number of ranks, threads or
    restarts. In a step at position p, rank r of W gets the positions p + r, p + r + W ...

    Parameters
    ----------
    source : BatchSource
        What is loaded; a `Mixture` for several. If it has an attribute `fingerprint` (str), states keep it and are
        refused by a source that has another one; if it has `block_rows` (int), those are the blocks of a block shuffle,
        which end early where a file does if it has `part_rows` (int64, samples of each file). If it has `by_epoch`
        that is true, its `gather` is told the epoch of each sample.
    batch_size : int, optional
        Samples of a step of this rank.
    global_batch_size : int, optional
        Samples of a step of all ranks; in place of `batch_size`.
    shuffle : {None, "none", "global", "block", "stream"}
        As the samples lie; any sample at any place; blocks of neighbours at any place, and their samples within
        windows of `window_blocks` blocks; or several streams of archives in turns (see `open_stream`).
    seed : int
        From 0 to 2**53 - 1.
    epochs : int or None
        Rounds of the whole run, counted from its start, whatever states it went on from: a loop over a loader that has
        had them has no batches. With 1, the default, every loop is one round; None never ends.
    steps_per_epoch : int, optional
        Steps of a round. They go on in the endless order of epochs, whatever the number of ranks; nothing is masked
        or dropped.
    last : {"mask", "drop"}
        Where an epoch does not fill its last step: fill it with repeats whose `valid` is False, or leave its samples
        out of this epoch.
    fields : sequence of str, optional
        Which fields, of all that the source can give; by default those of its `spec`.
    block_rows : int, optional
        Samples of a block; by default the source's.
    window_blocks : int, optional
        Blocks of a window; by default 16.
    streams : int, optional
        Streams of a "stream" shuffle, by default 64. Where the number of ranks divides them, each rank has whole ones.
    rank, world_size : int, optional
        By default those of torch.distributed if it is initialised, else of `RANK` and `WORLD_SIZE`, else 0 of 1.
    workers : int
        Prefetch threads; 0 loads when asked.
    prefetch : int
        Batches that are ready or being loaded at any time.
    to : {"numpy", "torch"}, optional
        What batches are made of; torch where `device` or `pin_memory` is given.
    device : str, optional
        Where tensors are copied to, in the prefetch threads.
    pin_memory : bool, optional
        Whether buffers are pinned; by default for CUDA devices.
    reuse : bool
        Whether buffers are filled again once nobody holds them.
    ledger : path, optional
        Folder where each rank notes what it has received; see `check_ledgers`.
    unreadable : {"raise", "quarantine"}
        What becomes of damaged samples: an error; or each is replaced by another that is a pure function of seed,
        epoch and id, counted in `replaced` and listed in `damaged`, and `id` says what was delivered. Ledgers prove
        positions: the audit log says which of them were replaced.
    audit : path, optional
        File to which a line of JSON is added for each replacement.

    Raises
    ------
    SchemaError
        Arguments that are wrong, in themselves or for this source: all of them are named.

    Examples
    --------
    >>> import numpy as np
    >>> from lapsdata.loading.source import BatchSpec, FieldSpec
    >>> class Squares:
    ...     spec = BatchSpec({"square": FieldSpec((), np.dtype("i8"))})
    ...     def __len__(self): return 5
    ...     def gather(self, ids, *, fields=None, out=None, to="numpy"):
    ...         return {"square": ids**2}
    >>> loader = Loader(Squares(), batch_size=3)
    >>> for batch in loader:
    ...     print(batch["square"].tolist(), batch["valid"].tolist())
    [0, 1, 4] [True, True, True]
    [9, 16, 0] [True, True, False]
    """

    def __init__(
        self,
        source: BatchSource,
        *,
        batch_size: int | None = None,
        global_batch_size: int | None = None,
        shuffle: Shuffle | None = None,
        seed: int = 0,
        epochs: int | None = 1,
        steps_per_epoch: int | None = None,
        last: Last = "mask",
        fields: Sequence[str] | None = None,
        block_rows: int | None = None,
        window_blocks: int | None = None,
        streams: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        workers: int = 2,
        prefetch: int = 4,
        to: To | None = None,
        device: str | None = None,
        pin_memory: bool | None = None,
        reuse: bool = True,
        ledger: str | os.PathLike[str] | None = None,
        unreadable: Unreadable = "raise",
        audit: str | os.PathLike[str] | None = None,
    ) -> None:
        options = LoaderOptions(
            batch_size, global_batch_size, shuffle, seed, epochs, steps_per_epoch, last, fields, block_rows,
            window_blocks, streams, rank, world_size, workers, prefetch, to, device, pin_memory, reuse,
            None if ledger is None else Path(ledger), unreadable, None if audit is None else Path(audit),
        )  # fmt: skip
        self._set_up(source, options)

    def _set_up(self, source: BatchSource, options: LoaderOptions) -> None:
        options = options.checked()
        self.source, self._options = source, options
        self._place = find_place(options.rank, options.world_size)
        self._asked, self._spec = batch_spec(source, options.fields)
        self._sampler = Sampler(
            order_of(source, options),
            batch_size=rank_batch(options, self._place),
            rank=self._place.rank,
            world_size=self._place.world_size,
            last=options.last,
            steps_per_epoch=options.steps_per_epoch,
        )
        if not self._sampler.steps_per_round:
            message = f"expected a step within {len(source)} samples, got one of {self._sampler.step_size}"
            fix = "use last='mask', or a smaller batch"
            raise SchemaError(Problem("empty", "Loader: last='drop'", message, fix))
        self._quarantine: Quarantine | None = None
        if options.unreadable == "quarantine":
            self._quarantine = Quarantine(source, seed=options.seed, audit=options.audit)
        self._cursor = Cursor()
        # The run that has come so far, and whether it is this loader's own.
        self._run: str | None = None
        self._begun = False
        self._fetch: tuple[int, Fetch] | None = None
        self._ledger: Ledger | None = None
        self._under_way: weakref.ref[_Iteration] | None = None
        self.waited_s = 0.0
        self.batches = 0

    @property
    def spec(self) -> BatchSpec:
        """What a batch holds, before any `transform` of the source."""
        return self._spec

    @property
    def damaged(self) -> dict[int, str]:
        """What is wrong with each damaged sample met so far, by id."""
        return {} if self._quarantine is None else dict(self._quarantine.damaged)

    @property
    def replaced(self) -> int:
        """How many samples were replaced so far."""
        return 0 if self._quarantine is None else self._quarantine.replaced

    @property
    def epoch(self) -> int:
        """The epoch that the next sample is of, from 0."""
        return self._sampler.settled(self._cursor).epoch

    def plan(self) -> LoaderPlan:
        """Return what a round visits, repeats and drops, for which ranks, and how it is shuffled; it can be printed."""
        return make_plan(self._sampler, self._place, getattr(self.source, "notes", ()))

    def __len__(self) -> int:
        """Return the steps that are left of this loop, 0 in its last step; or of the next one if none is under way.

        Raises
        ------
        EndlessError
            `epochs` is None.
        """
        rounds = self._rounds()
        if rounds is None:
            message = "expected a number of epochs, got None: it never ends"
            raise EndlessError(Problem("endless", "Loader: epochs", message, "see plan() for the steps of an epoch"))
        return self._sampler.steps_left(self._standing, rounds)

    @property
    def global_step(self) -> int:
        """Steps that are done, over all epochs, restarts and numbers of ranks: where a learning rate stands."""
        return self._cursor.global_step

    @property
    def _standing(self) -> Cursor:
        """Where the loop under way stands, at its end as well; where the next one begins once it is left."""
        left = self._under_way is not None and self._under_way() is None
        return self._sampler.settled(self._cursor) if left else self._cursor

    def _rounds(self) -> int | None:
        """Return how many rounds there are when the loop under way, or the next one, has ended."""
        epochs, cursor = self._options.epochs, self._standing
        if epochs != 1:
            return epochs
        return (cursor if self._sampler.ended(cursor) else self._sampler.settled(cursor)).round + 1

    def __iter__(self) -> Iterator[Batch]:
        """Begin an iteration where the last one has stopped; that one is ended."""
        self._end_iteration()
        process = os.getpid()
        if self._fetch is None or self._fetch[0] != process:
            options = self._options
            bridge = TorchBridge(options.device, pin_memory=options.pin_memory) if options.torch else None
            rows = self._sampler.batch_size
            quarantine = self._quarantine
            fetch = Fetch(self.source, self._asked, rows, reuse=options.reuse, bridge=bridge, quarantine=quarantine)
            self._fetch = process, fetch
        iteration = _Iteration(self, self._fetch[1], self._sampler.draws(self._cursor, self._rounds()))
        self._under_way = weakref.ref(iteration)
        return iteration

    def _deliver(self, draw: Draw) -> None:
        """Note that the user receives a draw."""
        if self._ledger is None or not self._begun:
            self._begin_run()
        if self._ledger is not None:
            self._ledger.note(draw.spans, draw.ids)
            if self._sampler.settled(draw.after).round > self._cursor.round:
                self._ledger.flush()
        self._cursor = draw.after
        self.batches += 1

    def _begin_run(self) -> None:
        """Name the run that begins here, and open it in the ledger if there is one."""
        if self._begun and self._options.ledger is None:
            return
        # As it was loaded: what the first step leaves out of its epoch is this run's doing.
        cursor, sampler = self._cursor, self._sampler
        name = run_name(
            self._run,
            epoch=cursor.epoch,
            position=cursor.position,
            world_size=sampler.world_size,
            global_batch_size=sampler.step_size,
            last=sampler.last,
            steps_per_epoch=sampler.steps_per_epoch,
        )
        if self._options.ledger is not None:
            head = self._ledger_head(name, cursor)
            if self._ledger is None:
                self._ledger = Ledger(self._options.ledger, head)
            else:
                self._ledger.begin(head)
        self._run, self._begun = name, True

    def _ledger_head(self, name: str, cursor: Cursor) -> LedgerRun:
        sampler = self._sampler
        return LedgerRun(
            order=sampler.record,
            run=name,
            parent=self._run,
            rank=sampler.rank,
            world_size=sampler.world_size,
            global_batch_size=sampler.step_size,
            last=sampler.last,
            steps_per_epoch=sampler.steps_per_epoch,
            epoch=cursor.epoch,
            position=cursor.position,
        )

    def state_dict(self) -> dict[str, JsonValue]:
        """Return how far the user has come, as JSON-ready values: what was only fetched in advance does not count."""
        return write_state(self._sampler.record, self.source.spec, self._fingerprint, self._standing, self._run)

    @property
    def _fingerprint(self) -> str | None:
        told = getattr(self.source, "fingerprint", None)
        return None if told is None else str(told)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a state was saved; ranks, batch size and workers may have been others.

        The next loop goes on with the one that it was saved in, be it to its end: one whose last batch had been
        delivered has none left. A state that was saved between two loops goes on with the next, if `epochs` has one.

        Parameters
        ----------
        state : mapping
            From `state_dict`.

        Raises
        ------
        SchemaError
            It is no state, or one of other data, another seed or another order; everything that differs is named. Data
            are told by the source's `fingerprint`, and by fields and lengths alone where it has none.
        """
        cursor, run = read_state(state, self._sampler.record, self.source.spec, self._fingerprint)
        self._end_iteration()
        self._cursor, self._run, self._begun = cursor, run, False

    def _end_iteration(self) -> None:
        under_way = self._under_way() if self._under_way is not None else None
        if self._under_way is not None:
            self._cursor = self._sampler.settled(self._cursor)
        self._under_way = None
        if under_way is not None:
            under_way.close()

    def close(self) -> None:
        """End the threads and close the ledger; iterating again begins anew where the user has come to."""
        self._end_iteration()
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> tuple[BatchSource, LoaderOptions, Cursor, str | None]:
        return self.source, self._options, self._standing, self._run

    def __setstate__(self, state: tuple[BatchSource, LoaderOptions, Cursor, str | None]) -> None:
        """Set up anew, in whichever process this is: a rank that was not given is looked for again."""
        source, options, cursor, run = state
        self._set_up(source, options)
        self._cursor, self._run = cursor, run


class _Iteration:
    """One `for` over a loader. The loader knows it by a weak reference only: leaving the loop ends it."""

    def __init__(self, loader: Loader, fetch: Fetch, draws: Iterator[Draw]) -> None:
        options = loader._options
        self._loader, self._fetch, self._ended = loader, fetch, False
        self._one = threading.Lock()
        self._found = Prefetch(fetch, draws, threads=options.workers, depth=options.prefetch)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if not self._one.acquire(blocking=False):
            message = "expected one thread per iterator, got a second one that asks while the first waits for its batch"
            fix = "hand batches over through a queue, or make a Loader for each thread, of its own rank"
            raise LapsError(Problem("two-threads", "Loader", message, fix))
        try:
            return self._next()
        finally:
            self._one.release()

    def _next(self) -> Batch:
        if self._ended:
            raise StopIteration
        loader = self._loader
        if loader._under_way is None or loader._under_way() is not self:
            message = "expected an iteration under way, got one that a newer one, a state or close() has ended"
            raise LapsError(Problem("ended", "Loader", message, "use a Loader for each loop, or one loop at a time"))
        try:
            began = time.perf_counter()
            draw, batch = next(self._found)
            loader.waited_s += time.perf_counter() - began
            loader._deliver(draw)
            return self._fetch.receive(batch)
        except BaseException as error:
            self._ended = True
            self.close()
            if isinstance(error, StopIteration):
                loader._end_iteration()
            raise

    def close(self) -> None:
        """End the threads."""
        self._found.close()
