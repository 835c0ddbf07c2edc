"""Cards of videos whose answer is known by construction: a block that moves, stands still, and is seen exactly."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch

from lapsdata.errors import LengthMismatchError, SchemaError, StorageError
from lapsdata.plugins import registry
from lapsdata.testing.samples import sample_provenance
from lapsdata.timebase import FrameRate
from lapsdata.transforms.energies import EnergyOptions
from lapsdata.video.sources import find_videos
from lapsdata.video.writer import write_video
from lapsmodels.stages.invariance import invariance_card, measured_card, write_card
from lapsmodels.stages.invariance_options import InvarianceOptions, planned_rows
from lapsmodels.stages.invariance_table import invariance_table
from lapsmodels.stages.track_options import TrackOptions
from lapsmodels.tokenizer.checkpoint import Checkpoint, TokenizerHeader, save_tokenizer, weights_digest
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.tokenizer.model import MotionTokenizer
from lapsmodels.tokenizer.trained import Trained
from lapsmodels.trackers import TrackedWindow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.schema import InvarianceResult, InvarianceRow
    from lapsmodels.trackers import WindowPlan

WIDTH, HEIGHT, BLOCK, SHORT = 160, 48, 16, 16
# Steps of 1/20 s, each phase 0.8 s: still, right, still, left, still, right, still.
PHASES = (0, 2, 0, -2, 0, 2, 0)
BOUNDARIES_S = (0.8, 1.6, 2.4, 3.2, 4.0, 4.8)
CONFIG = TokenizerConfig(points=4, horizon=6, width=16, heads=2, head_width=8, levels=(5, 3))
LEFT, STILL, RIGHT = 3, 7, 11


class Block:
    """A tracker that says where the white block is, of every point: its middle, in pixels of the frame that it gets."""

    name, version, pixels = "lucas_kanade", "1", "gray"
    parameters: dict[str, Any] = {}  # noqa: RUF012 - never written to

    def windows(self, frames: Iterable[NDArray[np.uint8]], plan: WindowPlan) -> Iterator[TrackedWindow]:
        places = []
        for image in frames:
            rows, columns = np.nonzero(image > 128)
            places.append((columns.mean(), rows.mean()))
            if len(places) == plan.frames:
                break
        path = np.array(places, np.float32)
        points = len(plan.queries(0))
        for number, start in enumerate(plan.starts.tolist()):
            tracks = np.repeat(path[start : start + plan.horizon, None], points, axis=1)
            known = np.ones(tracks.shape[:2], bool)
            yield TrackedWindow(
                number, start, tracks, known, known.astype(np.float32), np.zeros(known.shape, np.float32)
            )


class Directions(torch.nn.Module):
    """A tokenizer whose code of a step is left, still or right; its latents are small where it is still.

    `least` is the speed from which on something moves, in half widths of the frame per step.
    """

    def __init__(self, least: float = 0.01) -> None:
        super().__init__()
        self.least = torch.nn.Parameter(torch.tensor(least))

    def encode(self, velocities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        right = velocities[:, 0, :, :, 1].mean(dim=2)
        moves = right.abs() >= self.least
        codes = torch.where(moves, torch.where(right > 0, RIGHT, LEFT), STILL).to(torch.int32)
        latents = torch.where(moves, 1.0, 0.1)[..., None].expand(*codes.shape, CONFIG.width)
        return codes, latents, latents


def checkpoint(model: torch.nn.Module | None = None, rate: FrameRate | None = None) -> Checkpoint:
    trained = None if rate is None else Trained.model_construct(rate=rate)
    header = TokenizerHeader(
        provenance=sample_provenance(), config=CONFIG, views=("default",), weights=weights_digest(b"")
    ).model_copy(update={"trained": trained})
    made: Any = model or Directions()
    return Checkpoint(made, header)


def options(**told: Any) -> InvarianceOptions:
    """Return options under which every step counts, and what is measured is whether something moves."""
    return InvarianceOptions(
        track=TrackOptions(tracker="lucas_kanade", stride=1, active_area="full", resize_shorter=None),
        energies=EnergyOptions(mode="token_size_step"),
        windows=told.pop("windows", FrameRate(10)),
        **told,
    )


def pictures(phases: Iterable[int] = PHASES) -> list[NDArray[np.uint8]]:
    places = 40 + np.concatenate([[0], np.cumsum(np.repeat(np.array(list(phases)), SHORT))])
    frames = [np.full((HEIGHT, WIDTH, 3), 30, np.uint8) for _ in places]
    for image, place in zip(frames, places.tolist(), strict=True):
        image[16 : 16 + BLOCK, place : place + BLOCK] = 230
    return frames


def written(path: Path, phases: Iterable[int] = PHASES) -> Path:
    frames = pictures(phases)
    write_video(path, frames, np.arange(len(frames)) / 20)
    return path


@pytest.fixture(autouse=True)
def block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry("trackers")._objects, "lucas_kanade", Block())


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("invariance") / "clip.mp4")


@pytest.fixture(scope="module")
def card(video: Path) -> InvarianceResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry("trackers")._objects, "lucas_kanade", Block())
        return measured_card(find_videos(video), checkpoint(), options(rates=tuple(map(FrameRate, (10, 15, 20, 30)))))


def row(card: InvarianceResult, name: str) -> InvarianceRow:
    (found,) = [one for one in card.rows if one.name == name]
    return found


class Codes(NamedTuple):
    """The codes of all windows, by hand: steps of 0.1 s, 8 to a phase."""

    windows: NDArray[np.int32]

    @classmethod
    def by_hand(cls) -> Codes:
        steps = np.repeat([{0: STILL, 2: RIGHT, -2: LEFT}[phase] for phase in PHASES], SHORT // 2)
        return cls(np.lib.stride_tricks.sliding_window_view(steps, CONFIG.horizon - 1).astype(np.int32))

    def mirrored(self) -> NDArray[np.int32]:
        return LEFT + RIGHT - self.windows


EXACT = ("same", "fps_10", "fps_20", "fps_30", "half_size", "letterboxed", "noisy")


@pytest.mark.parametrize("name", EXACT)
def test_a_change_that_changes_no_code_has_no_shift_and_full_agreement(card: InvarianceResult, name: str) -> None:
    cut, codes = row(card, name).boundaries, row(card, name).codes
    assert cut is not None
    assert codes is not None
    assert (cut.unchanged, cut.found, cut.matched, cut.share, cut.f) == (6, 6, 6, 1.0, 1.0)
    assert cut.median_shift_s == cut.median_signed_s == 0.0
    assert codes.paired == codes.windows == codes.unchanged_windows == len(Codes.by_hand().windows)
    assert codes.whole is not None
    assert codes.whole.share == 1.0
    assert [one.share for one in codes.positions] == [1.0] * 5
    assert codes.latent_rms == 0.0


def test_agreement_by_chance_is_that_of_codes_by_hand(card: InvarianceResult) -> None:
    windows = Codes.by_hand().windows
    codes = row(card, "same").codes
    assert codes is not None
    assert codes.whole is not None
    every = windows[:, None] == windows[None, :]
    assert codes.whole.by_chance == pytest.approx(every.all(axis=-1).mean())
    np.testing.assert_allclose([one.by_chance for one in codes.positions], every.mean(axis=(0, 1)))
    moves = windows != STILL
    # Latents of 16 numbers are 0.9 apart in each where one moves and the other does not.
    apart = 16 * 0.9**2 * (moves[:, None] != moves[None, :]).mean()
    assert codes.latent_rms_by_chance == pytest.approx(apart**0.5, rel=1e-5)
    assert card.used_codes == 3


def test_mirrored_directions_are_exchanged_and_boundaries_stay(card: InvarianceResult) -> None:
    by_hand = Codes.by_hand()
    cut, codes = row(card, "mirrored").boundaries, row(card, "mirrored").codes
    assert cut is not None
    assert codes is not None
    assert codes.whole is not None
    assert (cut.found, cut.matched, cut.median_shift_s) == (6, 6, 0.0)
    equal = by_hand.windows == by_hand.mirrored()
    assert codes.whole.share == pytest.approx(equal.all(axis=1).mean())
    np.testing.assert_allclose([one.share for one in codes.positions], equal.mean(axis=0))
    assert 0 < codes.whole.share < 1


def test_reversed_boundaries_are_mirrored_and_codes_not_compared(card: InvarianceResult) -> None:
    found = row(card, "reversed")
    assert found.codes is None
    assert found.boundaries is not None
    assert (found.boundaries.found, found.boundaries.matched) == (6, 6)
    assert found.boundaries.median_shift_s == pytest.approx(0.0, abs=1e-9)


def test_boundaries_that_do_not_lie_evenly_come_back_from_a_reversed_video(tmp_path: Path) -> None:
    # Still 1.6 s, right 0.8 s, still 0.8 s: a boundary that was not mirrored back would be 0.8 s off.
    video = written(tmp_path / "uneven.mp4", (0, 0, 2, 0))
    found = row(measured_card(find_videos(video), checkpoint(), options(rates=())), "reversed").boundaries
    assert found is not None
    assert (found.unchanged, found.matched) == (2, 2)
    assert found.median_shift_s == pytest.approx(0.0, abs=1e-9)


def test_another_rate_of_the_video_shifts_by_less_than_a_step(card: InvarianceResult) -> None:
    found = row(card, "fps_15")
    assert found.boundaries is not None
    assert found.boundaries.matched == 6
    assert found.boundaries.median_shift_s is not None
    assert found.boundaries.median_shift_s <= 0.1 + 1e-9
    assert found.codes is not None
    assert found.codes.paired == found.codes.windows


def test_frames_that_are_repeated_and_left_out_are_counted(card: InvarianceResult) -> None:
    # 113 frames, 5.65 s: 57 at 10 per second, 170 at 30 (5.6333 s is the last before the end).
    frames = {one.name: one.frames for one in card.rows}
    up, down, windows = frames["fps_30"], frames["fps_10"], frames["windows_30"]
    assert up is not None
    assert down is not None
    assert windows is not None
    assert (up.frames, up.repeated, up.left_out) == (170, 170 - 113, 0)
    assert (up.of_windows, up.of_windows_repeated) == (57, 0)
    assert (down.frames, down.repeated, down.left_out) == (57, 0, 56)
    assert (windows.frames, windows.repeated) == (113, 0)
    assert (windows.of_windows, windows.of_windows_repeated) == (170, 57)
    assert "windows_30: 57 of 170 frames of the windows show one once more" in " ".join(invariance_table(card).split())


def test_windows_of_another_rate_are_paired_where_they_start_together(card: InvarianceResult) -> None:
    # Unchanged windows start every 0.1 s, 52 of them; those of 15 per second every 1/15 s, 80 of them: 0.2 s is common.
    codes = row(card, "windows_15").codes
    assert codes is not None
    assert (codes.unchanged_windows, codes.windows) == (52, 80)
    assert codes.paired == 26
    twice = row(card, "windows_20").codes
    assert twice is not None
    assert (twice.windows, twice.paired) == (108, 52)


def test_no_noise_is_no_change(video: Path) -> None:
    found = row(measured_card(find_videos(video), checkpoint(), options(rates=(), sigma=0.0)), "noisy")
    assert found.codes is not None
    assert found.codes.whole is not None
    assert found.codes.whole.share == 1.0


def test_a_row_without_boundaries_says_so(video: Path) -> None:
    # At twice the rate a step is half as long: 0.025 half widths, where something moves from 0.03 on.
    card = measured_card(find_videos(video), checkpoint(Directions(0.03)), options(rates=(FrameRate(20),)))
    found = row(card, "windows_20")
    assert found.boundaries is not None
    assert (found.boundaries.found, found.boundaries.matched, found.boundaries.share) == (0, 0, 0.0)
    assert found.boundaries.median_shift_s is None
    table = invariance_table(card)
    assert "windows_20: no boundary was found" in table
    (line,) = [line for line in table.splitlines() if line.startswith("windows_20 ")]
    assert line.split()[1:5] == ["0", "0.00", "(.00)", "-"]
    assert "nan" not in table.lower()


def test_a_video_that_a_change_makes_too_short_is_named_and_the_others_are_compared(
    video: Path, tmp_path: Path
) -> None:
    # 17 frames at 20 per second are 4.5 windows of 6, and 9 at 10 are one; at 5 there are 5.
    short = written(tmp_path / "short.mp4", (2,))
    told = options(rates=(FrameRate(5),), windows=FrameRate(20), threshold=0.3)
    card = measured_card([*find_videos(video), *find_videos(short)], checkpoint(), told)
    found = row(card, "windows_5")
    assert found.too_short == ("short",)
    assert [one.name for one in found.videos] == ["clip"]
    assert "windows_5: shorter than one window: 'short'" in invariance_table(card)
    alone = measured_card(find_videos(short), checkpoint(), told)
    none = row(alone, "windows_5")
    assert (none.videos, none.boundaries, none.codes, none.frames) == ((), None, None, None)
    assert "windows_5\n" in invariance_table(alone)
    assert "No boundary in the unchanged videos" in invariance_table(alone)


def test_an_unchanged_video_that_is_too_short_is_an_error(tmp_path: Path) -> None:
    short = written(tmp_path / "short.mp4", (2,))
    told = options(rates=(), windows=FrameRate(5))
    with pytest.raises(
        LengthMismatchError, match=r"short.mp4 \(same\): expected at least one window of 6 frames, got 5"
    ):
        measured_card(find_videos(short), checkpoint(), told)


class Collapsed(Directions):
    """A tokenizer with one code for all."""

    def encode(self, velocities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        codes, latents, _ = super().encode(velocities)
        return torch.full_like(codes, 2), torch.ones_like(latents), torch.ones_like(latents)


def test_a_collapsed_tokenizer_agrees_by_chance_alone(video: Path) -> None:
    with pytest.raises(SchemaError, match=r"expected positive energies that differ, got 1 .*\[constant-energy\]"):
        measured_card(find_videos(video), checkpoint(Collapsed()), options(rates=()))
    card = measured_card(find_videos(video), checkpoint(Collapsed()), options(rates=(), threshold=2.0))
    codes = row(card, "noisy").codes
    assert codes is not None
    assert codes.whole is not None
    assert (codes.whole.share, codes.whole.by_chance) == (1.0, 1.0)
    assert card.used_codes == 1
    table = invariance_table(card)
    assert "1.00 (1.0)" in table
    assert "Codes are no more equal than by chance: same, half_size, mirrored, letterboxed, noisy." in " ".join(
        table.split()
    )


def test_videos_are_pooled(video: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other.mp4", (0, 2, 0))
    card = measured_card([*find_videos(video), *find_videos(other)], checkpoint(), options(rates=()))
    found = row(card, "half_size")
    assert [(one.name, one.found, one.matched) for one in found.videos] == [("clip", 6, 6), ("other", 2, 2)]
    assert found.boundaries is not None
    assert (found.boundaries.unchanged, found.boundaries.matched) == (8, 8)
    assert found.codes is not None
    assert found.codes.paired == sum(one.paired or 0 for one in found.videos) == 52 + 20


def test_speed_of_points_can_be_measured_as_well(video: Path) -> None:
    # At half size points move half as many pixels: the threshold of the unchanged video is kept all the same.
    told = options(rates=()).model_copy(update={"energies": EnergyOptions(mode="velocity_step"), "threshold": 25.0})
    card = measured_card(find_videos(video), checkpoint(), told)
    same, half = (row(card, name).boundaries for name in ("same", "half_size"))
    assert same is not None
    assert half is not None
    # 40 and 20 pixels per second.
    assert (same.found, half.found) == (6, 0)
    assert (card.rules.source, card.rules.mode, card.rules.threshold_of) == ("velocity", "velocity_step", "given")


def test_windows_have_the_rate_that_the_tokenizer_was_trained_with(video: Path) -> None:
    told = options(rates=(FrameRate(20),), windows="trained")
    trained = measured_card(find_videos(video), checkpoint(rate=FrameRate(10)), told)
    assert trained.windows_rate == FrameRate(10)
    assert [one.name for one in trained.rows][:3] == ["same", "fps_20", "windows_20"]
    unknown = measured_card(find_videos(video), checkpoint(), told)
    assert unknown.windows_rate is None
    assert [one.name for one in unknown.rows][:3] == ["same", "fps_20", "half_size"]
    codes = row(unknown, "same").codes
    assert codes is not None
    assert codes.windows == 108


def test_a_folder_of_images_needs_a_rate_and_has_it_in_all_rows(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(pictures()):
        cv2.imwrite(str(folder / f"{number:04d}.png"), image)
    card = measured_card(find_videos(folder), checkpoint(), options(rates=(FrameRate(10),), windows=FrameRate(20)))
    assert [one.name for one in card.rows][:3] == ["same", "fps_10", "windows_10"]
    for name in ("same", "windows_10"):
        cut = row(card, name).boundaries
        assert cut is not None
        assert (cut.unchanged, cut.found, cut.matched) == (6, 6, 6)
        assert cut.median_shift_s == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(SchemaError, match=r"expected the rate of a folder of images.*got none; give --fps"):
        measured_card(find_videos(folder), checkpoint(rate=FrameRate(10)), options(rates=(), windows="trained"))


def test_rows_have_names_of_their_own() -> None:
    rates = (FrameRate(10), FrameRate(30000, 1001), FrameRate(30))
    names = [one.name for one in planned_rows(InvarianceOptions(rates=rates), FrameRate(10))]
    assert len(set(names)) == len(names)
    assert {"fps_29.97", "windows_29.97"} <= set(names)
    assert all(one.name != "windows_10" for one in planned_rows(InvarianceOptions(), FrameRate(10)))


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"energies": EnergyOptions(mode="l2_mean")}, "expected an energy of steps .*, got 'l2_mean'"),
        ({"segmenter": {"threshold": 1.0}}, "expected the threshold as threshold"),
        ({"rates": (FrameRate(10), FrameRate(10))}, "expected each rate once"),
        ({"windows": "fast"}, "windows"),
    ],
)
def test_options_that_do_not_fit_are_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        InvarianceOptions(**told)


def test_a_tokenizer_of_two_views_is_refused(video: Path) -> None:
    two = checkpoint()
    both = two.header.model_copy(update={"views": ("left", "right")})
    with pytest.raises(SchemaError, match=r"expected a tokenizer for one view, got one for left, right"):
        measured_card(find_videos(video), two._replace(header=both), options())


def test_a_card_is_kept_and_made_again_for_other_options(video: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    header = checkpoint().header
    save_tokenizer(tmp_path / "tokenizer", MotionTokenizer(CONFIG), header)
    told = options(rates=(), threshold=0.5)
    words = [video], tmp_path / "tokenizer", tmp_path / "card.json"
    first = write_card(*words, told)
    assert first.fate == "made"
    assert [(one.role, one.name) for one in first.content.provenance.parents] == [
        ("video", "clip"), ("tokenizer", "tokenizer"),
    ]  # fmt: skip
    assert write_card(*words, told).fate == "kept"
    assert first.content == invariance_card([video], tmp_path / "tokenizer", told)
    assert write_card(*words, told.model_copy(update={"sigma": 1.0})).fate == "changed"
    (tmp_path / "card.json").write_text("a letter")
    with pytest.raises(StorageError, match=r"card\.json"):
        write_card(*words, told)
    (tmp_path / "more").mkdir()
    twin = written(tmp_path / "more" / "clip.mp4", (0,))
    with pytest.raises(SchemaError, match="expected videos of different names, got clip more than once"):
        invariance_card([video, twin], tmp_path / "tokenizer", told)
    with pytest.raises(StorageError, match=r"expected a folder with tokenizer\.json"):
        invariance_card([video], tmp_path / "nowhere", told)


def test_the_table_fits_in_80_columns_and_leaves_out_what_is_not_compared(card: InvarianceResult) -> None:
    lines = invariance_table(card).splitlines()
    assert max(map(len, lines)) <= 80
    titles = next(line for line in lines if line.startswith("change"))
    backwards = next(line for line in lines if line.startswith("reversed "))
    assert len(backwards) <= titles.index("pairs")
    same = next(line for line in lines if line.startswith("same"))
    assert same.split()[1:5] == ["6", "1.00", f"({f'{share(card):.2f}'[1:]})", "0.000"]
    assert all(one.name in "\n".join(lines) for one in card.rows)
    assert [len(line) > 0 for line, _ in pairwise(lines)] == [True] * (len(lines) - 1)


def share(card: InvarianceResult) -> float:
    cut = card.rows[0].boundaries
    assert cut is not None
    assert cut.share_by_chance is not None
    return cut.share_by_chance
