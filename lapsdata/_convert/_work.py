"""What a task of a conversion is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata._convert._options import ConvertOptions
    from lapsdata._convert._sources import ConvertSource
    from lapsdata.schema.base import Parent

__all__ = ["ConvertWork"]


@dataclass(frozen=True, slots=True)
class ConvertWork:
    """What a task needs to make one output.

    Parameters
    ----------
    sources : tuple of ConvertSource
        Several for shards, and for episodes and boxes that become one; one for everything else.
    parents : tuple of Parent
        The files that they lie in.
    options : ConvertOptions
    record : str
    depth_root : Path or None
        Of views of others: where their depth lies; one of `parents`.
    workers : int or None
        Of panoramas: how many are made at once; None is one per core.
    split : str or None
        Of panoramas: the split that is read, as it was named; None for all, of which `options` has the one that is
        written. Agents may be chosen for several splits, all of which have to be read then.
    """

    sources: tuple[ConvertSource, ...]
    parents: tuple[Parent, ...]
    options: ConvertOptions
    record: str
    depth_root: Path | None = None
    workers: int | None = None
    split: str | None = None
