"""The rows of an episode that is being recorded: numbers in memory, frames in a file until it ends."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters.lerobot._given import checked_value, is_text, refuse_names
from lapsdata.errors import Problem, SchemaError
from lapsdata.storage.atomic import storage_errors
from lapsdata.video.writer import expect_picture

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from lapsdata.video.writer import VideoCodec

    Images = Iterable[NDArray[np.uint8]]

__all__ = ["RunningEpisode"]


class _Spooled(NamedTuple):
    """Frames of one camera that wait on the disk."""

    file: Any
    shape: tuple[int, ...]
    length: int

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        self.file.seek(0)
        for _ in range(self.length):
            data = self.file.read(int(np.prod(self.shape)))
            yield np.frombuffer(data, np.uint8).reshape(self.shape)


class RunningEpisode:
    """The rows of an episode that is being recorded; `EpisodeWriter.episode` makes it.

    Parameters
    ----------
    folder : Path
        On the disk of which frames wait.
    stack : contextlib.ExitStack
        Gives their files back.
    codec : {"h264", "av1", "ffv1"}
        Of their videos: some have no odd sizes.

    Examples
    --------
    >>> import contextlib, pathlib, tempfile
    >>> with contextlib.ExitStack() as stack:
    ...     running = RunningEpisode(pathlib.Path(tempfile.mkdtemp()), stack)
    ...     running.add({"action": np.zeros(2)})
    ...     running.columns()["action"].shape
    (1, 2)
    """

    def __init__(self, folder: Path, stack: contextlib.ExitStack, codec: VideoCodec = "h264") -> None:
        self._folder, self._stack, self._codec = folder, stack, codec
        self._rows: list[dict[str, NDArray[Any]]] = []
        self._frames: dict[str, _Spooled] = {}

    def add(self, row: Mapping[str, ArrayLike], frames: Mapping[str, NDArray[np.uint8]] | None = None) -> None:
        """Add a row: the value of each column, and a frame (H, W, 3) uint8 RGB of each camera.

        Raises
        ------
        SchemaError
            Columns or cameras other than in the first row, values of another type or shape, or no such frame. The row
            is not added, and the next one can be.
        """
        shown, where = dict(frames or {}), f"row {len(self._rows)}"
        if self._rows and (row.keys() != self._rows[0].keys() or shown.keys() != self._frames.keys()):
            message = (
                f"expected {sorted([*self._rows[0], *self._frames])} as in the first row, got {sorted([*row, *shown])}"
            )
            raise SchemaError(Problem("unlike-rows", where, message))
        if not self._rows:
            refuse_names(row, shown, where)
        values = {name: self._value(name, value, where) for name, value in row.items()}
        for name, frame in shown.items():
            expect_picture(frame, f"{where}: {name}", self._codec)
            known = self._frames.get(name)
            if known is not None and frame.shape != known.shape:
                message = f"expected {known.shape} as in the first row, got {frame.shape}"
                raise SchemaError(Problem("wrong-frame", f"{where}: {name}", message))
        for name, frame in shown.items():
            known = self._frames.get(name)
            if known is None:
                with storage_errors(self._folder, "write"):
                    made = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - the stack closes it
                    file = self._stack.enter_context(made)
                known = _Spooled(file, frame.shape, 0)
            with storage_errors(self._folder, "write"):
                known.file.write(np.ascontiguousarray(frame).data)
            self._frames[name] = known._replace(length=known.length + 1)
        self._rows.append(values)

    def _value(self, name: str, value: ArrayLike, where: str) -> NDArray[Any]:
        """Return the value of a column as an array of its own: whoever gave it may fill it anew."""
        one = checked_value(value, f"{where}: {name}", row=True).copy()
        first = self._rows[0][name] if self._rows else one
        alike = one.dtype == first.dtype or (is_text(one) and is_text(first))
        if not alike or one.shape != first.shape:
            message = f"expected {_kind(first)} as in the first row, got {_kind(one)}"
            raise SchemaError(Problem("unlike-rows", f"{where}: {name}", message))
        return one

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the rows as columns (R, ...)."""
        names = self._rows[0] if self._rows else ()
        return {name: np.stack([row[name] for row in self._rows]) for name in names}

    def videos(self) -> dict[str, Path | Images]:
        """Return the frames of each camera, to be taken once."""
        return {name: one.frames() for name, one in self._frames.items()}


def _kind(one: NDArray[Any]) -> str:
    return f"{'text' if is_text(one) else one.dtype} {one.shape}"
