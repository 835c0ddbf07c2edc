"""What a loader is told, checked all at once, and the order that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lapsdata.errors import Problems, SchemaError, whole_number
from lapsdata.loading.mixture import Mixture
from lapsdata.loading.permutation import MOST
from lapsdata.loading.sampler import Last
from lapsdata.loading.source import BatchSpec, FieldSpec, spec_of
from lapsdata.schema.loader import EpochOrder, OrderedSource, Shuffle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.loading.ranks import Place
    from lapsdata.loading.source import BatchSource, To

__all__ = ["ADDED", "LoaderOptions", "batch_spec", "order_of", "rank_batch"]

ADDED = {"id": FieldSpec((), np.dtype(np.int64)), "valid": FieldSpec((), np.dtype(bool))}
"""What a batch always has: from the source, or from the loader."""

Unreadable = Literal["raise", "quarantine"]
"""What becomes of a sample that is not what was written."""

_WINDOW_BLOCKS = 16

_STREAMS = 64


_LOWS = {"seed": 0, "workers": 0, "prefetch": 1}
"""Whole numbers that always are one, and the least of each."""

_COUNTS = ("epochs", "steps_per_epoch", "block_rows", "window_blocks", "streams")

_NUMBERS = (*_LOWS, "batch_size", "global_batch_size", *_COUNTS)


@dataclass(frozen=True, slots=True)
class LoaderOptions:
    """The arguments of a `Loader`; see there."""

    batch_size: int | None
    global_batch_size: int | None
    shuffle: Shuffle | None
    seed: int
    epochs: int | None
    steps_per_epoch: int | None
    last: Last
    fields: Sequence[str] | None
    block_rows: int | None
    window_blocks: int | None
    streams: int | None
    rank: int | None
    world_size: int | None
    workers: int
    prefetch: int
    to: To | None
    device: str | None
    pin_memory: bool | None
    reuse: bool
    ledger: Path | None
    unreadable: Unreadable
    audit: Path | None

    def checked(self) -> LoaderOptions:
        """Return the same with integers of other libraries as Python's; raise for everything that is wrong in itself.

        Raises
        ------
        SchemaError
            Names each argument at fault.
        """
        self._refuse()
        numbers: dict[str, Any] = {name: whole_number(getattr(self, name)) for name in _NUMBERS}
        return replace(self, **numbers)

    def _refuse(self) -> None:
        found = Problems("Loader")
        for name in _NUMBERS:
            value: Any = getattr(self, name)
            low = _LOWS.get(name, 1)
            number = whole_number(value)
            optional = name not in _LOWS
            if not (value is None and optional) and (number is None or not low <= number <= MOST):
                found.add("wrong-value", name, f"expected a whole number from {low} on, got {value!r}")
        if (self.batch_size is None) == (self.global_batch_size is None):
            message = f"expected one of batch_size and global_batch_size, got {self.batch_size!r} and "
            found.add("wrong-value", "batch_size", message + f"{self.global_batch_size!r}", "give one of them")
        words = {"shuffle": (None, *get_args(Shuffle)), "last": get_args(Last), "to": (None, "numpy", "torch")}
        words["unreadable"] = get_args(Unreadable)
        for name, known in words.items():
            if getattr(self, name) not in known:
                found.add("wrong-value", name, f"expected one of {known}, got {getattr(self, name)!r}")
        for name in ("block_rows", "window_blocks"):
            if getattr(self, name) is not None and self.shuffle != "block":
                found.add("wrong-value", name, f"expected shuffle='block' for it, got {self.shuffle!r}")
        if self.audit is not None and self.unreadable != "quarantine":
            message = f"expected unreadable='quarantine' for an audit log, got {self.unreadable!r}"
            found.add("wrong-value", "audit", message)
        if self.streams is not None and self.shuffle != "stream":
            found.add("wrong-value", "streams", f"expected shuffle='stream' for it, got {self.shuffle!r}")
        if self.to == "numpy" and (self.device is not None or self.pin_memory):
            message = "expected to='torch' for a device or pinned memory, got 'numpy'"
            found.add("wrong-value", "to", message)
        found.raise_as(SchemaError)

    @property
    def torch(self) -> bool:
        """Whether batches are made of tensors."""
        return self.to == "torch" or self.device is not None or bool(self.pin_memory)


def rank_batch(options: LoaderOptions, place: Place) -> int:
    """Return the samples of this rank in a step.

    Raises
    ------
    SchemaError
        The global batch cannot be shared evenly.
    """
    if options.batch_size is not None:
        return options.batch_size
    total = options.global_batch_size or 1
    if total % place.world_size:
        found = Problems("Loader")
        message = f"expected a number that {place.world_size} ranks can share evenly, got {total}"
        below = total - total % place.world_size
        near = f"{below} or {below + place.world_size}" if below else f"{place.world_size}"
        found.add("wrong-value", "global_batch_size", message, f"use {near}")
        found.raise_as(SchemaError)
    return total // place.world_size


def order_of(source: BatchSource, options: LoaderOptions) -> EpochOrder:
    """Return the record of the order in which a source is loaded.

    Raises
    ------
    SchemaError
        It is empty, or blocks are to be shuffled and nobody says how long they are.
    """
    found = Problems("Loader")
    mixture = source if isinstance(source, Mixture) else None
    shares = mixture.shares if mixture else (1,)
    parts, span_rows = [], None
    for share, (name, part) in zip(shares, (mixture.sources if mixture else {"source": source}).items(), strict=True):
        rows = runs = None
        if options.shuffle == "block":
            runs = _runs(getattr(part, "part_rows", None))
            rows = options.block_rows or _told(part, "block_rows")
            if rows is None:
                message = f"expected the samples of a block for shuffle='block', got none, and none from '{name}'"
                found.add("no-block", "block_rows", message, "give block_rows")
        if options.shuffle == "stream":
            rows, spans = _told(part, "block_rows"), _told(part, "span_rows")
            if spans is None or (span_rows is not None and spans != span_rows):
                message = "expected a source that is read by spans for shuffle='stream', got "
                message += "one that is not" if spans is None else f"spans of {span_rows} and of {spans}"
                found.add("no-stream", name, message, "open shards with lapsdata.open_stream, all alike")
            span_rows = spans
        if not len(part):
            found.add("empty", name, "expected at least one sample, got none")
        else:
            parts.append(OrderedSource(name=name, samples=len(part), share=share, block_rows=rows, parts=runs))
    found.raise_as(SchemaError)
    window = options.window_blocks or _WINDOW_BLOCKS
    return EpochOrder(
        seed=options.seed,
        shuffle=options.shuffle or "none",
        window_blocks=window if options.shuffle == "block" else None,
        streams=(options.streams or _STREAMS) if options.shuffle == "stream" else None,
        span_rows=span_rows,
        samples=mixture.samples_per_epoch if mixture else len(source),
        sources=tuple(parts),
        exhausted=mixture.exhausted if mixture else None,
    )


def _told(source: BatchSource, name: str) -> int | None:
    """Return a number that a source says of itself."""
    return whole_number(getattr(source, name, None))


def _runs(lengths: NDArray[np.int64] | None) -> tuple[tuple[int, int], ...] | None:
    """Return the lengths of files as runs of equal ones; None where nobody tells them."""
    if lengths is None:
        return None
    lengths = lengths[lengths > 0]
    begins = np.flatnonzero(np.diff(lengths, prepend=-1))
    counts = np.diff(begins, append=len(lengths))
    return tuple(zip(lengths[begins].tolist(), counts.tolist(), strict=True))


def batch_spec(source: BatchSource, fields: Sequence[str] | None) -> tuple[BatchSpec, BatchSpec]:
    """Return the fields that are asked of the source, and those of a batch.

    Raises
    ------
    SchemaError
        An unknown field, or a field `id` or `valid` of another kind than a batch's.
    """
    found = Problems("Loader")
    for name, expected in ADDED.items():
        own = source.spec.get(name)
        if own is not None and (own.shape, own.dtype) != (expected.shape, expected.dtype):
            message = f"expected {expected.shape} {expected.dtype}, got {own.shape} {own.dtype}"
            found.add("wrong-field", name, message, "rename it: batches have a field of this name")
    found.raise_as(SchemaError)
    names = None if fields is None else [name for name in fields if name not in ADDED or name in source.spec]
    asked = spec_of(source, names)
    return asked, BatchSpec({**asked, **{name: spec for name, spec in ADDED.items() if name not in asked}})
