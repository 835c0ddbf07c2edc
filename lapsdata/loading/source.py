"""What everything that can be loaded in batches keeps: a length, a specification, and `gather`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "Batch",
    "BatchSource",
    "BatchSpec",
    "FieldSpec",
    "To",
    "gather_at",
    "require_alike",
    "spec_of",
    "unlike_names",
]

Batch = dict[str, Any]
"""Arrays (or tensors) by field, each with the batch as its first axis."""

To = Literal["numpy", "torch"]
"""What a batch is made of."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a sample.

    Parameters
    ----------
    shape : tuple of int
        Of one sample; a batch puts its length before it.
    dtype : np.dtype
    unit : str or None
        `pixel xy`, `seconds` ...; None for what has no unit.
    names : tuple of str or None
        What the numbers of a vector are called, in their order; None where that is not told.

    Examples
    --------
    >>> FieldSpec((16, 400, 2), np.dtype("f4"), "pixel xy").nbytes
    51200
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    unit: str | None = None
    names: tuple[str, ...] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of one sample."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def empty(self, batch: int) -> NDArray[Any]:
        """Return a buffer for a batch of samples, with nothing in it yet."""
        return np.empty((batch, *self.shape), self.dtype)


class BatchSpec(Mapping[str, FieldSpec]):
    """The fields of a source, by name, in the order in which batches hold them.

    Examples
    --------
    >>> spec = BatchSpec({"vis": FieldSpec((16, 400), np.dtype(bool)), "start_s": FieldSpec((), np.dtype("f8"))})
    >>> list(spec), spec.nbytes
    (['vis', 'start_s'], 6408)
    """

    def __init__(self, fields: Mapping[str, FieldSpec]) -> None:
        self._fields = dict(fields)

    def __getitem__(self, name: str) -> FieldSpec:
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        lines = (
            f"{name}: (B{''.join(f', {n}' for n in field.shape)}) {field.dtype}" + (f" {field.unit}" * bool(field.unit))
            for name, field in self._fields.items()
        )
        return f"BatchSpec({'; '.join(lines)})"

    @property
    def nbytes(self) -> int:
        """Bytes of one sample, all fields together."""
        return sum(field.nbytes for field in self._fields.values())

    def only(self, fields: Sequence[str] | None) -> BatchSpec:
        """Return the named fields, in the order of the names; all of them for None.

        Raises
        ------
        SchemaError
            A name that is none of the fields.
        """
        if fields is None:
            return self
        strangers = [name for name in fields if name not in self._fields]
        if strangers:
            message = f"expected some of {list(self._fields)}, got {strangers}"
            raise SchemaError(Problem("unknown-field", "fields", message))
        return BatchSpec({name: self._fields[name] for name in fields})


@runtime_checkable
class BatchSource(Protocol):
    """What can be loaded in batches: windows, robot steps, clips, views.

    `gather` keeps the order of the ids and their repeats; an id outside of `0 .. len - 1` is an IndexError. It may be
    called from several threads at once, and after a fork or in a spawned process.

    Examples
    --------
    >>> isinstance([1, 2], BatchSource)
    False
    """

    def __len__(self) -> int:
        """Return the number of samples."""

    @property
    def spec(self) -> BatchSpec:
        """What a batch holds."""

    def gather(
        self,
        ids: NDArray[np.int64],
        *,
        fields: Sequence[str] | None = None,
        out: Mapping[str, NDArray[Any]] | None = None,
        to: To = "numpy",
    ) -> Batch:
        """Return the samples `ids (B,)` as one batch, in `out` where buffers are given."""


def spec_of(source: BatchSource, fields: Sequence[str] | None) -> BatchSpec:
    """Return what a batch of a source holds when these fields are asked of it.

    A source that can give more fields than those of its `spec` says so with a method `spec_of(fields)`.

    Parameters
    ----------
    source : BatchSource
    fields : sequence of str or None
        None for those of its `spec`.

    Raises
    ------
    SchemaError
        A name that is none of the fields.

    Examples
    --------
    >>> from lapsdata.testing.numbers import Numbers
    >>> spec_of(Numbers(3), ["row"])
    BatchSpec(row: (B, 3) float32 metre)
    """
    if fields is None:
        return source.spec
    own = getattr(source, "spec_of", None)
    found: BatchSpec = source.spec.only(fields) if own is None else own(fields)
    return found


