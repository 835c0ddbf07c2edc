"""Catalogs: which videos a data set is made of, where their windows are, and which split each belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers.base import ArrayCheck, Container, checked_header, read_only
from lapsdata.errors import Problems, SchemaError, listed
from lapsdata.schema.catalog import CatalogHeader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["Catalog", "check_splits"]

Optional = tuple[str | None, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Catalog(Container):
    """One row per item: the windows of one video in one file.

    Parameters
    ----------
    header : CatalogHeader
    path : tuple of str, M
        Where the file is: relative to the catalog's folder with `/`, or absolute, or a URL.
    video : tuple of str, M
    group : tuple of str or None, M
        What is never parted by a split (a subject, a scene, a match); None for the video itself.
    split : tuple of str or None, M
        One of the header's; None for an item that is in none.
    first : int64 (M,)
        Number of the item's first window in its file.
    windows : int64 (M,)
        Number of the item's windows.
    duration_s : float64 (M,), seconds
        From the start of the first window to the end of the last; NaN where the file carries no time.
    rate : tuple of str or None, M
        Frames per second as a fraction; None for a variable or unknown rate.
    digest : tuple of str or None, M
        Of header, times and checksums of the item's windows; None where these have no checksums.

    Raises
    ------
    SchemaError
        Columns of other types or lengths, counts that are not the header's, an item that is there twice, or a video
        or group in two splits.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_catalog
    >>> catalog = sample_catalog()
    >>> len(catalog), catalog.split
    (3, ('train', 'train', 'test'))
    """

    header: CatalogHeader
    path: tuple[str, ...]
    video: tuple[str, ...]
    group: Optional
    split: Optional
    first: NDArray[np.int64]
    windows: NDArray[np.int64]
    duration_s: NDArray[np.float64]
    rate: Optional
    digest: Optional

    def __post_init__(self) -> None:
        self._freeze(header=checked_header(self.header, CatalogHeader))
        check = ArrayCheck("catalog")
        good = True
        for name in ("first", "windows"):
            good &= check.array(name, getattr(self, name), ("M",), np.int64)
        check.array("duration_s", self.duration_s, ("M",), np.float64)
        for name in ("path", "video"):
            good &= check.texts(name, getattr(self, name), "M")
        for name in ("group", "split", "rate", "digest"):
            good &= check.texts(name, getattr(self, name), "M", optional=True)
        check.finish()
        self._check_rows(check)
        check.finish()
        self._freeze(
            first=read_only(self.first), windows=read_only(self.windows), duration_s=read_only(self.duration_s)
        )

    def _check_rows(self, check: ArrayCheck) -> None:
        header = self.header
        check.rows("negative-count", "first", self.first < 0, "expected 0 or more")
        check.rows("no-windows", "windows", self.windows < 1, "expected at least one window")
        bad = ~np.isnan(self.duration_s) & ~(np.isfinite(self.duration_s) & (self.duration_s > 0))
        check.rows("wrong-value", "duration_s", bad, "expected seconds above 0, or NaN")
        stated = {
            "items": (header.items, len(self)),
            "windows": (header.windows, int(self.windows.sum())),
            "unsummed": (header.unsummed, sum(digest is None for digest in self.digest)),
        }
        for name, (expected, got) in stated.items():
            if expected != got:
                check.problems.add("length-mismatch", name, f"expected {expected} as in the header, got {got}")
        strangers = sorted({split for split in self.split if split is not None} - set(header.splits))
        if strangers:
            check.problems.add("unknown-split", "split", f"expected some of {header.splits}, got {listed(strangers)}")
        twice = _twice(zip(self.path, self.video, strict=True))
        if twice:
            check.problems.add("item-twice", "path", f"expected each item once, got {listed(twice)} again")
        note_overlaps(check.problems, self.video, self.group, self.split)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.path)

    def facts(self) -> dict[str, str]:
        """Return what one wants to know at a glance."""
        known = np.nansum(self.duration_s)
        splits = {split: sum(one == split for one in self.split) for split in self.header.splits}
        return {
            "items": f"{len(self)} of {len(set(self.video))} videos",
            "windows": str(self.header.windows),
            "time": f"{known:.3f} s in all",
            "splits": ", ".join(f"{name}: {count} items" for name, count in splits.items()) or "none",
        }


def check_splits(video: Sequence[str], group: Sequence[str | None], split: Sequence[str | None], where: str) -> None:
    """Refuse splits that share a video or a group.

    Raises
    ------
    SchemaError
        Names the first such, with both splits, and says how many there are.

    Examples
    --------
    >>> check_splits(["a", "b"], ["match 1", "match 1"], ["train", "test"], "catalog")
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: catalog: group: expected each in one split, got 'match 1' in test, train; ...
    """
    problems = Problems(where)
    note_overlaps(problems, video, group, split)
    problems.raise_as(SchemaError)


def note_overlaps(
    problems: Problems, video: Sequence[str], group: Sequence[str | None], split: Sequence[str | None]
) -> None:
    """Note videos and groups that lie in two splits."""
    for kind, names in (("video", video), ("group", group)):
        found: dict[str, str] = {}
        shared: dict[str, set[str]] = {}
        for name, one in zip(names, split, strict=True):
            if name is not None and one is not None and found.setdefault(name, one) != one:
                shared.setdefault(name, {found[name]}).add(one)
        if shared:
            name, splits = next(iter(shared.items()))
            more = f" ({len(shared)} such)" if len(shared) > 1 else ""
            message = f"expected each in one split, got {name!r} in {', '.join(sorted(splits))}{more}"
            problems.add("split-overlap", kind, message, f"put every item of a {kind} into the same split")


def _twice(items: Iterable[tuple[str, str]]) -> list[str]:
    seen: set[tuple[str, str]] = set()
    again = []
    for item in items:
        if item in seen:
            again.append(f"{item[1]} of {item[0]}")
        seen.add(item)
    return again
