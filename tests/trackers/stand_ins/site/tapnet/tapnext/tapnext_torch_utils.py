"""A stand-in of `tapnet.tapnext.tapnext_torch_utils`."""

from __future__ import annotations

import numpy as np
import torch


def restore_model_from_jax_checkpoint(model, ckpt_path):
    model.gain.data.copy_(torch.tensor(np.load(ckpt_path)["gain"]))
    return model
