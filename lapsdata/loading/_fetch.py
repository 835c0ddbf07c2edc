"""From a draw to a batch: what a prefetch thread does, and nothing of the loader that asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.loading.buffers import BufferPool

if TYPE_CHECKING:
    from lapsdata.loading.sampler import Draw
    from lapsdata.loading.source import Batch, BatchSource, BatchSpec
    from lapsdata.loading.torch_bridge import TorchBridge

__all__ = ["Fetch"]


class Fetch:
    """Gathers draws into buffers.

    Parameters
    ----------
    source : BatchSource
    spec : BatchSpec
        The fields asked of it.
    rows : int
        Samples of a batch.
    reuse : bool
        Whether buffers are filled again once nobody holds them.
    bridge : TorchBridge or None
        Turns arrays into tensors.

    Examples
    --------
    >>> Fetch.__name__
    'Fetch'
    """

    def __init__(
        self, source: BatchSource, spec: BatchSpec, rows: int, *, reuse: bool, bridge: TorchBridge | None
    ) -> None:
        self._source, self._fields, self._bridge = source, list(spec), bridge
        self._pool = BufferPool(spec, rows, reuse=reuse, **({"make": bridge.empty} if bridge else {}))

    def __call__(self, draw: Draw) -> tuple[Draw, Batch]:
        """Return the batch of a draw, with the draw."""
        batch = self._source.gather(draw.ids, fields=self._fields, out=self._pool.take(len(draw.ids)))
        if "valid" in batch:
            batch["valid"] = batch["valid"] & draw.valid
        else:
            batch["valid"] = draw.valid.copy()
        # Copies, since a draw is a row of many.
        batch.setdefault("id", draw.ids.copy())
        return draw, batch if self._bridge is None else self._bridge.send(batch)

    def receive(self, batch: Batch) -> Batch:
        """Hand a batch over to the user's thread."""
        return batch if self._bridge is None else self._bridge.receive(batch)
