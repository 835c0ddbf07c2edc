"""Several sources in fixed shares, as one source of a loader."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.loading._window_options import fitting_buffers, tensors
from lapsdata.loading.buffers import BufferPool
from lapsdata.loading.permutation import MOST
from lapsdata.loading.schedule import Schedule, whole_shares
from lapsdata.loading.source import Batch, BatchSource, BatchSpec, FieldSpec, To, gather_at, require_alike, spec_of
from lapsdata.schema.base import canonical_json
from lapsdata.storage.ids import checked_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

__all__ = ["SOURCE", "Exhausted", "Mixture", "mixed_samples"]

Exhausted = Literal["repeat", "stop"]
"""What happens when a source comes to its end: it begins again, until every source has come to its end at least once;
or the epoch ends there, and the other sources' rests are left out of it."""

SOURCE = "source"
"""Field of a batch that says which source a sample is from."""


class Mixture:
    """Sources that are loaded together, each as often as its weight says.

    It is a `BatchSource` over the samples of all of them, one source after the other. A `Loader` gives it an order of
    its own: at every position of an epoch, a closed formula says which source has its turn, so that a step of all ranks
    holds as many samples of each as its weight says, give or take a few; within a source, samples are shuffled as the
    loader is told. With a shuffle, 32 turns at a time change places as well. A source that is repeated is shuffled
    anew.

    Parameters
    ----------
    sources : mapping of BatchSource
        By name; their order numbers them. All have the same fields.
    weights : mapping of float, optional
        By name, all positive, in any unit; by default the lengths, so that every sample comes once.
    exhausted : {"repeat", "stop"}
        When an epoch ends; see `Exhausted`. `Loader.plan` counts what is repeated and what is left out.

    Raises
    ------
    SchemaError
        No sources, empty or unlike ones, or weights that are not positive or not of these sources.

    Examples
    --------
    >>> import lapsdata.loading.mixture as module
    >>> class Zeros:
    ...     spec = BatchSpec({"x": FieldSpec((), np.dtype("f4"))})
    ...     def __init__(self, length): self.length = length
    ...     def __len__(self): return self.length
    ...     def gather(self, ids, *, fields=None, out=None, to="numpy"):
    ...         return {"x": np.zeros(len(ids), "f4")}
    >>> mixture = Mixture({"a": Zeros(6), "b": Zeros(4)}, weights={"a": 0.75, "b": 0.25})
    >>> len(mixture), mixture.samples_per_epoch
    (10, 16)
    >>> mixture.gather(np.array([0, 9]))["source"]
    array([0, 1])
    """

    def __init__(
        self,
        sources: Mapping[str, BatchSource],
        *,
        weights: Mapping[str, float] | None = None,
        exhausted: Exhausted = "repeat",
    ) -> None:
        self.sources = dict(sources)
        _refuse(self.sources, weights, exhausted)
        self.exhausted: Exhausted = exhausted
        self.lengths = tuple(len(source) for source in self.sources.values())
        told = self.lengths if weights is None else [weights[name] for name in self.sources]
        self.shares = whole_shares(told)
        self.samples_per_epoch = mixed_samples(self.shares, self.lengths, exhausted)
        self._first = np.cumsum([0, *self.lengths])
        self._spec = next(iter(self.sources.values())).spec
        self._pools: dict[tuple[str, ...], tuple[int, BufferPool]] = {}
        self._specs: dict[tuple[str, ...], BatchSpec] = {}
        # By fields asked for, what the first source has returned.
        self._returned: dict[tuple[str, ...], tuple[str, BatchSpec]] = {}

    def __len__(self) -> int:
        return int(self._first[-1])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pools": {}, "_returned": {}}

    @property
    def spec(self) -> BatchSpec:
        """The common fields, as they are before any `transform` of the sources; and `source`, int64: its number."""
        return BatchSpec({**self._spec, SOURCE: FieldSpec((), np.dtype(np.int64))})

    def spec_of(self, fields: Sequence[str]) -> BatchSpec:
        """Return what a batch holds when some fields are asked for, which every source has to give alike.

        Raises
        ------
        SchemaError
            A field that a source does not have, or that differs from that of another.
        """
        asked = tuple(fields)
        if asked not in self._specs:
            inner = [name for name in asked if name != SOURCE]
            specs = {name: spec_of(source, inner) for name, source in self.sources.items()}
            require_alike(specs)
            known = {**next(iter(specs.values())), SOURCE: FieldSpec((), np.dtype(np.int64))}
            self._specs[asked] = BatchSpec(known).only(asked)
        return self._specs[asked]

    @property
    def fingerprint(self) -> str | None:
        """What the sources say about their content, by name, as JSON; None if none of them says anything."""
        told = {name: getattr(source, "fingerprint", None) for name, source in self.sources.items()}
        known: dict[str, JsonValue] = {name: str(text) for name, text in told.items() if text is not None}
        return canonical_json(known).decode() if known else None

    @property
    def by_epoch(self) -> bool:
        """Whether samples of some source are other ones in another epoch."""
        return any(getattr(source, "by_epoch", False) for source in self.sources.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever plans to load the sources should know, each with its name."""
        return tuple(
            f"{name}: {note}" for name, source in self.sources.items() for note in getattr(source, "notes", ())
        )

    def locate(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the number of the source of each id, and the id within that source.

        Parameters
        ----------
        ids : int64 (B,)

        Returns
        -------
        sources, ids : int64 (B,)

        Raises
        ------
        IndexError
            An id outside of `0 .. len - 1`.
        """
        ids = checked_ids(ids)
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < len(self):
            raise IndexError(f"expected ids from 0 to {len(self) - 1}, got {ids.min()} .. {ids.max()}")
        sources = np.searchsorted(self._first, ids, side="right") - 1
        return sources, ids - self._first[sources]

    def gather(
        self,
        ids: NDArray[np.int64],
        *,
        fields: Sequence[str] | None = None,
        out: Mapping[str, NDArray[Any]] | None = None,
        to: To = "numpy",
        epochs: NDArray[np.int64] | None = None,
    ) -> Batch:
        """Return the samples `ids (B,)`, each from its source; see `BatchSource.gather`.

        Sources whose samples are other ones in another epoch are told `epochs (B,)`; without, epoch 0.

        A batch holds what the sources return: transforms of theirs may leave out fields, add some and change them, but
        all of them alike.

        Raises
        ------
        IndexError
            An id outside of `0 .. len - 1`.
        SchemaError
            A field, a buffer or `to` at fault; or sources that return fields, shapes or dtypes unlike each other.
        """
        numbers, places = self.locate(ids)
        spec = self.spec if fields is None else self.spec_of(fields)
        if out is not None:
            fitting_buffers(out, spec, len(numbers))
        known = np.zeros(len(numbers), np.int64) if epochs is None else epochs
        parts = self._parts(numbers, places, known, spec, out or {})
        batch = self._assembled(parts, len(numbers), out or {})
        if SOURCE in spec:
            batch[SOURCE] = (out or {}).get(SOURCE, numbers)
            np.copyto(batch[SOURCE], numbers)
        batch = {name: batch[name] for name in dict.fromkeys([*spec, *batch]) if name in batch}
        return batch if to == "numpy" else tensors(batch, to)

    def _parts(
        self,
        numbers: NDArray[np.int64],
        places: NDArray[np.int64],
        epochs: NDArray[np.int64],
        spec: BatchSpec,
        out: Mapping[str, NDArray[Any]],
    ) -> list[_Part]:
        """Return what the sources return, each for its places in the batch."""
        inside = BatchSpec({name: field for name, field in spec.items() if name != SOURCE})
        parts = []
        for number, (name, source) in enumerate(self.sources.items()):
            here = np.flatnonzero(numbers == number)
            whole = len(here) == len(numbers)
            if not len(here) and not (whole and number == 0):
                continue
            # All of one source: straight into the batch.
            buffers = _given(inside, len(here), out) if whole else self._buffers(inside, len(here), len(numbers))
            part = _Part(name, here, gather_at(source, places[here], epochs[here], fields=list(inside), out=buffers))
            self._agree(tuple(inside), part)
            parts.append(part)
            if whole:
                break
        return parts

    def _agree(self, fields: tuple[str, ...], part: _Part) -> None:
        """Refuse what a source returns if it is unlike what the first one has returned for the same fields.

        Raises
        ------
        SchemaError
            Names each field, with what is expected and what there is.
        """
        got = part.spec()
        first, expected = self._returned.setdefault(fields, (part.name, got))
        if dict(expected) != dict(got):
            require_alike({first if first != part.name else f"{first}, before": expected, part.name: got})

    def _assembled(self, parts: list[_Part], rows: int, out: Mapping[str, NDArray[Any]]) -> Batch:
        """Put parts together, which are alike and leave no row out; in `out` where it fits what they hold."""
        if len(parts) == 1:
            return dict(parts[0].batch)
        batch: Batch = {}
        for name, field in parts[0].spec().items():
            own = out.get(name)
            fits = own is not None and own.shape[1:] == field.shape and own.dtype == field.dtype
            values = own if own is not None and fits else field.empty(rows)
            for part in parts:
                values[part.here] = part.batch[name]
            batch[name] = values
        return batch

    def _buffers(self, spec: BatchSpec, rows: int, most: int) -> dict[str, NDArray[Any]]:
        """Return buffers for the part of a batch that is of one source."""
        fields = tuple(spec)
        known, pool = self._pools.get(fields, (0, None))
        if pool is None or known < most:
            pool = BufferPool(spec, most)
            self._pools[fields] = most, pool
        return pool.take(rows)


def _given(spec: BatchSpec, rows: int, out: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]] | None:
    """Return the buffers that a user gives, and new ones beside them; None where none are given."""
    if not out:
        return None
    return {name: out[name] if name in out else field.empty(rows) for name, field in spec.items()}


