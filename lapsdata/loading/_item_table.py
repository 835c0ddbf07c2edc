"""The items of a data set as a table: what is asked of all of them at once, and of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.loading.items import content_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.loading.items import WindowItem
    from lapsdata.schema.tracks import TracksHeader
    from lapsdata.storage.pieces import Source

__all__ = ["ItemList", "ItemTable", "Times"]

Times = tuple["NDArray[np.float64] | None", "NDArray[np.float64] | None"]
"""Start and end of each window of an item, float64 (W,) seconds; None where the file carries no time."""


class ItemTable(Protocol):
    """Items in order, however they are kept: objects, or columns of a file."""

    @property
    def starts(self) -> NDArray[np.int64]:
        """First window of each item, and the number of windows: (M + 1,)."""

    def __iter__(self) -> Iterator[WindowItem]:
        """Yield each item, whole."""

    @property
    def videos(self) -> tuple[str, ...]:
        """Names of the videos, each once, in order."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files and folders on this machine, each once, in order."""

    def place(self, number: int) -> tuple[str, Path | str]:
        """Return video and file of an item."""

    def times(self, number: int) -> Times:
        """Return start and end of each window of an item."""

    def of_videos(self, names: set[str]) -> NDArray[np.bool_]:
        """Say of each item whether its video is one of some."""

    def of_splits(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Say of each item whether it is in one of some splits; unknown ones are refused."""

    def facts(self) -> JsonValue:
        """Return what tells these items from others."""

    def notes(self) -> tuple[str, ...]:
        """Return what whoever plans to load the windows should know."""


class ItemList:
    """Items that are in memory.

    Parameters
    ----------
    items : sequence of WindowItem
    notes : sequence of str
        What whoever plans to load the windows should know.
    found : sequence of mapping of Source
        Of each file, where its fields lie: what tells its content from another's.
    """

    def __init__(
        self, items: Sequence[WindowItem], notes: Sequence[str] = (), found: Sequence[Mapping[str, Source]] = ()
    ) -> None:
        self._items, self._notes = list(items), tuple(notes)
        self._found = tuple(found)
        self._contents: tuple[str, ...] | None = None
        counts = np.fromiter((item.rows for item in items), np.int64, len(items))
        self.starts: NDArray[np.int64] = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])

    def __getstate__(self) -> dict[str, Any]:
        """Return everything but where fields lie: digests say as much of their content."""
        return {**self.__dict__, "_contents": self.contents, "_found": ()}

    def __iter__(self) -> Iterator[WindowItem]:
        """Yield each item."""
        return iter(self._items)

    @property
    def videos(self) -> tuple[str, ...]:
        """See `ItemTable`."""
        return tuple(dict.fromkeys(item.video for item in self._items))

    @property
    def paths(self) -> tuple[Path, ...]:
        """See `ItemTable`."""
        return tuple(dict.fromkeys(item.path for item in self._items if not isinstance(item.path, str)))

    def place(self, number: int) -> tuple[str, Path | str]:
        """See `ItemTable`."""
        return self._items[number].video, self._items[number].path

    def times(self, number: int) -> Times:
        """See `ItemTable`."""
        return self._items[number].start_s, self._items[number].end_s

    def of_videos(self, names: set[str]) -> NDArray[np.bool_]:
        """See `ItemTable`."""
        return np.array([item.video in names for item in self._items], bool)

    def of_splits(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """Refuse: files say nothing of splits.

        Raises
        ------
        SchemaError
            Always.
        """
        message = f"expected windows of a catalog, which knows splits, to choose {listed(names)}"
        raise SchemaError(Problem("no-splits", "split", message, "write one: lapsdata.write_catalog(..., split=...)"))

    def facts(self) -> JsonValue:
        """See `ItemTable`."""
        items: list[JsonValue] = [
            {"video": item.video, "rows": item.rows, "header": None if item.header is None else item.header.as_json()}
            for item in self._items
        ]
        return {"items": items, "contents": list(self.contents)}

    @property
    def contents(self) -> tuple[str, ...]:
        """Digest of what is known of the values in each file; made when it is first asked for, not at opening."""
        if self._contents is None:
            self._contents = tuple(content_digest(found) for found in self._found)
        return self._contents

    def notes(self) -> tuple[str, ...]:
        """See `ItemTable`."""
        return self._notes


def many_files(files: int, most: int) -> str:
    """Say what reading more files than may be open costs, and what helps.

    Examples
    --------
    >>> many_files(10_000, 512).partition(":")[0]
    '10000 files, of which 512 may be open'
    """
    slow = "in a global order nearly every window opens its file anew, and its header with it"
    return f"{files} files, of which {most} may be open: {slow}; write a catalog with an index (lapsdata.write_catalog)"


def wanted_items(items: ItemTable, videos: set[str] | None, where: Callable[[TracksHeader], bool] | None,
                 splits: Iterable[str] | None) -> NDArray[np.bool_]:  # fmt: skip
    """Say of each item whether it is chosen by all of what was given.

    Raises
    ------
    SchemaError
        No such video or split, or an item without a header to look at.
    """
    good = np.ones(len(items.starts) - 1, bool)
    if videos is not None:
        good &= items.of_videos(videos)
    if splits is not None:
        good &= items.of_splits([splits] if isinstance(splits, str) else list(splits))
    if where is not None:
        good &= np.array([_looked_at(item, where) for item in items], bool)
    return good


def _looked_at(item: WindowItem, where: Callable[[TracksHeader], bool]) -> bool:
    if item.header is None:
        message = "expected a header to look at, got a file that carries none"
        raise SchemaError(Problem("no-header", str(item.path), message, "choose by videos or ids"))
    return bool(where(item.header))
