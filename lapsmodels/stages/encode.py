"""From tracks to tokens: the windows of one video through a tokenizer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

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
    from lapsdata.schema.tracks import TracksHeader
    from lapsdata.transforms.track_speed import Motion
    from lapsmodels.tokenizer.checkpoint import Checkpoint
    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.training.motion import MotionCounts

__all__ = ["EncodedRows", "Latents", "PreparedRows", "VideoEncoder", "WindowEncoder", "encode_tracks"]

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


class PreparedRows(NamedTuple):
    """Windows as a model takes them."""

    velocities: Tensor
    """(W, V, T - 1, N, 2), where the model is"""
    counts: MotionCounts
    """What was made up for them"""


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
        return self.encode_prepared(self.prepare(tracks, vis))

    def prepare(self, tracks: NDArray[np.float32], vis: NDArray[np.bool_]) -> PreparedRows:
        """Return what `encode_prepared` takes; in any thread, and the same for each number of windows."""
        import torch

        from lapsmodels.training.motion import motion as motion_of

        with torch.no_grad():
            size = self._size.expand(len(tracks), -1, -1)
            xy, seen = (torch.from_numpy(array).to(self.device) for array in (tracks, vis))
            moved, counts = motion_of(xy, seen, size, self._config)
        return PreparedRows(moved.velocities, counts)

    def encode_prepared(self, prepared: PreparedRows) -> EncodedRows:
        """Encode windows whose velocities are known, and note what was made up for them."""
        import torch

        self.made_up.update({name: int(count) for name, count in prepared.counts._asdict().items()})
        velocities = prepared.velocities
        with torch.no_grad():
            rows = self._moving(velocities)
            if not len(rows):
                none = np.empty((0, self._config.length, self._config.width), np.float32)
                return EncodedRows(rows, np.empty(none.shape[:2], np.int32), none, none)
            if len(rows) < len(velocities):
                velocities = velocities[torch.from_numpy(rows).to(self.device)]
            encoded = self._model.encode(velocities)
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
    refuse_other_shapes(tracks.header, checkpoint)
    given = without_ego_motion(tracks) if motion == "residual" else tracks
    options: dict[str, Any] = {"latents": latents, "motion": motion, "gate_speed": gate_speed, "gate_share": gate_share}
    video = VideoEncoder(given.header, given.start_index, given.frame_s, checkpoint, **options)
    for first in range(0, len(tracks), batch):
        video.add(first, video.encoder.prepare(*windows_of(given, slice(first, first + batch), video.views)))
    return video.tokens(parents)


def windows_of(tracks: Tracks, rows: slice, views: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return windows of some views: tracks (W, V, T, N, 2) and vis (W, V, T, N)."""
    return (
        np.stack([tracks.tracks[view][rows] for view in views], axis=1),
        np.stack([tracks.vis[view][rows] for view in views], axis=1),
    )


