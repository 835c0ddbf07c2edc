"""What makes a vector of a sequence: the closed list of embeddings, and how each is made ready for clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from lapsdata.errors import Problem, SchemaError, warn
from lapsmodels.clustering.encoder import Encoder, fit_encoder
from lapsmodels.clustering.frozen import frozen_transformer
from lapsmodels.clustering.lengths import longest_taken, told_lengths
from lapsmodels.clustering.vectors import (
    attention_means,
    bags,
    log_durations,
    means,
    projected_bags,
    standardised,
    unit_rows,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.schema import SequenceLengths
    from lapsmodels.clustering.encoder import EncoderOptions
    from lapsmodels.clustering.sequences import Sequences

__all__ = ["CONTROLS", "EMBEDDINGS", "NEED_LATENTS", "Embedded", "Embedding", "embed"]

Embedding = Literal["bag", "mean", "attn_norm", "lstm", "transformer", "duration", "random_projection"]
"""`bag`: tf-idf of codes; `mean`, `attn_norm`: of latents, evenly or by their length; `lstm`: trained on the codes
before and after; `transformer`: random weights over latents; `duration`, `random_projection`: know next to nothing."""

EMBEDDINGS: tuple[Embedding, ...] = get_args(Embedding)
"""All of them."""

NEED_LATENTS = frozenset({"mean", "attn_norm", "transformer"})
"""Those that need the vectors behind the codes."""

CONTROLS: tuple[Embedding, ...] = ("duration", "random_projection")
"""Those that stand beside every other one."""

_BY_STEPS = frozenset({"lstm", "transformer"})
# A single number per row would become its sign, and bags are of length 1 already, weighted as they should be.
_NOT_TURNED = frozenset({"duration", "bag"})


class Embedded(NamedTuple):
    """Sequences as vectors.

    Parameters
    ----------
    vectors : float64 (S, E)
        As they are made.
    ready : float64 (S, E)
        As they are clustered: columns standardised, then rows of length 1, so that nearness is that of directions
        (LAPS's way); durations are only standardised, and bags are left as they are.
    lengths : SequenceLengths
    encoder : Encoder or None
        What was trained, or given.
    """

    vectors: NDArray[np.float64]
    ready: NDArray[np.float64]
    lengths: SequenceLengths
    encoder: Encoder | None = None


def embed(
    sequences: Sequences,
    embedding: Embedding,
    *,
    encoder: Encoder | EncoderOptions | None = None,
    longest_quantile: float = 0.95,
    seed: int = 0,
) -> Embedded:
    """Make a vector of each sequence.

    Parameters
    ----------
    sequences : Sequences
        With latents, where the embedding is one of `NEED_LATENTS`.
    embedding : Embedding
    encoder : Encoder or EncoderOptions, optional
        Of `lstm`: one that is trained already, or how it is trained.
    longest_quantile : float
        Of `lstm` and `transformer`: sequences longer than this quantile of all lengths lose their end.
    seed : int

    Raises
    ------
    SchemaError
        No latents where they are needed, an encoder of another tokenizer, or what `fit_encoder` refuses.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tokens
    >>> from lapsmodels.clustering.sequences import whole_videos
    >>> found = whole_videos([sample_tokens(windows=8)], piece_s=0.5)
    >>> embed(found, "bag").vectors.shape, embed(found, "duration").ready.ravel().tolist()
    ((2, 12), [0.0, 0.0])
    """
    if embedding in NEED_LATENTS and sequences.latents is None:
        message = f"expected the latents of the codes for {embedding}, got codes alone"
        fix = "encode with --latents quantized, or choose an embedding that needs none: bag or lstm"
        raise SchemaError(Problem("no-latents", "sequences", message, fix))
    if isinstance(encoder, Encoder):
        _expect_same_tokenizer(encoder, sequences)
        longest: int | None = encoder.longest
    else:
        longest = longest_taken(sequences.lengths, longest_quantile) if embedding in _BY_STEPS else None
    trained = None
    if embedding == "lstm":
        trained = encoder if isinstance(encoder, Encoder) else fit_encoder(
            sequences, longest or 1, encoder, seed=seed)  # fmt: skip
    vectors = _vectors(sequences, embedding, trained, longest, seed)
    ready = vectors if embedding == "bag" else standardised(vectors)
    return Embedded(
        vectors,
        ready if embedding in _NOT_TURNED else unit_rows(ready),
        told_lengths(sequences.lengths, longest),
        trained,
    )


def _expect_same_tokenizer(encoder: Encoder, sequences: Sequences) -> None:
    """Refuse codes that mean something else than those that were learned; where nobody knows, say that."""
    learned, given = encoder.tokenizer, sequences.tokenizer
    if learned is None or given is None:
        which = "it was trained with" if learned is None else "it is given"
        warn(f"encoder: nothing tells of which tokenizer the codes are that {which}: they may mean something else")
    elif learned != given:
        message = f"expected codes of the tokenizer {learned[:15]} that it was trained with, got those of {given[:15]}"
        raise SchemaError(Problem("other-tokenizer", "encoder", message, "train another encoder: leave it out"))


def _vectors(
    sequences: Sequences, embedding: Embedding, encoder: Encoder | None, longest: int | None, seed: int
) -> NDArray[np.float64]:
    each, latents = sequences.each, sequences.latents or ()
    if encoder is not None:
        return encoder.embed(each)
    if embedding == "transformer":
        return frozen_transformer(latents, longest or 1, seed=seed)
    if embedding in NEED_LATENTS:
        return means(latents) if embedding == "mean" else attention_means(latents)
    if embedding == "duration":
        return log_durations(sequences.duration_s)
    if embedding == "random_projection":
        return projected_bags(each, sequences.codes, seed=seed)
    return bags(each, sequences.codes)
