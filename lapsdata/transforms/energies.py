"""From tracks and tokens to energies: one value per step at its own time, or one per window as LAPS had it.

A value per window is a mean over all of its length: with perfect motion it cannot tell a boundary to a quarter of a
second. It is there for comparison; segmentation takes values per step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from lapsdata.containers.energies import ENERGY_STATES, Energies
from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.provenance import provenance
from lapsdata.schema.base import Record
from lapsdata.schema.energies import EnergiesHeader
from lapsdata.transforms.latent_energy import latent_change, latent_size
from lapsdata.transforms.track_speed import window_speed
from lapsdata.transforms.window_steps import step_means

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers.tokens import Tokens
    from lapsdata.containers.tracks import Tracks
    from lapsdata.schema.base import Parent

__all__ = ["EnergyMode", "EnergyOptions", "token_energies", "track_energies"]

_MEASURED, _GATED, _MISSING = (ENERGY_STATES.index(state) for state in ("measured", "gated", "missing"))


EnergyMode = Literal[
    "velocity_step", "velocity_mean", "token_size_step", "token_diff_step", "l2_mean", "token_diff_l2_mean"
]
"""`velocity_step`: mean speed of the visible points; `token_diff_step`: distance of a latent from the one before;
`token_size_step`: its length. `velocity_mean`, `token_diff_l2_mean`, `l2_mean`: the same, over whole windows."""


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
    latents: Literal["quantized", "prequant"] = "quantized"
    """Which latents, where tokens are measured."""
    camera: Literal["keep", "median"] = "keep"
    """`median` takes off the motion that the whole picture shares, where tracks are measured."""
    view: Annotated[str, Field(min_length=1)] | None = None
    """View of the tracks; needed where there are several."""
    gate: Annotated[float, Field(ge=0)] | None = None
    """Values below it are gated: too little motion to measure anything. In the unit of the mode, pixel per second or
    length of latents; null gates nothing."""

    @property
    def of_tracks(self) -> bool:
        """Whether tracks are measured, and not tokens."""
        return self.mode.startswith("velocity")

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
    support_s: float
    hop_s: float | None


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
    return _joined("velocity", [_of_tracks(one, options) for one in tracks], options, parents)


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
    return _joined(options.latents, [_of_tokens(one, options) for one in tokens], options, parents)


def _of_tracks(tracks: Tracks, options: EnergyOptions) -> _Series:
    view = _view_of(tracks, options.view)
    speed = window_speed(tracks.tracks[view], tracks.vis[view], tracks.step_s, camera=options.camera)
    if options.per == "window":
        return _per_window(speed, tracks, tracks.header.horizon)
    means = step_means(speed, tracks.start_index, len(tracks.frame_s) - 1)
    covered = _covered(tracks.start_index, tracks.header.horizon - 1, len(tracks.frame_s) - 1)
    return _per_step(tracks, means.value, tracks.frame_s, covered, support_steps=1)


def _of_tokens(tokens: Tokens, options: EnergyOptions) -> _Series:
    latents: NDArray[np.float32] | None = getattr(tokens, options.latents)
    if latents is None:
        message = f"{tokens.header.video.name}: expected {options.latents} latents, got codes alone"
        raise SchemaError(Problem("no-latents", options.latents, message, "encode again, and store the latents"))
    horizon, streams, frames = tokens.header.horizon, tokens.header.streams, len(tokens.frame_s)
    change = "diff" in options.mode
    values = latent_change(latents, streams) if change else latent_size(latents, streams)
    if options.per == "window":
        return _per_window(values, tokens, horizon)
    if not change:
        means = step_means(values, tokens.start_index, frames - 1)
        covered = _covered(tokens.start_index, horizon - 1, frames - 1)
        return _per_step(tokens, means.value, tokens.frame_s, covered, support_steps=horizon - 1)
    # A change from one step to the next has its time around the frame between them.
    means = step_means(values, tokens.start_index, frames - 2)
    covered = _covered(tokens.start_index, horizon - 2, frames - 2)
    middles = (tokens.frame_s[1:] + tokens.frame_s[:-1]) / 2
    return _per_step(tokens, means.value, middles, covered, support_steps=horizon - 1)


def _view_of(tracks: Tracks, wanted: str | None) -> str:
    views = sorted(tracks.tracks)
    if wanted is None and len(views) == 1:
        return views[0]
    if wanted not in views:
        got = "none named" if wanted is None else repr(wanted)
        message = f"{tracks.header.video.name}: expected one of the views {', '.join(views)}, got {got}"
        raise SchemaError(Problem("wrong-view", "view", message))
    return wanted


def _covered(start_index: NDArray[np.int64], length: int, steps: int) -> NDArray[np.bool_]:
    """Return which steps have a row: from the first that a window speaks of to the last.

    Between windows that do not overlap there are steps of which none speaks; their values are missing.
    """
    covered = np.zeros(steps, bool)
    covered[int(start_index.min()) : int(start_index.max()) + length] = True
    return covered


def _per_step(
    windows: Tracks | Tokens,
    value: NDArray[np.float64],
    edges: NDArray[np.float64],
    covered: NDArray[np.bool_],
    *,
    support_steps: int,
) -> _Series:
    index = np.flatnonzero(covered)
    step_s = float(np.median(np.diff(edges)))
    constant = np.allclose(np.diff(edges), step_s, rtol=0, atol=1e-6)
    hop_s = step_s if constant else None
    name = windows.header.video.name
    return _Series(name, index, edges[:-1][index], edges[1:][index], value[index], support_steps * step_s, hop_s)


def _per_window(values: NDArray[np.float64], windows: Tracks | Tokens, horizon: int) -> _Series:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean = np.where(known, values, 0).sum(axis=1) / known.sum(axis=1)
    starts = windows.frame_s[windows.start_index]
    ends = windows.frame_s[windows.start_index + horizon - 1]
    hops = np.diff(starts)
    constant = len(hops) > 0 and np.allclose(hops, hops[0], rtol=0, atol=1e-6)
    index = np.arange(len(starts), dtype=np.int64)
    support_s, hop_s = float(np.median(ends - starts)), float(hops[0]) if constant else None
    return _Series(windows.header.video.name, index, starts, ends, mean, support_s, hop_s)


def _joined(source: str, series: Sequence[_Series], options: EnergyOptions, parents: Sequence[Parent]) -> Energies:
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
    state = np.where(np.isnan(value), _MISSING, _MEASURED).astype(np.uint8)
    if options.gate is not None:
        # NaN compares as false: what is missing stays missing.
        state[value < options.gate] = _GATED
    header = EnergiesHeader(
        provenance=provenance(parameters=options.as_json(), parents=parents),
        per=options.per,
        source=source,
        mode=options.mode,
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
