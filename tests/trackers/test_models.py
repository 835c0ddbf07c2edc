"""Trackers on models of other people, with stand-ins that have upstream's signatures: the contract, and each promise.

The stand-ins (`stand_ins/`) refuse video and queries of another range, order or shape, and answer by the motion that
they find in the pixels: an axis, a scale or a frame that is mistaken on the way gives another path.
"""

from __future__ import annotations

import importlib
import urllib.error
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from lapsdata.errors import CorruptDataError, MissingExtraError, SchemaError, StorageError
from lapsdata.geometry import FrameSize, uniform_grid
from lapsdata.plugins import registry
from lapsmodels.testing import TrackerContract
from lapsmodels.trackers import TrackedWindow, WindowPlan, bootstapir, configured, cotracker, tapnext
from lapsmodels.trackers.bootstapir import BootsTapir
from lapsmodels.trackers.cotracker import CoTracker
from lapsmodels.trackers.tapnext import TapNext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lapsmodels.trackers import Tracker

    Image = NDArray[np.uint8]
    Draw = Callable[..., Image]

STAND_INS = Path(__file__).with_name("stand_ins")
HUB = str(STAND_INS / "co_tracker")
# Three times as wide as high: what is mistaken for a square shows at once.
SIZE = FrameSize(width=192, height=64)
GRID = uniform_grid(SIZE, count=27).points


@pytest.fixture(autouse=True)
def _upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the stand-ins be found, and forget models of the test before."""
    monkeypatch.syspath_prepend(STAND_INS / "site")
    loaders = cotracker._predictor, bootstapir._model, tapnext._model
    for loader in loaders:
        loader.cache_clear()
    # On small pictures, threads only wait for each other.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    for loader in loaders:
        loader.cache_clear()


@pytest.fixture(scope="session")
def gain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of the stand-ins: with them they move, without they stand still."""
    path = tmp_path_factory.mktemp("weights") / "gain.pt"
    torch.save({"gain": torch.ones(())}, path)
    return str(path)


def moving(smooth: Draw, steps: Sequence[tuple[int, int]]) -> list[Image]:
    """Return RGB frames whose red moves by whole pixels (x, y), and whose green and blue stand still."""
    whole = smooth(300, 500)
    still = smooth(64, 192, seed=7)
    red = [whole[90 - y : 154 - y, 120 - x : 312 - x] for x, y in steps]
    return [np.ascontiguousarray(np.stack([one, still, still], axis=-1)) for one in red]


def plan_of(starts: Sequence[int], horizon: int, **others: Any) -> WindowPlan:
    queries = others.pop("queries", lambda number: GRID + np.float32(0.25 * number))
    return WindowPlan(size=SIZE, starts=np.array(starts), horizon=horizon, queries=queries, **others)


def track(tracker: Tracker, frames: list[Image], starts: Sequence[int], horizon: int) -> list[TrackedWindow]:
    return list(tracker.windows(frames, plan_of(starts, horizon)))


def trackers(gain: str) -> dict[str, Tracker]:
    """Return each tracker with its stand-in, at the size of the frames or another."""
    return {
        "cotracker, offline": CoTracker(repo=HUB),
        "cotracker, online": CoTracker(repo=HUB, model="cotracker2_online"),
        "cotracker, batches": CoTracker(repo=HUB, batch=2, checkpoint=gain),
        "bootstapir": BootsTapir(checkpoint=gain, height=64, width=192),
        "bootstapir, another size": BootsTapir(checkpoint=gain, height=128, width=256, batch=3),
        "tapnext": TapNext(checkpoint=gain),
        "tapnext, another size": TapNext(checkpoint=gain, side=320),
    }


ALL = tuple(trackers(""))


