"""Sizes and changes of latents, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from lapsdata.transforms.latent_energy import latent_change, latent_size


@pytest.mark.parametrize("streams", [1, 2, 3])
def test_streams_are_averaged_step_by_step(streams: int) -> None:
    latents = np.random.default_rng(0).normal(size=(4, 6 * streams, 5)).astype(np.float32)
    size, change = latent_size(latents, streams), latent_change(latents, streams)
    assert size.shape == (4, 6)
    assert change.shape == (4, 5)
    for w in range(4):
        for s in range(6):
            each = [np.linalg.norm(latents[w, v * 6 + s]) for v in range(streams)]
            assert size[w, s] == pytest.approx(np.mean(each), rel=1e-5)
        for s in range(5):
            each = [np.linalg.norm(latents[w, v * 6 + s + 1] - latents[w, v * 6 + s]) for v in range(streams)]
            assert change[w, s] == pytest.approx(np.mean(each), rel=1e-5)
