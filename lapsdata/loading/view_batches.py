"""Sets of views in batches of as many images as fit: sizes follow the number of views, and every set comes.

A batch holds sets of one number of views, `max_images // views` of them. A `Loader` takes a batch for a sample, so all
that it promises holds: which batch comes when depends on seed, epoch and position alone, not on the number of ranks;
with `steps_per_epoch` a round has as many steps for 4 ranks as for 5, and goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lapsdata.errors import Problem, SchemaError, whole_number
from lapsdata.loading._selection import check_ids
from lapsdata.loading._view_draws import ViewDraws, shared_out
from lapsdata.loading._window_options import fitting_buffers, listed_names, tensors
from lapsdata.loading.source import Batch, BatchSpec, FieldSpec, require_alike
from lapsdata.storage.ids import checked_id, checked_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lapsdata.loading._view_draws import Group
    from lapsdata.loading.source import To

__all__ = ["ViewBatches", "ViewSum", "checked_epoch"]

_INT = np.dtype(np.int64)
_WHERE = {"part": FieldSpec((), _INT), "set": FieldSpec((), _INT), "view": FieldSpec((), _INT)}
_COUNTS = {"views": FieldSpec((), _INT), "sets": FieldSpec((), _INT)}


class ViewPart(Protocol):
    """What a data set of views offers to batches; see `lapsdata.loading.ViewDataset`.

    Examples
    --------
    >>> ViewPart.__name__
    'ViewPart'
    """

    notes: tuple[str, ...]

    @property
    def seed(self) -> int:
        """What draws depend on."""

    @property
    def spec(self) -> BatchSpec:
        """The arrays of one view."""

    @property
    def fingerprint(self) -> str:
        """What tells these sets from others."""

    def groups(self, part: int, size: int) -> list[Group]:
        """Return sets by the numbers of views that they can give."""

    def drawn(self, id: int, count: int, turn: int) -> list[int]:
        """Return which views of its container a sample has."""

    def sample(self, id: int, *, views: int | None = None, epoch: int | None = None) -> list[dict[str, Any]]:
        """Return one set as a list of views."""

    def put(self, id: int, views: Sequence[int], out: Mapping[str, NDArray[Any]], rows: Sequence[int]) -> None:
        """Fill arrays with views of a set."""

    def told(self, id: int, view: int) -> dict[str, str]:
        """Return what a view is called."""


class ViewSum:
    """Data sets of views with how many sets each gives to an epoch.

    `n @ sets` has n sets, `k * sets` k times as many, `a + b` those of both: what MapAnything writes as `40_000 @ ds`.
    Unlike there, nothing has to be told the epoch beforehand; sets of a longer epoch come with other views each time;
    a shorter one goes on where the one before has ended, so that all sets come before any comes again; and all of this
    may be nested. `lapsdata.loading.map_anything` has their order. By number samples come as they lie: those with the
    fewest views first, then by data set, how often they have come, and set.

    Attributes
    ----------
    parts : tuple of (ViewDataset, int)
        Data sets, and how many sets of an epoch are theirs.

    Examples
    --------
    >>> from lapsdata.loading import open_view_sets
    >>> from lapsdata.testing.samples import sample_views
    >>> a, b = (open_view_sets(sample_views(), views=1, missing_depth="empty", seed=seed) for seed in (1, 2))
    >>> both = 10 @ (a + 3 * b)
    >>> len(a), len(a + b), [size for _, size in both.parts]
    (2, 4, [3, 7])
    >>> [both[number][0]["instance"] for number in range(3)]
    ['69_camera0', '70_camera0', '69_camera0']
    """

    # NumPy's whole numbers leave `@` and `*` to this class.
    __array_ufunc__ = None

    def __init__(self, parts: tuple[tuple[ViewPart, int], ...]) -> None:
        self.parts = parts
        self._in_order: ViewDraws | None = None

    def __len__(self) -> int:
        """Return the number of sets of an epoch."""
        return sum(size for _, size in self.parts)

    def __add__(self, other: object) -> ViewSum:
        if not isinstance(other, ViewSum):
            return NotImplemented
        return ViewSum((*self.parts, *other.parts))

    def __rmul__(self, factor: object) -> ViewSum:
        many = _positive("*", factor)
        return ViewSum(tuple((part, many * size) for part, size in self.parts))

    def __rmatmul__(self, length: object) -> ViewSum:
        sizes = shared_out(_positive("@", length), [size for _, size in self.parts])
        return ViewSum(tuple((part, size) for (part, _), size in zip(self.parts, sizes, strict=True)))

    def __getitem__(self, id: int) -> list[dict[str, Any]]:
        """Return a sample of epoch 0; see `sample`.

        Raises
        ------
        IndexError
            Outside of `0 .. len - 1`.
        """
        return self.sample(id)

    def sample(self, id: int, *, epoch: int | None = None) -> list[dict[str, Any]]:
        """Return one set as a list of views.

        Parameters
        ----------
        id : int
            Its place in the epoch.
        epoch : int, optional
            0 by default.

        Raises
        ------
        IndexError
            Outside of `0 .. len - 1`.
        SchemaError
            An epoch below 0.
        CorruptDataError, StorageError
            A picture or depth is not what it should be.
        """
        check_ids(np.array([checked_id(id)]), len(self))
        turn = 0 if epoch is None else checked_epoch(epoch)
        if self._in_order is None:
            self._in_order = ViewDraws(self.groups_of_parts(), max_images=1, seed=self._seed, shuffle=False)
        rows = self._in_order.rows(checked_id(id), turn)
        part, _ = self.parts[int(rows.part[0])]
        return part.sample(int(rows.set_id[0]), views=rows.views, epoch=int(rows.turn[0]))

    def groups_of_parts(self) -> list[Group]:
        """Return the sets of all data sets by the numbers of views that they can give."""
        return [group for number, (part, size) in enumerate(self.parts) for group in part.groups(number, size)]

    @property
    def _seed(self) -> int:
        return self.parts[0][0].seed

    def batches(self, max_images: int, *, shuffle: bool = True, epoch: int | None = None) -> ViewBatches:
        """Return a source of batches for a `Loader`.

        Parameters
        ----------
        max_images : int
            Images of a batch at most; a set with more views is a batch of its own.
        shuffle : bool
            Whether sets come in another order in each epoch, and in other batches; for a training, with a `Loader` of
            `shuffle="global"`. Else they come as they lie, those with the fewest views first. What a set gives is the
            same in either case.
        epoch : int, optional
            The draws of this epoch in all of them: a validation sees the same each time.

        Raises
        ------
        SchemaError
            A number that is none; data sets whose views have other arrays.
        """
        return ViewBatches(self, max_images, shuffle=shuffle, epoch=epoch)


def checked_epoch(epoch: object) -> int:
    """Return the number of an epoch.

    Raises
    ------
    SchemaError
        It is none, or below 0.

    Examples
    --------
    >>> checked_epoch(np.int64(3))
    3
    """
    found = whole_number(epoch)
    if found is None or found < 0:
        raise SchemaError(Problem("wrong-value", "epoch", f"expected a whole number from 0 on, got {epoch!r}"))
    return found


def _positive(sign: str, number: object) -> int:
    found = whole_number(number)
    if found is None or found < 1:
        message = f"expected a whole number from 1 on before {sign}, got {number!r}"
        raise SchemaError(Problem("wrong-value", "views", message, "write it as in 40_000 @ sets"))
    return found


class ViewBatches:
    """Batches of sets of views, by number; made by `ViewDataset.batches`.

    A `BatchSource` whose every "sample" is a batch of up to `max_images` images: load it with `batch_size=1`, and take
    `views(batch)` of what comes. An epoch has as many batches as any other, and each set comes in it as often as its
    data set says: once. Fields of a batch have room for M images; of S sets of N views, view v of set b is image
    `v * S + b`, and those behind them are 0. `views` is N, `sets` S; `part`, `set` and `view` (M,) say which data set,
    set and view of its container each image is, -1 where there is none.

    Attributes
    ----------
    epoch_sets : int
        Sets of an epoch.
    max_images : int
        Images of a batch, unless one set has more.
    notes : tuple of str
        What was left out of the data sets; how batches are made.

    Examples
    --------
    >>> from lapsdata.loading import Loader, open_view_sets
    >>> from lapsdata.testing.samples import sample_views
    >>> sets = open_view_sets(sample_views(), views=[1, 2], too_few="fewer", missing_depth="empty")
    >>> batches = sets.batches(2)
    >>> for batch in Loader(batches, batch_size=1, shuffle="global", fields=["img", "views", "sets"]):
    ...     print(len(batches.views(batch)), batches.views(batch)[0]["img"].shape)
    1 (2, 3, 4, 3)
    """

    def __init__(self, whole: ViewSum, max_images: int, *, shuffle: bool, epoch: int | None) -> None:
        most = whole_number(max_images)
        if most is None or most < 1:
            raise SchemaError(
                Problem("wrong-value", "max_images", f"expected a whole number from 1 on, got {max_images!r}")
            )
        fixed = None if epoch is None else checked_epoch(epoch)
        self._sets = tuple(part for part, _ in whole.parts)
        require_alike({f"data set {number}": part.spec for number, part in enumerate(self._sets)})
        self.draws = ViewDraws(whole.groups_of_parts(), max_images=most, seed=self._sets[0].seed, shuffle=shuffle)
        self._told = {
            "max_images": most,
            "shuffle": shuffle,
            "epoch": fixed,
            "sizes": [size for _, size in whole.parts],
        }
        self._epoch, self.epoch_sets, self.max_images = fixed, len(whole), most
        fields = {**self._sets[0].spec, **_WHERE}
        room = self.draws.rows_of_batch
        wide = {name: FieldSpec((room, *one.shape), one.dtype, one.unit) for name, one in fields.items()}
        self._spec = BatchSpec(wide | _COUNTS)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.draws)

    def __repr__(self) -> str:
        return f"ViewBatches({len(self)} batches of {self.epoch_sets} sets; {self._spec!r})"

    @property
    def spec(self) -> BatchSpec:
        """What a batch holds."""
        return self._spec

    @property
    def by_epoch(self) -> bool:
        """Whether batches are other ones in another epoch; then `gather` is told which it is."""
        return self._epoch is None

    @property
    def fingerprint(self) -> str:
        """What tells these batches from others."""
        return f"{'+'.join(one.fingerprint for one in self._sets)} {self._told}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of the data sets; how batches are made."""
        draws = self.draws
        made = ", ".join(
            f"{draws.batches[count]} of up to {draws.batch_sets[count]} x {count} views ({draws.sets[count]} in all)"
            for count in draws.counts
        )
        told = [f"a sample is a batch: an epoch of {self.epoch_sets} sets has {made}"]
        if draws.never:
            never = " or ".join(map(str, draws.never))
            told.append(f"no set ever has {never} views: an epoch has fewer sets than numbers of views")
        if (most := draws.counts[-1]) > self.max_images:
            told.append(f"batches of one set have up to {most} images, more than the {self.max_images} asked for")
        return (*dict.fromkeys(note for one in self._sets for note in one.notes), *told)

    def gather(
        self,
        ids: Any,  # noqa: ANN401 - whatever NumPy makes whole numbers of
        *,
        fields: Sequence[str] | None = None,
        out: Mapping[str, NDArray[Any]] | None = None,
        to: To = "numpy",
        epochs: NDArray[np.int64] | None = None,
    ) -> Batch:
        """Return batches by their numbers, one behind the other: each field (B, ...).

        Parameters
        ----------
        ids : int64 (B,)
        fields : sequence of str, optional
            Some of those of `spec`; what is not asked for is not read.
        out : mapping of np.ndarray, optional
            Buffers to fill, by field; each must be one that is asked for.
        to : {"numpy", "torch"}
        epochs : int64 (B,), optional
            Of which batches are made; 0 by default.

        Raises
        ------
        IndexError
            An id outside of `0 .. len - 1`.
        SchemaError
            A field or buffer at fault.
        CorruptDataError, StorageError
            A picture or depth is not what it should be.
        """
        names = list(self._spec if fields is None else self._spec.only(listed_names("fields", fields)))
        wanted = checked_ids(ids)
        check_ids(wanted, len(self))
        if out is not None:
            fitting_buffers(out, self._spec.only(list(out)), len(wanted))
        batch: Batch = {
            name: out[name] if out is not None and name in out else self._spec[name].empty(len(wanted))
            for name in names
        }
        told = np.zeros(len(wanted), np.int64) if epochs is None else epochs
        for row, (number, epoch) in enumerate(zip(wanted.tolist(), told.tolist(), strict=True)):
            self._put(
                number, epoch if self._epoch is None else self._epoch, {name: batch[name][row, ...] for name in names}
            )
        return batch if to == "numpy" else tensors(batch, to)

    def _put(self, number: int, epoch: int, out: dict[str, NDArray[Any]]) -> None:
        """Fill the buffers of one batch."""
        rows = self.draws.rows(number, epoch)
        sets = len(rows.set_id)
        counts = {"views": rows.views, "sets": sets}
        wide = {name: values for name, values in out.items() if name not in counts}
        for name, count in counts.items():
            if name in out:
                out[name][...] = count
        for name, values in wide.items():
            values[rows.views * sets :] = -1 if name in _WHERE else 0
        pixels = {name: values for name, values in wide.items() if name not in _WHERE}
        for place, (part, one, turn) in enumerate(zip(*(row.tolist() for row in rows[1:]), strict=True)):
            drawn = self._sets[part].drawn(one, rows.views, turn)
            here = range(place, rows.views * sets, sets)
            for name, value in (("part", part), ("set", one), ("view", drawn)):
                if name in wide:
                    wide[name][here.start : here.stop : here.step] = value
            self._sets[part].put(one, drawn, pixels, here)

    def views(self, batch: Batch, row: int = 0) -> list[dict[str, Any]]:
        """Return a batch as MapAnything's models take it: for each of N views, a dictionary of arrays (S, ...).

        Parameters
        ----------
        batch : dict
            From a `Loader` or `gather`, with the fields `views` and `sets`; arrays or tensors. Nothing is copied.
        row : int
            Which, where it holds several.

        Returns
        -------
        list of dict
            Texts, as in the samples of `ViewDataset`, are there as lists where `part`, `set` and `view` are. Of a batch
            from a `Loader`, `counted` (S,) is False where it only fills the last step of an epoch: its sets have come
            already, and are no part of a score.

        Raises
        ------
        SchemaError
            It has no `views` and `sets`.
        """
        lacking = [name for name in _COUNTS if name not in batch]
        if lacking:
            message = f"expected the fields views and sets, got {sorted(batch)}"
            raise SchemaError(Problem("unknown-field", "batch", message, "name them in `fields`"))
        count, sets = (int(batch[name][row]) for name in _COUNTS)
        names = [name for name in self._spec if name in batch and name not in _COUNTS]
        found = []
        for view in range(count):
            here = slice(view * sets, (view + 1) * sets)
            one = {name: batch[name][row, here] for name in names}
            if "valid" in batch:
                one["counted"] = batch["valid"][row : row + 1].repeat(sets)
            if all(name in one for name in _WHERE):
                one |= self._texts(*(one.pop(name).tolist() for name in _WHERE))
            found.append(one)
        return found

    def _texts(self, parts: list[int], sets: list[int], views: list[int]) -> dict[str, list[str]]:
        told = [self._sets[part].told(one, view) for part, one, view in zip(parts, sets, views, strict=True)]
        return {name: [each[name] for each in told] for name in told[0]}