class _Part(NamedTuple):
    """What one source returns for its places in a batch."""

    name: str
    here: NDArray[np.int64]
    batch: Batch

    def spec(self) -> BatchSpec:
        """Return what it holds.

        Raises
        ------
        SchemaError
            Something that is no array with a row for each place, or a field that mixtures add.
        """
        found = Problems("Mixture")
        for field, values in self.batch.items():
            where, rows = f"{self.name}: {field}", len(self.here)
            if field == SOURCE:
                found.add("same-name", where, "expected no such field: mixtures add it", "rename it")
            elif not isinstance(values, np.ndarray) or values.shape[:1] != (rows,):
                got = f"shape {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
                found.add("wrong-batch", where, f"expected an array of {rows} rows, got {got}", "see its transform")
        found.raise_as(SchemaError)
        return BatchSpec({name: FieldSpec(values.shape[1:], values.dtype) for name, values in self.batch.items()})


def _refuse(sources: dict[str, BatchSource], weights: Mapping[str, float] | None, exhausted: str) -> None:
    """Name everything that is wrong with the parts of a mixture."""
    found = Problems("Mixture")
    if not sources:
        found.add("empty", "sources", "expected at least one source, got none")
    for name, source in sources.items():
        if isinstance(source, Mixture):
            found.add("wrong-kind", name, "expected a source, got a mixture", "name its sources in this one")
        elif not len(source):
            found.add("empty", name, "expected at least one sample, got none", "leave it out")
        elif SOURCE in source.spec:
            found.add("same-name", f"{name}: {SOURCE}", "expected no such field: mixtures add it", "rename it")
    for name in dict.fromkeys([*sources, *weights]) if weights is not None else ():
        if name not in sources or name not in (weights or {}):
            message = f"expected a weight for each of {list(sources)}, got those of {list(weights or {})}"
            found.add("wrong-weights", f"weights: {name}", message)
        elif not _positive((weights or {})[name]):
            message = f"expected a positive number, got {(weights or {})[name]!r}"
            found.add("wrong-weights", f"weights: {name}", message, "leave the source out, or weigh it")
    if exhausted not in ("repeat", "stop"):
        found.add("wrong-value", "exhausted", f"expected 'repeat' or 'stop', got {exhausted!r}")
    found.raise_as(SchemaError)
    require_alike({name: source.spec for name, source in sources.items()})


