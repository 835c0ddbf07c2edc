"""Whether views of others can be read, and what is to be said of each of their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.adapters import find_adapter, read_adapted
from lapsdata.checks.outcome import CheckedItem, refused
from lapsdata.containers import Views
from lapsdata.errors import LapsError

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.adapters import Adapter

__all__ = ["check_views", "views_adapter"]


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


def check_views(path: Path, adapter: Adapter) -> CheckedItem:
    """Look at every file of views of others, and tell what is wrong with them.

    Parameters
    ----------
    path : Path
    adapter : Adapter
        The one that knows it.

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
    try:
        problems = tuple(adapter.faults(path)) if adapter.faults is not None else ()
        views = read_adapted(adapter, path, {}).container
    except LapsError as error:
        return refused(path, adapter.name, error)
    if not isinstance(views, Views):
        raise TypeError(f"{adapter.name} promises views, and reads {type(views).__name__}")
    scenarios = len(set(zip(views.split, views.scenario, strict=True)))
    note = (
        f"{views.sets:,} set{'s' * (views.sets != 1)} of {len(views):,} view{'s' * (len(views) != 1)}, "
        f"{len(set(views.agent)):,} agent{'s' * (len(set(views.agent)) != 1)} in {scenarios:,} "
        f"scenario{'s' * (scenarios != 1)}"
    )
    told = tuple(one if one.where.startswith(str(path)) else one.within(str(path)) for one in problems)
    return CheckedItem(path, adapter.name, None, 0, note, told)
