"""From tracks to tokens: the windows of one video through a tokenizer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lapsdata.containers.tokens import Tokens
from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import FrameSize
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

__all__ = ["EncodedRows", "Latents", "WindowEncoder", "encode_tracks"]

Latents = Literal["none", "quantized", "both"]
"""Which latents are stored beside the codes."""

# Changes of these change what the same weights make of the same tracks.
_NAME, _VERSION = "motion_tokenizer", "2"


class EncodedRows(NamedTuple):
    """What some windows are encoded to.

    Parameters
    ----------
    rows : int64 (R,)
        Which of the windows a gate has not left out, rising.
    codes : int32 (R, L)
    quantized, prequant : float32 (R, L, D)
        Latents after and before quantisation.

    Examples
    --------
    >>> EncodedRows._fields
    ('rows', 'codes', 'quantized', 'prequant')
    """

    rows: NDArray[np.int64]
    codes: NDArray[np.int32]
    quantized: NDArray[np.float32]
    prequant: NDArray[np.float32]


class WindowEncoder:
    """Encodes windows of one video, as many at a time as there are: the codes are the same.

    Parameters
    ----------
    checkpoint : Checkpoint
    sizes : sequence of FrameSize
        Frame of each view, in the order of the tokenizer's.
    gate_speed, gate_share : float
        As `encode_tracks`.

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> from lapsdata.testing.samples import sample_provenance
    >>> from lapsmodels.tokenizer.checkpoint import Checkpoint, TokenizerHeader, weights_digest
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> from lapsmodels.tokenizer.model import MotionTokenizer
    >>> config = TokenizerConfig(points=5, horizon=4, width=16, heads=2, head_width=8, levels=(5, 3))
    >>> header = TokenizerHeader(
    ...     provenance=sample_provenance(), config=config, views=("default",), weights=weights_digest(b"")
    ... )
    >>> encoder = WindowEncoder(Checkpoint(MotionTokenizer(config).eval(), header), [FrameSize(width=64, height=48)])
    >>> encoder.encode(np.zeros((2, 1, 4, 5, 2), np.float32), np.ones((2, 1, 4, 5), bool)).codes.shape
    (2, 3)
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        sizes: Sequence[FrameSize],
        *,
        gate_speed: float | None = None,
        gate_share: float = 0.025,
    ) -> None:
        import torch

        self._model, self._config = checkpoint.model, checkpoint.header.config
        self.device = next(self._model.parameters()).device
        """Where windows are encoded: where the model is."""
        self._size = torch.tensor([[float(one.width), float(one.height)] for one in sizes], device=self.device)
        self._gate_speed, self._gate_share = gate_speed, gate_share
        self.made_up = Counter[str]()
        """Positions and steps that were made up so far; see `lapsmodels.training.motion.MotionCounts`."""

    def encode(self, tracks: NDArray[np.float32], vis: NDArray[np.bool_]) -> EncodedRows:
        """Encode windows: tracks float32 (W, V, T, N, 2) in pixel xy, and vis bool (W, V, T, N)."""
        import torch

        from lapsmodels.training.motion import motion as motion_of

        with torch.no_grad():
            size = self._size.expand(len(tracks), -1, -1)
            xy, seen = (torch.from_numpy(array).to(self.device) for array in (tracks, vis))
            moved, counts = motion_of(xy, seen, size, self._config)
            self.made_up.update({name: int(count) for name, count in counts._asdict().items()})
            rows = self._moving(moved.velocities)
            if not len(rows):
                none = np.empty((0, self._config.length, self._config.width), np.float32)
                return EncodedRows(rows, np.empty(none.shape[:2], np.int32), none, none)
            encoded = self._model.encode(moved.velocities[torch.from_numpy(rows).to(self.device)])
            codes, quantized, prequant = (part.cpu().numpy() for part in encoded)
        return EncodedRows(rows, codes.astype(np.int32, copy=False), quantized, prequant)

    def _moving(self, velocities: Tensor) -> NDArray[np.int64]:
        """Return the windows in which something moves; all of them without a gate."""
        if self._gate_speed is None:
            return np.arange(len(velocities))
        return np.flatnonzero(
            ~gated_by_motion(velocities.cpu().numpy(), speed=self._gate_speed, share=self._gate_share)
        )


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
    about = checkpoint.header
    _refuse_other_shapes(tracks, checkpoint)
    given = without_ego_motion(tracks) if motion == "residual" else tracks
    sizes = [FrameSize(width=one.width, height=one.height) for one in (given.header.views[v].size for v in about.views)]
    encoder = WindowEncoder(checkpoint, sizes, gate_speed=gate_speed, gate_share=gate_share)
    parts, kept = [], []
    for first in range(0, len(tracks), batch):
        rows = slice(first, first + batch)
        part = encoder.encode(
            np.stack([given.tracks[view][rows] for view in about.views], axis=1),
            np.stack([given.vis[view][rows] for view in about.views], axis=1),
        )
        kept.append(first + part.rows)
        if len(part.rows):
            parts.append(part)
    if not parts:
        message = f"expected at least one window in which something moves, got {len(tracks)} that the gate leaves out"
        fix = "lower gate_speed, or encode without a gate"
        raise SchemaError(Problem("all-gated", tracks.header.video.name, message, fix))
    codes, quantized, prequant = (np.concatenate([part[k] for part in parts]) for k in range(1, 4))
    told: dict[str, JsonValue] = {
        "latents": latents,
        "motion": motion,
        "gate_speed": gate_speed,
        "gate_share": gate_share,
        "device": encoder.device.type,
    }
    starts = tracks.start_index[np.concatenate(kept)]
    gated = np.setdiff1d(tracks.start_index, starts)
    gated_starts = tuple(sorted((*tracks.header.gated_starts, *gated.tolist())))
    header = TokensHeader(
        provenance=provenance("lapsmodels", parameters=told, parents=parents),
        policies=_policies(given, encoder.made_up, about.config, len(gated) if gate_speed is not None else None),
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
        motion=motion,
        gated_windows=len(gated_starts),
        gated_starts=gated_starts,
    )
    return Tokens(
        header,
        codes,
        starts,
        tracks.frame_s,
        prequant=prequant if latents == "both" else None,
        quantized=None if latents == "none" else quantized,
    )


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