class TestContract(TrackerContract):
    """The whole contract, with models that answer by what they see."""

    # A process loads torch for seconds; tests/commands/test_models.py has a model in processes of its own.
    test_another_process_changes_no_bit = None  # type: ignore[assignment]

    @pytest.fixture(autouse=True, params=["cotracker", "bootstapir", "tapnext"])
    def _one_of_them(self, request: pytest.FixtureRequest, gain: str, monkeypatch: pytest.MonkeyPatch) -> None:
        made: dict[str, Tracker] = {
            "cotracker": CoTracker(repo=HUB),
            "bootstapir": BootsTapir(checkpoint=gain, height=160, width=256),
            "tapnext": TapNext(checkpoint=gain),
        }
        self.tracker = made[request.param]
        # The registry has it without weights.
        monkeypatch.setitem(registry("trackers")._objects, request.param, self.tracker)


@pytest.mark.parametrize("which", ALL)
def test_paths_are_those_of_the_picture_in_working_pixels(which: str, gain: str, smooth: Draw) -> None:
    steps = [(3 * k, -k) for k in range(9)]
    windows = track(trackers(gain)[which], moving(smooth, steps), [0, 1, 3, 4], 5)
    assert [(window.number, window.start) for window in windows] == [(0, 0), (1, 1), (2, 3), (3, 4)]
    away = np.array([(3 * k, -k) for k in range(5)])[:, None]
    for window in windows:
        truth = GRID + np.float32(0.25 * window.number) + away
        np.testing.assert_array_equal(window.tracks[0], truth[0])
        inside = ((truth > 1) & (truth < np.array([SIZE.width, SIZE.height]) - 2)).all(axis=-1)
        assert window.vis[inside].all()
        assert np.abs(window.tracks - truth)[inside].max() < 0.1
        assert not window.vis[((truth < -1) | (truth > (SIZE.width, SIZE.height))).any(axis=-1)].any()
        assert np.isnan(window.back_error_px).all()


@pytest.mark.parametrize("model", ["cotracker3_offline", "cotracker3_online", "cotracker2", "cotracker2_online"])
@pytest.mark.parametrize("horizon", [2, 4, 5, 8, 9, 12, 16, 17])
def test_windows_of_any_length_reach_the_model_as_upstream_wants_them(model: str, horizon: int, smooth: Draw) -> None:
    """Online: one call that notes the queries, then chunks of two steps, one step apart, up to the last frame."""
    steps = [(k, k % 3) for k in range(horizon)]
    window = track(CoTracker(repo=HUB, model=model), moving(smooth, steps), [0], horizon)[0]
    middle = np.abs(GRID - [96, 32]).max(axis=1) < 30
    np.testing.assert_array_equal(window.tracks[:, middle], (GRID + np.array(steps)[:, None])[:, middle].astype("f4"))
    assert [(shape[1], first) for _, shape, first in calls_of(model)] == _expected_calls(model, horizon)


def calls_of(model: str) -> list[tuple[str, tuple[int, ...], bool]]:
    """Return what the stand-in that is loaded was asked; each load is a module of its own."""
    predictor = cotracker._predictor(model, HUB, "", "cpu")
    found: list[tuple[str, tuple[int, ...], bool]] = type(predictor).__init__.__globals__["CALLS"]
    return found


def _expected_calls(model: str, horizon: int) -> list[tuple[int, bool]]:
    if not model.endswith("_online"):
        return [(horizon, False)]
    step = 8 if "3" in model else 4
    # As upstream's README: for first in range(0, frames - step, step).
    firsts = list(range(0, horizon - step, step)) or [0]
    return [(min(2 * step, horizon), True), *((min(2 * step, horizon - first), False) for first in firsts)]


