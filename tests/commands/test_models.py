"""`lapsdata track` by a model of other people, as a user calls it: from a clone, with options, in processes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lapsdata
from lapsdata import Tracks

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    Verb = Callable[..., Any]

STAND_INS = Path(__file__).parents[1] / "trackers" / "stand_ins"


def test_a_model_is_taken_from_a_clone_and_its_licence_is_told_once(
    track: Verb, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(STAND_INS / "site"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    hub = STAND_INS / "co_tracker"
    words = ("--tracker", "cotracker", "--tracker-option", f"repo={hub}", "--tracker-option", "batch=2")
    done = track("videos", "--out", "out", "--points", 24, "--horizon", 8, "--stride", 8, *words)
    assert (done.code, done.fates) == (0, "items 2, made 2"), done.err
    assert len(re.findall(r"track: CoTracker is not part of lapsdata.*CC-BY-NC 4\.0", done.err)) == 1
    tracks = lapsdata.read(tmp_path / "out" / "S1_a.h5", Tracks)
    assert tracks.header.tracker.parameters["batch"] == 2
    assert tracks.header.tracker.parameters["repo"] == "co_tracker"
    # The picture moves right by one pixel a frame.
    inner = (tracks.tracks["default"][:, 0, :, 0] < 80)[:, None].repeat(7, axis=1)
    step = (tracks.tracks["default"][:, 1:] - tracks.tracks["default"][:, :-1])[inner]
    assert abs(step - [1, 0]).max() < 1e-3


def test_options_that_are_none_are_refused(track_here: Verb, folder: Path) -> None:
    for option, said in (("levels", "NAME=VALUE"), ("=3", "NAME=VALUE"), ("levels=none", "expected int such as 3")):
        code, _, err = track_here(folder, "--out", "out", "--tracker", "lucas_kanade", "--tracker-option", option)
        assert code in (1, 2)
        assert said in " ".join(err.split())
    twice = "--tracker-option", "levels=1", "--tracker-option", "levels=2"
    code, _, err = track_here(folder, "--out", "out", "--tracker", "lucas_kanade", *twice)
    assert code == 2
    assert "each name once" in " ".join(err.split())


def test_values_are_numbers_where_they_look_so(track_here: Verb, folder: Path, tmp_path: Path) -> None:
    given = "--tracker-option", "levels=2", "--tracker-option", "back_error_px=1.5"
    words = ("--points", 24, "--horizon", 8, "--stride", 8, "--limit", 1, "--compare-with", "dense_flow")
    assert track_here(folder, "--out", "out", "--tracker", "lucas_kanade", *given, *words).code == 0
    header = lapsdata.read(tmp_path / "out" / "S1_a.h5", Tracks).header
    assert header.tracker.parameters == {"back_error_px": 1.5, "window_px": 21, "levels": 2}
    quality = header.views["default"].quality
    assert quality is not None
    assert quality.agreement is not None
    assert quality.agreement.tracker == "dense_flow"
