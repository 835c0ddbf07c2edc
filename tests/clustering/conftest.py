"""Sequences that are made by hand: of three kinds of motion, in videos of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.containers import Segments, Tokens
from lapsdata.schema import SegmentedVideo, SegmentsHeader
from lapsdata.testing.samples import sample_provenance, sample_tokens
from lapsmodels.clustering.sequences import Sequences

if TYPE_CHECKING:
    from collections.abc import Callable


def named(tokens: Tokens, name: str, **header: Any) -> Tokens:
    """Return the same tokens of another video."""
    video = tokens.header.video.model_copy(update={"name": name})
    return replace(tokens, header=tokens.header.model_copy(update={"video": video, **header}))


def segments_of(spans: dict[str, list[tuple[float, float, str | None]]]) -> Segments:
    rows = [(at, *row) for at, name in enumerate(spans) for row in spans[name]]
    return Segments(
        SegmentsHeader(
            provenance=sample_provenance(),
            videos=tuple(SegmentedVideo(name=name, end_s=100.0) for name in spans),
        ),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float64),
        np.array([row[2] for row in rows], np.float64),
        ("annotation",) * len(rows),
        tuple(row[3] for row in rows),
    )


@pytest.fixture(scope="session")
def renamed() -> Callable[..., Tokens]:
    """Return what gives tokens to another video."""
    return named


@pytest.fixture(scope="session")
def spans() -> Callable[[dict[str, list[tuple[float, float, str | None]]]], Segments]:
    """Return what makes segments of spans by video."""
    return segments_of


@pytest.fixture
def kinds() -> Callable[..., Sequences]:
    """Return sequences of three labels, each with codes and latents of its own, in `videos` videos."""

    def make(each: int = 4, videos: int = 3, *, latents: bool = True, seed: int = 0) -> Sequences:
        random = np.random.default_rng(seed)
        spans, codes, vectors = {}, [], []
        for video in range(videos):
            rows: list[tuple[float, float, str | None]] = []
            for number in range(3 * each):
                kind = number % 3
                length = int(random.integers(6, 12))
                rows.append((number * 2.0, number * 2.0 + length / 10, "abc"[kind]))
                codes.append((4 * kind + (np.arange(length) + random.integers(4)) % 4).astype(np.int32))
                vectors.append((random.normal(0, 0.2, (length, 5)) + 2 * np.eye(5)[kind]).astype(np.float32))
            spans[f"clip_{video}"] = rows
        found = replace(segments_of(spans), codes=tuple(codes))
        return Sequences(found, 12, tuple(vectors) if latents else None)

    return make


@pytest.fixture
def clips() -> tuple[Tokens, Tokens]:
    """Return tokens of two videos with latents, of 40 windows each, by one tokenizer."""
    one, two = (sample_tokens(windows=40, latent=3, seed=seed) for seed in (1, 2))
    tokenizer = one.header.tokenizer.model_copy(update={"checkpoint": f"sha256:{'1' * 64}"})
    return named(one, "clip_0", tokenizer=tokenizer), named(two, "clip_1", tokenizer=tokenizer)