@pytest.mark.parametrize(("batch", "sizes"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (3, [3, 2]), (9, [5])])
def test_windows_go_in_batches_and_stay_the_same(batch: int, sizes: list[int], smooth: Draw) -> None:
    frames = moving(smooth, [(2 * k, k) for k in range(9)])
    alone = track(CoTracker(repo=HUB), frames, [0, 1, 2, 4, 5], 4)
    cotracker._predictor.cache_clear()
    together = track(CoTracker(repo=HUB, batch=batch), frames, [0, 1, 2, 4, 5], 4)
    for one, other in zip(alone, together, strict=True):
        assert one[:2] == other[:2]
        for name in ("tracks", "vis", "confidence"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    shapes = [shape for _, shape, _ in calls_of(cotracker.MODELS[0])]
    assert [shape[0] for shape in shapes] == sizes
    assert {shape[1:] for shape in shapes} == {(4, 3, SIZE.height, SIZE.width)}


def test_a_batch_comes_with_the_last_frame_of_its_last_window(smooth: Draw) -> None:
    taken: list[int] = []

    def frames() -> Iterator[Image]:
        for index, image in enumerate(moving(smooth, [(k, 0) for k in range(9)])):
            taken.append(index)
            yield image

    windows = CoTracker(repo=HUB, batch=2).windows(frames(), plan_of([0, 1, 2, 4, 5], 4))
    assert [(window.number, len(taken)) for window in windows] == [(0, 5), (1, 5), (2, 8), (3, 8), (4, 9)]


def test_tapir_is_given_what_upstream_describes(gain: str) -> None:
    """Black is -1 and white is 1, red stays red; (t, y, x) in raster coordinates of the size that was asked for."""
    image = np.zeros((64, 192, 3), np.uint8)
    image[:, 96:, 0] = 255
    points = np.array([[0, 0], [191, 63], [-0.5, -0.5]], np.float32)
    plan = plan_of([0], 2, queries=lambda _: points)
    next(BootsTapir(checkpoint=gain, height=128, width=96).windows([image, image], plan))
    video, queries = importlib.import_module("tapnet.torch.tapir_model").CALLS[0]
    assert video.shape == (1, 2, 128, 96, 3)
    for part, level in ((video[..., :40, 0], -1), (video[..., 56:, 0], 1), (video[..., 1:], -1)):
        assert torch.allclose(part, torch.tensor(float(level)), atol=1e-5)
    # The corner of the picture is (0, 0); the centre of the last pixel is half a pixel from the other.
    expected = [[0, 1.0, 0.25], [0, 127.0, 95.75], [0, 0, 0]]
    np.testing.assert_allclose(queries[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("hidden", "far", "visible"),
    [
        (-4.0, -4.0, True),
        (0.0, 0.0, False),
        (-1.0, -1.0, True),
        (-0.8, -0.8, False),
        (-9.0, 0.1, False),
        (0.1, -9.0, False),
    ],
)
def test_tapir_sees_what_is_likely_seen_and_near(
    hidden: float, far: float, visible: bool, gain: str, smooth: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("tapnet.torch.tapir_model")
    monkeypatch.setattr(module, "SEEN", {"occlusion": hidden, "expected_dist": far})
    frames = moving(smooth, [(0, 0)] * 3)
    window = track(BootsTapir(checkpoint=gain, height=64, width=192), frames, [0], 3)[0]
    assert window.vis[0].all()
    assert (window.vis[1:] == visible).all()
    sure = 1 / (1 + np.exp(hidden)) / (1 + np.exp(far))
    np.testing.assert_allclose(window.confidence[1:], sure if visible else 0, atol=1e-6)


@pytest.mark.parametrize(("logit", "visible"), [(2.0, True), (0.01, True), (-0.01, False)])
def test_tapnext_sees_what_is_above_zero(
    logit: float, visible: bool, gain: str, smooth: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("tapnet.tapnext.tapnext_torch"), "VISIBLE", [logit])
    window = track(TapNext(checkpoint=gain), moving(smooth, [(0, 0)] * 3), [0], 3)[0]
    assert (window.vis[1:] == visible).all()
    np.testing.assert_allclose(window.confidence[1:], 1 / (1 + np.exp(-logit)) if visible else 0, atol=1e-6)


def test_tapnext_is_given_the_queries_once_and_every_frame(gain: str, smooth: Draw) -> None:
    calls = importlib.import_module("tapnet.tapnext.tapnext_torch").CALLS
    calls.clear()
    track(TapNext(checkpoint=gain, side=64), moving(smooth, [(0, 0)] * 4), [0], 4)
    assert [queries is not None for _, queries in calls] == [True, False, False, False]
    assert {tuple(video.shape) for video, _ in calls} == {(1, 1, 64, 64, 3)}
    # In the raster of 256 x 256, whatever the side.
    expected = (GRID[:, ::-1] + 0.5) * [256 / SIZE.height, 256 / SIZE.width]
    np.testing.assert_allclose(calls[0][1][0, :, 1:], expected, rtol=1e-6)


def test_tapnext_knows_no_place_outside_of_the_picture(gain: str, smooth: Draw) -> None:
    window = track(TapNext(checkpoint=gain), moving(smooth, [(5 * k, 0) for k in range(6)]), [0], 6)[0]
    gone = GRID[:, 0] + 25 > SIZE.width + 1
    assert gone.any()
    assert np.isnan(window.tracks[-1][gone]).all()
    assert not window.vis[-1][gone].any()


def test_a_guess_without_texture_is_not_relied_on(gain: str, smooth: Draw) -> None:
    frames = moving(smooth, [(0, 0)] * 3)
    for image in frames:
        image[:, :96] = 128
    for which in ("cotracker, offline", "bootstapir", "tapnext"):
        window = track(trackers(gain)[which], frames, [0], 3)[0]
        assert window.confidence[:, GRID[:, 0] < 80].max() <= np.float32(0.1)
        assert window.confidence[:, GRID[:, 0] > 112].min() > 0.9


@dataclass(frozen=True, kw_only=True)
class Unit(CoTracker):
    """Hands over video of 0 to 1, as people do who know that models want that."""

    def _ask(self, frames: Image, points: NDArray[np.float32]) -> Any:
        unit: Any = (frames / np.float32(255)).astype(np.float32)
        return super()._ask(unit, points)


@dataclass(frozen=True, kw_only=True)
class Turned(CoTracker):
    """Asks for (y, x)."""

    def _ask(self, frames: Image, points: NDArray[np.float32]) -> Any:
        return super()._ask(frames, np.ascontiguousarray(points[..., ::-1]))


@dataclass(frozen=True, kw_only=True)
class Squared(CoTracker):
    """Takes width for height, as a library did whose frames were square."""

    def _ask(self, frames: Image, points: NDArray[np.float32]) -> Any:
        found = super()._ask(frames, points)
        high, wide = frames.shape[2:4]
        first = points[:, None]
        return found._replace(tracks=(first + (found.tracks - first) * [high / wide, 1]).astype(np.float32))


@dataclass(frozen=True, kw_only=True)
class Shuffled(CoTracker):
    """Gives the points in another order."""

    def _ask(self, frames: Image, points: NDArray[np.float32]) -> Any:
        found = super()._ask(frames, points)
        return found._replace(tracks=found.tracks[:, :, ::-1])


CAUGHT = {
    Unit: "test_dim_pictures_are_followed",
    Turned: "test_shifts_are_followed",
    Squared: "test_shifts_are_followed",
    Shuffled: "test_shifts_are_followed",
}


@pytest.mark.parametrize("kind", CAUGHT)
def test_the_contract_catches_what_goes_wrong_on_the_way_to_a_model(kind: type[CoTracker]) -> None:
    class Suite(TrackerContract):
        tracker = kind(repo=HUB)

    with pytest.raises(AssertionError, match=r"moved by .*: expected"):
        getattr(Suite(), CAUGHT[kind])()


@pytest.mark.parametrize("which", [name for name in ALL if not name.startswith("tapnext")])
def test_one_path_through_all_is_not_what_a_model_of_windows_does(which: str, gain: str) -> None:
    plan = plan_of([0], 2, continuous=True)
    with pytest.raises(SchemaError, match=r"continuous: expected windows that each begin anew.*\[not-continuous\]"):
        list(trackers(gain)[which].windows([], plan))


# Where models come from.


def image_pair() -> list[Image]:
    return [np.zeros((64, 192, 3), np.uint8)] * 2


def asked(tracker: Tracker) -> list[TrackedWindow]:
    return track(tracker, image_pair(), [0], 2)


def test_weights_of_ones_own_fill_the_model(tmp_path: Path, smooth: Draw) -> None:
    frames = moving(smooth, [(0, 0), (4, 0)])
    for value in (0.0, 0.5):
        wanted = GRID[13, 0] + 4 * value
        path = tmp_path / f"{value}.pt"
        for content in ({"gain": torch.tensor(value)}, {"model": {"gain": torch.tensor(value)}}):
            torch.save(content, path)
            cotracker._predictor.cache_clear()
            found = track(CoTracker(repo=HUB, checkpoint=str(path)), frames, [0], 2)[0]
            assert found.tracks[1, 13, 0] == pytest.approx(wanted)
        torch.save({"state_dict": {"tapnext.gain": torch.tensor(value)}}, path)
        assert track(TapNext(checkpoint=str(path)), frames, [0], 2)[0].tracks[1, 13, 0] == pytest.approx(
            wanted, abs=0.1
        )
        np.savez(tmp_path / f"{value}.npz", gain=np.float32(value))
        jax = TapNext(checkpoint=str(tmp_path / f"{value}.npz"))
        assert track(jax, frames, [0], 2)[0].tracks[1, 13, 0] == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize("kind", [BootsTapir, TapNext])
def test_no_checkpoint_is_said_with_where_to_get_one(kind: Any) -> None:
    with pytest.raises(
        SchemaError, match=rf"{kind.name}: expected the file of its weights, got none; .*checkpoint=FILE"
    ):
        asked(kind())
    with pytest.raises(StorageError, match=r"nowhere\.pt"):
        asked(kind(checkpoint="nowhere.pt"))


@pytest.mark.parametrize("kind", [BootsTapir, TapNext])
def test_a_missing_package_is_said_with_how_to_install_it(
    kind: Any, gain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(importlib.import_module("sys").modules, "tapnet", None)
    for name in ("tapnet.torch", "tapnet.torch.tapir_model", "tapnet.tapnext", "tapnet.tapnext.tapnext_torch"):
        monkeypatch.delitem(importlib.import_module("sys").modules, name, raising=False)
    with pytest.raises(MissingExtraError, match=rf"{kind.name}: expected the package tapnet, .*pip install 'tapnet"):
        asked(kind(checkpoint=gain))


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"bias": torch.ones(2)}, path)
    own = str(path)
    for tracker in (CoTracker(repo=HUB, checkpoint=own), BootsTapir(checkpoint=own), TapNext(checkpoint=own)):
        with pytest.raises(CorruptDataError, match=r"expected the weights of \w+, got those of another model.*gain"):
            asked(tracker)
    path.write_text("no weights at all")
    with pytest.raises(CorruptDataError, match=r"other\.pt: expected weights as torch saves them.*\[wrong-weights\]"):
        asked(BootsTapir(checkpoint=str(path)))
    torch.save([1, 2], path)
    with pytest.raises(CorruptDataError, match="expected tensors by name, got list"):
        asked(BootsTapir(checkpoint=str(path)))


def test_a_folder_without_upstreams_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"expected a folder with upstream's hubconf.py.*\[no-hubconf\]"):
        asked(CoTracker(repo=str(tmp_path)))
    (tmp_path / "hubconf.py").write_text("")
    with pytest.raises(StorageError, match=r"expected a hubconf.py that has cotracker3_offline.*\[no-such-model\]"):
        asked(CoTracker(repo=str(tmp_path)))
    (tmp_path / "hubconf.py").write_text("import einops_that_is_not_there")
    with pytest.raises(MissingExtraError, match=r"einops_that_is_not_there.*\[missing-package\]"):
        asked(CoTracker(repo=str(tmp_path)))
    (tmp_path / "hubconf.py").write_text("def cotracker3_offline(**kwargs): raise RuntimeError('size mismatch')")
    with pytest.raises(StorageError, match=r"expected the model cotracker3_offline, got: size mismatch.*\[no-model\]"):
        asked(CoTracker(repo=str(tmp_path)))


def test_without_a_network_it_is_said_which_folder_to_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(torch.hub, "urlopen", refused)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(StorageError, match=r"or a network to fetch it, got: .*no route.*copy that folder") as caught:
        asked(CoTracker())
    assert (caught.value.problems[0].code, str(tmp_path) in caught.value.problems[0].message) == ("no-network", True)


def test_a_stale_cache_is_said_with_which_folder_to_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = tmp_path / "facebookresearch_co-tracker_main"
    stale.mkdir()
    (stale / "hubconf.py").write_text("def cotracker_w8(**kwargs): pass")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(StorageError, match=r"got an older or another one; remove .*facebookresearch_co-tracker_main"):
        asked(CoTracker())
    # A cache that fits needs no network.
    (stale / "hubconf.py").write_text((Path(HUB) / "hubconf.py").read_text())
    assert asked(CoTracker())[0].vis.all()


def test_options_are_checked_at_once() -> None:
    with pytest.raises(SchemaError, match=r"options of cotracker: model: expected one of .*, got 'cotracker9'"):
        CoTracker(model="cotracker9")
    with pytest.raises(SchemaError, match=r"options of cotracker: batch: expected at least 1, got 0"):
        CoTracker(batch=0)
    with pytest.raises(SchemaError, match=r"expected multiples of 8, got 250 x 256"):
        BootsTapir(height=250)
    with pytest.raises(SchemaError, match=r"expected a multiple of 8, got 257"):
        TapNext(side=257)
    with pytest.raises(SchemaError, match=r"device: expected cpu, cuda or cuda:1, got 'gpu'.*\[no-device\]"):
        asked(CoTracker(repo=HUB, device="gpu"))


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SchemaError, match=r"got 'cuda', and torch finds no GPU; set device=cpu"):
        asked(CoTracker(repo=HUB, device="cuda"))