def _positive(weight: object) -> bool:
    if isinstance(weight, bool) or not isinstance(weight, Real):
        return False
    return math.isfinite(weight) and float(weight) > 0


def mixed_samples(shares: tuple[int, ...], lengths: tuple[int, ...], exhausted: Exhausted) -> int:
    """Return how many positions an epoch of a mixture has.

    Parameters
    ----------
    shares : tuple of int
    lengths : tuple of int
        Samples of each source.
    exhausted : {"repeat", "stop"}
        `stop`: as many as there are before any source has to be repeated; `repeat`: as few as there are when every
        source has come to its end.

    Raises
    ------
    SchemaError
        More than 2**53 - 1.

    Examples
    --------
    >>> mixed_samples((1, 1), (2, 5), "stop"), mixed_samples((1, 1), (2, 5), "repeat")
    (4, 10)
    """
    schedule = Schedule(shares)

    def over(position: int) -> bool:
        counts = zip(schedule.counts_before(position), lengths, strict=True)
        if exhausted == "stop":
            return any(count > length for count, length in counts)
        return all(count >= length for count, length in counts)

    low, high = 0, 1
    while not over(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if over(middle) else (middle, high)
    found = low if exhausted == "stop" else high
    if found > MOST:
        message = f"expected an epoch of up to 2**53 - 1 positions, got {found}"
        raise SchemaError(Problem("wrong-weights", "Mixture: weights", message, "use less extreme ones"))
    return found
