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
from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.provenance import provenance
from lapsdata.schema.base import Record
from lapsdata.schema.energies import EnergiesHeader
from lapsdata.transforms.latent_energy import latent_change, latent_size
from lapsdata.transforms.track_speed import Motion, window_speed
from lapsdata.transforms.window_steps import step_means

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers.tokens import Tokens
    from lapsdata.containers.tracks import Tracks
    from lapsdata.schema.base import Parent

__all__ = ["EnergyMode", "EnergyOptions", "EnergySource", "token_energies", "track_energies"]

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
    return _joined([_of_tracks(one, options) for one in tracks], options, parents)


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
    view = _view_of(tracks, options.view)
    speed = window_speed(tracks.tracks[view], tracks.vis[view], tracks.step_s, motion=options.motion)
    camera = {
        "ego_motion_followed": speed.followed,
        "ego_motion_few_points": speed.few_points,
        "ego_motion_collinear": speed.collinear,
    }
    policies = camera if options.motion == "residual" else {}
    if options.per == "window":
        ignored = {"mode_ignored": len(tracks)} if options.mode in _OF_WINDOWS else {}
        # Over all points of all steps at once: a step at which more points are seen counts for more.
        return _per_window(speed.value, tracks, {**policies, **ignored}, weights=speed.points)
    steps = len(tracks.frame_s) - 1
    means = step_means(speed.value, tracks.start_index, steps)
    covers = _covers(tracks, tracks.header.horizon - 1, steps)
    return _per_step(tracks, means.value, tracks.frame_s, covers, policies, support_steps=1)


def _of_tokens(tokens: Tokens, options: EnergyOptions) -> _Series:
    latents: NDArray[np.float32] | None = getattr(tokens, options.of)
    name = tokens.header.video.name
    if latents is None:
        message = f"{name}: expected {options.of} latents, got codes alone"
        raise SchemaError(Problem("no-latents", options.of, message, "encode again, and store the latents"))
    horizon, streams, frames = tokens.header.horizon, tokens.header.streams, len(tokens.frame_s)
    change, policies = "diff" in options.mode, {}
    if change and horizon == 2:
        if options.per == "step":
            message = f"{name}: expected windows of two steps or more for {options.mode}, got one step"
            raise SchemaError(Problem("single-step", "mode", message, "measure token_size_step"))
        # As LAPS has it: of a single latent nothing is before it.
        change, policies = False, {"l2_mean_of_single_steps": len(tokens)}
    values = latent_change(latents, streams) if change else latent_size(latents, streams)
    if options.per == "window":
        return _per_window(values, tokens, policies)
    if not change:
        means = step_means(values, tokens.start_index, frames - 1)
        covers = _covers(tokens, horizon - 1, frames - 1)
        return _per_step(tokens, means.value, tokens.frame_s, covers, policies, support_steps=horizon - 1)
    # A change from one step to the next has its time around the frame between them.
    means = step_means(values, tokens.start_index, frames - 2)
    covers = _covers(tokens, horizon - 2, frames - 2)
    middles = (tokens.frame_s[1:] + tokens.frame_s[:-1]) / 2
    return _per_step(tokens, means.value, middles, covers, policies, support_steps=horizon - 1)


def _view_of(tracks: Tracks, wanted: str | None) -> str:
    views = sorted(tracks.tracks)
    if wanted is None and len(views) == 1:
        return views[0]
    if wanted not in views:
        got = "none named" if wanted is None else repr(wanted)
        message = f"{tracks.header.video.name}: expected one of the views {', '.join(views)}, got {got}"
        raise SchemaError(Problem("wrong-view", "view", message))
    return wanted


class _Covers(NamedTuple):
    """Which steps have a row, and at which of them a window lies that a gate has left out."""

    row: NDArray[np.bool_]
    gated: NDArray[np.bool_]


def _covers(windows: Tracks | Tokens, length: int, steps: int) -> _Covers:
    """Return which steps have a row: from the first that a window speaks of, gated or not, to the last.

    Between windows that do not overlap there are steps of which none speaks; their values are missing.
    """
    left_out = np.array(windows.header.gated_starts, np.int64)
    starts = np.concatenate([windows.start_index, left_out])
    row, gated = np.zeros(steps, bool), np.zeros(steps, bool)
    row[int(starts.min()) : int(starts.max()) + length] = True
    gated[left_out[:, None] + np.arange(length)] = True
    return _Covers(row, gated)


def _per_step(
    windows: Tracks | Tokens,
    value: NDArray[np.float64],
    edges: NDArray[np.float64],
    covers: _Covers,
    policies: dict[str, int],
    *,
    support_steps: int,
) -> _Series:
    index = np.flatnonzero(covers.row)
    step_s = float(np.median(np.diff(edges)))
    constant = np.allclose(np.diff(edges), step_s, rtol=0, atol=1e-6)
    hop_s = step_s if constant else None
    name, gated = windows.header.video.name, covers.gated[index]
    support_s = support_steps * step_s
    return _Series(name, index, edges[:-1][index], edges[1:][index], value[index], gated, support_s, hop_s, policies)


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
    problems.raise_as(SchemaError)
    hops = {None if one.hop_s is None else round(one.hop_s, 6) for one in series}
    value = np.concatenate([one.value for one in series])
    without = np.where(np.concatenate([one.gated for one in series]), _GATED, _MISSING)
    state = np.where(np.isnan(value), without, _MEASURED).astype(np.uint8)
    if options.gate is not None:
        # NaN compares as false: what is missing stays missing.
        state[value < options.gate] = _GATED
    header = EnergiesHeader(
        provenance=provenance(parameters=options.as_json(), parents=parents),
        per=options.per,
        policies={name: sum(one.policies[name] for one in series) for name in series[0].policies},
        source=options.of,
        mode=options.measured,
        support_s=series[0].support_s,
        hop_s=series[0].hop_s if len(hops) == 1 else None,
        videos=tuple(names),
    )
    return Energies(
        header,
        np.repeat(np.arange(len(series)), [len(one.number) for one in series]),
        np.concatenate([one.number for one in series]),
        np.concatenate([one.start_s for one in series]),
        np.concatenate([one.end_s for one in series]),
        np.where(state == _MEASURED, value, np.nan),
        state,
    )
