"""A state that training is resumed from: weights, moments of the optimiser, step and losses, in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.atomic import atomic_file
from lapsmodels.training.loop import begin

if TYPE_CHECKING:
    from os import PathLike

    from torch import Tensor

    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.training.loop import Training
    from lapsmodels.training.options import TrainOptions

__all__ = ["load_state", "save_state"]

_MODEL, _MOMENTS = "model/", "optimizer/"


def save_state(path: str | PathLike[str], training: Training, key: str) -> None:
    """Write a state, all or nothing, in place of an earlier one.

    Parameters
    ----------
    path : path-like
    training : Training
    key : str
        What the training depends on, in one word: the digest of options, model and windows.

    Raises
    ------
    StorageError
        It may not be written.

    Examples
    --------
    >>> import tempfile
    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> from lapsmodels.training.options import TrainOptions
    >>> config = TokenizerConfig(points=9, horizon=5, width=16, heads=2, head_width=8, levels=(5, 3))
    >>> path = Path(tempfile.mkdtemp()) / "state.safetensors"
    >>> save_state(path, begin(config, TrainOptions()), "key")
    >>> load_state(path, config, TrainOptions(), "key").step
    0
    >>> load_state(path, config, TrainOptions(), "another") is None
    True
    """
    from safetensors.torch import save

    tensors = {_MODEL + name: value for name, value in training.model.state_dict().items()}
    for number, moments in training.optimizer.state_dict()["state"].items():
        tensors |= {f"{_MOMENTS}{number}/{name}": value for name, value in moments.items()}
    about = {"key": key, "step": str(training.step), "losses": json.dumps(training.losses)}
    with atomic_file(Path(path), overwrite=True) as temporary:
        temporary.write_bytes(save({name: value.detach().contiguous() for name, value in tensors.items()}, about))


def load_state(path: str | PathLike[str], config: TokenizerConfig, options: TrainOptions, key: str) -> Training | None:
    """Read a state; None where there is none, or where it is that of another training.

    Raises
    ------
    CorruptDataError
        The file is damaged.

    Examples
    --------
    See `save_state`.

    >>> from lapsmodels.tokenizer.config import TokenizerConfig
    >>> from lapsmodels.training.options import TrainOptions
    >>> load_state("nowhere.safetensors", TokenizerConfig(), TrainOptions(), "key") is None
    True
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).exists():
        return None
    try:
        with safe_open(str(path), "pt") as stored:
            about = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        message = f"the state of the training is damaged: {error}"
        raise CorruptDataError(Problem("damaged", str(path), message, "remove it, and train anew")) from error
    if about.get("key") != key:
        return None
    training = begin(config, options)
    training.model.load_state_dict(_under(tensors, _MODEL))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _under(tensors, _MOMENTS).items():
        number, _, part = name.partition("/")
        moments.setdefault(int(number), {})[part] = value
    training.optimizer.load_state_dict({**training.optimizer.state_dict(), "state": moments})
    training.step, training.losses = int(about["step"]), json.loads(about["losses"])
    return training


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
