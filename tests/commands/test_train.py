"""`lapsdata train`: what is corrected is the preset's, unless the call says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata import formats
from lapsdata.testing.samples import sample_tracks
from lapsmodels.tokenizer.checkpoint import read_tokenizer_header
from lapsmodels.tokenizer.config import PRESETS
from lapsmodels.tokenizer.corrections import AS_PUBLISHED, Corrections

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUICK = ("--steps", 2, "--batch", 4, "--threads", 1)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), Corrections()),
        (("--as-published",), AS_PUBLISHED),
        (("--preset", "amplify"), AS_PUBLISHED),
        (("--preset", "amplify", "--corrected"), Corrections()),
    ],
)
def test_corrections_are_those_of_the_preset_or_of_the_call(
    inside: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    expected: Corrections,
) -> None:
    # Of the preset's choices, not of its size.
    tiny = {"width": 16, "heads": 2, "head_width": 8, "levels": (5, 3)}
    monkeypatch.setitem(PRESETS, "amplify", PRESETS["amplify"].model_copy(update=tiny))
    formats.write(tmp_path / "clip.h5", sample_tracks(windows=8, horizon=6, points=9))
    done = inside("train", tmp_path / "clip.h5", "--out", tmp_path / "t", *QUICK, "--json", *words)
    assert done.returncode == 0, done.stderr
    trained = read_tokenizer_header(tmp_path / "t").trained
    assert trained is not None
    assert trained.corrections == expected
    assert json.loads(done.stdout)["classes"] == str(trained.classes)
    assert "displacements are none" in str(trained.classes)
