"""A source in memory whose samples say which they are: what is loaded shows what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.loading.source import Batch, BatchSpec, FieldSpec, To

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Numbers"]


class Numbers:
    """A `BatchSource` of `number ()` int64, which is the id, and `row (3,)` float32: id, id + 1, id + 2.

    Parameters
    ----------
    length : int
    block_rows : int, optional
        Samples of a block, as a source of chunked files has it.
    fingerprint : str, optional
        What it says about its content.

    Examples
    --------
    >>> Numbers(5).gather(np.array([4, 0]))["number"].tolist()
    [4, 0]
    """

    def __init__(self, length: int, *, block_rows: int | None = None, fingerprint: str | None = None) -> None:
        self._length = length
        if block_rows is not None:
            self.block_rows = block_rows
        if fingerprint is not None:
            self.fingerprint = fingerprint

    def __len__(self) -> int:
        return self._length

    @property
    def spec(self) -> BatchSpec:
        """Two fields."""
        return BatchSpec({"number": FieldSpec((), np.dtype("i8")), "row": FieldSpec((3,), np.dtype("f4"), "metre")})

    def gather(
        self,
        ids: NDArray[np.int64],
        *,
        fields: Sequence[str] | None = None,
        out: Mapping[str, NDArray[Any]] | None = None,
        to: To = "numpy",
    ) -> Batch:
        """Return the samples `ids (B,)`; an id outside of the length is an IndexError, a wrong buffer a ValueError."""
        if to != "numpy":
            raise ValueError(f"expected to='numpy', got {to!r}")
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < self._length:
            raise IndexError(f"expected ids from 0 to {self._length - 1}, got {ids.min()} .. {ids.max()}")
        spec = self.spec.only(fields)
        batch: Batch = dict(out) if out is not None else {name: field.empty(len(ids)) for name, field in spec.items()}
        for name, field in spec.items():
            if batch[name].shape != (len(ids), *field.shape):
                raise ValueError(f"{name}: expected {(len(ids), *field.shape)}, got {batch[name].shape}")
            batch[name][...] = ids if name == "number" else ids[:, None] + np.arange(3)
        return batch
