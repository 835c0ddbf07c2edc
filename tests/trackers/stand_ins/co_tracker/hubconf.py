"""A stand-in of `facebookresearch/co-tracker`: its names, signatures and shapes, and a model that sees whole shifts.

It refuses what upstream would misread, and has upstream's scale of brightness: 2 * video / 255 - 1, in steps of 1/255,
so that video of 0 to 1 is black to it.
"""

from __future__ import annotations

import numpy as np
import torch
from seen_motion import shift

CALLS = []
"""Every call: the name of the predictor, the shape of its video, whether it is a first step."""


class _Model(torch.nn.Module):
    """Weights of one number: 0 stands still, 1 moves as the picture does."""

    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.zeros(()))

    def forward(self, video, queries):
        assert video.dtype == queries.dtype == torch.float32
        assert video.ndim == 5
        assert video.shape[2] == 3
        assert float(video.min()) >= 0
        assert float(video.max()) <= 255
        assert queries.shape[::2] == (len(video), 3)
        assert (queries[..., 0] == 0).all()
        seen = torch.floor((2 * (video / 255.0) - 1.0 + 1) * 127.5 + 0.25).numpy()
        height, width = video.shape[3:]
        moved = np.array([[shift(one[0, 0], later[0]).round() for later in one] for one in seen])
        tracks = queries[:, None, :, 1:] + self.gain.detach() * torch.from_numpy(moved[:, :, None]).float()
        inside = (tracks > -0.5) & (tracks < torch.tensor([width, height]) - 0.5)
        return tracks, inside.all(dim=-1)


class CoTrackerPredictor(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = _Model()

    @torch.no_grad()
    def forward(
        self,
        video,
        queries=None,
        segm_mask=None,
        grid_size=0,
        grid_query_frame=0,
        backward_tracking=False,
    ):
        assert (segm_mask, grid_size, grid_query_frame, backward_tracking) == (None, 0, 0, False)
        CALLS.append(("offline", tuple(video.shape), False))
        tracks, vis = self.model(video, queries)
        # Queries come back as they were given, whatever the model says.
        return tracks, vis


class CoTrackerOnlinePredictor(torch.nn.Module):
    """Keeps what it has seen; a chunk may hold two steps, and begins one step after the chunk before it."""

    def __init__(self, step):
        super().__init__()
        self.step = step
        self.model = _Model()

    @torch.no_grad()
    def forward(
        self,
        video_chunk,
        is_first_step=False,
        queries=None,
        segm_mask=None,
        grid_size=10,
        grid_query_frame=0,
        add_support_grid=False,
    ):
        assert (segm_mask, grid_query_frame, add_support_grid) == (None, 0, False)
        CALLS.append(("online", tuple(video_chunk.shape), is_first_step))
        assert video_chunk.shape[1] <= 2 * self.step
        if is_first_step:
            self.queries, self.video = queries, None
            return (None, None)
        if self.video is None:
            self.video = video_chunk
        else:
            assert video_chunk.shape[1] > self.step, "a chunk without a frame that is new"
            # Frames that were seen before come once more: were they others, the chunks would lie elsewhere.
            assert torch.equal(self.video[:, -self.step :], video_chunk[:, : self.step])
            self.video = torch.cat([self.video, video_chunk[:, self.step :]], dim=1)
        return self.model(self.video, self.queries)


def _filled(predictor, pretrained):
    if pretrained:
        predictor.model.load_state_dict({"gain": torch.ones(())})
    return predictor


def cotracker3_offline(*, pretrained=True, **kwargs):
    return _filled(CoTrackerPredictor(), pretrained)


def cotracker3_online(*, pretrained=True, **kwargs):
    return _filled(CoTrackerOnlinePredictor(8), pretrained)


def cotracker2(*, pretrained=True, **kwargs):
    return _filled(CoTrackerPredictor(), pretrained)


def cotracker2_online(*, pretrained=True, **kwargs):
    return _filled(CoTrackerOnlinePredictor(4), pretrained)
