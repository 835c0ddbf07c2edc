"""From a draw to a batch: what a prefetch thread does, and nothing of the loader that asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.loading.buffers import BufferPool
from lapsdata.loading.source import gather_at

if TYPE_CHECKING:
    from lapsdata.loading.quarantine import Quarantine
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
    quarantine : Quarantine or None
        Reads in place of the source, where damaged samples are to be replaced.

    Examples
    --------
    >>> Fetch.__name__
    'Fetch'
    """

    def __init__(
        self,
        source: BatchSource,
        spec: BatchSpec,
        rows: int,
        *,
        reuse: bool,
        bridge: TorchBridge | None,
        quarantine: Quarantine | None = None,
    ) -> None:
        self._source, self._fields, self._bridge = source, list(spec), bridge
        self._quarantine = quarantine
        self._pool = BufferPool(spec, rows, reuse=reuse, **({"make": bridge.empty} if bridge else {}))

    def __call__(self, draw: Draw) -> tuple[Draw, Batch]:
        """Return the batch of a draw, with the draw."""
        ids, out = draw.ids, self._pool.take(len(draw.ids))
        epochs = np.full(len(ids), draw.spans[-1].epoch)  # of repeats that fill the last step, too
        for span in draw.spans:
            epochs[span.rows] = span.epoch
        if self._quarantine is None:
            batch = gather_at(self._source, ids, epochs, fields=self._fields, out=out)
        else:
            ids, batch = self._quarantine.gather(ids, epochs=epochs, fields=self._fields, out=out)
        if "valid" in batch:
            batch["valid"] = batch["valid"] & draw.valid
        else:
            batch["valid"] = draw.valid.copy()
        # Copies, since a draw is a row of many.
        batch.setdefault("id", ids.copy())
        return draw, batch if self._bridge is None else self._bridge.send(batch)

    def receive(self, batch: Batch) -> Batch:
        """Hand a batch over to the user's thread."""
        return batch if self._bridge is None else self._bridge.receive(batch)
