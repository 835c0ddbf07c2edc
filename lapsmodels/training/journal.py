"""What a training tells while it goes on: a line of JSON each time, and whatever logger is asked for beside."""

from __future__ import annotations

import importlib
import json
import math
import os
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from lapsdata import console
from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.storage.atomic import atomic_file, storage_errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import TextIO

__all__ = ["LOG", "Journal", "Logger", "require_loggers"]

Logger = Literal["tensorboard", "wandb"]
"""What tells beside the lines of JSON."""

LOG = "log.jsonl"

_EXTRA = "pip install 'lapsdata[log]'"
_MODULES: dict[Logger, str] = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb"}


class Journal:
    r"""Writes lines of `log.jsonl`, each `{"kind": ..., "step": ..., ...}`, and hands their numbers to loggers.

    A training that goes on from a step first takes back the lines behind it: no step stands there twice.

    Parameters
    ----------
    folder : Path or None
        None writes nothing: of several processes, one tells.
    step : int
        From which training goes on.
    loggers : sequence of {"tensorboard", "wandb"}
    about : mapping
        What is trained, for loggers that keep it.

    Raises
    ------
    SchemaError
        A logger that is not installed.
    CorruptDataError
        A line that is no JSON, other than the last one.
    StorageError
        The file system refused.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with Journal(folder, 0, (), {}) as journal:
    ...     journal.tell("step", 1, {"loss": 5.4})
    >>> (folder / LOG).read_text()
    '{"kind": "step", "step": 1, "loss": 5.4}\n'
    """

    def __init__(self, folder: Path | None, step: int, loggers: Sequence[Logger], about: Mapping[str, Any]) -> None:
        self._path = None if folder is None else folder / LOG
        self._others: list[_Other] = [] if folder is None else [_OPENED[name](folder, about) for name in loggers]
        self._file: TextIO | None = None
        if self._path is not None:
            _take_back(self._path, step)

    def __enter__(self) -> Self:
        if self._path is not None:
            with storage_errors(self._path, "write"):
                self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        for other in self._others:
            other.close()

    def tell(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Write a line; numbers of it, also within records, go to the loggers as `kind/name`.

        Raises
        ------
        StorageError
            The file system refused.
        """
        if self._file is not None and self._path is not None:
            with storage_errors(self._path, "write"):
                self._file.write(json.dumps({"kind": kind, "step": step, **values}, allow_nan=False) + "\n")
                self._file.flush()
        numbers = _numbers(kind, values)
        for other in self._others:
            other.numbers(step, numbers)

    def picture(self, step: int, path: Path) -> None:
        """Hand a picture that was written to the loggers."""
        for other in self._others:
            other.picture(step, path)


def require_loggers(loggers: Sequence[Logger]) -> None:
    """Refuse loggers that are not installed, before anything is done.

    Raises
    ------
    SchemaError
        Names the first one that is missing, and what to install.
    """
    for name in loggers:
        _module(_MODULES[name], name)


def _take_back(path: Path, step: int) -> None:
    """Remove the lines of later steps, and a last one that was cut short."""
    if not path.exists():
        return
    with storage_errors(path, "open"):
        lines = path.read_text(encoding="utf-8").splitlines()
    kept = []
    for number, line in enumerate(lines):
        try:
            told = json.loads(line)
        except ValueError as error:
            if number == len(lines) - 1:
                break
            message = f"expected a line of JSON, got another: {error}"
            fix = "move the file away to begin another"
            raise CorruptDataError(Problem("damaged", f"{path}: line {number + 1}", message, fix)) from error
        if told["step"] <= step:
            kept.append(line)
    if len(kept) < len(lines):
        with atomic_file(path, overwrite=True) as temporary:
            temporary.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def _numbers(prefix: str, values: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _numbers(f"{prefix}/{name}", value)
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[f"{prefix}/{name}"] = float(value)
    return found


class _Other(Protocol):
    """A logger."""

    def numbers(self, step: int, values: Mapping[str, float]) -> None: ...

    def picture(self, step: int, path: Path) -> None: ...

    def close(self) -> None: ...


class _TensorBoard:
    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self._writer = _module(_MODULES["tensorboard"], "tensorboard").SummaryWriter(str(folder / "tensorboard"))
        self._writer.add_text("about", f"```json\n{json.dumps(about, indent=1)}\n```")

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, path: Path) -> None:
        import cv2
        import numpy as np

        found = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB)
        self._writer.add_image("tracks", found, step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


class _WandB:
    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self._wandb = _module(_MODULES["wandb"], "wandb")
        mode = os.environ.get("WANDB_MODE")
        if mode is None and not self._wandb.api.api_key:
            console.note("wandb: nobody is logged in: it is written for later (offline); `wandb sync` sends it")
            mode = "offline"
        self._run = self._wandb.init(project="lapsdata", dir=str(folder), config=dict(about), mode=mode, resume="allow")

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def picture(self, step: int, path: Path) -> None:
        self._run.log({"tracks": self._wandb.Image(str(path))}, step=step)

    def close(self) -> None:
        self._run.finish()


_OPENED: dict[Logger, type[_TensorBoard | _WandB]] = {"tensorboard": _TensorBoard, "wandb": _WandB}


def _module(name: str, package: str) -> Any:  # noqa: ANN401 - a module that need not be there
    try:
        return importlib.import_module(name)
    except ImportError as error:
        message = f"expected {package}, which is asked for, to be installed, got: {error}"
        raise SchemaError(Problem("not-installed", "log", message, _EXTRA)) from error
