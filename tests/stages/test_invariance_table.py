"""The card as text: what each cell and each sentence says of numbers that are made up here, within 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.schema.invariance import (
    BoundaryShift,
    CodeAgreement,
    Equal,
    InvarianceResult,
    InvarianceRow,
    InvarianceRules,
    InvarianceVideo,
    ShownFrames,
    VideoChange,
)
from lapsdata.testing.samples import sample_provenance
from lapsdata.timebase import FrameRate
from lapsmodels.stages.invariance_table import invariance_table

if TYPE_CHECKING:
    from collections.abc import Sequence

TEN = FrameRate(10)


def cut(unchanged: int = 4, found: int = 4, matched: int = 4, **told: Any) -> BoundaryShift:
    shift = {"median_shift_s": 0.05, "median_signed_s": -0.05} if matched else dict.fromkeys(
        ("median_shift_s", "median_signed_s")
    )  # fmt: skip
    fields = {"matched_by_chance": 1.0, "f_by_chance": 0.25, **shift, **told}
    return BoundaryShift(unchanged=unchanged, found=found, matched=matched, **fields)


def agreement(paired: int = 8, whole: tuple[float, float] = (0.5, 0.125), **told: Any) -> CodeAgreement:
    if not paired:
        none = {"whole": None, "positions": (), "latent_rms": None, "latent_rms_by_chance": None}
        return CodeAgreement(unchanged_windows=8, windows=12, paired=0, **none)
    places = told.pop("places", ((0.75, 0.25), (0.25, 0.05)))
    return CodeAgreement(
        unchanged_windows=8,
        windows=told.pop("windows", 8),
        paired=paired,
        whole=Equal(share=whole[0], by_chance=whole[1]),
        positions=tuple(Equal(share=share, by_chance=chance) for share, chance in places),
        latent_rms=0.5,
        latent_rms_by_chance=1.0,
    )


def row(name: str, kind: Any = "none", **told: Any) -> InvarianceRow:
    needs: dict[str, Any] = {
        "noisy": {"sigma": 5.0, "seed": 0}, "rate": {"rate": TEN}, "letterboxed": {"bar_share": 0.1}
    }.get(kind, {})  # fmt: skip
    video = InvarianceVideo(name="clip", found=4, matched=4, median_shift_s=0.05, paired=8, whole=0.5)
    fields: dict[str, Any] = {
        "windows_rate": TEN, "videos": (video,), "frames": ShownFrames(frames=90, of_windows=30),
        "boundaries": cut(), "codes": None if kind == "reversed" else agreement(), **told,
    }  # fmt: skip
    return InvarianceRow(name=name, change=VideoChange(kind=kind, **needs), **fields)


def card(*rows: InvarianceRow, first: InvarianceRow | None = None, **told: Any) -> InvarianceResult:
    rules = InvarianceRules(
        tolerance_s=0.25, draws=50, seed=0, source="quantized", mode="token_diff_step", segmenter="state_machine",
        segmenter_parameters={"threshold": 1.2345}, threshold_method="otsu_log", threshold_of="unchanged_videos",
    )  # fmt: skip
    fields: dict[str, Any] = {"rules": rules, "codes": 240, "used_codes": 31, "windows_rate": TEN, **told}
    return InvarianceResult(
        provenance=sample_provenance(),
        tokenizer="sha256:" + 64 * "0",
        horizon=16,
        stride=4,
        rows=(first or row("same"), *rows),
        **fields,
    )


def said(result: InvarianceResult) -> str:
    """Return the text with its wrapped lines put together."""
    return " ".join(invariance_table(result).split())


def cells(result: InvarianceResult, name: str) -> list[str]:
    (line,) = [line for line in invariance_table(result).splitlines() if line.split()[0] == name]
    return line.split()[1:]


def test_each_number_stands_beside_chance() -> None:
    found = cells(card(), "same")
    # 4 found; 4 of 4, 1 of 4 by chance; shift; F; pairs; whole windows; the mean over both codes.
    assert found == ["4", "1.00", "(.25)", "0.050", "1.00", "8/8", "0.50", "(.12)", "0.50", "(.15)"]


def test_the_heading_says_what_was_done() -> None:
    text = said(card())
    assert "1 video, windows of 16 frames at 10 fps, every 4; 31 of 240 codes used" in text
    assert "cut by token_diff_step of quantized, threshold 1.234 in all rows (otsu_log of the unchanged)" in text
    assert "boundaries within 0.25 s" in text
    given = card().rules.model_copy(update={"threshold_of": "given", "threshold_method": "given"})
    assert "in all rows (given)" in said(card(rules=given))


def test_windows_of_the_videos_own_rate_say_so() -> None:
    own = card(first=row("same", windows_rate=None), windows_rate=None)
    assert "windows of 16 frames of the video's own rate" in said(own)
    assert "another length" not in said(own)


def test_windows_of_the_videos_own_rate_follow_a_change_of_it() -> None:
    fewer = ShownFrames(frames=30, left_out=60, of_windows=30)
    own: dict[str, Any] = {"first": row("same", windows_rate=None), "windows_rate": None}
    assert "fps_10: steps are of another length" in said(
        card(row("fps_10", "rate", windows_rate=None, frames=fewer), **own)
    )
    # As many frames as before are those of before.
    assert "another length" not in said(card(row("fps_10", "rate", windows_rate=None), **own))
    assert "another length" not in said(card(row("fps_10", "rate", frames=fewer)))


def test_what_was_not_compared_is_empty_and_no_zero() -> None:
    assert cells(card(row("reversed", "reversed")), "reversed") == ["4", "1.00", "(.25)", "0.050", "1.00"]
    apart = card(row("windows_15", codes=agreement(0), windows_rate=FrameRate(15)))
    assert cells(apart, "windows_15")[-3:] == ["0/12", "-", "-"]
    nothing = card(
        row(
            "windows_5",
            windows_rate=FrameRate(5),
            videos=(),
            too_short=("clip",),
            frames=None,
            boundaries=None,
            codes=None,
        )
    )
    assert cells(nothing, "windows_5") == []
    assert "windows_5: shorter than one window: 'clip'" in said(nothing)


def test_a_share_of_no_boundaries_is_none() -> None:
    nothing = cut(0, 0, 0, matched_by_chance=0.0, f_by_chance=1.0)
    result = card(first=row("same", boundaries=nothing))
    assert cells(result, "same")[:3] == ["0", "-", "1.00"]
    assert "No boundary in the unchanged videos: nothing is said about shifts. Another threshold?" in said(result)
    assert "no boundary was found" not in said(result)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"boundaries": cut(4, 0, 0)}, "one: no boundary was found"),
        (
            {"boundaries": cut(unchanged_beyond=1, found_beyond=2)},
            "one: boundaries beyond the common time, left out: 3",
        ),
        ({"frames": ShownFrames(frames=90, repeated=30, of_windows=30)}, "one: 30 of 90 frames of the video show one"),
        (
            {"frames": ShownFrames(frames=90, of_windows=180, of_windows_repeated=91)},
            "one: 91 of 180 frames of the windows show one",
        ),
        ({"windows_rate": FrameRate(15)}, "one: steps are of another length than those they are compared with"),
        ({"codes": agreement(places=((0.2, 0.3),))}, "Codes are no more equal than by chance: one."),
        ({"boundaries": cut(4, 4, 1)}, "Boundaries are no more matched than by chance: one."),
    ],
)
def test_a_row_that_needs_a_sentence_has_it_and_others_have_not(changed: dict[str, Any], sentence: str) -> None:
    assert sentence in said(card(row("one", "half_size", **changed)))
    assert sentence not in said(card(row("one", "half_size")))
    assert "one:" not in said(card(row("one", "half_size")))


def test_rows_that_need_the_same_sentence_share_it() -> None:
    text = said(card(*(row(f"windows_{rate}", windows_rate=FrameRate(rate)) for rate in (15, 20))))
    assert text.count("another length") == 1
    assert "windows_15, windows_20: steps are of another length" in text


def test_what_mirrored_and_reversed_mean_is_said_where_they_are() -> None:
    assert "what moved left moves right" in said(card(row("mirrored", "mirrored")))
    assert "boundaries are mirrored back" in said(card(row("reversed", "reversed")))
    assert "moves right" not in said(card())
    assert "mirrored back" not in said(card())


@given(st.lists(st.text("abcdef_", min_size=1, max_size=9), unique=True, max_size=9), st.integers(1, 9000))
def test_no_line_is_wider_than_a_terminal(names: Sequence[str], windows: int) -> None:
    rows = (
        row(f"{name}_x", "half_size", codes=agreement(1, windows=windows), boundaries=cut(4, 4, 1)) for name in names
    )
    lines = invariance_table(card(*rows)).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line.strip() for line in lines)


def test_shares_and_f_are_worked_out_of_the_counts() -> None:
    found = cut(5, 3, 2, matched_by_chance=1.5)
    assert (found.share, found.share_by_chance, found.f) == (0.4, 0.3, 0.5)
    none = cut(0, 3, 0, matched_by_chance=0.0)
    assert (none.share, none.share_by_chance, none.f) == (None, None, 0.0)
    both = agreement(places=((1.0, 0.25), (0.5, 0.75))).codes
    assert both == Equal(share=0.75, by_chance=0.5)
    assert agreement(0).codes is None
