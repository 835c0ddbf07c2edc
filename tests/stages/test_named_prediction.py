"""Predictions that have a name and no file: what their words mean, and what they cut."""

from __future__ import annotations

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.metrics import segment_boundaries
from lapsdata.stages._named_prediction import named_prediction
from lapsdata.testing.samples import sample_segments


def test_a_metronome_cuts_every_video_from_its_start() -> None:
    truth = sample_segments()
    made = named_prediction("uniform:0.7").segments(truth)  # type: ignore[union-attr]
    assert made.header.videos == truth.header.videos
    for video in made.header.videos:
        at = made.of_video(video.name)
        starts = video.start_s + 0.7 * np.arange(len(at))
        np.testing.assert_allclose(made.start_s[at], starts)
        np.testing.assert_array_equal(made.end_s[at], [*made.start_s[at][1:], video.end_s])
        assert 0 < video.end_s - starts[-1] <= 0.7


def test_random_cuts_are_as_many_as_said_and_of_their_seed() -> None:
    truth = sample_segments()
    words = [named_prediction("random:32", seed=seed) for seed in (0, 0, 1)]
    one, again, other = (word.segments(truth) for word in words if word is not None)
    for video in truth.header.videos:
        span = (video.start_s, video.end_s)
        at = one.of_video(video.name)
        assert len(at) == 33
        assert len(segment_boundaries(one.start_s[at], one.end_s[at], span)) == 32
    np.testing.assert_array_equal(one.start_s, again.start_s)
    assert not np.array_equal(one.start_s, other.start_s)


@pytest.mark.parametrize("text", ["found.parquet", "C:\\found", "metronome:2", "uniform", ""])
def test_other_words_are_files(text: str) -> None:
    assert named_prediction(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uniform:0", "uniform:0: expected seconds of at least 0.001 after 'uniform:', got '0'"),
        ("uniform:two", "expected seconds of at least 0.001"),
        ("uniform:inf", "expected seconds"),
        ("random:1.5", "expected a whole number of cuts after 'random:', got '1.5'"),
        ("random:-1", "expected a whole number"),
        ("random:nan", "uniform:SECONDS and random:COUNT"),
    ],
)
def test_numbers_that_are_none_are_told(text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message.replace("(", r"\(")):
        named_prediction(text)


def test_they_say_how_they_are_spelled() -> None:
    assert [str(named_prediction(text)) for text in ("uniform:2.0", "random:32")] == ["uniform:2", "random:32"]
