"""Views of cameras: whether they can be read, what is wrong with each file, and with masks, depth, poses and splits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.adapters import find_adapter, read_adapted
from lapsdata.checks._view_lenses import lens_faults
from lapsdata.checks._view_pixels import pixel_faults
from lapsdata.checks._view_poses import pose_faults
from lapsdata.checks._view_splits import overlap_faults, split_faults, unknown_splits, wanted_splits
from lapsdata.checks._view_witness import witness_faults
from lapsdata.checks.outcome import CheckedItem, refused
from lapsdata.checks.view_stats import SAMPLE, split_stats
from lapsdata.containers import Views
from lapsdata.errors import LapsError, Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from lapsdata.adapters import Adapter

__all__ = ["ViewsLook", "check_own_views", "check_views", "compare_items", "views_adapter"]


_OF_DEPTH = frozenset({"missing-depth", "depth-twice"})


class ViewsLook(NamedTuple):
    """How views are looked at.

    Parameters
    ----------
    splits : sequence of str or None
        None for all.
    sample : int
        Sets of each split whose masks and depth are read, spread over it.
    depth_root : Path or None
        Of views of others: where their depth lies.

    Examples
    --------
    >>> ViewsLook().sample
    8
    """

    splits: Sequence[str] | None = None
    sample: int = SAMPLE
    depth_root: Path | None = None


def views_adapter(path: Path) -> Adapter | None:
    """Return the adapter that reads a folder as views; None where none does.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> views_adapter(pathlib.Path(tempfile.mkdtemp())) is None
    True
    """
    found = find_adapter(path, ("views",))
    return None if found is None else found[0]


def check_views(path: Path, adapter: Adapter, look: ViewsLook | None = None) -> CheckedItem:
    """Look at every file of views of others, and at what they hold, and tell what is wrong with them.

    Parameters
    ----------
    path : Path
    adapter : Adapter
        The one that knows it.
    look : ViewsLook, optional

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.opv2v_scenes import write_opv2v
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> _ = write_opv2v(root)
    >>> item = check_views(root, views_adapter(root))
    >>> item.found, item.problems
    ('opv2v: 3 sets of 36 views, 3 agents in 1 scenario', ())
    """
    asked = ViewsLook() if look is None else look
    try:
        problems = tuple(_faults(path, adapter, asked.splits))
        found = read_adapted(adapter, path, {"depth_root": asked.depth_root})
    except LapsError as error:
        return refused(path, adapter.name, error)
    views = found.container
    if not isinstance(views, Views):
        raise TypeError(f"{adapter.name} promises views, and reads {type(views).__name__}")
    # What reading says of depth is not among the faults of files: those do not know where it lies.
    problems += tuple(one for one in found.notes if one.code in _OF_DEPTH)
    told = tuple(one if one.where.startswith(str(path)) else one.within(str(path)) for one in problems)
    item = CheckedItem(path, adapter.name, None, 0, _note(views), told)
    return _looked_at(item, views, asked, chosen=False)


def _faults(path: Path, adapter: Adapter, splits: Sequence[str] | None) -> Iterator[Problem]:
    """Yield what is wrong with files, of all splits or of some of those that are there."""
    if adapter.faults is None:
        return
    if splits is None:
        yield from adapter.faults(path)
        return
    for split in splits:
        try:
            yield from adapter.faults(path, split=split)
        except SchemaError as error:
            # That a split is not there is told once, when all that is looked at is known.
            if error.problems[0].code != "unknown-split":
                raise


def check_own_views(path: Path, kind: str, views: Views, look: ViewsLook | None = None) -> CheckedItem:
    """Look at what views of ours hold, whose bytes are as they were written.

    Parameters
    ----------
    path : Path
    kind : str
        Registry name of the format.
    views : Views
    look : ViewsLook, optional

    Examples
    --------
    >>> import pathlib
    >>> from lapsdata.testing.samples import sample_views
    >>> check_own_views(pathlib.Path("scene.h5"), "views_hdf5", sample_views()).found
    'views_hdf5: verified, 2 sets of 3 views, 2 agents in 2 scenarios'
    """
    asked = ViewsLook() if look is None else look
    item = CheckedItem(path, kind, None, 0, f"verified, {_note(views)}")
    if asked.depth_root is not None:
        message = "expected no root of depth beside views of ours, which have theirs, got one"
        return replace(item, problems=(Problem("wrong-option", str(path), message, "leave out --depth-root"),))
    return _looked_at(item, views, asked, chosen=True)


def _looked_at(item: CheckedItem, views: Views, look: ViewsLook, *, chosen: bool) -> CheckedItem:
    """Add what is wrong with what views hold, and what their splits are like."""
    path = str(item.path)
    splits = wanted_splits(views, look.splits)
    stats = tuple(replace(split_stats(views, split, look.sample), chosen=chosen) for split in splits)
    problems = list(item.problems)
    # Of OPV2V the same is told when it is read, by file.
    told = {one.code for one in problems}
    problems += [one for one in lens_faults(views, path) if one.code not in told]
    for one in stats:
        where = f"{path}: {one.split}"
        witnessed = list(witness_faults(views, one, where))
        problems += [*one.problems, *pose_faults(views, one.split, where), *witnessed]
        # What a LiDAR says of the unit is more than what is usual in streets.
        known = {(problem.code, problem.where) for problem in witnessed}
        problems += [fault for fault in pixel_faults(views, one, where) if (fault.code, fault.where) not in known]
    problems += split_faults({f"{path}: {one.split}": one for one in stats})
    problems += overlap_faults(views, splits, path)
    return replace(item, problems=tuple(problems), splits=stats)


def compare_items(items: Iterable[CheckedItem], wanted: Sequence[str] | None) -> list[Problem]:
    """Return how splits of different files differ, and which splits are in none of them.

    Parameters
    ----------
    items : iterable of CheckedItem
    wanted : sequence of str, optional

    Examples
    --------
    >>> compare_items([], None)
    []
    """
    with_splits = [item for item in items if item.splits]
    found: list[Problem] = []
    if len(with_splits) > 1:
        # Splits of one file are compared with each other already.
        first = {split.split for split in with_splits[0].splits}
        others = [item for item in with_splits[1:] if not first >= {split.split for split in item.splits}]
        stats = {f"{item.path}: {one.split}": one for item in (with_splits[0], *others) for one in item.splits}
        told = {problem for item in with_splits for problem in item.problems}
        found += [problem for problem in split_faults(stats) if problem not in told]
    there = {one.split for item in with_splits for one in item.splits}
    unknown = unknown_splits(there, wanted, "splits") if wanted else None
    return found if unknown is None else [*found, unknown]


def _note(views: Views) -> str:
    scenarios = len(set(zip(views.split, views.scenario, strict=True)))
    return (
        f"{views.sets:,} set{'s' * (views.sets != 1)} of {len(views):,} view{'s' * (len(views) != 1)}, "
        f"{len(set(views.agent)):,} agent{'s' * (len(set(views.agent)) != 1)} in {scenarios:,} "
        f"scenario{'s' * (scenarios != 1)}"
    )