def test_options_of_any_tracker_are_set_by_name() -> None:
    plugin: Tracker = registry("trackers").load("cotracker")
    made = configured(plugin, {"model": "cotracker2", "batch": 4})
    assert (made, configured(plugin, {}) is plugin) == (CoTracker(model="cotracker2", batch=4), True)
    lucas: Tracker = registry("trackers").load("lucas_kanade")
    assert configured(lucas, {"back_error_px": 2}).parameters["back_error_px"] == 2.0
    with pytest.raises(SchemaError, match="2 problems") as caught:
        configured(lucas, {"level": 2, "window_px": "21"})
    said = [(problem.code, problem.where) for problem in caught.value.problems]
    where = "options of lucas_kanade"
    assert sorted(said) == [("unknown-option", f"{where}: level"), ("wrong-type", f"{where}: window_px")]
    assert "did you mean 'levels'?" in str(caught.value)


def test_a_tracker_that_is_no_dataclass_has_no_options(smooth: Draw) -> None:
    class Bare:
        name = "bare"

    bare: Any = Bare()
    with pytest.raises(SchemaError, match=r"options of bare: side: expected one of \(it has none\), got 'side'"):
        configured(bare, {"side": 1})


def test_headers_tell_no_place_on_this_machine() -> None:
    own = "/a/c.pt"
    for tracker in (
        CoTracker(repo="/a/co-tracker", checkpoint=own),
        BootsTapir(checkpoint=own),
        TapNext(checkpoint=own),
    ):
        assert "/a" not in repr(tracker.parameters)
        assert tracker.parameters["checkpoint"] == "c.pt"
    assert CoTracker().parameters["repo"] == "facebookresearch/co-tracker:main"
    assert replace(CoTracker(), model="cotracker2").parameters["model"] == "cotracker2"
