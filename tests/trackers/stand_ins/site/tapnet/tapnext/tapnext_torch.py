"""A stand-in of `tapnet.tapnext.tapnext_torch`: its names, signatures and shapes, and a model that sees shifts."""

from __future__ import annotations

import dataclasses

import torch
from seen_motion import shift

VISIBLE = [4.0]
"""Logit of points in the picture; those outside have -6."""
CALLS = []
"""Every call: its video and queries."""


@dataclasses.dataclass
class TAPNextTrackingState:
    step: int
    query_points: torch.Tensor
    hidden_state: list | None = None


class TAPNext(torch.nn.Module):
    def __init__(self, image_size, **others):
        super().__init__()
        assert (image_size, others) == ((256, 256), {})
        self.gain = torch.nn.Parameter(torch.zeros(()))

    def forward(self, video, query_points=None, state=None):
        assert not self.training
        assert not torch.is_grad_enabled()
        assert (query_points is None) == (state is not None)
        assert video.dtype == torch.float32
        assert video.shape[:2] == (1, 1)
        assert video.shape[2] == video.shape[3]
        assert video.shape[4] == 3
        assert float(video.min()) >= -1 - 1e-5
        assert float(video.max()) <= 1 + 1e-5
        CALLS.append((video, query_points))
        red = video[0, 0, ..., 0].numpy() * 127.5
        if state is None:
            assert (query_points[..., 0] == 0).all()
            state = TAPNextTrackingState(0, query_points, [red])
        across, down = shift(state.hidden_state[0], red) * (256 / video.shape[2])
        # (t, y, x) is asked, (y, x) is answered.
        truth = state.query_points[:, None, :, 1:] + self.gain.detach() * torch.tensor([down, across]).float()
        inside = ((truth > 0) & (truth < 256)).all(dim=-1, keepdim=True)
        # Positions are means of bins.
        tracks = truth.clamp(0.5, 255.5)
        logits = torch.where(inside, VISIBLE[0], -6.0)
        state = TAPNextTrackingState(state.step + 1, state.query_points, state.hidden_state)
        return tracks, None, logits, state
