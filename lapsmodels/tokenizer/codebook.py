"""How the codebook of a tokenizer is used: a collapsed one says nothing, and no loss tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from lapsdata.errors import Problem, SchemaError
from lapsdata.schema.base import Count, Positive, Record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CodebookUse", "codebook_use", "codebook_use_of"]

# Fewer codes than this tell windows apart only where nearly nothing moves.
_COLLAPSED_PERPLEXITY = 1.5


class CodebookUse(Record):
    """Counts over a set of codes.

    Examples
    --------
    >>> use = codebook_use([[0], [0], [1], [3]], 15)
    >>> use.used, round(use.perplexity, 3), use.most_common_share, use.collapsed
    (3, 2.828, 0.5, False)
    """

    codes: Positive
    """Codes that there are, truly: the product of the levels."""
    seen: Positive
    """Codes that were counted, with repeats."""
    used: Positive
    """Different ones among them."""
    dead: Count
    """Codes that were never met."""
    entropy_bits: Annotated[float, Field(ge=0)]
    """Entropy of all codes together, bits."""
    perplexity: Annotated[float, Field(ge=1)]
    """2 to the entropy in bits: so many codes, equally often used, would be as uncertain. At most `codes`."""
    per_step_perplexity: Annotated[float, Field(ge=1)]
    """2 to the mean, over the steps of a window, of the entropy of the codes that the windows have there. A model that
    knows a step by its place may give each its own code and say nothing of the motion: this is then 1."""
    most_common_share: Annotated[float, Field(gt=0, le=1)]
    """Share of the most common code."""

    @property
    def collapsed(self) -> bool:
        """Whether the codes of nearly all windows are the same."""
        return self.per_step_perplexity < _COLLAPSED_PERPLEXITY

    def __str__(self) -> str:
        """Return one line for people."""
        return (
            f"{self.used} of {self.codes} codes used, perplexity {self.perplexity:.1f} ({self.per_step_perplexity:.1f} "
            f"from window to window), "
            f"{100 * self.most_common_share:.1f}% of steps have the most common one"
        )


def codebook_use(found: ArrayLike, codes: int) -> CodebookUse:
    """Count how codes are used.

    Parameters
    ----------
    found : int array (W, L), 0 to codes - 1
        The codes of windows.
    codes : int
        The true number of codes.

    Raises
    ------
    SchemaError
        No codes, or some that do not exist.

    Examples
    --------
    >>> str(codebook_use([[7, 7], [7, 7]], 64))
    '1 of 64 codes used, perplexity 1.0 (1.0 from window to window), 100.0% of steps have the most common one'
    """
    values = np.asarray(found)
    if values.ndim != 2 or not values.size or values.min() < 0 or values.max() >= codes:
        got = f"{values.min()} to {values.max()}" if values.size else "none"
        message = f"expected codes from 0 to {codes - 1} by window and step, got {got} in {values.ndim} dimensions"
        raise SchemaError(Problem("code-outside", "codes", message))
    length = values.shape[1]
    flat = values.astype(np.int64) + np.arange(length) * codes
    return codebook_use_of(np.bincount(flat.ravel(), minlength=length * codes).reshape(length, codes))


def codebook_use_of(counts: NDArray[np.int64]) -> CodebookUse:
    """Return how codes are used, from how often each was met.

    Parameters
    ----------
    counts : int64 (L, codes)
        By place in the window, and by code; at least one of them is not 0.

    Examples
    --------
    >>> codebook_use_of(np.array([[1, 1, 0], [2, 0, 0]])).used
    2
    """
    whole = counts.sum(axis=0)
    used = int(np.count_nonzero(whole))
    return CodebookUse(
        codes=counts.shape[1],
        seen=int(whole.sum()),
        used=used,
        dead=counts.shape[1] - used,
        entropy_bits=max(0.0, _entropy(whole)),
        # Rounding may leave the entropy of one code just below 0.
        perplexity=max(1.0, 2.0 ** _entropy(whole)),
        per_step_perplexity=max(1.0, float(2.0 ** np.mean([_entropy(row) for row in counts]))),
        most_common_share=float(whole.max() / whole.sum()),
    )


def _entropy(counts: NDArray[np.int64]) -> float:
    """Return the entropy of a sample, bits."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())
