"""What `torchrun` starts in each process: trainings of some options, into folders of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from lapsmodels.stages.train import train_tokenizer
from lapsmodels.stages.train_options import TrainStageOptions
from lapsmodels.training.ranks import joined

if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    with joined("cpu"):
        for name, told in json.loads(sys.argv[2]).items():
            options = TrainStageOptions.parse(json.dumps(told))
            train_tokenizer(sorted((folder / "tracks").iterdir()), folder / sys.argv[3] / name, options)
