"""A tokenizer on disk: a folder of weights (safetensors) and what they are (JSON)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from lapsdata.errors import CorruptDataError, Problem, SchemaError, StorageError
from lapsdata.provenance import path_digest
from lapsdata.schema.base import Digest, Header, Name, Parent
from lapsdata.storage.atomic import atomic_folder
from lapsdata.storage.sealed_json import read_sealed_json, sealed_json
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.tokenizer.trained import Trained

if TYPE_CHECKING:
    from os import PathLike

    from lapsmodels.tokenizer.model import MotionTokenizer

__all__ = [
    "TOKENIZER_HEADER",
    "Checkpoint",
    "TokenizerHeader",
    "load_tokenizer",
    "read_tokenizer_header",
    "save_tokenizer",
    "tokenizer_files",
    "tokenizer_parent",
    "weights_digest",
]

_WEIGHTS, TOKENIZER_HEADER = "weights.safetensors", "tokenizer.json"


class TokenizerHeader(Header):
    """What the weights beside it are."""

    RECORD: ClassVar[str] = "tokenizer"

    format: Literal["lapsdata.tokenizer"] = "lapsdata.tokenizer"
    """Which format this header belongs to."""
    config: TokenizerConfig
    """Shapes and choices of the model."""
    views: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Names of the views, in the order in which the model takes them."""
    weights: Digest
    """SHA-256 of the weights file."""
    trained: Trained | None = None
    """What its training has come to; null where that is not known."""


class Checkpoint(NamedTuple):
    """A tokenizer as it was read."""

    model: MotionTokenizer
    """In evaluation mode"""
    header: TokenizerHeader


def weights_digest(data: bytes) -> str:
    """Return the digest of a weights file.

    Examples
    --------
    >>> weights_digest(b"")[:15]
    'sha256:e3b0c442'
    """
    return "sha256:" + hashlib.sha256(data).hexdigest()


def save_tokenizer(
    path: str | PathLike[str], model: MotionTokenizer, header: TokenizerHeader, *, overwrite: bool = False
) -> TokenizerHeader:
    """Write a tokenizer, all or nothing; equal weights and headers give equal bytes.

    Parameters
    ----------
    path : path-like
        Folder to be made.
    model : MotionTokenizer
    header : TokenizerHeader
        Its `weights` are set here.
    overwrite : bool

    Returns
    -------
    TokenizerHeader
        As it was written.

    Raises
    ------
    StorageError
        It exists, or may not be written.
    SchemaError
        The header speaks of another configuration.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.testing.samples import sample_provenance
    >>> from lapsmodels.tokenizer.model import MotionTokenizer
    >>> config = TokenizerConfig(points=9, horizon=5, width=16, heads=2, head_width=8, levels=(5, 3))
    >>> header = TokenizerHeader(
    ...     provenance=sample_provenance(), config=config, views=("default",), weights=weights_digest(b"")
    ... )
    >>> target = Path(tempfile.mkdtemp()) / "small.tokenizer"
    >>> _ = save_tokenizer(target, MotionTokenizer(config), header)
    >>> load_tokenizer(target).header.config == config
    True
    """
    files, whole = tokenizer_files(model, header)
    with atomic_folder(Path(path), overwrite=overwrite) as folder:
        for name, content in files.items():
            (folder / name).write_bytes(content)
    return whole


def tokenizer_files(model: MotionTokenizer, header: TokenizerHeader) -> tuple[dict[str, bytes], TokenizerHeader]:
    """Return the files of a tokenizer by name, and the header in them; see `save_tokenizer`."""
    from safetensors.torch import save

    if header.config != model.config or len(header.views) != model.config.views:
        message = f"expected the configuration of the model and {model.config.views} views, got others"
        raise SchemaError(Problem("wrong-config", "header", message))
    weights = save({name: value.detach().cpu().contiguous() for name, value in sorted(model.state_dict().items())})
    whole = header.model_copy(update={"weights": weights_digest(weights)})
    return {_WEIGHTS: weights, TOKENIZER_HEADER: sealed_json(whole)}, whole