class VideoEncoder:
    """The windows of one video, given in any parts that follow each other, to its tokens.

    Parameters
    ----------
    header : TracksHeader
    start_index : int64 (W,)
    frame_s : float64 (F,), seconds
        Of the tracks, as they are encoded.
    checkpoint, latents, motion, gate_speed, gate_share
        See `encode_tracks`; `motion` is what was done to the tracks.

    Raises
    ------
    SchemaError
        The tokenizer is made for other windows, points or views.

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
    >>> tracks, checkpoint = sample_tracks(windows=6), Checkpoint(MotionTokenizer(config).eval(), header)
    >>> video = VideoEncoder(tracks.header, tracks.start_index, tracks.frame_s, checkpoint)
    >>> for first in (0, 4):
    ...     video.add(first, video.encoder.prepare(*windows_of(tracks, slice(first, first + 4), video.views)))
    >>> video.tokens().codes.shape
    (6, 3)
    """

    def __init__(
        self,
        header: TracksHeader,
        start_index: NDArray[np.int64],
        frame_s: NDArray[np.float64],
        checkpoint: Checkpoint,
        *,
        latents: Latents = "quantized",
        motion: Motion = "raw",
        gate_speed: float | None = None,
        gate_share: float = 0.025,
    ) -> None:
        refuse_other_shapes(header, checkpoint)
        self._given, self._start_index, self._frame_s = header, start_index, frame_s
        self._about, self._latents, self._motion = checkpoint.header, latents, motion
        self.views = self._about.views
        """Names of the views, as the tokenizer takes them."""
        sizes = [FrameSize(width=one.width, height=one.height) for one in (header.views[v].size for v in self.views)]
        self.encoder = WindowEncoder(checkpoint, sizes, gate_speed=gate_speed, gate_share=gate_share)
        self._gates = gate_speed is not None
        self._told: dict[str, JsonValue] = {
            "latents": latents,
            "motion": motion,
            "gate_speed": gate_speed,
            "gate_share": gate_share,
            "device": self.encoder.device.type,
        }
        self._parts: list[EncodedRows] = []
        self._kept: list[NDArray[np.int64]] = []

    def __len__(self) -> int:
        """Return the number of windows W."""
        return len(self._start_index)

    def add(self, first: int, prepared: PreparedRows) -> None:
        """Encode the windows from number `first` on."""
        part = self.encoder.encode_prepared(prepared)
        self._kept.append(first + part.rows)
        if len(part.rows):
            self._parts.append(part)

    def tokens(self, parents: Sequence[Parent] = ()) -> Tokens:
        """Return the tokens of all windows.

        Raises
        ------
        SchemaError
            The gate leaves no window.
        """
        if not self._parts:
            message = f"expected at least one window in which something moves, got {len(self)} that the gate leaves out"
            fix = "lower gate_speed, or encode without a gate"
            raise SchemaError(Problem("all-gated", self._given.video.name, message, fix))
        starts = self._start_index[np.concatenate(self._kept)]
        return Tokens(
            self._header(starts, parents),
            np.concatenate([part.codes for part in self._parts]),
            starts,
            self._frame_s,
            prequant=np.concatenate([part.prequant for part in self._parts]) if self._latents == "both" else None,
            quantized=None if self._latents == "none" else np.concatenate([part.quantized for part in self._parts]),
        )

    def _header(self, starts: NDArray[np.int64], parents: Sequence[Parent]) -> TokensHeader:
        given, about = self._given, self._about
        gated = np.setdiff1d(self._start_index, starts)
        gated_starts = tuple(sorted((*given.gated_starts, *gated.tolist())))
        return TokensHeader(
            provenance=provenance("lapsmodels", parameters=self._told, parents=parents),
            policies=_policies(given, self.encoder.made_up, about.config, len(gated) if self._gates else None),
            video=given.video,
            horizon=given.horizon,
            stride=given.stride,
            rate=given.rate,
            streams=about.config.length // about.config.steps,
            latent=None if self._latents == "none" else about.config.width,
            tokenizer=Tokenizer(
                name=_NAME,
                version=_VERSION,
                parameters=about.config.as_json(),
                levels=about.config.levels,
                codes=about.config.codes,
                checkpoint=about.weights,
            ),
            motion=self._motion,
            gated_windows=len(gated_starts),
            gated_starts=gated_starts,
        )


def _policies(
    given: TracksHeader, made_up: Mapping[str, int], config: TokenizerConfig, gated: int | None
) -> dict[str, int]:
    """Count what was done to positions, and how many windows the gate has left out, if there was one.

    Steps that are not known are no motion; where all are, positions are made for them.
    """
    counts = {"still_steps": made_up["still"]} if config.seen_only or config.inside_only else {}
    # Where only what was seen counts, nothing comes of a position that was not given.
    if not config.seen_only:
        counts["held_positions"] = made_up["lost"]
    if not config.inside_only:
        counts["clipped_positions"] = made_up["outside"]
    camera = {name: count for name, count in given.policies.items() if name.startswith("ego_motion_")}
    return {**counts, **camera, **({} if gated is None else {"motion_gate": gated})}


def refuse_other_shapes(header: TracksHeader, checkpoint: Checkpoint) -> None:
    """Refuse tracks that a tokenizer is not made for.

    Raises
    ------
    SchemaError
        Other windows, points or views.
    """
    about = checkpoint.header
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
