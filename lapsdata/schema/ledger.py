"""The lines of a ledger: what one rank has received of each epoch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lapsdata.schema.base import Count, Positive, Record
from lapsdata.schema.loader import EpochOrder, RunName

__all__ = ["LedgerRun", "LedgerSpan"]


class LedgerRun(Record):
    """A line that opens a run: who receives what from where on.

    It goes on from a state of its parent. What any other run has received from that position on counts as undone: the
    model goes back to it as well.
    """

    format: Literal["lapsdata.ledger"] = "lapsdata.ledger"
    """Which record this is."""
    format_version: Literal["1.0"] = "1.0"
    """Version of the record."""
    order: EpochOrder
    """The order that positions are of."""
    run: RunName
    """Names this run."""
    parent: RunName | None = None
    """The run whose state it goes on from; null where it begins anew."""
    rank: Count
    """Which of the ranks writes this file."""
    world_size: Positive
    """How many ranks there are."""
    global_batch_size: Positive
    """Samples of one step, all ranks together."""
    last: Literal["mask", "drop"]
    """What is done where an epoch does not fill its last step."""
    steps_per_epoch: Positive | None = None
    """Steps of a round if they go on from epoch to epoch; null where a round is an epoch."""
    epoch: Count
    """Epoch of the first step, from 0."""
    position: Count
    """Position within it."""


class LedgerSpan(Record):
    """A line about consecutive steps within an epoch: positions `first`, `first + world_size` ... below `stop`."""

    epoch: Count
    """Which epoch, from 0."""
    start: Count
    """First position of these steps, of any rank."""
    stop: Count
    """End of their positions (not included), of any rank."""
    first: Count
    """First position of this rank; `stop` or more if it received none."""
    count: Count
    """How many samples this rank received."""
    ids_sum: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """Sum of the SplitMix64 hashes of their ids modulo 2**64, in hex: the same in any order."""
    ids_crc32c: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    """CRC-32C of their ids as little-endian int64, in the order received, in hex."""
