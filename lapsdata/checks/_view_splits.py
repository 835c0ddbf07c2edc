"""Splits of views that are unlike: a model is trained on one kind of picture, and judged by another."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from lapsdata.containers.shared_sets import shared_sets
from lapsdata.errors import Problem
from lapsdata.schema.split_names import find_split

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from lapsdata.checks.view_stats import SplitStats
    from lapsdata.containers import Views

__all__ = ["overlap_faults", "split_faults", "unknown_splits", "wanted_splits"]


def wanted_splits(views: Views, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the splits that are looked at, as the views spell them: all, or those that are wanted.

    Parameters
    ----------
    views : Views
    wanted : sequence of str, optional
        `val` finds `validate`, and the other way round; those that are not there are left out.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> wanted_splits(sample_views(), ["val", "test"]), wanted_splits(sample_views(), None)
    (('validate',), ('train', 'validate'))
    """
    there = tuple(dict.fromkeys(views.split))
    if wanted is None:
        return there
    found = {find_split(name, there) for name in wanted}
    return tuple(one for one in there if one in found)


def unknown_splits(there: Collection[str], wanted: Sequence[str], where: str) -> Problem | None:
    """Return which of the wanted splits are not there; None where all are.

    Examples
    --------
    >>> unknown_splits({"train", "validate"}, ["val", "test"], "splits").message
    'expected views of test, got train, validate'
    """
    missing = [name for name in wanted if find_split(name, there) is None]
    if not missing:
        return None
    message = f"expected views of {', '.join(missing)}, got {', '.join(sorted(there)) or 'none of any split'}"
    fix = f"name splits that are there: --splits {','.join(sorted(there))}" if there else None
    return Problem("unknown-split", where, message, fix)


def split_faults(stats: Mapping[str, SplitStats]) -> Iterator[Problem]:
    """Yield how splits differ from the one for training, or else the first.

    Parameters
    ----------
    stats : mapping of SplitStats
        By place and name, for messages. Of views of others sets have not been chosen yet, and the numbers of their
        views are what the scenes have; numbers that differ as selections of agents say are no fault either.

    Examples
    --------
    >>> list(split_faults({}))
    []
    """
    if not stats:
        return
    first = next((where for where, one in stats.items() if one.split == "train"), next(iter(stats)))
    like = stats[first]
    for where, one in stats.items():
        if one.split == like.split:
            continue
        if set(one.models) != set(like.models):
            message = f"expected the cameras of {first}, {'; '.join(like.models)}, got {'; '.join(one.models)}"
            yield Problem("camera-models-differ", where, message, "make both in the same way", "warning")
        # One set does not show what the others have.
        if one.counts != like.counts and one.chosen and like.chosen and min(one.sets, like.sets) > 1:
            meant = one.selected and like.selected
            why = ", as the selections of agents say" if meant else ""
            message = f"expected sets of {_counts(like)} views as {first}, got {_counts(one)}{why}"
            fix = None if meant else "choose agents by a rule: --agents train=2,validate=2"
            yield Problem("view-counts-differ", where, message, fix, "info" if meant else "warning")


def overlap_faults(views: Views, splits: Sequence[str], where: str) -> Iterator[Problem]:
    """Yield which splits have sets of another one, whatever their files are called.

    Parameters
    ----------
    views : Views
    splits : sequence of str
        Those that are compared.
    where : str
        File, for messages.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> list(overlap_faults(sample_views(), ("train", "validate"), "scene.h5"))
    []
    """
    sets: dict[str, list[tuple[Views, int]]] = {split: [] for split in splits}
    for place, split in enumerate(views.split):
        if split in sets:
            sets[split].append((views, place))
    for one, other in combinations(sets, 2):
        if shared := shared_sets(sets[other], sets[one]):
            place = sets[other][shared[0][0]][1]
            message = (
                f"expected sets that {one} has not, got {len(dict(shared))} of {len(sets[other])} that it has, the "
                f"first {views.scenario[place]}, frame {views.frame[place]}"
            )
            fix = f"delete them from {one} or {other}: what is learned from measures nothing"
            yield Problem("split-overlap", f"{where}: {other}", message, fix)


def _counts(stats: SplitStats) -> str:
    return " or ".join(map(str, stats.counts[:6]))
