"""How the codebook of a tokenizer is used: a collapsed one says nothing, and no loss tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from lapsdata.errors import Problem, SchemaError
from lapsdata.schema.base import Positive, Record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["CodebookUse", "codebook_use"]

# Fewer codes than this carry the whole motion of a data set only when nothing moves.
_COLLAPSED_PERPLEXITY = 2.0


class CodebookUse(Record):
    """Counts over a set of codes.

    Examples
    --------
    >>> use = codebook_use([0, 0, 1, 3], 15)
    >>> use.used, round(use.perplexity, 3), use.most_common_share, use.collapsed
    (3, 2.828, 0.5, False)
    """

    codes: Positive
    """Codes that there are, truly: the product of the levels."""
    seen: Positive
    """Codes that were counted, with repeats."""
    used: Positive
    """Different ones among them."""
    perplexity: Annotated[float, Field(ge=1)]
    """2 to the entropy in bits: so many codes, equally often used, would be as uncertain. At most `codes`."""
    most_common_share: Annotated[float, Field(gt=0, le=1)]
    """Share of the most common code."""

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
    return CodebookUse(
        codes=codes,
        seen=values.size,
        used=len(counts),
        # Rounding may leave the entropy of one code just below 0.
        perplexity=max(1.0, 2.0**entropy),
        most_common_share=float(shares.max()),
    )