def load_tokenizer(path: str | PathLike[str]) -> Checkpoint:
    """Read a tokenizer; its weights are compared with the digest in its header.

    Raises
    ------
    StorageError
        There is no such folder, or no tokenizer in it.
    CorruptDataError
        The weights are not those that were written.
    SchemaError
        The header is none, or the weights are those of another configuration.

    Examples
    --------
    See `save_tokenizer`.

    >>> load_tokenizer("nowhere.tokenizer")
    Traceback (most recent call last):
    lapsdata.errors.StorageError: nowhere.tokenizer: expected a folder with tokenizer.json and weights.safetensors...
    """
    from safetensors.torch import load

    from lapsmodels.tokenizer.model import MotionTokenizer

    folder = Path(path)
    header, weights = _read(folder)
    model = MotionTokenizer(header.config)
    try:
        model.load_state_dict(load(weights))
    except RuntimeError as error:
        message = f"expected the weights of the configuration beside them: {error}"
        raise SchemaError(Problem("wrong-weights", str(folder / _WEIGHTS), message)) from error
    return Checkpoint(model.eval(), header)


def read_tokenizer_header(path: str | PathLike[str]) -> TokenizerHeader:
    """Read what a tokenizer is, and compare its weights with the digest, without building the model.

    Raises
    ------
    StorageError, CorruptDataError, SchemaError
        As `load_tokenizer`.

    Examples
    --------
    >>> read_tokenizer_header("nowhere.tokenizer")
    Traceback (most recent call last):
    lapsdata.errors.StorageError: nowhere.tokenizer: expected a folder with tokenizer.json and weights.safetensors...
    """
    return _read(Path(path))[0]


def tokenizer_parent(path: str | PathLike[str]) -> Parent:
    """Return what the provenance of tokens says of the tokenizer in a folder.

    The folder holds the log and the states of its training too, from which no token is made.

    Raises
    ------
    StorageError
        There is none.

    Examples
    --------
    >>> tokenizer_parent("nowhere.tokenizer")
    Traceback (most recent call last):
    lapsdata.errors.StorageError: nowhere.tokenizer/tokenizer.json: ...
    """
    folder = Path(path)
    return Parent(role="tokenizer", name=folder.resolve().name, digest=path_digest(folder / TOKENIZER_HEADER))


def _refuse_unfinished(folder: Path) -> None:
    """Refuse the folder of a training that has not come to its end; its states can be used."""
    if (folder / "training.json").exists():
        states = sorted(path.parent for path in folder.glob(f"checkpoints/step-*/{TOKENIZER_HEADER}"))
        fix = "run its training again: it goes on where it was stopped" + f"; or take {states[-1]}" * bool(states)
        message = "expected a tokenizer, got a training that is not finished"
        raise StorageError(Problem("unfinished", str(folder), message, fix))


def _read(folder: Path) -> tuple[TokenizerHeader, bytes]:
    if not (folder / TOKENIZER_HEADER).exists():
        _refuse_unfinished(folder)
        got = "another" if folder.is_dir() else "a file" if folder.exists() else "nothing"
        message = f"expected a folder with {TOKENIZER_HEADER} and {_WEIGHTS}, got {got}"
        fix = "train one: lapsdata train TRACKS --out FOLDER"
        raise StorageError(Problem("no-tokenizer", str(folder), message, fix))
    header = read_sealed_json(folder / TOKENIZER_HEADER, TokenizerHeader)
    try:
        weights = (folder / _WEIGHTS).read_bytes()
    except OSError as error:
        message = f"expected {_WEIGHTS} beside {TOKENIZER_HEADER}, got: {error.strerror or error}"
        raise CorruptDataError(
            Problem("no-weights", str(folder), message, "copy it again, or train it again")
        ) from error
    if weights_digest(weights) != header.weights:
        message = "its weights are not those that were written"
        raise CorruptDataError(Problem("checksum", str(folder / _WEIGHTS), message, "copy it again"))
    return header, weights
