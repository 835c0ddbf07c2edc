"""The order of an epoch and the state of a loader, as checkpoints and ledgers hold them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lapsdata.schema.base import Count, Name, Positive, Record, Text

__all__ = ["EpochOrder", "LoaderState", "OrderedSource", "RunName", "Shuffle"]

Shuffle = Literal["none", "global", "block", "stream"]
"""Ids in their own order; any id at any place; blocks of neighbours at any place, shuffled within windows; or several
places of shuffled blocks in turns, each from there on."""

RunName = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
"""Names a run by where it begins, with how many ranks, and the run before it: the same for all of its ranks."""

Share = Annotated[int, Field(ge=1, le=2**30)]


class OrderedSource(Record):
    """One source of samples, as far as the order depends on it."""

    name: Name
    """What a mixture calls it; `source` where there is only one."""
    samples: Positive
    """Its length."""
    share: Share = 1
    """Its part of a mixture, relative to those of the others."""
    block_rows: Positive | None = None
    """Samples of a block that is shuffled as a whole; null unless `shuffle` is `block` or `stream`."""
    parts: Annotated[tuple[tuple[Positive, Positive], ...], Field(min_length=1)] | None = None
    """Where blocks end early, since files do: samples of a file, and how many such files follow each other; null where
    only the last block may be shorter."""


class EpochOrder(Record):
    """All that the id at a position of an epoch depends on; equal records are equal orders."""

    algorithm: Literal["1"] = "1"
    """Rises when the same record would mean another order."""
    seed: Count
    """What the shuffles are keyed with."""
    shuffle: Shuffle
    """How the ids of a source are shuffled."""
    window_blocks: Positive | None = None
    """Blocks of a window within which samples are shuffled; null unless `shuffle` is `block`."""
    streams: Positive | None = None
    """Places that are read in turns; null unless `shuffle` is `stream`."""
    span_rows: Positive | None = None
    """Neighbours that are read at once, and shuffled; null unless `shuffle` is `stream`."""
    samples: Positive
    """Positions of one epoch."""
    sources: Annotated[tuple[OrderedSource, ...], Field(min_length=1)]
    """The source, or the sources of a mixture in their order."""
    exhausted: Literal["repeat", "stop"] | None = None
    """What a mixture does about a source that has come to its end; null for a single source."""


class LoaderState(Record):
    """How far a loader has come: what the user has received, whatever was fetched in advance."""

    format: Literal["lapsdata.loader_state"] = "lapsdata.loader_state"
    """Which record this is."""
    format_version: Literal["1.0"] = "1.0"
    """Version of the record."""
    order: EpochOrder
    """The order that the position is one of."""
    fields: dict[str, Text]
    """Shape, dtype and unit of each field of the source, in words."""
    fingerprint: Text | None = None
    """What the source says about its own content; null where it says nothing."""
    run: RunName | None = None
    """The run that came so far; null if none has begun."""
    epoch: Count
    """The epoch that comes next, from 0."""
    position: Count
    """Samples of that epoch that all ranks together have received."""
    round: Count
    """Rounds that are done: epochs, or times `steps_per_epoch` steps."""
    step: Count
    """Steps of the present round that are done."""
    global_step: Count
    """Steps of all rounds that are done, however many ranks there were and however long a round was."""
