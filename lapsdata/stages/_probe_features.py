"""Which features files of ours offer a probe, by set and video, and their rows that belong together in time."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.transforms.over_spans import at_times
from lapsdata.transforms.step_features import (
    FeatureRows,
    energy_features,
    flow_grid,
    token_features,
    track_features,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.containers import Energies, Tokens, Tracks
    from lapsdata.transforms.step_features import Per, TokenPart

    Floats = NDArray[np.float64]

__all__ = ["RAW_FLOW", "TRACKS", "GivenSets", "How", "VideoSet", "joined", "read_sets"]

RAW_FLOW = "raw_flow"
"""The control that tracks bring."""

# The rows of the first of these that is there are the rows of the probe.
_TOKENS, TRACKS = "tokens", "tracks"
_SAME_S = 1e-6


class How(NamedTuple):
    """Which features are taken of tokens and tracks; see `ProbeOptions`."""

    per: Per
    latents: TokenPart | None
    view: str | None
    cells: int


@dataclass
class VideoSet:
    """Features of one name.

    Parameters
    ----------
    of : object
        What they are of; files of one name must agree in it.
    parameters : dict
    videos : dict of FeatureRows
        By name.
    """

    of: object
    parameters: dict[str, JsonValue]
    videos: dict[str, FeatureRows] = field(default_factory=dict)


class GivenSets(NamedTuple):
    """What all files offer.

    Parameters
    ----------
    sets : dict of VideoSet
        By name; the first one's rows are those of the probe.
    raw_flow : VideoSet or None
        Of tracks.
    """

    sets: dict[str, VideoSet]
    raw_flow: VideoSet | None


def read_sets(files: Sequence[Path], how: How) -> GivenSets:
    """Read files of tokens, tracks and energies, one after the other.

    Raises
    ------
    SchemaError
        A file of another record; a video twice in one set; tokens of several tokenizers; latents that were not stored;
        several views and none named; energies of windows where steps are asked for, or the other way round.
    """
    from lapsdata.containers import Energies, Tokens, Tracks
    from lapsdata.formats import read

    found: dict[str, VideoSet] = {}
    for path in files:
        held = read(path)
        if isinstance(held, Tokens):
            _add_tokens(found, path, held, how)
        elif isinstance(held, Tracks):
            _add_tracks(found, path, held, how)
        elif isinstance(held, Energies):
            _add_energies(found, path, held, how)
        else:
            message = f"expected tokens, tracks or energies, got {type(held).__name__.lower()}"
            raise SchemaError(Problem("wrong-record", str(path), message, "name files that tell motion"))
    if not found:
        raise SchemaError(Problem("no-features", "features", "expected at least one file of features, got none"))
    flow = found.pop(RAW_FLOW, None)
    order = sorted(found, key=lambda name: (name != _TOKENS, name != TRACKS))
    return GivenSets({name: found[name] for name in order}, flow)


def _add_tokens(found: dict[str, VideoSet], path: Path, tokens: Tokens, how: How) -> None:
    part: TokenPart = how.latents or (
        "quantized" if tokens.quantized is not None else "prequant" if tokens.prequant is not None else "codes"
    )
    maker = tokens.header.tokenizer.checkpoint
    made = _set(found, path, _TOKENS, (part, maker), {"of": part, "tokenizer": maker})
    _put(made, path, tokens.header.video.name, lambda: token_features(tokens, part, how.per))


def _add_tracks(found: dict[str, VideoSet], path: Path, tracks: Tracks, how: How) -> None:
    name = tracks.header.video.name
    made = _set(found, path, TRACKS, None, {"of": "velocity of each point"})
    _put(made, path, name, lambda: track_features(tracks, how.per, how.view))
    flow = _set(found, path, RAW_FLOW, None, {"cells": how.cells})
    _put(flow, path, name, lambda: flow_grid(tracks, how.per, how.view, cells=how.cells))


def _add_energies(found: dict[str, VideoSet], path: Path, energies: Energies, how: How) -> None:
    header = energies.header
    if header.per != how.per:
        message = f"expected energies per {how.per}, got them per {header.per}"
        fix = f"measure others, or choose --per {header.per}"
        raise SchemaError(Problem("other-rows", str(path), message, fix))
    words = [header.source, header.mode, *(["residual"] if header.motion == "residual" else []), header.smoothing]
    name = " ".join(word for word in words if word)
    made = _set(found, path, name, header.tokenizer, {"source": header.source, "mode": header.mode})
    for number, video in enumerate(header.videos):
        _put(made, path, video, functools.partial(energy_features, energies, number))


def _set(found: dict[str, VideoSet], path: Path, name: str, of: object, parameters: dict[str, JsonValue]) -> VideoSet:
    made = found.setdefault(name, VideoSet(of, parameters))
    if made.of != of:
        message = f"expected {name} of one tokenizer and of one kind, got {of} beside {made.of}"
        raise SchemaError(Problem("other-tokenizer", str(path), message, "probe one after the other"))
    return made


def _put(made: VideoSet, path: Path, video: str, rows: Callable[[], FeatureRows]) -> None:
    if video in made.videos:
        message = f"expected each video once, got '{video}' in another file too"
        raise SchemaError(Problem("doubled-video", str(path), message))
    found = rows()
    widths = {one.value.shape[1] for one in (found, *made.videos.values())}
    if len(widths) > 1:
        message = f"expected as many features in each video, got {min(widths)} and {max(widths)}"
        fix = "encode or track all videos alike; --per step knows no length of windows"
        raise SchemaError(Problem("unlike-features", str(path), message, fix))
    made.videos[video] = found


def joined(span_s: Floats, rows: FeatureRows) -> Floats:
    """Return features as rows of other spans: those of the same time, else what lies in the middle of the span.

    Parameters
    ----------
    span_s : float64 (R, 2), seconds
    rows : FeatureRows
        Features of the same video.

    Returns
    -------
    float64 (R, D)
        NaN where there is nothing to take.
    """
    found = at_times(rows.span_s.mean(axis=1), rows.value, span_s.mean(axis=1))
    if len(rows.span_s):
        near = np.clip(np.searchsorted(rows.span_s[:, 0], span_s[:, 0] - _SAME_S), 0, len(rows.span_s) - 1)
        same = (np.abs(rows.span_s[near] - span_s) <= _SAME_S).all(axis=1)
        found[same] = rows.value[near[same]]
    return found
