"""The trained encoder of sequences: how it is trained, stopped early, kept on disk and used."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from lapsdata.errors import CorruptDataError, Problem, SchemaError, StorageError
from lapsdata.schema import EncoderTraining
from lapsdata.schema.base import Digest, Header, Positive, Record
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json
from lapsmodels.stages._threads import threads
from lapsmodels.training.split import split_videos

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from lapsdata.schema.base import Provenance
    from lapsmodels.clustering.next_code import NextCode, Padded
    from lapsmodels.clustering.sequences import Sequences

    Codes = Sequence[NDArray[np.int32]]

__all__ = ["Encoder", "EncoderHeader", "EncoderOptions", "fit_encoder", "load_encoder", "save_encoder"]

_WEIGHTS, ENCODER_HEADER = "encoder.safetensors", "encoder.json"


class EncoderOptions(Record):
    """How an encoder is trained: as LAPS has it, but for the batch, and for whole videos that are held out.

    Examples
    --------
    >>> EncoderOptions().patience
    8
    """

    width: Positive = 128
    """Width of each direction."""
    layers: Positive = 2
    """Layers of each direction."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """While it is trained."""
    rate: Annotated[float, Field(gt=0)] = 1e-3
    """Learning rate of Adam."""
    batch: Positive = 32
    """Sequences per step; LAPS has 256 of 6,444, which of a hundred would be one step per epoch."""
    epochs: Positive = 60
    """How often each sequence is met at most."""
    patience: Positive = 8
    """Epochs without a lower loss on the held-out videos after which it stops."""
    val: Annotated[float, Field(gt=0, lt=1)] | None = 0.2
    """Share of the videos that are held out; null holds out none, and all epochs are done."""


class EncoderHeader(Header):
    """What the weights beside it are."""

    RECORD: ClassVar[str] = "sequence_encoder"

    format: Literal["lapsdata.sequence_encoder"] = "lapsdata.sequence_encoder"
    """Which format this header belongs to."""
    options: EncoderOptions
    """Shapes and training."""
    codes: Positive
    """Codes of the tokenizer whose sequences it takes."""
    longest: Positive
    """Codes after which a sequence is cut."""
    training: EncoderTraining
    """What its training has come to."""
    tokenizer: Digest | None = None
    """Digest of the weights of the tokenizer whose codes it has learned; null where nothing tells it."""
    weights: Digest
    """SHA-256 of the weights file."""


class Encoder(NamedTuple):
    """A trained encoder."""

    model: NextCode
    """In evaluation mode"""
    options: EncoderOptions
    codes: int
    longest: int
    training: EncoderTraining
    tokenizer: str | None = None

    def embed(self, each: Codes) -> NDArray[np.float64]:
        """Return a vector of each sequence: float64 (S, 2 width).

        Raises
        ------
        SchemaError
            Codes that its tokenizer does not have.
        """
        import torch

        most = max(int(one.max()) for one in each)
        if most >= self.codes:
            message = f"expected codes below {self.codes}, as of the tokenizer that it was trained with, got {most}"
            raise SchemaError(Problem("other-tokenizer", "encoder", message, "train another encoder"))
        with torch.no_grad(), threads(1):
            parts = [self.model.embed(batch).numpy() for batch in _batches(each, self.longest, self.options.batch)]
        return np.concatenate(parts).astype(np.float64)


def fit_encoder(sequences: Sequences, longest: int, options: EncoderOptions | None = None, *, seed: int = 0) -> Encoder:
    """Train an encoder on the codes of sequences; on one thread, so that equal arguments give equal weights.

    Whole videos are held out, since sequences of one video are alike.

    Parameters
    ----------
    sequences : Sequences
    longest : int
        Codes after which a sequence is cut.
    options : EncoderOptions, optional
    seed : int
        Of weights, order and held-out videos.

    Raises
    ------
    SchemaError
        A single video where some are to be held out, or no sequence of two codes to learn from, or to judge by.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tokens
    >>> from lapsmodels.clustering.sequences import whole_videos
    >>> found = whole_videos([sample_tokens(windows=40)], piece_s=0.5)
    >>> encoder = fit_encoder(found, 5, EncoderOptions(width=8, layers=1, epochs=1, val=None))
    >>> encoder.embed(found.each).shape, encoder.training.held_out
    ((9, 16), ())
    """
    import torch

    from lapsmodels.clustering.next_code import NextCode

    chosen = options or EncoderOptions()
    learned, judging, held_out = _split(sequences, chosen.val, seed)
    with torch.random.fork_rng(devices=[]), threads(1):
        torch.manual_seed(seed)
        model = NextCode(sequences.codes, chosen.width, chosen.layers, chosen.dropout)
        done, best, loss = _epochs(model, learned, judging, longest, chosen, seed)
    return Encoder(
        model.eval(),
        chosen,
        sequences.codes,
        longest,
        EncoderTraining(
            sequences=len(learned),
            epochs=done,
            taken_from=best,
            held_out=held_out,
            loss=loss,
            unigram_loss=_unigram(learned, judging, sequences.codes, longest),
        ),
        sequences.tokenizer,
    )


def _split(
    sequences: Sequences, val: float | None, seed: int
) -> tuple[list[NDArray[np.int32]], list[NDArray[np.int32]], tuple[str, ...]]:
    """Return the sequences that are learned from, those that are judged by, and the videos of the latter."""
    videos = sequences.videos
    held_out = () if val is None else tuple(split_videos(sorted(set(videos)), val, seed)[1])
    parts: tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]] = ([], [])
    for name, codes in zip(videos, sequences.each, strict=True):
        parts[name in held_out].append(codes)
    learned, judging = parts[0], parts[1] if held_out else parts[0]
    for what, some in (("to learn from", learned), ("to judge by", judging)):
        if not any(len(one) > 1 for one in some):
            message = f"expected a sequence of at least two codes {what}, got none"
            raise SchemaError(Problem("no-pairs", "encoder", message, "take longer segments or pieces"))
    return learned, judging, held_out


def _epochs(
    model: NextCode, learned: Codes, judging: Codes, longest: int, options: EncoderOptions, seed: int
) -> tuple[int, int, float]:
    """Train; leave the weights of the best epoch in the model, and return how many were done, which, and its loss."""
    import torch

    optimiser = torch.optim.Adam(model.parameters(), lr=options.rate)
    order = np.random.default_rng(seed)
    best, lowest, kept, done = 0, math.inf, model.state_dict(), 0
    for done in range(1, options.epochs + 1):
        model.train()
        shuffled = [learned[at] for at in order.permutation(len(learned))]
        for batch in _batches(shuffled, longest, options.batch):
            total, asked = model.loss(batch)
            if asked:
                optimiser.zero_grad()
                (total / asked).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        loss = _mean_loss(model, judging, longest, options.batch)
        # Judged by what it has learned from, the last is taken.
        if options.val is None or loss < lowest:
            best, lowest = done, loss
            kept = {name: value.clone() for name, value in model.state_dict().items()}
        elif done - best >= options.patience:
            break
    model.load_state_dict(kept)
    return done, best, lowest


def _mean_loss(model: NextCode, each: Codes, longest: int, size: int) -> float:
    import torch

    model.eval()
    with torch.no_grad():
        parts = [model.loss(batch) for batch in _batches(each, longest, size)]
    return float(sum(float(total) for total, _ in parts) / sum(asked for _, asked in parts))


def _unigram(learned: Codes, judging: Codes, codes: int, longest: int) -> float:
    """Return the cross entropy of the same codes by their shares alone; each code was met once more than it was."""
    met = np.bincount(np.concatenate([one[:longest] for one in learned]), minlength=codes) + 1.0
    nats = -np.log(met / met.sum())
    # Asked for are the next and the previous of each pair: all but the first, and all but the last.
    cut = [one[:longest] for one in judging if min(len(one), longest) > 1]
    return float(np.mean(np.concatenate([nats[part] for one in cut for part in (one[1:], one[:-1])])))


def _batches(each: Codes, longest: int, size: int) -> Iterator[Padded]:
    from lapsdata.storage.tensors import as_tensor
    from lapsmodels.clustering.next_code import padded

    tensors: list[Tensor] = [as_tensor(one) for one in each]
    for first in range(0, len(tensors), size):
        yield padded(tensors[first : first + size], longest)


def save_encoder(folder: Path, encoder: Encoder, provenance: Provenance) -> None:
    """Write an encoder into a folder that is there.

    Raises
    ------
    StorageError
        The file system refused.
    """
    from safetensors.torch import save

    weights = save({name: value.contiguous() for name, value in sorted(encoder.model.state_dict().items())})
    header = EncoderHeader(
        provenance=provenance,
        options=encoder.options,
        codes=encoder.codes,
        longest=encoder.longest,
        training=encoder.training,
        tokenizer=encoder.tokenizer,
        weights=_digest(weights),
    )
    with storage_errors(folder, "write"):
        (folder / _WEIGHTS).write_bytes(weights)
    write_sealed_json(folder / ENCODER_HEADER, header)


def load_encoder(folder: Path) -> Encoder:
    """Read an encoder; its weights are compared with the digest in its header.

    Raises
    ------
    StorageError
        There is none, or its weights are missing.
    CorruptDataError
        The weights are not those that were written.
    SchemaError
        The header is none.

    Examples
    --------
    >>> import pathlib
    >>> load_encoder(pathlib.Path("nowhere"))
    Traceback (most recent call last):
    lapsdata.errors.StorageError: nowhere: expected a folder with encoder.json and encoder.safetensors, ...
    """
    from safetensors.torch import load

    from lapsmodels.clustering.next_code import NextCode

    if not (folder / ENCODER_HEADER).exists():
        message = f"expected a folder with {ENCODER_HEADER} and {_WEIGHTS}, got none"
        fix = "train one: lapsdata cluster TOKENS --model lstm --out FOLDER"
        raise StorageError(Problem("no-encoder", str(folder), message, fix))
    header = read_sealed_json(folder / ENCODER_HEADER, EncoderHeader)
    with storage_errors(folder / _WEIGHTS, "read"):
        weights = (folder / _WEIGHTS).read_bytes()
    if _digest(weights) != header.weights:
        message = "its weights are not those that were written"
        raise CorruptDataError(Problem("checksum", str(folder / _WEIGHTS), message, "copy it again"))
    options = header.options
    model = NextCode(header.codes, options.width, options.layers, options.dropout)
    model.load_state_dict(load(weights))
    return Encoder(model.eval(), options, header.codes, header.longest, header.training, header.tokenizer)


def _digest(weights: bytes) -> str:
    return "sha256:" + hashlib.sha256(weights).hexdigest()