def gather_at(
    source: BatchSource,
    ids: NDArray[np.int64],
    epochs: NDArray[np.int64],
    *,
    fields: Sequence[str] | None = None,
    out: Mapping[str, NDArray[Any]] | None = None,
) -> Batch:
    """Return samples as they are in some epochs.

    A source whose samples are other ones in another epoch says so with an attribute `by_epoch`, and takes `epochs` in
    its `gather`; what a sample is must be a pure function of its id and its epoch.

    Parameters
    ----------
    source : BatchSource
    ids, epochs : int64 (B,)
    fields, out
        As for `BatchSource.gather`.

    Examples
    --------
    >>> from lapsdata.testing.numbers import Numbers
    >>> gather_at(Numbers(3), np.array([2]), np.array([5]))["number"].tolist()
    [2]
    """
    if getattr(source, "by_epoch", False):
        taking: Any = source
        batch: Batch = taking.gather(ids, fields=fields, out=out, epochs=epochs)
        return batch
    return source.gather(ids, fields=fields, out=out)


def require_alike(specs: Mapping[str, BatchSpec]) -> None:
    """Refuse sources whose batches cannot be put one after the other: unlike fields, or numbers of unlike names.

    Where one of two does not say what its numbers are called, they are taken to be alike.

    Parameters
    ----------
    specs : mapping of BatchSpec
        By the name of their source, for the message.

    Raises
    ------
    SchemaError
        Names each field that differs, with both descriptions.

    Examples
    --------
    >>> one = BatchSpec({"vis": FieldSpec((16, 400), np.dtype(bool))})
    >>> two = BatchSpec({"vis": FieldSpec((16, 256), np.dtype(bool))})
    >>> require_alike({"a.h5": one, "b.h5": two})
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: b.h5: vis: expected (16, 400) bool as in a.h5, got (16, 256) bool [unlike-specs]
    """
    problems = Problems()
    (first, expected), *others = specs.items()
    called = {field: (first, one.names) for field, one in expected.items() if one.names is not None}
    for name, spec in others:
        for field in dict.fromkeys([*expected, *spec]):
            wanted, got = (_spelled(one.get(field)) for one in (expected, spec))
            if wanted != got:
                problems.add("unlike-specs", f"{name}: {field}", f"expected {wanted} as in {first}, got {got}")
                continue
            names = spec[field].names
            if names is None:
                continue
            known, told = called.setdefault(field, (name, names))
            if names != told:
                fix = "leave the field out; where they are the same numbers by other words, make the words alike"
                problems.add("unlike-names", f"{name}: {field}", unlike_names(told, names, f" as in {known}"), fix)
    problems.raise_as(SchemaError)


def unlike_names(wanted: Sequence[str], got: Sequence[str], beside: str = "") -> str:
    """Return in words how names of numbers differ, and where first: of long lists only the beginning is shown.

    Examples
    --------
    >>> unlike_names(["x", "y"], ["y", "x"])
    "expected the numbers 'x', 'y', got 'y', 'x': number 0 is 'y', and not 'x'"
    """
    at = next((at for at, pair in enumerate(zip(wanted, got, strict=False)) if pair[0] != pair[1]), None)
    first = (
        f"{len(got)} of them, and not {len(wanted)}"
        if at is None
        else f"number {at} is {got[at]!r}, and not {wanted[at]!r}"
    )
    return f"expected the numbers {listed(wanted, 12)}{beside}, got {listed(got, 12)}: {first}"


def _spelled(field: FieldSpec | None) -> str:
    if field is None:
        return "no such field"
    return f"{field.shape} {field.dtype}" + (f" {field.unit}" if field.unit else "")
