"""From tracks and tokens to energies: one value per step at its own time, or one per window as LAPS had it.

A value per window is a mean over all of its length: with perfect motion it cannot tell a boundary to a quarter of a
second. It is there for comparison; segmentation takes values per step.

LAPS (arXiv 2511.21428) has three sources, the latents before and after quantisation and the velocity of the points, and
two modes for each: `l2_mean`, the mean length, and `token_diff_l2_mean`, the mean distance from one to the next within
the window. Velocities have one energy, whichever mode is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from lapsdata.containers.energies import ENERGY_STATES, Energies
from lapsdata.errors import Problem, Problems, SchemaError, listed
from lapsdata.provenance import provenance
from lapsdata.schema.base import Record
from lapsdata.schema.energies import EnergiesHeader
from lapsdata.transforms.latent_energy import latent_change, latent_size
from lapsdata.transforms.step_features import view_of
from lapsdata.transforms.track_speed import MeasuredPoints, Motion, window_speed
from lapsdata.transforms.window_steps import step_means

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers.tokens import Tokens
    from lapsdata.containers.tracks import Tracks
    from lapsdata.schema.base import Parent

__all__ = [
    "EnergyMode",
    "EnergyOptions",
    "EnergySource",
    "StepLayout",
    "StepRows",
    "step_energies",
    "step_layout",
    "step_states",
    "step_values",
    "token_energies",
    "track_energies",
]

_MEASURED, _GATED, _MISSING = (ENERGY_STATES.index(state) for state in ("measured", "gated", "missing"))


EnergyMode = Literal[
    "velocity_step", "velocity_mean", "token_size_step", "token_diff_step", "l2_mean", "token_diff_l2_mean"
]
"""`velocity_step`: mean speed of the visible points; `token_diff_step`: distance of a latent from the one before;
`token_size_step`: its length. `velocity_mean`, `token_diff_l2_mean`, `l2_mean`: the same, over whole windows."""

EnergySource = Literal["velocity", "quantized", "prequant"]
"""What is measured: the points of tracks, or the latents of tokens after or before quantisation."""

# LAPS's modes; of velocities both are `velocity_mean`.
_OF_WINDOWS = ("l2_mean", "token_diff_l2_mean")


class EnergyOptions(Record):
    """What is measured, and what counts as no motion.

    Examples
    --------
    >>> EnergyOptions(mode="token_diff_step").per
    'step'
    """

    mode: EnergyMode = "velocity_step"
    """What is measured: of tracks velocity_step or velocity_mean, of tokens token_diff_step, token_size_step, or
    token_diff_l2_mean, l2_mean over whole windows."""
    source: EnergySource | None = None
    """Of what: velocity (tracks), or quantized or prequant latents (tokens); null is velocity for the modes velocity_*,
    and quantized for the others."""
    motion: Motion = "raw"
    """Of tracks: `residual` takes off the motion of the camera, fitted to each pair of frames."""
    points: MeasuredPoints = "visible"
    """Of tracks: points that are seen before and after a step, or `all` that have a position, as LAPS measures them."""
    view: Annotated[str, Field(min_length=1)] | None = None
    """View of the tracks; needed where there are several."""
    gate: Annotated[float, Field(ge=0)] | None = None
    """Values below it are gated: too little motion to measure anything. In the unit of the mode, pixel per second or
    length of latents; null gates nothing."""

    @model_validator(mode="after")
    def _mode_of_source(self) -> Self:
        of_speed = self.mode.startswith("velocity")
        if self.source == "velocity" and not of_speed and self.mode not in _OF_WINDOWS:
            raise ValueError(f"expected a mode of velocities (velocity_step, velocity_mean), got {self.mode!r}")
        if self.source is not None and self.source != "velocity" and of_speed:
            raise ValueError(f"expected a mode of latents, as token_diff_step, for {self.source!r}, got {self.mode!r}")
        if self.motion == "residual" and not self.of_tracks:
            message = "expected motion 'residual' for tracks alone; encode with it to have it in tokens"
            raise ValueError(message)
        if self.points == "all" and not self.of_tracks:
            raise ValueError("expected points 'all' for tracks alone: latents have no points")
        return self

    @property
    def of(self) -> EnergySource:
        """What is measured, where that is left to the mode too."""
        return self.source or ("velocity" if self.mode.startswith("velocity") else "quantized")

    @property
    def of_tracks(self) -> bool:
        """Whether tracks are measured, and not tokens."""
        return self.of == "velocity"

    @property
    def measured(self) -> EnergyMode:
        """The mode that counts: velocities ignore LAPS's modes, which are both `velocity_mean` for them."""
        return "velocity_mean" if self.of_tracks and self.mode in _OF_WINDOWS else self.mode

    @property
    def per(self) -> Literal["step", "window"]:
        """Whether a value speaks of one step or of a whole window."""
        return "step" if self.mode.endswith("_step") else "window"


