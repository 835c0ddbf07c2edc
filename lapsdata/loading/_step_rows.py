"""Rows of a batch of robot steps: which rows of which episodes, and their numbers, proved to be theirs."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import LapsError, Problem, SchemaError
from lapsdata.loading._row_notes import RowNotes
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.timebase import frame_to_s
from lapsdata.video.row_images import decoded_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.loading._step_meta import StepMeta

__all__ = ["AskedRows", "StepRows"]

_NUMBER = "episode_index"


@dataclass(frozen=True)
class AskedRows:
    """Rows of a batch: the place of the episode of each, the row in it, and how many it has: int64 (B,) each."""

    place: NDArray[np.int64]
    row: NDArray[np.int64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of rows B."""
        return len(self.row)

    def around(self, offsets: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows that lie so far from each, and those that stand for them within the episode: (B, D)."""
        wanted = self.row[:, None] + offsets
        return wanted, np.minimum(np.maximum(wanted, 0), self.rows[:, None] - 1)

    @functools.cached_property
    def by_episode(self) -> list[tuple[int, NDArray[np.int64]]]:
        """The place of each episode, and which of the rows are its own."""
        return [(place, np.flatnonzero(self.place == place)) for place in np.unique(self.place).tolist()]


class StepRows:
    """Columns of whole episodes.

    Parameters
    ----------
    meta : StepMeta
    cache_bytes : int
        Bytes of decoded columns that are kept.

    Attributes
    ----------
    notes : RowNotes
        What is told of the rows that were read.
    """

    def __init__(self, meta: StepMeta, cache_bytes: int) -> None:
        self._meta = meta
        self._rows = EpisodeRows(meta.root, meta.episodes, cache_bytes)
        self.notes = RowNotes(meta.root, meta.episodes)
        self._names = frozenset(feature.name for feature in meta.episodes.header.features)

    def stored(self, name: str) -> bool:
        """Say whether rows hold a column."""
        return name in self._names

    def episode(self, place: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return columns of an episode: each (R, ...); its times are looked at along with the first that are read.

        Raises
        ------
        SchemaError
            The rows say that they are those of another episode; see `EpisodeRows.read` for the others.
        """
        time = self.notes.unseen_time(place)
        if time is None:
            return self._own(place, names)
        try:
            columns = self._own(place, list(dict.fromkeys([*names, time])))
        except LapsError:
            if time in names:
                raise
            # Times that cannot be read are told to whoever asks for them.
            columns = self._own(place, names)
            self.notes.pass_over(place)
            return columns
        self.notes.times(place, columns[time])
        return columns

    def _own(self, place: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return columns of an episode, proved to be its own."""
        extra = [_NUMBER] if self.stored(_NUMBER) and _NUMBER not in names else []
        columns = self._rows.read(place, [*names, *extra])
        every = self._meta.episodes
        number = int(every.number[place])
        if _NUMBER in columns and (columns[_NUMBER] != number).any():
            file = self._meta.root / every.files[int(every.file_index[place])]
            row = int(np.argmax(columns[_NUMBER] != number))
            message = f"expected rows of episode {number}, got {int(columns[_NUMBER][row])} in row {row}"
            fix = "the list of episodes does not belong to the files of rows: copy or record the data set again"
            raise SchemaError(Problem("wrong-episode", str(file), message, fix))
        return columns

    def frame(self, place: int, camera: str, row: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return the frame of a row that is stored beside it, as pixels or as an image file: uint8 (H, W, 3).

        Raises
        ------
        SchemaError
            It has another shape or type than `shape` says; see `EpisodeRows.values` for the others.
        CorruptDataError
            An image that cannot be decoded.
        """
        (frame,) = self._rows.values(place, camera, row, row + 1)
        if not isinstance(frame, np.ndarray):
            where = f"{self._meta.root}: {camera}: episode {int(self._meta.episodes.number[place])}: row {row}"
            frame = decoded_image(frame, self._meta.root, where)
        if frame.dtype != np.uint8 or frame.shape != shape:
            where = f"{camera}: episode {int(self._meta.episodes.number[place])}: row {row}"
            message = f"expected pixels uint8 {shape}, got {frame.dtype} {frame.shape}"
            raise SchemaError(Problem("unlike-frames", f"{self._meta.root}: {where}", message))
        found: NDArray[np.uint8] = frame
        return found

    def times(self, place: int) -> NDArray[np.float64]:
        """Return the times of the rows of an episode, which its frames are found by, seconds: float64 (R,)."""
        header = self._meta.episodes.header
        if header.time is not None:
            row_s = self._own(place, [header.time])[header.time]
            self.notes.times(place, row_s, frames=True)
            return row_s.astype(np.float64)
        return frame_to_s(np.arange(int(self._meta.episodes.rows[place])), header.rate)
