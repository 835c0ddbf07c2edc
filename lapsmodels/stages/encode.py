"""From tracks to tokens: the windows of one video through a tokenizer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

import numpy as np

from lapsdata.containers.tokens import Tokens
from lapsdata.errors import Problem, SchemaError
from lapsdata.provenance import provenance
from lapsdata.schema.tokens import Tokenizer, TokensHeader
from lapsdata.transforms.ego_motion import without_ego_motion
from lapsdata.transforms.gates import gated_by_motion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue
    from torch import Tensor

    from lapsdata.containers.tracks import Tracks
    from lapsdata.schema.base import Parent
    from lapsdata.transforms.track_speed import Motion
    from lapsmodels.tokenizer.checkpoint import Checkpoint
    from lapsmodels.tokenizer.config import TokenizerConfig

__all__ = ["Latents", "encode_tracks"]

Latents = Literal["none", "quantized", "both"]
"""Which latents are stored beside the codes."""

# Changes of these change what the same weights make of the same tracks.
_NAME, _VERSION = "motion_tokenizer", "2"


def encode_tracks(
    tracks: Tracks,
    checkpoint: Checkpoint,
    *,
    latents: Latents = "quantized",
    motion: Motion = "raw",
    gate_speed: float | None = None,
    gate_share: float = 0.025,
    batch: int = 64,
    parents: Sequence[Parent] = (),
) -> Tokens:
    """Encode the windows of one video.

    Parameters
    ----------
    tracks : Tracks
    checkpoint : Checkpoint
        See `lapsmodels.tokenizer.checkpoint.load_tokenizer`; windows are encoded where the model is.
    latents : {"none", "quantized", "both"}
        `both` stores the latents before quantisation too.
    motion : {"raw", "residual"}
        `residual` encodes tracks without the motion of the camera; see `lapsdata.transforms.ego_motion`.
    gate_speed : float, optional
        Leave out windows whose points stand still, before they are encoded; see `lapsdata.transforms.gates`.
    gate_share : float
        Of the same rule.
    batch : int
        Windows at a time.
    parents : sequence of Parent, optional
        The files of tracks and tokenizer.

    Raises
    ------
    SchemaError
        The tokenizer is made for other windows, points or views; or the gate leaves no window.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_provenance, sample_tracks
    >>> from lapsmodels.tokenizer.checkpoint import Checkpoint, TokenizerHeader, weights_digest
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> from lapsmodels.tokenizer.model import MotionTokenizer
    >>> config = TokenizerConfig(points=5, horizon=4, width=16, heads=2, head_width=8, levels=(5, 3))
    >>> header = TokenizerHeader(
    ...     provenance=sample_provenance(), config=config, views=("default",), weights=weights_digest(b"")
    ... )
    >>> tokens = encode_tracks(sample_tracks(windows=6), Checkpoint(MotionTokenizer(config).eval(), header))
    >>> tokens.codes.shape, tokens.header.tokenizer.codes
    ((6, 3), 15)
    """
    import torch

    from lapsmodels.training.motion import motion as motion_of

    model, about = checkpoint
    device = next(model.parameters()).device
    _refuse_other_shapes(tracks, checkpoint)
    given = without_ego_motion(tracks) if motion == "residual" else tracks
    parts, made_up, kept = [], Counter[str](), []
    with torch.no_grad():
        for first in range(0, len(tracks), batch):
            xy, vis, size = (part.to(device) for part in _windows(given, about.views, slice(first, first + batch)))
            moved, counts = motion_of(xy, vis, size, about.config)
            made_up.update({name: int(count) for name, count in counts._asdict().items()})
            rows = _moving(moved.velocities, gate_speed, gate_share)
            kept.append(first + rows)
            if len(rows):
                moving = moved.velocities[torch.from_numpy(rows).to(device)]
                parts.append([part.cpu().numpy() for part in model.encode(moving)])
    if not parts:
        message = f"expected at least one window in which something moves, got {len(tracks)} that the gate leaves out"
        fix = "lower gate_speed, or encode without a gate"
        raise SchemaError(Problem("all-gated", tracks.header.video.name, message, fix))
    codes, quantized, prequant = (np.concatenate([part[k] for part in parts]) for k in range(3))
    told: dict[str, JsonValue] = {
        "latents": latents,
        "motion": motion,
        "gate_speed": gate_speed,
        "gate_share": gate_share,
        "device": device.type,
    }
    starts = tracks.start_index[np.concatenate(kept)]
    gated = np.setdiff1d(tracks.start_index, starts)
    gated_starts = tuple(sorted((*tracks.header.gated_starts, *gated.tolist())))
    header = TokensHeader(
        provenance=provenance("lapsmodels", parameters=told, parents=parents),
        policies=_policies(given, made_up, about.config, len(gated) if gate_speed is not None else None),
        video=tracks.header.video,
        horizon=tracks.header.horizon,
        stride=tracks.header.stride,
        rate=tracks.header.rate,
        streams=about.config.length // about.config.steps,
        latent=None if latents == "none" else about.config.width,
        tokenizer=Tokenizer(
            name=_NAME,
            version=_VERSION,
            parameters=about.config.as_json(),
            levels=about.config.levels,
            codes=about.config.codes,
            checkpoint=about.weights,
        ),
        gated_windows=len(gated_starts),
        gated_starts=gated_starts,
    )
    return Tokens(
        header,
        codes.astype(np.int32, copy=False),
        starts,
        tracks.frame_s,
        prequant=prequant if latents == "both" else None,
        quantized=None if latents == "none" else quantized,
    )


def _windows(tracks: Tracks, views: Sequence[str], rows: slice) -> tuple[Tensor, Tensor, Tensor]:
    """Return tracks, vis and size of some windows; see `lapsmodels.training.motion.motion`."""
    import torch

    xy = torch.stack([torch.tensor(tracks.tracks[view][rows]) for view in views], dim=1)
    vis = torch.stack([torch.tensor(tracks.vis[view][rows]) for view in views], dim=1)
    sizes = [tracks.header.views[view].size for view in views]
    size = torch.tensor([[float(one.width), float(one.height)] for one in sizes])
    return xy, vis, size.expand(len(xy), -1, -1)


def _moving(velocities: Tensor, gate_speed: float | None, gate_share: float) -> NDArray[np.int64]:
    """Return the windows in which something moves; all of them without a gate."""
    if gate_speed is None:
        return np.arange(len(velocities))
    return np.flatnonzero(~gated_by_motion(velocities.cpu().numpy(), speed=gate_speed, share=gate_share))


def _policies(given: Tracks, made_up: Mapping[str, int], config: TokenizerConfig, gated: int | None) -> dict[str, int]:
    """Count what was done to positions, and how many windows the gate has left out, if there was one.

    Steps that are not known are no motion; where all are, positions are made for them.
    """
    counts = {"still_steps": made_up["still"]} if config.seen_only or config.inside_only else {}
    # Where only what was seen counts, nothing comes of a position that was not given.
    if not config.seen_only:
        counts["held_positions"] = made_up["lost"]
    if not config.inside_only:
        counts["clipped_positions"] = made_up["outside"]
    camera = {name: count for name, count in given.header.policies.items() if name.startswith("ego_motion_")}
    return {**counts, **camera, **({} if gated is None else {"motion_gate": gated})}


def _refuse_other_shapes(tracks: Tracks, checkpoint: Checkpoint) -> None:
    about, header = checkpoint.header, tracks.header
    missing = [view for view in about.views if view not in header.views]
    if missing:
        message = f"expected the views {', '.join(about.views)}, got {', '.join(sorted(header.views))}"
        fix = "track them under the names that the tokenizer was trained with (--view)"
        raise SchemaError(Problem("wrong-views", header.video.name, message, fix))
    points = {header.views[view].points for view in about.views}
    got = header.horizon, *sorted(points)
    if got != (about.config.horizon, about.config.points):
        message = (
            f"the tokenizer takes windows of {about.config.horizon} frames and {about.config.points} points, "
            f"got {header.horizon} and {', '.join(map(str, sorted(points)))}"
        )
        fix = f"track with --horizon {about.config.horizon} --points {about.config.points}, or train another tokenizer"
        raise SchemaError(Problem("wrong-shape", header.video.name, message, fix))
