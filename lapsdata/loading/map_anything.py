"""The order in which MapAnything visits sets of views, number for number: to know what a run of theirs has seen.

Their data sets are written `40_000 @ a + 2 * b`, and a sampler makes batches of as many sets as images fit. Where they
lose sets is told here, and stands beside what `ViewSum` and `ViewBatches` do instead:

- An epoch has `sets // largest batch // ranks` steps. Batches of more views are smaller, so it ends before all sets
  have come, and it is shorter on more ranks. Ours has every set; steps are what the user says.
- `n @ a` of two data sets, or of two runs with other seeds, are shuffled alike, by the epoch alone. A repeat of a set
  draws views with its neighbour's seed, since both are added. Ours has a key for each seed, data set and repeat.
- `n @ (a + b)` and `2 * (n @ a)` fail there when they are first read. Ours nests.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from lapsdata.errors import Problem, SchemaError, whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["SampledBatch", "TheirSet", "TheirSets", "sampled_batches", "sampled_steps"]

_SEED = 777
"""What they add to the number of an epoch."""


class TheirSet(NamedTuple):
    """Which set of which data set stands at an index.

    Parameters
    ----------
    name : str
    set_id : int
    seed_offset : int
        What is added to the seed of the data set, and to `set_id`, when its views are drawn.

    Examples
    --------
    >>> TheirSets("a", 10)[3, 0]
    TheirSet(name='a', set_id=3, seed_offset=0)
    """

    name: str
    set_id: int
    seed_offset: int


class _Term(Protocol):
    """A data set of theirs, or one made of others."""

    @property
    def needs_epoch(self) -> bool:
        """Whether it has to be told the epoch before it is read."""

    def __len__(self) -> int: ...

    def at(self, index: int, epoch: int) -> TheirSet: ...


@dataclass(frozen=True, slots=True)
class _Leaf:
    name: str
    sets: int
    needs_epoch = False

    def __len__(self) -> int:
        return self.sets

    def at(self, index: int, epoch: int) -> TheirSet:
        return TheirSet(self.name, index, 0)


@dataclass(frozen=True, slots=True)
class _Times:
    factor: int
    inner: _Term
    needs_epoch = False

    def __len__(self) -> int:
        return self.factor * len(self.inner)

    def at(self, index: int, epoch: int) -> TheirSet:
        return self.inner.at(index // self.factor, epoch)


@dataclass(frozen=True, slots=True)
class _Resized:
    size: int
    leaf: _Leaf
    needs_epoch = True

    def __len__(self) -> int:
        return self.size

    def at(self, index: int, epoch: int) -> TheirSet:
        again, place = divmod(index, len(self.leaf))
        return TheirSet(self.leaf.name, int(_permuted(len(self.leaf), epoch)[place]), again)


@functools.lru_cache(maxsize=8)
def _permuted(sets: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng(epoch + _SEED).permutation(sets)


@dataclass(frozen=True, slots=True)
class _Joined:
    first: _Term
    second: _Term

    @property
    def needs_epoch(self) -> bool:
        return self.first.needs_epoch or self.second.needs_epoch

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def at(self, index: int, epoch: int) -> TheirSet:
        within = index - len(self.first)
        return self.first.at(index, epoch) if within < 0 else self.second.at(within, epoch)


class TheirSets:
    """A data set as MapAnything writes it: `40_000 @ a`, `2 * a`, `a + b`, with the order that it has there.

    Parameters
    ----------
    name : str
    sets : int
        Its length.

    Raises
    ------
    SchemaError
        What is no length; `n @` of anything but a plain data set, and `k *` of what holds `n @`: both fail there.

    Examples
    --------
    >>> both = 7 @ TheirSets("a", 5) + 2 * TheirSets("b", 3)
    >>> len(both), [both[index, 0].set_id for index in range(13)]
    (13, [1, 2, 4, 0, 3, 1, 2, 0, 0, 1, 1, 2, 2])
    >>> both[5, 0]
    TheirSet(name='a', set_id=1, seed_offset=1)
    """

    __array_ufunc__ = None

    def __init__(self, name: str, sets: int) -> None:
        self._term: _Term = _Leaf(name, _positive("sets", sets))

    def __len__(self) -> int:
        """Return the number of sets of an epoch."""
        return len(self._term)

    def __getitem__(self, place: tuple[int, int]) -> TheirSet:
        """Return what stands at (index, epoch).

        Raises
        ------
        IndexError
            No such index.
        """
        index, epoch = place
        if not 0 <= index < len(self):
            raise IndexError(f"expected an index from 0 to {len(self) - 1}, got {index}")
        return self._term.at(index, epoch)

    def __add__(self, other: object) -> TheirSets:
        if not isinstance(other, TheirSets):
            return NotImplemented
        return _made(_Joined(self._term, other._term))

    def __rmul__(self, factor: object) -> TheirSets:
        if self._term.needs_epoch:
            raise _failing("k * (n @ a)", "it does not hand the epoch on", "write (k * n) @ a")
        return _made(_Times(_positive("factor", factor), self._term))

    def __rmatmul__(self, size: object) -> TheirSets:
        if not isinstance(self._term, _Leaf):
            raise _failing("n @ (...)", "only a plain data set takes a seed offset", "write n @ a + m @ b")
        return _made(_Resized(_positive("size", size), self._term))


def _made(term: _Term) -> TheirSets:
    made = object.__new__(TheirSets)
    made._term = term
    return made


def _failing(what: str, why: str, fix: str) -> SchemaError:
    message = f"expected what MapAnything can read, got {what}: {why}"
    return SchemaError(Problem("fails-there", "map_anything", message, fix))


def _positive(name: str, number: Any) -> int:  # noqa: ANN401 - what a user gives
    found = whole_number(number)
    if found is None or found < 1:
        message = f"expected a whole number from 1 on, got {number!r}"
        raise SchemaError(Problem("wrong-value", f"map_anything: {name}", message))
    return found


class SampledBatch(NamedTuple):
    """A batch of their sampler.

    Parameters
    ----------
    rank : int
        Whose it is.
    aspect, which : int
        Number of the aspect and of the number of views, among those there are.
    set_id : int64 (B,)

    Examples
    --------
    >>> SampledBatch(0, 0, 1, np.array([4])).which
    1
    """

    rank: int
    aspect: int
    which: int
    set_id: NDArray[np.int64]


def sampled_steps(sets: int, views: Sequence[int], max_images: int, world_size: int) -> int:
    """Return how many steps an epoch of their sampler has, which is the number of its batches on each rank.

    Parameters
    ----------
    sets : int
        Length of the data set.
    views : sequence of int
        Numbers of views.
    max_images : int
        Images of a batch at most (`max_num_of_imgs_per_gpu`).
    world_size : int

    Examples
    --------
    >>> [sampled_steps(40_000, [2], 4, ranks) for ranks in (4, 5)]
    [5000, 4000]
    """
    return sets // max(max(1, max_images // count) for count in views) // world_size


def sampled_batches(
    sets: int, views: Sequence[int], max_images: int, *, epoch: int, world_size: int, aspects: int = 1
) -> Iterator[SampledBatch]:
    """Yield the batches of an epoch of their sampler for several numbers of views, those of all ranks in turns.

    Parameters
    ----------
    sets, views, max_images, world_size
        As for `sampled_steps`.
    epoch : int
    aspects : int
        Number of picture sizes.

    Yields
    ------
    SampledBatch
        As many for each rank as `sampled_steps` says, or fewer where the sets are used up.

    Examples
    --------
    >>> seen = [one for batch in sampled_batches(3000, [2, 3, 4], 4, epoch=0, world_size=4) for one in batch.set_id]
    >>> len(seen), round(len(seen) / 3000, 2)
    (1991, 0.66)
    """
    sizes = [max(1, max_images // count) for count in views]
    rng = np.random.default_rng(epoch + _SEED)
    order = np.arange(sets)
    rng.shuffle(order)
    first, batches = 0, sampled_steps(sets, views, max_images, world_size) * world_size
    for number in range(batches):
        # Drawn one by one, as they do it: the state of the generator is the same then.
        aspect, which = (int(rng.integers(many)) for many in (aspects, len(views)))
        if len(order) - first < sizes[which]:
            return
        yield SampledBatch(number % world_size, aspect, which, order[first : first + sizes[which]])
        first += sizes[which]
