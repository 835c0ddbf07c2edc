"""Samples asked for by their numbers, one or several, as torch asks for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lapsdata.storage.ids import one_or_many

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.loading.source import Batch, To

__all__ = ["ByNumber"]


class ByNumber(ABC):
    """Brackets for what gathers batches.

    Examples
    --------
    >>> import numpy as np
    >>> class Squares(ByNumber):
    ...     def __len__(self):
    ...         return 4
    ...
    ...     def gather(self, ids, *, to="numpy"):
    ...         return {"square": np.asarray(ids) ** 2}
    >>> int(Squares()[-1]["square"]), Squares()[1:3]["square"].tolist()
    (9, [1, 4])
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    @abstractmethod
    def gather(self, ids: Any, *, to: To) -> Batch:  # noqa: ANN401 - whatever NumPy makes whole numbers of
        """Return the samples of these numbers as one batch."""

    def __getitem__(self, ids: Any) -> Batch:  # noqa: ANN401 - a number or several
        """Return one sample, or a batch for a list of ids, as tensors."""
        wanted = one_or_many(ids, len(self))
        return self.__getitems__([wanted])[0] if isinstance(wanted, int) else self.gather(wanted, to="torch")

    def __getitems__(self, ids: Sequence[int]) -> list[Batch]:
        """Return several samples, read at once: what a torch `DataLoader` asks for before it collates."""
        batch = self.gather(ids, to="torch")
        return [{name: tensor[at] for name, tensor in batch.items()} for at in range(len(ids))]
