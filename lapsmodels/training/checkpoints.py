"""The states that a training has left on its way: the newest few, and the one that was judged best.

Each is a folder, `step-00000400`: a tokenizer that can be used, and all that training goes on from::

    weights.safetensors  tokenizer.json    as `load_tokenizer` reads it
    state.safetensors                      weights, moments of the optimiser, averages, counts, losses
    progress.json                          epoch, step, learning rate, state of the loader

`checkpoints.json` beside them names the newest and the best.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, JsonValue

from lapsdata.errors import CorruptDataError, LapsError, Problem
from lapsdata.schema.base import Count, Digest, Name, Positive, Record
from lapsdata.storage.atomic import atomic_file, atomic_folder, storage_errors
from lapsdata.storage.sealed_json import read_sealed_json, sealed_json
from lapsmodels.tokenizer.checkpoint import tokenizer_files, weights_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from lapsmodels.tokenizer.checkpoint import TokenizerHeader
    from lapsmodels.tokenizer.model import MotionTokenizer

__all__ = ["CHECKPOINTS", "Checkpoints", "Left", "Progress"]

CHECKPOINTS = "checkpoints"
"""Their folder in that of a training."""

_STATE, _PROGRESS, _NAMES = "state.safetensors", "progress.json", "checkpoints.json"


class Progress(Record):
    """How far a training had come when it left a state."""

    format: Literal["lapsdata.training_progress"] = "lapsdata.training_progress"
    """Which record this is."""
    key: str
    """What the training depends on: options, code, model, windows."""
    step: Count
    """Steps of the optimiser that are done."""
    steps: Positive
    """Steps that are planned."""
    epoch: Annotated[float, Field(ge=0)]
    """Epochs that are done."""
    rate: Annotated[float, Field(ge=0)]
    """Learning rate of the last step."""
    loader: dict[str, JsonValue]
    """Where the loader stands; see `lapsdata.Loader.load_state_dict`."""
    state: Digest
    """SHA-256 of the file of the state."""


class Left(Record):
    """Names of the states that were left."""

    format: Literal["lapsdata.training_checkpoints"] = "lapsdata.training_checkpoints"
    """Which record this is."""
    last: Name
    """The newest."""
    best: Name | None = None
    """The one with the lowest score; null while none was judged."""
    best_score: float | None = None
    """Its score."""
    between: Name | None = None
    """The newest, where it was not due but the training was stopped at it; removed when another is left."""


class Checkpoints:
    """The states in a folder.

    Parameters
    ----------
    folder : Path
        Made when the first one is saved.
    keep : int
        How many of the newest stay, beside the best.

    Raises
    ------
    CorruptDataError
        `checkpoints.json` is damaged.

    Examples
    --------
    >>> import pathlib
    >>> Checkpoints(pathlib.Path("nowhere"), keep=2).left is None
    True
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder, self._keep = folder, keep
        names = folder / _NAMES
        self.left: Left | None = read_sealed_json(names, Left) if names.exists() else None

    def place(self, name: str) -> Path:
        """Return the folder of a state."""
        return self._folder / name

    def save(
        self,
        model: MotionTokenizer,
        header: TokenizerHeader,
        tensors: dict[str, Tensor],
        progress: Progress,
        score: float | None = None,
        *,
        due: bool = True,
    ) -> Path:
        """Leave a state, then remove those that are neither among the newest nor the best.

        One that is not due stays until another is left, and takes the place of none: a training that was stopped leaves
        the same states in the end as one that was not.

        Parameters
        ----------
        model, header
            The tokenizer as it is now.
        tensors : dict of Tensor
            All that training goes on from.
        progress : Progress
            Its digest is set here.
        score : float, optional
            How it was judged; less is better.
        due : bool
            Whether it is one that every training leaves.

        Raises
        ------
        StorageError
            The file system refused.
        """
        from safetensors.torch import save

        name = f"step-{progress.step:08d}"
        data = save({key: value.detach().cpu().contiguous() for key, value in tensors.items()})
        told = progress.model_copy(update={"state": weights_digest(data)})
        files, _ = tokenizer_files(model, header)
        with storage_errors(self._folder, "make the folder"):
            self._folder.mkdir(parents=True, exist_ok=True)
        with atomic_folder(self.place(name), overwrite=True) as folder:
            for file, content in {**files, _STATE: data, _PROGRESS: sealed_json(told)}.items():
                (folder / file).write_bytes(content)
        self._name(name, score, due=due)
        return self.place(name)

    def _name(self, name: str, score: float | None, *, due: bool) -> None:
        before = self.left
        best, best_score = (None, None) if before is None else (before.best, before.best_score)
        if score is not None and (best_score is None or score < best_score):
            best, best_score = name, score
        self.left = Left(last=name, best=best, best_score=best_score, between=None if due else name)
        with atomic_file(self._folder / _NAMES, overwrite=True) as temporary:
            temporary.write_bytes(sealed_json(self.left))
        states = sorted(item for item in self._folder.iterdir() if item.name.startswith("step-"))
        passed = [item for item in states if before is not None and item.name == before.between]
        states = [item for item in states if item not in passed]
        for item in [*passed, *(states[: -self._keep] if due else ())]:
            if item.name not in (name, best):
                with storage_errors(item, "remove"):
                    shutil.rmtree(item)

    def progress(self) -> Progress | None:
        """Return how far the newest state had come, None where there is none.

        Raises
        ------
        CorruptDataError
            It is damaged.
        """
        if self.left is None:
            return None
        folder = self.place(self.left.last)
        with self._told_as_damage(folder):
            return read_sealed_json(folder / _PROGRESS, Progress)

    def load(self) -> tuple[Progress, dict[str, Tensor]] | None:
        """Return the newest state, None where there is none.

        Raises
        ------
        CorruptDataError
            It is damaged: names what stands beside it.
        """
        from safetensors.torch import load

        progress = self.progress()
        if self.left is None or progress is None:
            return None
        folder = self.place(self.left.last)
        with self._told_as_damage(folder), storage_errors(folder, "open"):
            data = (folder / _STATE).read_bytes()
        if weights_digest(data) != progress.state:
            message = "the state of the training is damaged: it is not what was written"
            raise CorruptDataError(Problem("damaged", str(folder / _STATE), message, _again(folder)))
        return progress, load(data)

    @staticmethod
    @contextlib.contextmanager
    def _told_as_damage(folder: Path) -> Iterator[None]:
        try:
            yield
        except LapsError as error:
            message = f"the state of the training is damaged: {error}"
            raise CorruptDataError(Problem("damaged", str(folder), message, _again(folder))) from error


def _again(folder: Path) -> str:
    return f"copy {folder} again, or train anew: --force"
