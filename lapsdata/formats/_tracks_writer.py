"""Writing tracks window by window: a video of any length is tracked and stored in the same memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Protocol, Self

import numpy as np
from pydantic import Field

from lapsdata.containers.base import ArrayCheck, checked_header
from lapsdata.containers.track_windows import check_beside_windows, check_windows
from lapsdata.errors import Problem, SchemaError, warn, whole_number
from lapsdata.formats._format import WriteReport, size_on_disk
from lapsdata.formats._rounding import Profile, confidence_step, round_positions
from lapsdata.schema.base import Positive, Record, ViewName
from lapsdata.schema.tracks import TracksHeader
from lapsdata.storage.seal import StoredArray, WindowArray

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import DTypeLike, NDArray
    from pydantic import JsonValue

    from lapsdata.containers.tracks import Tracks

__all__ = ["TracksLayout", "TracksPlan", "TracksWriter", "plan_tracks", "write_tracks"]

_NEW = "not entered by `with`"

_BLOCK = 256
"""Windows that are rounded and handed on at once: a shard of a Zarr array."""


class TracksPlan(Record):
    """What must be known of tracks before the first window is written."""

    views: Annotated[dict[ViewName, Positive], Field(min_length=1)]
    """Number of points N, by view."""
    windows: Positive
    """Number of windows W."""
    horizon: Positive
    """Frames per window T."""
    confidence: bool
    """Whether each position has a confidence."""


def plan_tracks(views: object, windows: object, horizon: object, confidence: bool = False) -> TracksPlan:
    """Return a plan of integers of any library.

    Raises
    ------
    SchemaError
        A number that is no integer of at least 1, a name that no view can have, or no view.

    Examples
    --------
    >>> plan_tracks({"default": np.int64(400)}, windows=3, horizon=16).views
    {'default': 400}
    """

    def whole(value: object) -> Any:  # noqa: ANN401 - the record says what is wrong with others
        number = whole_number(value)
        return value if number is None else number

    points: Any = {name: whole(number) for name, number in views.items()} if isinstance(views, Mapping) else views
    return TracksPlan(views=points, windows=whole(windows), horizon=whole(horizon), confidence=confidence)


class _Store(Protocol):
    """What takes windows: the writers of `lapsdata.storage`."""

    def append(self, name: str, windows: NDArray[Any]) -> None: ...


@dataclass(frozen=True)
class TracksLayout:
    """How a format puts tracks into its store."""

    format: str
    """Registry name."""
    vis_dtype: DTypeLike
    """How visibility is stored: bool, or float32 0/1 where other readers expect that."""
    times: str
    """Group of the time arrays, with a trailing slash, or ""."""
    store: Callable[[dict[str, WindowArray]], AbstractContextManager[Any]]
    """Opens the store for arrays of windows."""
    finish: Callable[[Any, TracksHeader, dict[str, JsonValue], dict[str, StoredArray]], None]
    """Gives the store its header, the facts of how it was stored, and its small arrays."""
    profile: Profile
    """`raw` or `compact`."""
    step: float | None
    """What positions are rounded to, pixel; None leaves them as they are."""
    notes: Callable[[TracksHeader], tuple[Problem, ...]] = lambda _: ()
    """What a reader of the file must know."""


class TracksWriter:
    """Takes the windows of tracks, then their header and times; made by `lapsdata.formats.tracks_writer`.

    A context manager: the file is there, whole, when `finish` returns; leaving without it leaves nothing behind.

    Examples
    --------
    >>> from lapsdata.formats import TracksWriter
    >>> TracksWriter.finish.__name__
    'finish'
    """

    def __init__(self, path: Path, plan: TracksPlan, layout: TracksLayout) -> None:
        self._path, self._plan, self._layout = path, plan, layout
        self._opened = layout.store(_window_arrays(plan, layout))
        self._store: _Store | None = None
        self._state = _NEW
        self._seen = dict.fromkeys(plan.views, 0)
        self._largest = 0.0

    def __enter__(self) -> Self:
        if self._state is not _NEW:
            self._refuse()
        self._state = "being opened"
        self._store = self._opened.__enter__()
        self._state = "open"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._state == "finished":
            return
        self._store, self._state = None, "left"
        if error is None:
            appended = ", ".join(f"{count} of {self._plan.windows} windows of {v}" for v, count in self._seen.items())
            warn(f"{self._path}: nothing was written: the writer was not finished after {appended}")
            kind, error = _Unfinished, _Unfinished()
        self._opened.__exit__(kind, error, trace)

    def append(
        self,
        view: str,
        tracks: NDArray[np.float32],
        vis: NDArray[np.bool_],
        confidence: NDArray[np.float32] | None = None,
    ) -> None:
        """Write the next windows of a view, at least one.

        Parameters
        ----------
        view : str
        tracks : float32 (n, T, N, 2), pixel xy
            NaN only where `vis` is False; never infinite.
        vis : bool (n, T, N)
        confidence : float32 (n, T, N) or None, 0 to 1
            Given exactly where it was announced.

        Raises
        ------
        SchemaError
            Arrays that are not of this kind, or a view that was not announced.
        LengthMismatchError
            More windows than were announced, or not as many in one array as in the other.
        StorageError
            The file system refused.
        """
        self._check_open()
        points = self._plan.views.get(view)
        if points is None:
            message = f"expected one of the views {sorted(self._plan.views)}, got {view!r}"
            raise SchemaError(Problem("wrong-views", str(self._path), message))
        check = ArrayCheck(f"{self._path}: windows from {self._seen[view]}")
        check_windows(check, view, tracks, vis, confidence, horizon=self._plan.horizon, points=points)
        if (confidence is not None) != self._plan.confidence:
            said, got = ("some", "none") if self._plan.confidence else ("none", "some")
            check.problems.add("confidence", f"{view}/confidence", f"expected {said}, as announced, got {got}")
        if not len(check.problems):
            self._check_count(check, view, len(tracks))
        check.finish()
        self._put(view, tracks, vis, confidence)

    def _check_count(self, check: ArrayCheck, view: str, count: int) -> None:
        after = self._seen[view] + count
        if count == 0:
            check.problems.add("no-windows", f"{view}/tracks", "expected at least one window, got none")
        if after > self._plan.windows:
            message = f"expected {self._plan.windows} windows in all, got {after}"
            check.problems.add("length-mismatch", f"{view}/tracks", message)

    def _put(
        self,
        view: str,
        tracks: NDArray[np.float32],
        vis: NDArray[np.bool_],
        confidence: NDArray[np.float32] | None,
    ) -> None:
        store = self._check_open()
        for start in range(0, len(tracks), _BLOCK):
            block = slice(start, start + _BLOCK)
            positions, error = round_positions(tracks[block], self._layout.step)
            self._largest = max(self._largest, error)
            store.append(f"root/{view}/tracks", positions)
            store.append(f"root/{view}/vis", vis[block].astype(self._layout.vis_dtype, copy=False))
            if confidence is not None:
                rounded, _ = round_positions(confidence[block], confidence_step(self._layout.step))
                store.append(f"root/{view}/confidence", rounded)
            self._seen[view] += len(positions)

    def finish(
        self,
        header: TracksHeader,
        start_index: NDArray[np.int64],
        frame_s: NDArray[np.float64],
        source_index: NDArray[np.int64] | None = None,
    ) -> WriteReport:
        """Write header and times, and give the file its name.

        Parameters
        ----------
        header : TracksHeader
        start_index : int64 (W,)
        frame_s : float64 (F,), seconds
        source_index : int64 (F,) or None
            As in `lapsdata.containers.Tracks`.

        Raises
        ------
        SchemaError
            A header that contradicts the windows or the times; everything that `Tracks` refuses.
        LengthMismatchError
            Fewer windows than were announced.
        StorageError
            The target exists by now, or the file system refused.
        """
        self._check_open()
        header = checked_header(header, TracksHeader)
        check = ArrayCheck(str(self._path))
        self._check_header(check, header)
        check.length("W", self._plan.windows, "the plan")
        for view, count in self._seen.items():
            check.length("W", count, f"{view}/tracks")
        check_beside_windows(check, header, start_index, frame_s, source_index)
        check.finish()
        return self._finish(header, start_index, frame_s, source_index)

    def _check_header(self, check: ArrayCheck, header: TracksHeader) -> None:
        points = {view: facts.points for view, facts in sorted(header.views.items())}
        planned = dict(sorted(self._plan.views.items()))
        if points != planned:
            message = f"expected the views with their points as announced, {planned}, got {points}"
            check.problems.add("wrong-views", "header.views", message)
        if header.horizon != self._plan.horizon:
            message = f"expected {self._plan.horizon} as announced, got {header.horizon}"
            check.problems.add("wrong-value", "header.horizon", message)
        if header.confidence != self._plan.confidence:
            message = f"expected {self._plan.confidence} as announced, got {header.confidence}"
            check.problems.add("confidence", "header.confidence", message)

    def _finish(
        self,
        header: TracksHeader,
        start_index: NDArray[np.int64],
        frame_s: NDArray[np.float64],
        source_index: NDArray[np.int64] | None,
    ) -> WriteReport:
        store = self._check_open()
        self._store, self._state = None, "broken"
        given = {"start_index": start_index, "frame_s": frame_s, "source_index": source_index}
        times = {
            self._layout.times + name: StoredArray(values, small=True)
            for name, values in given.items()
            if values is not None
        }
        facts: dict[str, JsonValue] = {"profile": self._layout.profile, "round_px": self._layout.step}
        if header.confidence:
            facts["round_confidence"] = confidence_step(self._layout.step)
        self._layout.finish(store, header, facts, times)
        self._state = "finished"
        self._opened.__exit__(None, None, None)
        notes = self._layout.notes(header)
        return WriteReport(self._path, self._layout.format, size_on_disk(self._path), self._largest, notes)

    def _check_open(self) -> _Store:
        if self._store is None:
            self._refuse()
        return self._store

    def _refuse(self) -> NoReturn:
        message = f"expected a writer that is open, and opened once, got one that is {self._state}"
        raise SchemaError(Problem("writer-closed", str(self._path), message, "open another one"))


class _Unfinished(Exception):  # noqa: N818 - never leaves this module
    """Makes a store remove what it has, as after any error."""


def write_tracks(writer: TracksWriter, container: Tracks) -> WriteReport:
    """Write a whole container; it is valid, so nothing is checked again."""
    with writer:
        for view in container.tracks:
            confidence = None if container.confidence is None else container.confidence[view]
            writer._put(view, container.tracks[view], container.vis[view], confidence)
        return writer._finish(container.header, container.start_index, container.frame_s, container.source_index)


def _window_arrays(plan: TracksPlan, layout: TracksLayout) -> dict[str, WindowArray]:
    arrays = {}
    for view, points in sorted(plan.views.items()):
        shape = (plan.windows, plan.horizon, points)
        arrays[f"root/{view}/tracks"] = WindowArray((*shape, 2), np.dtype(np.float32))
        arrays[f"root/{view}/vis"] = WindowArray(shape, np.dtype(layout.vis_dtype))
        if plan.confidence:
            arrays[f"root/{view}/confidence"] = WindowArray(shape, np.dtype(np.float32))
    return arrays
