"""The rows of an episode that is being recorded: numbers in memory, frames in a file until it ends."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

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

    Examples
    --------
    >>> import contextlib, pathlib, tempfile
    >>> with contextlib.ExitStack() as stack:
    ...     running = RunningEpisode(pathlib.Path(tempfile.mkdtemp()), stack)
    ...     running.add({"action": np.zeros(2)})
    ...     running.columns()["action"].shape
    (1, 2)
    """

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._rows: list[dict[str, NDArray[Any]]] = []
        self._frames: dict[str, _Spooled] = {}

    def add(self, row: Mapping[str, ArrayLike], frames: Mapping[str, NDArray[np.uint8]] | None = None) -> None:
        """Add a row: the value of each column, and a frame (H, W, 3) uint8 RGB of each camera.

        Raises
        ------
        SchemaError
            Columns or cameras other than in the row before, or no such frame.
        """
        shown, where = dict(frames or {}), f"row {len(self._rows)}"
        if self._rows and (row.keys() != self._rows[0].keys() or shown.keys() != self._frames.keys()):
            message = (
                f"expected {sorted([*self._rows[0], *self._frames])} as in the first row, got {sorted([*row, *shown])}"
            )
            raise SchemaError(Problem("unlike-rows", where, message))
        for name, frame in shown.items():
            known = self._frames.get(name)
            if frame.dtype != np.uint8 or frame.ndim != 3 or (known is not None and frame.shape != known.shape):
                message = f"expected {known.shape if known else '(H, W, 3)'} uint8, got {frame.shape} {frame.dtype}"
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
        self._rows.append({name: np.array(value) for name, value in row.items()})

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the rows as columns (R, ...)."""
        problems, found = Problems("rows"), {}
        for name in self._rows[0] if self._rows else ():
            values = [row[name] for row in self._rows]
            if len({(one.dtype, one.shape) for one in values if one.dtype.kind != "U"}) > 1:
                kinds = ", ".join(sorted({f"{one.dtype} {one.shape}" for one in values}))
                problems.add("unlike-rows", name, f"expected one type and shape in all rows, got {kinds}")
            else:
                found[name] = np.stack(values)
        problems.raise_as(SchemaError)
        return found

    def videos(self) -> dict[str, Path | Images]:
        """Return the frames of each camera, to be taken once."""
        return {name: one.frames() for name, one in self._frames.items()}
