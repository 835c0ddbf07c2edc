"""The tracks of one video on their way to a tokenizer: read, verified and made velocities beside the model's work."""

from __future__ import annotations

import functools
import itertools
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from lapsdata.containers.tracks import Tracks
from lapsdata.errors import Problem, StorageError
from lapsdata.formats import read, recognise
from lapsdata.loading.prefetch import Prefetch
from lapsdata.loading.track_blocks import TrackBlocks
from lapsdata.provenance import parent
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.transforms.ego_motion import without_ego_motion
from lapsmodels.stages.encode import VideoEncoder, refuse_other_shapes, windows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lapsdata.schema.base import Parent
    from lapsdata.transforms.track_speed import Motion
    from lapsmodels.stages.encode import PreparedRows
    from lapsmodels.tokenizer.checkpoint import Checkpoint

__all__ = ["AheadOfModel"]

Result = TypeVar("Result")

_AHEAD = 6
"""Batches that are ready or being made: as many as the model takes in the time of a flush that is in the way."""


class AheadOfModel:
    """A video that is being read; `encode` takes what is ready.

    Parameters
    ----------
    path : Path
        Tracks.
    checkpoint : Checkpoint
    batch, motion, options
        See `lapsmodels.stages.encode.encode_tracks`.

    Raises
    ------
    LapsError
        See `lapsdata.read`; SchemaError also where the tokenizer is made for other windows.
    """

    def __init__(
        self,
        path: Path,
        checkpoint: Checkpoint,
        *,
        batch: int = 64,
        motion: Motion = "raw",
        **options: Any,  # noqa: ANN401 - those of `VideoEncoder`
    ) -> None:
        self._path, self._mark = path, _mark(path)
        # Whatever stands there is read once from its disk: what is read now need not be fetched again for its digest.
        self._parent = _beside(lambda: parent("tracks", path))
        self._close: Callable[[], None] = lambda: None
        options["motion"] = motion
        plugin = recognise(path)
        if motion == "residual" or plugin.container is not Tracks or plugin.index is None:
            tracks = read(path, Tracks)
            refuse_other_shapes(tracks.header, checkpoint)
            given = without_ego_motion(tracks) if motion == "residual" else tracks
            self.video = VideoEncoder(given.header, given.start_index, given.frame_s, checkpoint, **options)
            windows = functools.partial(_slice, given, self.video.views)
        else:
            blocks = TrackBlocks(path, plugin.index(path))
            self._close = blocks.close
            self.video = VideoEncoder(blocks.header, blocks.start_index, blocks.frame_s, checkpoint, **options)
            windows = functools.partial(_block, blocks, list(self.video.views))
        self._begin(windows, len(self.video), batch)

    def _begin(self, windows: Callable[[int, int], Any], count: int, batch: int) -> None:
        """Let the first batches be made ready."""
        encoder, here = self.video.encoder, self.video.encoder.device.type == "cpu"

        def ready(first: int) -> tuple[int, Any]:
            given = windows(first, min(first + batch, count))
            # An accelerator makes the velocities itself, in the thread that it works for.
            return first, encoder.prepare(*given) if here else given

        self._batches = Prefetch(ready, iter(range(0, count, batch)), threads=1, depth=_AHEAD)
        try:
            # Asking for the first one sets the thread to work.
            self._rest: Iterator[tuple[int, Any]] = itertools.chain([next(self._batches)], self._batches)
        except BaseException:
            self.close()
            raise
        self._prepare: Callable[[Any], PreparedRows] = (
            (lambda ready: ready) if here else (lambda given: encoder.prepare(*given))
        )

    def encode(self) -> VideoEncoder:
        """Encode all windows, in their order."""
        for first, ready in self._rest:
            self.video.add(first, self._prepare(ready))
        return self.video

    def parent(self) -> Parent:
        """Return what the tracks are, once that is known.

        Raises
        ------
        StorageError
            They were replaced meanwhile: what was encoded may be of others than this speaks of.
        """
        found = self._parent.result()
        if _mark(self._path) != self._mark:
            message = "expected the same tracks from beginning to end, got others: they were replaced meanwhile"
            raise StorageError(Problem("replaced", str(self._path), message, "encode them again"))
        return found

    def close(self) -> None:
        """End reading."""
        self._batches.close()
        self._close()


def _slice(tracks: Tracks, views: tuple[str, ...], first: int, stop: int) -> Any:  # noqa: ANN401 - two arrays
    return windows_of(tracks, slice(first, stop), views)


def _block(blocks: TrackBlocks, views: list[str], first: int, stop: int) -> Any:  # noqa: ANN401 - two arrays
    return blocks.read(first, stop, views)


def _mark(path: Path) -> tuple[int, ...]:
    """Return what tells a file or folder from another one of its name."""
    with storage_errors(existing(path), "open"):
        status = path.stat()
    return status.st_dev, status.st_ino, status.st_ctime_ns, status.st_size


def _beside(function: Callable[[], Result]) -> Future[Result]:
    """Call a function in a thread that nobody has to wait for."""
    told: Future[Result] = Future()

    def call() -> None:
        try:
            told.set_result(function())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            told.set_exception(error)

    threading.Thread(target=call, name="lapsmodels-digest", daemon=True).start()
    return told