class StepLayout(NamedTuple):
    """What each window says of its steps.

    Parameters
    ----------
    values : int
        How many values a window has; the k-th is of the k-th step from its first frame on.
    support_steps : int
        Steps that one value depends on.
    between : bool
        Whether a value speaks of the change from one step to the next, which has its time around the frame between
        them.

    Examples
    --------
    >>> StepLayout(1, 3, between=True).edges_s(np.array([0.0, 1.0, 2.0, 3.0]))
    array([0.5, 1.5, 2.5])
    """

    values: int
    support_steps: int
    between: bool

    def edges_s(self, frame_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where the steps of a video begin and end, float64 (K + 1,), by the times of its frames."""
        return (frame_s[1:] + frame_s[:-1]) / 2 if self.between else frame_s


class StepRows(NamedTuple):
    """Steps in a row.

    Parameters
    ----------
    value : float64 (K,)
        Mean over the windows that speak of each; NaN where none does.
    gated : bool (K,)
        Whether a window that a gate has left out lies there.

    Examples
    --------
    >>> StepRows(np.array([0.5]), np.array([False])).value
    array([0.5])
    """

    value: NDArray[np.float64]
    gated: NDArray[np.bool_]


class _Series(NamedTuple):
    """Values of one video, NaN where there is none, with their number and time."""

    video: str
    number: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    value: NDArray[np.float64]
    gated: NDArray[np.bool_]
    support_s: float
    hop_s: float | None
    policies: dict[str, int]
    tokenizer: str | None = None
    motion: Motion | None = None


def track_energies(
    tracks: Iterable[Tracks], options: EnergyOptions | None = None, *, parents: Sequence[Parent] = ()
) -> Energies:
    """Measure the motion of tracks, one video each.

    Parameters
    ----------
    tracks : iterable of Tracks
        Looked at one after the other: they need not all be in memory.
    options : EnergyOptions, optional
    parents : sequence of Parent, optional
        The files that the tracks were read from, for the provenance.

    Returns
    -------
    Energies
        Ordered as the tracks are.

    Raises
    ------
    SchemaError
        A mode for tokens, a view that is not named or not there, a video twice, no video, or videos whose steps differ
        in length.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracks
    >>> energies = track_energies([sample_tracks(windows=3)])
    >>> energies.header.mode, len(energies)
    ('velocity_step', 5)
    """
    options = options or EnergyOptions()
    if not options.of_tracks:
        message = f"expected velocity_step or velocity_mean for tracks, got {options.mode!r}"
        raise SchemaError(Problem("wrong-mode", "mode", message, "measure the tokens"))
    return _joined([_of_tracks(one, options)._replace(motion=options.motion) for one in tracks], options, parents)


def token_energies(tokens: Iterable[Tokens], options: EnergyOptions, *, parents: Sequence[Parent] = ()) -> Energies:
    """Measure the latents of tokens, one video each; as `track_energies`.

    Raises
    ------
    SchemaError
        Also tokens that were stored without the latents.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tokens
    >>> energies = token_energies([sample_tokens(latent=2)], EnergyOptions(mode="token_diff_step"))
    >>> energies.header.source, len(energies)
    ('quantized', 4)
    """
    if options.of_tracks:
        message = f"expected a mode for tokens, got {options.mode!r}"
        raise SchemaError(Problem("wrong-mode", "mode", message, "measure the tracks"))
    return _joined([_of_tokens(one, options) for one in tokens], options, parents)


def _of_tracks(tracks: Tracks, options: EnergyOptions) -> _Series:
    view, name = view_of(tracks, options.view), tracks.header.video.name
    speed = window_speed(tracks.tracks[view], tracks.vis[view], tracks.step_s, motion=options.motion, of=options.points)
    camera = {
        "ego_motion_followed": speed.followed,
        "ego_motion_few_points": speed.few_points,
        "ego_motion_collinear": speed.collinear,
    }
    unseen = {"unseen_points_measured": speed.unseen} if options.points == "all" else {}
    policies = (camera if options.motion == "residual" else {}) | unseen
    if options.per == "window":
        ignored = {"mode_ignored": len(tracks)} if options.mode in _OF_WINDOWS else {}
        # Over all points of all steps at once: a step at which more points are seen counts for more.
        return _per_window(speed.value, tracks, {**policies, **ignored}, weights=speed.points)
    return _per_step(tracks, speed.value, step_layout(options, tracks.header.horizon, name), policies)


def _of_tokens(tokens: Tokens, options: EnergyOptions) -> _Series:
    about = tokens.header
    return _measured_tokens(tokens, options)._replace(tokenizer=about.tokenizer.checkpoint, motion=about.motion)


def _measured_tokens(tokens: Tokens, options: EnergyOptions) -> _Series:
    latents: NDArray[np.float32] | None = getattr(tokens, options.of)
    name = tokens.header.video.name
    if latents is None:
        message = f"{name}: expected {options.of} latents, got codes alone"
        raise SchemaError(Problem("no-latents", options.of, message, "encode again, and store the latents"))
    horizon, streams = tokens.header.horizon, tokens.header.streams
    if options.per == "step":
        layout = step_layout(options, horizon, name)
        return _per_step(tokens, step_values(latents, streams, layout), layout, {})
    change, policies = "diff" in options.mode, {}
    if change and horizon == 2:
        # As LAPS has it: of a single latent nothing is before it.
        change, policies = False, {"l2_mean_of_single_steps": len(tokens)}
    values = latent_change(latents, streams) if change else latent_size(latents, streams)
    return _per_window(values, tokens, policies)


def step_layout(options: EnergyOptions, horizon: int, where: str) -> StepLayout:
    """Return what a window of T frames says of its steps.

    Raises
    ------
    SchemaError
        The change from step to step, of windows that have one step.

    Examples
    --------
    >>> step_layout(EnergyOptions(mode="token_diff_step"), 16, "clip")
    StepLayout(values=14, support_steps=15, between=True)
    """
    if options.of_tracks:
        return StepLayout(horizon - 1, 1, between=False)
    if "diff" not in options.mode:
        return StepLayout(horizon - 1, horizon - 1, between=False)
    if horizon == 2:
        message = f"{where}: expected windows of two steps or more for {options.mode}, got one step"
        raise SchemaError(Problem("single-step", "mode", message, "measure token_size_step"))
    return StepLayout(horizon - 2, horizon - 1, between=True)


def step_values(latents: NDArray[np.float32], streams: int, layout: StepLayout) -> NDArray[np.float64]:
    """Return what each window says of its steps: float64 (W, S) of latents float32 (W, L, D).

    Examples
    --------
    >>> step_values(np.ones((1, 3, 4), np.float32), 1, StepLayout(2, 3, between=True))
    array([[0., 0.]])
    """
    return latent_change(latents, streams) if layout.between else latent_size(latents, streams)


def step_states(
    value: NDArray[np.float64], gated: NDArray[np.bool_], gate: float | None
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return the energies, NaN where there is none, and why there is none.

    Parameters
    ----------
    value : float64 (K,)
        NaN where no window has one.
    gated : bool (K,)
        Whether a window that a gate has left out lies there.
    gate : float or None
        Values below it are gated too.

    Examples
    --------
    >>> step_states(np.array([0.5, 0.1, np.nan]), np.array([True, False, True]), 0.2)
    (array([0.5, nan, nan]), array([0, 1, 1], dtype=uint8))
    """
    state = np.where(np.isnan(value), np.where(gated, _GATED, _MISSING), _MEASURED).astype(np.uint8)
    if gate is not None:
        # NaN compares as false: what is missing stays missing.
        state[value < gate] = _GATED
    return np.where(state == _MEASURED, value, np.nan), state


def step_energies(
    video: str,
    frame_s: NDArray[np.float64],
    rows: StepRows,
    layout: StepLayout,
    options: EnergyOptions,
    *,
    tokenizer: str | None = None,
    motion: Motion = "raw",
    parents: Sequence[Parent] = (),
) -> Energies:
    """Return the energies of one video whose steps were measured as it came.

    Parameters
    ----------
    video : str
    frame_s : float64 (F,), seconds
        Time of every frame.
    rows : StepRows
        The first so many steps.
    layout : StepLayout
    options : EnergyOptions
    tokenizer : str, optional
        Digest of the weights, where latents were measured.
    motion : {"raw", "residual"}
        Whether the motion of the camera was measured too.
    parents : sequence of Parent, optional

    Raises
    ------
    SchemaError
        No row.

    Examples
    --------
    >>> rows = StepRows(np.array([0.5, np.nan]), np.array([False, True]))
    >>> layout = StepLayout(2, 1, between=False)
    >>> step_energies("clip", np.array([0.0, 0.5, 1.0]), rows, layout, EnergyOptions()).end_s
    array([0.5, 1. ])
    """
    series = _step_series(video, frame_s, np.arange(len(rows.value)), rows, layout, {})
    return _joined([series._replace(tokenizer=tokenizer, motion=motion)], options, parents)


def _per_step(
    windows: Tracks | Tokens, values: NDArray[np.float64], layout: StepLayout, policies: dict[str, int]
) -> _Series:
    """Return the steps from the first that a window speaks of, gated or not, to the last.

    Between windows that do not overlap there are steps of which none speaks; their values are missing.
    """
    steps = len(layout.edges_s(windows.frame_s)) - 1
    mean = step_means(values, windows.start_index, steps).value
    left_out = np.array(windows.header.gated_starts, np.int64)
    starts = np.concatenate([windows.start_index, left_out])
    gated = np.zeros(steps, bool)
    gated[left_out[:, None] + np.arange(layout.values)] = True
    index = np.arange(int(starts.min()), int(starts.max()) + layout.values)
    rows = StepRows(mean[index], gated[index])
    return _step_series(windows.header.video.name, windows.frame_s, index, rows, layout, policies)


def _step_series(
    video: str,
    frame_s: NDArray[np.float64],
    index: NDArray[np.int64],
    rows: StepRows,
    layout: StepLayout,
    policies: dict[str, int],
) -> _Series:
    edges = layout.edges_s(frame_s)
    step_s = float(np.median(np.diff(edges)))
    constant = np.allclose(np.diff(edges), step_s, rtol=0, atol=1e-6)
    hop_s, support_s = step_s if constant else None, layout.support_steps * step_s
    return _Series(
        video, index, edges[:-1][index], edges[1:][index], rows.value, rows.gated, support_s, hop_s, policies
    )


def _per_window(
    values: NDArray[np.float64],
    windows: Tracks | Tokens,
    policies: dict[str, int],
    *,
    weights: NDArray[np.int64] | None = None,
) -> _Series:
    known = ~np.isnan(values)
    weight = known if weights is None else np.where(known, weights, 0)
    with np.errstate(invalid="ignore"):
        mean = (np.where(known, values, 0) * weight).sum(axis=1) / weight.sum(axis=1)
    left_out = np.array(windows.header.gated_starts, np.int64)
    first = np.concatenate([windows.start_index, left_out])
    order = np.argsort(first)
    starts = windows.frame_s[first[order]]
    ends = windows.frame_s[first[order] + windows.header.horizon - 1]
    hops = np.diff(starts)
    constant = len(hops) > 0 and np.allclose(hops, hops[0], rtol=0, atol=1e-6)
    index = np.arange(len(starts), dtype=np.int64)
    value = np.concatenate([mean, np.full(len(left_out), np.nan)])[order]
    support_s, hop_s = float(np.median(ends - starts)), float(hops[0]) if constant else None
    gated = order >= len(mean)
    return _Series(windows.header.video.name, index, starts, ends, value, gated, support_s, hop_s, policies)


def _joined(series: Sequence[_Series], options: EnergyOptions, parents: Sequence[Parent]) -> Energies:
    names = [one.video for one in series]
    problems = Problems()
    if not series:
        problems.add("no-videos", "videos", "expected at least one video, got none")
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.add("doubled-video", "videos", f"expected each video once, got '{name}' {names.count(name)} times")
    supports = {round(one.support_s, 6) for one in series}
    if len(supports) > 1:
        message = f"expected values that speak of equally long times, got {min(supports):g} to {max(supports):g} s"
        problems.add("unequal-support", "videos", message, "track the videos at one --fps")
    tokenizers = list(dict.fromkeys(one.tokenizer for one in series))
    if len(tokenizers) > 1:
        others = ", ".join(one.video for one in series if one.tokenizer != tokenizers[0])
        message = (
            f"expected tokens of one tokenizer, got {len(tokenizers)}: another than that of {names[0]} made {others}"
        )
        problems.add("other-tokenizer", "videos", message, "encode all videos with one: lapsdata encode --tokenizer")
    if len({one.motion for one in series}) > 1:
        others = listed(one.video for one in series if one.motion != series[0].motion)
        message = (
            f"expected {series[0].motion or 'unknown'} motion of all videos, as of {names[0]}, got other of {others}"
        )
        problems.add("unlike-motion", "videos", message, "encode all videos with one --motion")
    problems.raise_as(SchemaError)
    hops = {None if one.hop_s is None else round(one.hop_s, 6) for one in series}
    value = np.concatenate([one.value for one in series])
    energy, state = step_states(value, np.concatenate([one.gated for one in series]), options.gate)
    header = EnergiesHeader(
        provenance=provenance(parameters=options.as_json(), parents=parents),
        per=options.per,
        policies={name: sum(one.policies[name] for one in series) for name in series[0].policies},
        source=options.of,
        mode=options.measured,
        support_s=series[0].support_s,
        hop_s=series[0].hop_s if len(hops) == 1 else None,
        tokenizer=tokenizers[0],
        motion=series[0].motion,
        videos=tuple(names),
    )
    return Energies(
        header,
        np.repeat(np.arange(len(series)), [len(one.number) for one in series]),
        np.concatenate([one.number for one in series]),
        np.concatenate([one.start_s for one in series]),
        np.concatenate([one.end_s for one in series]),
        energy,
        state,
    )
