"""What a loader is going to do, in numbers and in words, before it does it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lapsdata.loading.schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.loading.ranks import Place
    from lapsdata.loading.sampler import Sampler

__all__ = ["LoaderPlan", "SourcePlan", "make_plan"]


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """What an epoch has of one source of a mixture.

    Parameters
    ----------
    name : str
    samples : int
        Its length.
    visited : int
        Positions of an epoch that are its.
    repeated : int
        Of these, those of a sample that was there before.
    left_out : int
        Samples that have no position in an epoch.

    Examples
    --------
    >>> SourcePlan("a", samples=4, visited=6, repeated=2, left_out=0).repeated
    2
    """

    name: str
    samples: int
    visited: int
    repeated: int
    left_out: int


@dataclass(frozen=True, slots=True)
class LoaderPlan:
    """What a loader does in one round; `print` shows `text`.

    Parameters
    ----------
    samples : int
        Positions of an epoch.
    steps : int
        Batches of each rank in a round.
    visited : int
        Samples that all ranks together receive in a round, each position of an epoch once.
    masked : int
        Places in the last batches that are filled with repeats, where `valid` is False.
    dropped : int
        Samples at the end of an epoch that are left out of it.
    batch_size, global_batch_size : int
        Samples of a step, of this rank and of all.
    rank, world_size : int
    told_by : str
        Who says which rank this is.
    seed : int
    shuffle : str
    shuffle_window : int
        Samples among which each can change its place freely: 1 without a shuffle.
    block_rows : int or None
        Samples of a block; the shortest, if sources differ.
    endless_order : bool
        Whether rounds go on from epoch to epoch (`steps_per_epoch`).
    sources : tuple of SourcePlan
        Of a mixture; empty for a single source.
    streams : int or None
        Places that are read in turns; a rank has some of them for itself where their number divides by the ranks.
    notes : tuple of str
        What the sources say of themselves: what makes them slow, and what was passed over.

    Examples
    --------
    >>> from lapsdata.loading.ranks import Place
    >>> from lapsdata.loading.sampler import Sampler
    >>> from lapsdata.schema.loader import EpochOrder, OrderedSource
    >>> order = EpochOrder(seed=0, shuffle="global", samples=10, sources=(OrderedSource(name="source", samples=10),))
    >>> print(make_plan(Sampler(order, batch_size=2, world_size=2), Place(0, 2)))
    a round is an epoch of 10 samples: 10 visited, 2 repeated to fill the last step (valid=False), 0 dropped
    3 steps of 4 samples: 2 for each of 2 ranks; this is rank 0, says the caller
    order: any sample at any place, seed 0
    """

    samples: int
    steps: int
    visited: int
    masked: int
    dropped: int
    batch_size: int
    global_batch_size: int
    rank: int
    world_size: int
    told_by: str
    seed: int
    shuffle: str
    shuffle_window: int
    block_rows: int | None
    endless_order: bool
    sources: tuple[SourcePlan, ...] = ()
    streams: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The plan in words, a line for each thing."""
        if self.endless_order:
            first = (
                f"a round is {self.steps} steps, which go on from epoch to epoch of {self.samples} samples: "
                f"{self.visited} visited, nothing masked or dropped"
            )
        else:
            first = (
                f"a round is an epoch of {self.samples} samples: {self.visited} visited, "
                f"{self.masked} repeated to fill the last step (valid=False), {self.dropped} dropped"
            )
        alone = self.told_by == "nobody"
        told = "the only process, as no launcher says that there are others" if alone else f"says {self.told_by}"
        lines = [
            first,
            f"{self.steps} steps of {self.global_batch_size} samples: {self.batch_size} for each of "
            f"{self.world_size} ranks; this is rank {self.rank}, {told}",
            f"order: {self._order}, seed {self.seed}",
        ]
        lines += [
            f"{part.name}: {part.visited} of an epoch's samples, {part.repeated} of them repeated; "
            f"{part.left_out} of its {part.samples} left out"
            for part in self.sources
        ]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    @property
    def _order(self) -> str:
        if self.shuffle == "none":
            return "as the samples lie"
        if self.shuffle == "global":
            return "any sample at any place"
        if self.shuffle == "stream":
            shared = "" if self.streams and self.streams % self.world_size == 0 else ", which ranks share"
            return (
                f"archives of {self.block_rows} neighbours in {self.streams} streams{shared}, "
                f"samples shuffled among {self.shuffle_window}"
            )
        return (
            f"blocks of {self.block_rows} neighbours at any place, "
            f"samples shuffled within windows of {self.shuffle_window}"
        )

    def __str__(self) -> str:
        return self.text

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as JSON-ready values."""
        return asdict(self)


def make_plan(sampler: Sampler, place: Place, notes: Sequence[str] = ()) -> LoaderPlan:
    """Return the plan of a sampler, with what its sources say of themselves; see `LoaderPlan`."""
    order, steps = sampler.record, sampler.steps_per_round
    endless = sampler.steps_per_epoch is not None
    reached = steps * sampler.step_size
    blocks = [source.block_rows for source in order.sources if source.block_rows is not None]
    windows = {"none": 1, "global": order.samples}
    if order.streams is not None:
        windows["stream"] = min(order.samples, order.streams * (order.span_rows or 1))
    window = windows.get(order.shuffle) or min(order.samples, min(blocks, default=1) * (order.window_blocks or 1))
    return LoaderPlan(
        samples=order.samples,
        steps=steps,
        visited=reached if endless else min(reached, order.samples),
        masked=0 if endless else max(0, reached - order.samples),
        dropped=0 if endless else max(0, order.samples - reached),
        batch_size=sampler.batch_size,
        global_batch_size=sampler.step_size,
        rank=place.rank,
        world_size=place.world_size,
        told_by=place.told_by,
        seed=order.seed,
        shuffle=order.shuffle,
        shuffle_window=window,
        block_rows=min(blocks, default=None),
        endless_order=endless,
        sources=_parts(sampler) if order.exhausted is not None else (),
        streams=order.streams,
        notes=tuple(notes),
    )


def _parts(sampler: Sampler) -> tuple[SourcePlan, ...]:
    order = sampler.record
    counts = Schedule(tuple(source.share for source in order.sources)).counts_before(order.samples)
    return tuple(
        SourcePlan(source.name, source.samples, count, max(0, count - source.samples), max(0, source.samples - count))
        for source, count in zip(order.sources, counts, strict=True)
    )
