"""Confidence and quality of tracks: what a header says of them, the arrays keep."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings

from lapsdata.errors import SchemaError
from lapsdata.schema import Agreement, BackError, Measured, TrackQuality
from lapsdata.testing import strategies
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.containers import Tracks

    Refused = Callable[..., set[tuple[str, str]]]

TRACKS = sample_tracks(windows=3, confidence=True)
assert TRACKS.confidence is not None
CONFIDENCE = TRACKS.confidence["default"]
QUALITY = TrackQuality(
    measured=Measured(windows=3, points=15, steps=45),
    back_error_px=BackError(median=0.125, p95=1.5),
    survival=0.875,
    visible=0.9,
    static=0.25,
    static_below_px=0.5,
    untextured=0.0,
)

AGREEMENT = Agreement(tracker="lucas_kanade", version="1", positions=60, share=0.826, mean_px=0.75, at_most_px=16)


def with_quality(tracks: Tracks, quality: TrackQuality | None) -> Tracks:
    views = {name: view.model_copy(update={"quality": quality}) for name, view in tracks.header.views.items()}
    return dataclasses.replace(tracks, header=tracks.header.model_copy(update={"views": views}))


class TestConfidence:
    def test_is_one_array_for_each_view(self) -> None:
        both = sample_tracks(views=("wrist", "front"), confidence=True)
        assert both.confidence is not None
        assert list(both.confidence) == ["front", "wrist"]
        assert [name for name, _ in both.arrays() if "confidence" in name] == ["front/confidence", "wrist/confidence"]
        assert all(array.shape == both.vis[view].shape for view, array in both.confidence.items())

    def test_is_read_only_also_after_a_pickle(self) -> None:
        for tracks in (TRACKS, pickle.loads(pickle.dumps(TRACKS)), copy.deepcopy(TRACKS)):
            assert tracks.equals(TRACKS)
            assert tracks.confidence is not None
            with pytest.raises(ValueError, match="read-only"):
                tracks.confidence["default"][0] = 1
            with pytest.raises(TypeError, match="does not support item assignment"):
                tracks.confidence["default"] = CONFIDENCE

    def test_counts_in_a_comparison(self) -> None:
        other = dataclasses.replace(TRACKS, confidence={"default": CONFIDENCE / 2})
        assert not other.equals(TRACKS)
        bare = dataclasses.replace(
            TRACKS, header=TRACKS.header.model_copy(update={"confidence": False}), confidence=None
        )
        assert not bare.equals(TRACKS)
        assert not TRACKS.equals(bare)
        assert bare.nbytes == TRACKS.nbytes - CONFIDENCE.nbytes

    @pytest.mark.parametrize("value", [0.0, 1.0, 0.5, 1e-45])
    def test_takes_what_lies_from_0_to_1(self, value: float) -> None:
        full = np.full_like(CONFIDENCE, value)
        assert dataclasses.replace(TRACKS, confidence={"default": full}).confidence is not None

    @pytest.mark.parametrize("value", [-1e-6, 1.0000001, np.nan, np.inf, -np.inf])
    def test_refuses_what_lies_elsewhere(self, value: float) -> None:
        wrong = CONFIDENCE.copy()
        wrong[1, 2, 3] = wrong[2, 0, 0] = value
        message = r"default/confidence: expected confidence from 0 to 1; first at \(1, 2, 3\), 2 in all \[wrong-value\]"
        with pytest.raises(SchemaError, match=message):
            dataclasses.replace(TRACKS, confidence={"default": wrong})

    @pytest.mark.parametrize(
        ("confidence", "found"),
        [
            ({"default": CONFIDENCE.astype(np.float64)}, ("wrong-dtype", "default/confidence")),
            ({"default": CONFIDENCE[:, :, :2]}, ("wrong-shape", "default/confidence")),
            ({"default": CONFIDENCE[:2]}, ("length-mismatch", "default/confidence")),
            ({"default": CONFIDENCE.tolist()}, ("not-an-array", "default/confidence")),
            ({"default": np.ma.masked_array(CONFIDENCE)}, ("not-an-array", "default/confidence")),
            ({"left": CONFIDENCE}, ("wrong-views", "confidence")),
            ({"default": CONFIDENCE, "left": CONFIDENCE}, ("wrong-views", "confidence")),
            ({}, ("wrong-views", "confidence")),
            (CONFIDENCE, ("wrong-views", "confidence")),
            (None, ("confidence", "confidence")),
        ],
    )
    def test_each_rule(self, confidence: Any, found: tuple[str, str], refused: Refused) -> None:
        assert refused(TRACKS, confidence=confidence) == {found}

    def test_belongs_to_tracks_whose_header_says_so(self) -> None:
        bare = sample_tracks(windows=3)
        message = r"tracks: confidence: header says that there is none, got some; set the header's `confidence`"
        with pytest.raises(SchemaError, match=message):
            dataclasses.replace(bare, confidence={"default": CONFIDENCE})
        with pytest.raises(SchemaError, match=r"header says that there is some, got none"):
            dataclasses.replace(TRACKS, confidence=None)

    def test_all_views_or_none(self, refused: Refused) -> None:
        both = sample_tracks(views=("left", "right"), confidence=True)
        assert both.confidence is not None
        assert refused(both, confidence={"left": both.confidence["left"]}) == {("wrong-views", "confidence")}

    @given(strategies.tracks())
    @settings(max_examples=40)
    def test_as_drawn_keeps_the_rules(self, tracks: Tracks) -> None:
        assert (tracks.confidence is not None) == tracks.header.confidence
        for view, array in (tracks.confidence or {}).items():
            assert array.shape == tracks.vis[view].shape
            assert array.dtype == np.float32


class TestQuality:
    def test_is_kept_per_view(self) -> None:
        tracks = with_quality(TRACKS, QUALITY)
        assert tracks.header.views["default"].quality == QUALITY
        assert not tracks.equals(TRACKS)

    @pytest.mark.parametrize(
        ("measured", "place", "message"),
        [
            ({"windows": 4}, "windows", "expected at most 3, as the arrays have, got 4"),
            ({"points": 16}, "points", "expected at most 15, as the arrays have, got 16"),
            ({"steps": 61}, "steps", "expected at most 60, as the arrays have, got 61"),
        ],
    )
    def test_of_more_than_there_is_is_of_other_tracks(self, measured: dict[str, int], place: str, message: str) -> None:
        quality = QUALITY.model_copy(update={"measured": QUALITY.measured.model_copy(update=measured)})
        with pytest.raises(SchemaError, match=message) as caught:
            with_quality(TRACKS, quality)
        expected = f"tracks: header.views.default.quality.measured.{place}"
        assert [(p.code, p.where) for p in caught.value.problems] == [("wrong-count", expected)]

    def test_agreement_over_more_positions_than_there_are_is_of_other_tracks(self) -> None:
        with_quality(TRACKS, QUALITY.model_copy(update={"agreement": AGREEMENT}))
        many = AGREEMENT.model_copy(update={"positions": 61})
        message = r"quality\.agreement\.positions: expected at most 60, as the arrays have, got 61 \[wrong-count\]"
        with pytest.raises(SchemaError, match=message):
            with_quality(TRACKS, QUALITY.model_copy(update={"agreement": many}))

    def test_of_less_than_there_is_is_taken(self) -> None:
        few = QUALITY.model_copy(update={"measured": Measured(windows=1, points=1, steps=1)})
        assert with_quality(TRACKS, few).header.views["default"].quality == few

    @pytest.mark.parametrize(
        "change",
        [{"survival": float("nan")}, {"visible": 1.5}, {"static": None}, {"back_error_px": None}],
    )
    def test_that_was_changed_past_its_checks_is_refused(self, change: dict[str, object]) -> None:
        with pytest.raises(
            SchemaError, match=r"header: views\.default\.quality|static_below_px|back_error_px|NaN|finite"
        ):
            with_quality(TRACKS, QUALITY.model_copy(update=change))

    def test_is_shown_in_short_lines(self) -> None:
        facts = with_quality(TRACKS, QUALITY).facts()
        assert facts["quality default"] == "error 0.12 px (95 %: 1.50), 87.5% survive"
        assert facts["points default"] == "25.0% static (< 0.5 px), 0.0% untextured"
        assert "expected default" not in facts

    def test_the_expected_error_stands_first(self) -> None:
        told = QUALITY.model_copy(update={"expected_error_px": 0.456, "agreement": AGREEMENT})
        facts = with_quality(TRACKS, told).facts()
        lines = [name for name in facts if name.endswith(" default") and name != "view default"]
        assert lines == ["expected default", "quality default", "points default"]
        assert facts["expected default"] == (
            "0.46 px from the truth, as estimated, 0.75 px from lucas_kanade (83% compared)"
        )
        alone = with_quality(TRACKS, QUALITY.model_copy(update={"expected_error_px": 0.456})).facts()
        assert alone["expected default"] == "0.46 px from the truth, as estimated"

    def test_shows_only_what_was_measured(self) -> None:
        bare = TrackQuality(
            measured=Measured(windows=1, points=1, steps=0),
            back_error_px=None,
            survival=None,
            visible=0.0,
            static=None,
            static_below_px=None,
            untextured=None,
        )

        def shown(quality: TrackQuality | None) -> dict[str, str]:
            facts = with_quality(TRACKS, quality).facts()
            return {name: text for name, text in facts.items() if name.startswith(("quality", "points"))}

        assert shown(bare) == {"quality default": "nothing measured"}
        assert shown(bare.model_copy(update={"survival": 1.0})) == {"quality default": "100.0% survive"}
        assert shown(bare.model_copy(update={"untextured": 0.5})) == {"points default": "50.0% untextured"}
        assert shown(None) == {}


def test_windows_cut_out_of_one_tracking_say_so() -> None:
    assert sample_tracks(continuous=True).facts()["windows"] == "3 of 4 frames, every 1, cut out of one tracking"
    assert sample_tracks().facts()["windows"] == "3 of 4 frames, every 1"
