"""What tokens, tracks and energies say of each motion step or window, as vectors with the time that they speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.containers.energies import Energies
    from lapsdata.containers.tokens import Tokens
    from lapsdata.containers.tracks import Tracks

    Floats = NDArray[np.float64]

__all__ = [
    "FeatureRows",
    "Per",
    "TokenPart",
    "energy_features",
    "flow_grid",
    "rows_per",
    "token_features",
    "track_features",
    "view_of",
]

Per = Literal["step", "window"]
"""Whether a row is one motion step, seen by all windows that cover it, or a window with all of its steps."""

TokenPart = Literal["quantized", "prequant", "codes"]
"""Latents after or before quantisation, or which code it is (1 of as many columns as there are codes)."""


class FeatureRows(NamedTuple):
    """Vectors of one video, with the time that they speak of.

    Parameters
    ----------
    span_s : float64 (R, 2), seconds
        Rising.
    value : float64 (R, D)
        NaN where there is none.
    left_out : int
        Of `flow_grid`: steps of points that began beyond the cells.

    Examples
    --------
    >>> FeatureRows(np.array([[0.0, 0.1]]), np.array([[3.0]])).value.shape
    (1, 1)
    """

    span_s: Floats
    value: Floats
    left_out: int = 0


def token_features(tokens: Tokens, part: TokenPart, per: Per) -> FeatureRows:
    """Return the latents or codes of tokens, those of several streams side by side.

    Parameters
    ----------
    tokens : Tokens
    part : {"quantized", "prequant", "codes"}
    per : {"step", "window"}

    Raises
    ------
    SchemaError
        Latents that were not stored.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tokens
    >>> token_features(sample_tokens(latent=2), "quantized", "step").value.shape[1]
    2
    """
    header = tokens.header
    if part == "codes":
        every = np.arange(header.tokenizer.codes)
        each = (tokens.codes[..., None] == every).astype(np.float64)
    else:
        latents: NDArray[np.float32] | None = getattr(tokens, part)
        if latents is None:
            message = f"expected {part} latents, got codes alone"
            raise SchemaError(Problem("no-latents", header.video.name, message, "encode again with --latents both"))
        each = latents.astype(np.float64)
    steps = header.horizon - 1
    # (W, streams, T - 1, D) to (W, T - 1, streams * D)
    shaped = each.reshape(len(tokens), header.streams, steps, -1).transpose(0, 2, 1, 3)
    return rows_per(shaped.reshape(len(tokens), steps, -1), tokens, per)


def view_of(tracks: Tracks, view: str | None) -> str:
    """Return the view that is named, or the only one.

    Raises
    ------
    SchemaError
        None of that name, or several and none named.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> view_of(sample_tracks(), None)
    'default'
    """
    views = sorted(tracks.tracks)
    if view is None and len(views) == 1:
        return views[0]
    if view is None or view not in views:
        got = "none named" if view is None else repr(view)
        message = f"{tracks.header.video.name}: expected one of the views {', '.join(views)}, got {got}"
        raise SchemaError(Problem("wrong-view", "view", message))
    return view


def track_features(tracks: Tracks, per: Per, view: str | None = None) -> FeatureRows:
    """Return the velocity of each point, x and y, in pixel per second; NaN unless it is seen before and after.

    Parameters
    ----------
    tracks : Tracks
    per : {"step", "window"}
        A step has the mean over the windows that cover it, of the points of one number.
    view : str, optional

    Raises
    ------
    SchemaError
        As `view_of`.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> track_features(sample_tracks(points=5, horizon=4), "window").value.shape
    (3, 30)
    """
    moved = _velocity(tracks, view_of(tracks, view))
    return rows_per(moved.reshape(*moved.shape[:2], -1), tracks, per)


def _velocity(tracks: Tracks, view: str) -> Floats:
    """Return float64 (W, T - 1, N, 2), pixel per second."""
    vis = tracks.vis[view]
    seconds = np.diff(tracks.step_s, axis=1)[:, :, None, None]
    moved = np.diff(tracks.tracks[view].astype(np.float64), axis=1) / seconds
    moved[~(vis[:, 1:] & vis[:, :-1])] = np.nan
    return np.asarray(moved, np.float64)


def flow_grid(tracks: Tracks, per: Per, view: str | None = None, *, cells: int = 8) -> FeatureRows:
    """Return the mean velocity of the points in each cell of the picture, x and y, in pixel per second.

    The motion in the picture as it is, with nothing learned: a point counts for the cell that it comes from.

    Parameters
    ----------
    tracks : Tracks
    per : {"step", "window"}
        A window has the mean over all of its steps.
    view : str, optional
    cells : int
        Along each side of the active area.

    Returns
    -------
    FeatureRows
        `cells * cells * 2` columns, row by row; NaN where no point is seen. Points beyond the active area are left
        out, and counted.

    Raises
    ------
    SchemaError
        As `view_of`.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> flow_grid(sample_tracks(), "step", cells=2).value.shape
    (5, 8)
    """
    chosen = view_of(tracks, view)
    area = tracks.header.views[chosen].active_area
    moved = _velocity(tracks, chosen)
    # A pixel reaches half a pixel beyond its centre.
    corner, size = np.array([area.x - 0.5, area.y - 0.5]), np.array([area.width, area.height])
    with np.errstate(invalid="ignore"):
        place = (tracks.tracks[chosen][:, :-1].astype(np.float64) - corner) / size * cells
    moves = ~np.isnan(moved[..., 0])
    known = moves & ((place >= 0) & (place < cells)).all(axis=-1)
    cell = np.where(known[..., None], place, 0).astype(np.int64)
    left_out = int((moves & ~known).sum())
    row = _row_of_step(tracks, per)
    rows = int(row.max()) + 1
    flat = (row[:, :, None] * cells + cell[..., 1]) * cells + cell[..., 0]
    count = np.bincount(flat[known], minlength=rows * cells * cells)
    sums = [np.bincount(flat[known], moved[known, axis], rows * cells * cells) for axis in range(2)]
    with np.errstate(invalid="ignore"):
        mean = (np.stack(sums, axis=-1) / count[:, None]).reshape(rows, -1)
    if per == "window":
        return FeatureRows(_window_spans(tracks), mean, left_out)
    return _known_steps(tracks, mean, np.isin(np.arange(rows), row))._replace(left_out=left_out)


def energy_features(energies: Energies, video: int) -> FeatureRows:
    """Return the energies of one video, NaN where none was measured; `video` is its number in the header.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies
    >>> energy_features(sample_energies(), 0).value.shape[1]
    1
    """
    rows = energies.video_index == video
    return FeatureRows(np.stack([energies.start_s[rows], energies.end_s[rows]], axis=1), energies.energy[rows, None])


def rows_per(values: Floats, windows: Tracks | Tokens, per: Per) -> FeatureRows:
    """Return what windows say of their steps as rows: one per window, or the mean per step.

    Parameters
    ----------
    values : float64 (W, T - 1, D)
        NaN where there is none.
    windows : Tracks or Tokens
    per : {"step", "window"}

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> rows_per(np.ones((3, 3, 2)), sample_tracks(windows=3), "step").value.shape
    (5, 2)
    """
    if per == "window":
        return FeatureRows(_window_spans(windows), values.reshape(len(values), -1))
    total = np.zeros((len(windows.frame_s) - 1, values.shape[2]))
    count = np.zeros(total.shape, np.int64)
    for step in range(values.shape[1]):
        # Starts rise: no step is named twice at once.
        at, known = windows.start_index + step, ~np.isnan(values[:, step])
        total[at] += np.where(known, values[:, step], 0)
        count[at] += known
    with np.errstate(invalid="ignore"):
        mean = total / count
    return _known_steps(windows, mean, np.isin(np.arange(len(total)), _row_of_step(windows, "step")))


def _row_of_step(windows: Tracks | Tokens, per: Per) -> NDArray[np.int64]:
    """Return which row each step of each window belongs to: int64 (W, T - 1)."""
    steps = np.arange(windows.header.horizon - 1, dtype=np.int64)
    if per == "step":
        return windows.start_index[:, None] + steps
    return np.repeat(np.arange(len(windows), dtype=np.int64)[:, None], len(steps), axis=1)


def _window_spans(windows: Tracks | Tokens) -> Floats:
    """Return the time from the first to the last frame of each window, which its steps fill."""
    last = windows.start_index + windows.header.horizon - 1
    return np.stack([windows.frame_s[windows.start_index], windows.frame_s[last]], axis=1)


def _known_steps(windows: Tracks | Tokens, value: Floats, covered: NDArray[np.bool_]) -> FeatureRows:
    """Return the steps that a window covers."""
    at = np.flatnonzero(covered)
    return FeatureRows(np.stack([windows.frame_s[at], windows.frame_s[at + 1]], axis=1), value[at])
