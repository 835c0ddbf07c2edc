"""Demonstrations of robomimic, and of what writes its layout: Isaac Lab, LIBERO, MimicGen, RoboCasa.

    data                  attributes: total, env_args (JSON)
    data/demo_0           attributes: num_samples
    data/demo_0/actions   (N, A), and so on: obs/<name>, next_obs/<name>, states, rewards, dones, nested at will
    mask/train            names of demonstrations

A row is one step. How many are taken in a second is not in the layout: a simulation may say it in `env_args`.
"""

from __future__ import annotations

from lapsdata.adapters._adapter import Adapter, Writer
from lapsdata.adapters.robomimic.file import recognises
from lapsdata.adapters.robomimic.reading import read
from lapsdata.adapters.robomimic.writing import write

__all__ = ["PLUGIN", "read", "write"]

PLUGIN = Adapter(
    "robomimic",
    "Demonstrations of robomimic, Isaac Lab, LIBERO and MimicGen in HDF5",
    recognises,
    read,
    takes=frozenset({"rate", "strict"}),
    writer=Writer("episodes", write, frozenset({"root", "tell"})),
)
