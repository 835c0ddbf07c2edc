"""Identities of many sequences: numbered through all of them, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.storage.ids import checked_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Identities", "Identity", "numbered"]


class Identity(NamedTuple):
    """One identity, as its source has it.

    Parameters
    ----------
    sequence : str
    id : int
    source_id : str or None
        As the source spells it, where that is no number.
    """

    sequence: str
    id: int
    source_id: str | None


@dataclass(frozen=True, eq=False)
class Identities:
    """Who is who: numbers that are unique over all sequences, those of one sequence without a gap.

    Number n is of sequence s where `offset[s] <= n < offset[s + 1]`; `n - offset[s]` counts within it. The same id in
    two sequences is two identities.

    Parameters
    ----------
    sequences : tuple of str
    offset : int64 (S + 1,)
    id : int64 (I,)
        As the sources count, rising within a sequence.
    source_id : tuple of str or None, I
        As the sources spell them.

    Examples
    --------
    >>> who = Identities(("a", "b"), np.array([0, 2, 3]), np.array([4, 7, 4]), (None, None, None))
    >>> who[2], who.number("a", 7), len(who)
    (Identity(sequence='b', id=4, source_id=None), 1, 3)
    """

    sequences: tuple[str, ...]
    offset: NDArray[np.int64]
    id: NDArray[np.int64]
    source_id: tuple[str | None, ...]

    def __len__(self) -> int:
        """Return the number of identities I."""
        return len(self.id)

    def __getitem__(self, number: int) -> Identity:
        """Return who has a number.

        Raises
        ------
        IndexError
            Nobody.
        """
        wanted = checked_id(number)
        if not 0 <= wanted < len(self):
            raise IndexError(f"number: expected 0 to {len(self) - 1}, got {wanted}")
        at = int(np.searchsorted(self.offset, wanted, "right")) - 1
        return Identity(self.sequences[at], int(self.id[wanted]), self.source_id[wanted])

    def number(self, sequence: str, id: int) -> int:
        """Return the number of an identity.

        Raises
        ------
        SchemaError
            No such sequence, or no such id in it.
        """
        if sequence not in self.sequences:
            message = f"expected one of {listed(self.sequences)}, got {sequence!r}"
            raise SchemaError(Problem("unknown-sequence", "sequence", message))
        first, last = self.offset[self.sequences.index(sequence) :][:2].tolist()
        inside = self.id[first:last]
        place = int(np.searchsorted(inside, id))
        if place == len(inside) or inside[place] != id:
            message = f"expected an identity of {sequence!r}, got {id}"
            raise SchemaError(Problem("unknown-identity", "id", message, "those of regions to be ignored have none"))
        found: int = first + place
        return found


def numbered(
    sequences: Sequence[str],
    sequence: NDArray[np.int64],
    id: NDArray[np.int64],
    counted: NDArray[np.bool_],
    source_id: Sequence[str | None] | None,
) -> tuple[Identities, NDArray[np.int64]]:
    """Give the identities of boxes numbers.

    Parameters
    ----------
    sequences : sequence of str
        Their names.
    sequence, id : int64 (R,)
        Of each box; an id of -1 is none.
    counted : bool (R,)
        An identity that stands only at boxes that do not count gets no number.
    source_id : sequence of str or None, R, or None

    Returns
    -------
    Identities
    number : int64 (R,)
        Of each box, -1 for none.

    Examples
    --------
    >>> counted = np.array([True, True, True, False])
    >>> who, number = numbered(["a", "b"], np.array([0, 0, 1, 1]), np.array([9, 4, 4, 5]), counted, None)
    >>> number.tolist(), who.offset.tolist()
    ([1, 0, 2, -1], [0, 2, 3])
    """
    order = np.lexsort((id, sequence))
    pairs = np.stack([sequence, id])[:, order]
    begins = np.concatenate([[True], (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)])[: len(order)]
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(begins) - 1
    known = np.zeros(int(begins.sum()), bool)
    known[group[counted & (id >= 0)]] = True
    number = np.where(known, np.cumsum(known) - 1, -1)[group] if len(order) else group
    chosen = order[np.flatnonzero(begins)][known]
    offset = np.concatenate([[0], np.cumsum(np.bincount(sequence[chosen], minlength=len(sequences)))])
    spelled = tuple(None if source_id is None else source_id[row] for row in chosen.tolist())
    return Identities(tuple(sequences), offset, id[chosen], spelled), number
