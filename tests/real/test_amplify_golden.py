"""The motion tokenizer against what AMPLIFY itself computed, weights and all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import torch

from lapsdata.geometry import FrameSize, pixel_to_amplify
from lapsmodels.tokenizer.amplify import from_amplify
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.tokenizer.losses import displacement_classes, displacement_loss, displacements
from lapsmodels.tokenizer.model import MotionTokenizer

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("one_view_diag", "per_view_full", "two_views_causal")


class Golden(NamedTuple):
    """A configuration of theirs and ours, and their arrays."""

    told: dict[str, Any]
    config: TokenizerConfig
    arrays: dict[str, Any]

    def tensor(self, name: str) -> torch.Tensor:
        return torch.tensor(self.arrays[name])


@pytest.fixture(scope="module", params=NAMES)
def golden(request: pytest.FixtureRequest, real_data: Path) -> Golden:
    told = json.loads((real_data / "amplify_golden" / f"{request.param}.json").read_text())
    theirs = told["config"]
    config = TokenizerConfig(
        views=len(theirs["cond_cameraviews"]),
        points=theirs["num_tracks"],
        horizon=theirs["track_pred_horizon"],
        width=theirs["hidden_dim"],
        heads=theirs["num_heads"],
        encoder_layers=theirs["num_layers"],
        decoder_layers=theirs["num_layers"] // 2,
        head_width=theirs["decoder_mlp_hidden_dim"],
        levels=tuple(told["fsq_levels"]),
        attention={True: "causal", False: "full", "diag": "step"}[theirs["causal_encoder"]],
        per_view=theirs["per_view"],
        class_size=tuple(theirs["loss"]["cls_img_size"]),
    )
    with np.load(real_data / "amplify_golden" / f"{request.param}.npz") as stored:
        return Golden(told, config, dict(stored))


@pytest.fixture(scope="module")
def model(golden: Golden) -> MotionTokenizer:
    model = MotionTokenizer(golden.config).eval()
    state = {name.removeprefix("state/"): golden.tensor(name) for name in golden.arrays if name.startswith("state/")}
    model.load_state_dict(from_amplify(state))
    assert sum(weight.numel() for weight in model.parameters()) == golden.told["num_params"]
    return model


def test_positions_and_velocities(golden: Golden) -> None:
    height, width = golden.told["config"]["img_shape"]
    xy = np.ascontiguousarray(golden.arrays["pixel_tracks_row_col"][..., ::-1])
    ours = pixel_to_amplify(xy, FrameSize(width=width, height=height), outside="clip", lost="zero").row_col
    np.testing.assert_allclose(ours, golden.arrays["traj_normalised"], atol=1e-6)
    np.testing.assert_allclose(np.diff(ours, axis=2), golden.arrays["velocities"], atol=1e-6)


def test_encoded(golden: Golden, model: MotionTokenizer) -> None:
    with torch.no_grad():
        encoded = model.encode(golden.tensor("velocities"))
    np.testing.assert_allclose(encoded.prequant.numpy(), golden.arrays["z"], atol=1e-5)
    np.testing.assert_allclose(encoded.quantized.numpy(), golden.arrays["quantised"], atol=1e-6)
    np.testing.assert_array_equal(encoded.codes.numpy(), golden.arrays["indices"])
    assert len(np.unique(golden.arrays["indices"])) > 5


def test_decoded(golden: Golden, model: MotionTokenizer) -> None:
    with torch.no_grad():
        logits = model.decode(golden.tensor("quantised"))
    np.testing.assert_allclose(logits.flatten(1, 3).numpy(), golden.arrays["logits"], atol=1e-5)
    moved = displacements(logits, golden.config.class_size, golden.config.reach)
    np.testing.assert_allclose(moved.numpy(), golden.arrays["recon_velocities"], atol=1e-6)


def test_loss(golden: Golden) -> None:
    classes = displacement_classes(golden.tensor("traj_normalised"), golden.config.class_size, golden.config.reach)
    np.testing.assert_array_equal(classes.numpy(), golden.arrays["class_targets"])
    theirs = golden.told["config"]
    weights = torch.tensor([theirs["loss"]["loss_weights"][view] for view in theirs["cond_cameraviews"]])
    logits = golden.tensor("logits").view(*classes.shape, golden.config.classes)
    assert float(displacement_loss(logits, classes, weights)) == pytest.approx(golden.told["loss"], rel=1e-6)
