"""How the codebook of a tokenizer is used: a collapsed one says nothing, and no loss tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["CodebookUse", "codebook_use"]

# Fewer codes than this carry the whole motion of a data set only when nothing moves.
_COLLAPSED_PERPLEXITY = 2.0


@dataclass(frozen=True, slots=True)
class CodebookUse:
    """Counts over a set of codes.

    Parameters
    ----------
    codes : int
        Codes that there are, truly: the product of the levels.
    seen : int
        Codes that were counted, with repeats.
    used : int
        Different ones among them.
    perplexity : float
        2 to the entropy in bits: so many codes, equally often used, would be as uncertain. At most `codes`.
    most_common_share : float
        Share of the most common code.

    Examples
    --------
    >>> use = codebook_use([0, 0, 1, 3], 15)
    >>> use.used, round(use.perplexity, 3), use.most_common_share, use.collapsed
    (3, 2.828, 0.5, False)
    """

    codes: int
    seen: int
    used: int
    perplexity: float
    most_common_share: float

    @property
    def collapsed(self) -> bool:
        """Whether nearly everything has one code."""
        return self.perplexity < _COLLAPSED_PERPLEXITY

    def __str__(self) -> str:
        """Return one line for people."""
        return (
            f"{self.used} of {self.codes} codes used, perplexity {self.perplexity:.1f}, "
            f"{100 * self.most_common_share:.1f}% of steps have the most common one"
        )


def codebook_use(found: ArrayLike, codes: int) -> CodebookUse:
    """Count how codes are used.

    Parameters
    ----------
    found : int array of any shape, 0 to codes - 1
    codes : int
        The true number of codes.

    Raises
    ------
    SchemaError
        No codes, or some that do not exist.

    Examples
    --------
    >>> str(codebook_use([[7, 7], [7, 7]], 64))
    '1 of 64 codes used, perplexity 1.0, 100.0% of steps have the most common one'
    """
    values = np.asarray(found).ravel()
    if not values.size or values.min() < 0 or values.max() >= codes:
        got = f"{values.min()} to {values.max()}" if values.size else "none"
        raise SchemaError(Problem("code-outside", "codes", f"expected codes from 0 to {codes - 1}, got {got}"))
    counts = np.unique(values, return_counts=True)[1]
    shares = counts / counts.sum()
    entropy = float(-(shares * np.log2(shares)).sum())
    return CodebookUse(codes, values.size, len(counts), 2.0**entropy, float(shares.max()))
