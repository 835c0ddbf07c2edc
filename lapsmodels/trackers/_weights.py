"""Models of other people: where their code and weights come from, and what is said when they do not come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapsdata.errors import CorruptDataError, MissingExtraError, Problem, Problems, SchemaError, StorageError
from lapsdata.storage.atomic import existing, storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["checked_device", "expect_at_least_one", "filled", "package_of", "weights"]


def expect_at_least_one(place: str, **counts: int) -> None:
    """Refuse counts below 1.

    Raises
    ------
    SchemaError
        `out-of-range`, for each of them.
    """
    found = Problems(place)
    for name, count in counts.items():
        if count < 1:
            found.add("out-of-range", name, f"expected at least 1, got {count}")
    found.raise_as(SchemaError)


def checked_device(device: str) -> Any:  # noqa: ANN401 - a device of torch
    """Return the device that a word names, if it is there.

    Raises
    ------
    SchemaError
        `no-device`: no such word, or no such device on this machine.
    """
    import torch

    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise SchemaError(Problem("no-device", "device", f"expected cpu, cuda or cuda:1, got {device!r}")) from error
    if found.type == "cuda" and not torch.cuda.is_available():
        message = f"expected a device of this machine, got {device!r}, and torch finds no GPU"
        raise SchemaError(Problem("no-device", "device", message, "set device=cpu"))
    return found


def package_of(import_it: Callable[[], Any], tracker: str, package: str, install: str) -> Any:  # noqa: ANN401
    """Return what an import gives; that the package is not there is said with what to install.

    Raises
    ------
    MissingExtraError
        `missing-package`, also where the package lacks one of its own.
    """
    try:
        return import_it()
    except ImportError as error:
        message = f"expected the package {package}, got: {error}"
        raise MissingExtraError(Problem("missing-package", tracker, message, install)) from error


def weights(checkpoint: str, tracker: str, source: str) -> dict[str, Any]:
    """Return the weights in a file of torch, by name; nothing but tensors is unpacked.

    Raises
    ------
    SchemaError
        `no-checkpoint`: none is given.
    StorageError
        The file is not there, or may not be read.
    CorruptDataError
        `wrong-weights`: it holds something else.
    """
    import torch

    path = existing_file(checkpoint, tracker, source)
    try:
        with storage_errors(path, "read"):
            found = torch.load(path, map_location="cpu", weights_only=True)
    except StorageError:
        raise
    except Exception as error:
        said = str(error).partition("\n")[0]
        raise CorruptDataError(_not_weights(path, f"expected weights as torch saves them, got: {said}")) from error
    for inner in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(inner), dict):
            found = found[inner]
    if not isinstance(found, dict) or not all(isinstance(value, torch.Tensor) for value in found.values()):
        got = type(found).__name__
        raise CorruptDataError(_not_weights(path, f"expected tensors by name, got {got}"))
    return found


def existing_file(checkpoint: str, tracker: str, source: str) -> Path:
    """Return the path of a file of weights.

    Raises
    ------
    SchemaError
        `no-checkpoint`: none is given.
    StorageError
        It is not there.
    """
    if not checkpoint:
        message = "expected the file of its weights, got none"
        fix = f"give it as checkpoint=FILE ({source})"
        raise SchemaError(Problem("no-checkpoint", tracker, message, fix))
    return existing(Path(checkpoint))


def filled(model: Any, found: dict[str, Any], checkpoint: str) -> None:  # noqa: ANN401 - a module of torch
    """Fill a model with weights, all of them and no others.

    Raises
    ------
    CorruptDataError
        `wrong-weights`: they are of another model.
    """
    try:
        model.load_state_dict(found)
    except RuntimeError as error:
        said = " ".join(str(error).split())[:300]
        message = f"expected the weights of {type(model).__name__}, got those of another model: {said}"
        raise CorruptDataError(_not_weights(Path(checkpoint), message)) from error


def _not_weights(path: Path, message: str) -> Problem:
    return Problem("wrong-weights", str(path), message, "check which model the file is for, or fetch it again")
