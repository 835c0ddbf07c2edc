"""What samples of robot steps are: scales, rotations and differences against plain NumPy, and one specification."""

from __future__ import annotations

import hashlib
import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import lapsdata
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.stats import read_stats
from lapsdata.errors import SchemaError
from lapsdata.loading import Loader, Mixture, StepDataset
from lapsdata.loading._step_spec import require_specification
from lapsdata.schema import FeatureStats, StepSpec
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.episode_sets import CAMERA, episode_rows, write_lerobot
from lapsdata.transforms.episode_stats import episode_stats

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LENGTHS = (4, 6)
STATE = np.concatenate([one.columns["observation.state"] for one in episode_rows(LENGTHS)]).astype(np.float64)
STATS: dict[str, Any] = {
    "observation.state": {"mean": [1, 2, 3], "std": [2, 0, 0.5], "min": [0, 1, 1], "max": [1, 1, 5]},
    "action": {"min": [0, 0, 0], "max": [4, 8, 2], "q01": [0, 1, 2], "q99": [1, 3, 2]},
    "next.reward": {"mean": [0.5], "std": [0.25]},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lerobot(tmp_path_factory.mktemp("spec") / "set", version="v2.0", lengths=LENGTHS, videos=True)


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set whose state and action have parts, each vector a rotation as well."""
    found = write_lerobot(tmp_path_factory.mktemp("groups") / "set", version="v2.0", lengths=LENGTHS)
    told = {
        "state": {"arm": {"start": 0, "end": 2}, "turn": {"start": 0, "end": 3, "rotation_type": "axis_angle"}},
        "action": {
            "arm": {"start": 0, "end": 2, "absolute": True},
            "hand": {"start": 2, "end": 3, "absolute": False},
            "turn": {"start": 0, "end": 3, "rotation_type": "euler_angles_rpy"},
            "cut": {"start": 0, "end": 2, "rotation_type": "euler_angles_rpy"},
        },
    }
    (found / "meta/modality.json").write_text(json.dumps(told))
    return found


class Shift:
    """Moves actions."""

    name = "shift"

    def __init__(self, by: float) -> None:
        self.parameters = {"by": by}

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"action": batch["action"] + np.float32(self.parameters["by"])}


def opened(root: Path, **options: Any) -> StepDataset:
    fields = options.pop("fields", ["observation.state", "action", "next.reward"])
    return lapsdata.open_steps(root, fields=fields, stats=STATS, **options)


class TestScales:
    def test_mean_and_deviation_and_numbers_without_spread(self, root: Path) -> None:
        steps = opened(root, normalize={"observation.state": "mean_std", "next.reward": "mean_std", "action": "none"})
        batch = steps.gather(range(10))
        wanted = (STATE - [1, 2, 3]) / [2, 1, 0.5]
        np.testing.assert_array_equal(batch["observation.state"], wanted.astype(np.float32))
        # A statistic of one number in a list is that of a single number.
        assert batch["next.reward"].tolist() == [-2, -2, -2, 2, -2, -2, -2, -2, -2, 2]
        np.testing.assert_array_equal(batch["action"], (STATE + 0.5).astype(np.float32))
        assert steps.specification.policies == {"centred_only": 1}
        assert list(steps.specification.normalise) == ["observation.state", "next.reward"]

    def test_ranges_go_to_one_and_what_is_outside_stays_there_unless_asked(self, root: Path) -> None:
        asked = {"action": "q01_q99", "observation.state": "min_max"}
        batch = opened(root, normalize=asked).gather(range(10))
        action = STATE + 0.5
        wanted = np.stack([2 * action[:, 0] - 1, action[:, 1] - 2, action[:, 2] - 2], axis=1)
        np.testing.assert_allclose(batch["action"], wanted, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(batch["observation.state"][:, 1], STATE[:, 1] - 1)
        steps = opened(root, normalize=asked | {"next.reward": "mean_std"}, clip=True)
        np.testing.assert_allclose(steps.gather(range(10))["action"], np.clip(wanted, -1, 1), rtol=1e-6, atol=1e-6)
        assert steps.clipped["action"] == int((np.abs(wanted) > 1).sum())
        assert {name: one.clip for name, one in steps.specification.normalise.items()} == {
            "action": True,
            "observation.state": True,
            "next.reward": False,
        }

    def test_times_batches_and_buffers(self, root: Path) -> None:
        steps = opened(root, delta_timestamps={"action": [0, 0.1]}, normalize={"action": "min_max"})
        plain = opened(root, delta_timestamps={"action": [0, 0.1]}).gather([3, 7, 0])["action"].astype(np.float64)
        buffer = np.empty((3, 2, 3), np.float32)
        batch = steps.gather([3, 7, 0], out={"action": buffer})
        assert batch["action"] is buffer
        np.testing.assert_array_equal(buffer, ((plain - [2, 4, 1]) / [2, 4, 1]).astype(np.float32))
        np.testing.assert_array_equal(steps[7]["action"].numpy(), buffer[1])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(steps)).gather([7])["action"][0], buffer[1])

    def test_a_camera_by_its_name_in_groot_has_statistics_of_that_name(self, tmp_path: Path) -> None:
        root = write_lerobot(tmp_path / "set", version="v2.0", lengths=(3,), videos=True)
        told = {"video": {"ego_view": {"original_key": CAMERA}}}
        (root / "meta/modality.json").write_text(json.dumps(told))
        name = "video.ego_view"
        options: dict[str, Any] = {"fields": [name, CAMERA], "image_type": "float32"}
        stats = {name: {"mean": [0.25] * 3, "std": [2] * 3}}
        steps = lapsdata.open_steps(root, stats=stats, normalize={name: "mean_std"}, **options)
        batch = steps.gather([1])
        # The frame under its other name is as it is.
        np.testing.assert_allclose(batch[name], (batch[CAMERA].astype(float) - 0.25) / 2, atol=1e-6)
        assert steps.specification.normalise[name].shape == (3, 1, 1)

    def test_whole_numbers_and_frames_become_float32(self, root: Path) -> None:
        stats = {"frame_index": {"min": 0, "max": 4}, CAMERA: {"mean": [[[0.1]]] * 3, "std": [[[0.5]]] * 3}}
        options: dict[str, Any] = {"fields": ["frame_index", CAMERA], "image_type": "float32"}
        steps = lapsdata.open_steps(
            root, stats=stats, normalize={"frame_index": "min_max", CAMERA: "mean_std"}, **options
        )
        plain, batch = lapsdata.open_steps(root, **options).gather([2, 5]), steps.gather([2, 5])
        assert batch["frame_index"].dtype == np.float32
        assert batch["frame_index"].tolist() == [0, -0.5]
        np.testing.assert_allclose(batch[CAMERA], (plain[CAMERA].astype(float) - 0.1) / 0.5, atol=1e-6)

    @pytest.mark.parametrize("stated", [True, False], ids=["as the data set says", "computed from the rows"])
    def test_statistics_of_the_data_set(self, root: Path, stated: bool) -> None:
        found = read_set(root)
        by_name = (
            read_stats(found, ["observation.state", "next.reward"]).by_feature
            if stated
            else episode_stats(EpisodeRows(root, found.episodes), found.episodes)
        )
        asked = {"observation.state": "mean_std", "next.reward": "min_max"}
        steps = lapsdata.open_steps(root, normalize=asked, stats=by_name, fields=list(asked))
        batch = steps.gather(range(10))
        # Of the whole set the mean is 0 and the deviation 1, whatever the numbers were.
        np.testing.assert_allclose(batch["observation.state"].mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(batch["observation.state"].std(axis=0), 1, atol=1e-5)
        np.testing.assert_allclose((batch["next.reward"].min(), batch["next.reward"].max()), (-1, 1))
        one = steps.specification.normalise["observation.state"]
        np.testing.assert_allclose(one.values["mean"], STATE.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(one.values["std"], STATE.std(axis=0), rtol=1e-6)

    def test_numbers_without_any_finite_value_have_no_statistics(self, root: Path) -> None:
        nothing = FeatureStats(shape=(), origin="computed", min=(None,), max=(None,), mean=(None,), std=(None,))
        with pytest.raises(SchemaError, match=r"next\.reward: expected 1 finite numbers for \(\), got NaN or infinity"):
            lapsdata.open_steps(root, normalize={"next.reward": "mean_std"}, stats={"next.reward": nothing})

    def test_the_digest_says_which_statistics_the_numbers_are_from(self, root: Path) -> None:
        action = {kind: [float(value) for value in values] for kind, values in STATS["action"].items()}
        spec = opened(root, normalize={"action": "min_max"}).specification
        text = json.dumps(action, sort_keys=True, separators=(",", ":")).encode()
        assert spec.normalise["action"].stats_digest == f"sha256:{hashlib.sha256(text).hexdigest()}"
        assert spec.normalise["action"].values == {"min": (0, 0, 0), "max": (4, 8, 2)}

    def test_a_part_is_scaled_by_its_part_of_the_statistics(self, groups: Path) -> None:
        steps = opened(groups, fields=["action.arm", "action.hand"], normalize={"action.arm": "min_max"})
        assert steps.specification.normalise["action.arm"].values == {"min": (0, 0), "max": (4, 8)}
        batch = steps.gather([1])
        np.testing.assert_array_equal(batch["action.arm"], [[0.5 / 2 - 1, 1.5 / 4 - 1]])
        np.testing.assert_array_equal(batch["action.hand"], [[1.5]])

    @pytest.mark.parametrize("mode", ["min_max", "q01_q99"])
    def test_the_way_back(self, root: Path, mode: str) -> None:
        steps = opened(root, delta_timestamps={"action": [0, 0.1]}, normalize={"action": mode})
        plain = opened(root, delta_timestamps={"action": [0, 0.1]}).gather(range(10))["action"]
        back = steps.specification.denormalise("action", steps.gather(range(10))["action"])
        assert back.dtype == np.float32
        np.testing.assert_allclose(back, plain, rtol=1e-6, atol=1e-6)
        reward = np.ones(3)
        assert steps.specification.denormalise("next.reward", reward) is reward

    def test_numbers_beyond_the_type_are_never_infinite(self, root: Path) -> None:
        stats = {"action": {"mean": [0, 0, 0], "std": [1, 1e-45, 1]}}
        steps = lapsdata.open_steps(root, stats=stats, normalize={"action": "mean_std"}, fields=["action"])
        with pytest.raises(SchemaError, match=r"action: expected numbers that float32 can hold after scaling"):
            steps.gather([1])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"normalize": {"action": "q99"}}, r"action: expected one of 'none', 'mean_std', .*, got 'q99'"),
            ({"normalize": {"actoin": "min_max"}}, r"actoin: expected some of .*, got 'actoin'"),
            ({"normalize": {"action": "mean_std"}}, r"action: expected mean and std of its numbers, got min, max, q01"),
            ({"normalize": {"timestamp": "mean_std"}}, r"timestamp: expected mean and std of its numbers, got none"),
            ({"normalize": {CAMERA: "mean_std"}}, r"expected frames of float32, got uint8; add image_type"),
            (
                {"normalize": {"next.reward": "mean_std"}, "clip": True},
                r"clip: expected a field of min_max or q01_q99 to be clipped, got none",
            ),
        ],
    )
    def test_refusals(self, root: Path, options: dict[str, Any], message: str) -> None:
        with pytest.raises(SchemaError, match=message):
            opened(root, **options)

    @pytest.mark.parametrize(
        ("pair", "message"),
        [
            ({"mean": [1], "std": [1, 1, 1]}, r"action: expected 3 finite numbers for \(3,\), got 1 in mean"),
            ({"mean": [np.nan, 0, 0], "std": [1, 1, 1]}, r"action: expected 3 finite numbers .*, got NaN or infinity"),
            ({"mean": [0, 0, 0], "std": [1, 1, -1]}, r"action: .*expected std from 0 on"),
        ],
    )
    def test_statistics_that_cannot_be(self, root: Path, pair: dict[str, Any], message: str) -> None:
        with pytest.raises(SchemaError, match=message):
            lapsdata.open_steps(root, normalize={"action": "mean_std"}, stats={"action": pair})


class TestSpecification:
    def make(self, root: Path) -> StepDataset:
        return opened(
            root,
            delta_timestamps={"action": [0, 0.1, 0.3], CAMERA: [-0.1, 0]},
            fields=["action", "action_is_pad", CAMERA, "observation.state"],
            image_type="float32",
            normalize={"action": "q01_q99", "observation.state": "mean_std"},
            clip=True,
        )

    def test_a_checkpoint_carries_it_and_the_same_samples_come_out(self, root: Path, tmp_path: Path) -> None:
        steps = self.make(root)
        (tmp_path / "step_spec.json").write_bytes(steps.specification.to_bytes())
        spec = StepSpec.parse((tmp_path / "step_spec.json").read_bytes())
        assert spec == steps.specification
        assert spec.digest == steps.specification.digest
        again = StepDataset.from_spec(root, spec)
        assert again.specification == spec
        assert again.fingerprint == steps.fingerprint
        batch, other = steps.gather(range(10)), again.gather(range(10))
        assert list(batch) == list(other)
        for name, array in batch.items():
            np.testing.assert_array_equal(array, other[name], err_msg=name)

    def test_another_data_set_is_scaled_with_the_numbers_of_the_first(self, root: Path, tmp_path: Path) -> None:
        spec = opened(root, normalize={"action": "min_max"}).specification
        other = write_lerobot(tmp_path / "other", version="v3.0", lengths=(3, 8))
        (other / "meta/stats.json").write_text(json.dumps({"action": {"min": [9] * 3, "max": [99] * 3}}))
        steps = StepDataset.from_spec(other, spec, episodes=[1])
        assert len(steps) == 8
        np.testing.assert_allclose(steps.gather([7])["action"], [[1.5 / 2 - 1, 7.5 / 4 - 1, 7.5]])
        batch = next(iter(Loader(steps, global_batch_size=4, seed=0)))
        assert batch["action"].shape == (4, 3)

    def test_groot_repair_7_evaluation_without_the_transforms_of_training(self, root: Path) -> None:
        spec = opened(root, normalize={"action": "min_max"}, transform=Shift(2.0)).specification
        bare = opened(root)
        with pytest.raises(SchemaError, match=r"2 problems:") as caught:
            bare.require(spec)
        told = str(caught.value)
        assert "specification: normalise: action: expected {" in told
        assert "specification: transform: expected" in told
        assert "open them with StepDataset.from_spec" in told
        with pytest.raises(SchemaError, match=r'transform: expected {"name":"shift",.*, got nothing'):
            StepDataset.from_spec(root, spec)
        with pytest.raises(SchemaError, match=r"transform: parameters: by: expected 2\.0, got 3\.0"):
            StepDataset.from_spec(root, spec, transform=Shift(3.0))
        StepDataset.from_spec(root, spec, transform=Shift(2.0)).require(spec)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"fields": ["action"]}, r"fields: next\.reward: expected {.*}, got nothing"),
            (
                {"delta_timestamps": {"action": [0, 0.1]}},
                r"delta_timestamps: action: expected nothing, got \[0\.0,0\.1\]",
            ),
            ({"image_type": "float32"}, r"image_type: expected 'uint8', got 'float32'"),
            ({"pixels": "rgb"}, r"pixels: expected 'rgb_quick', got 'rgb'"),
            ({"normalize": {"action": "q01_q99"}}, r"normalise: action: mode: expected 'min_max', got 'q01_q99'"),
            ({"normalize": {"action": "min_max"}, "clip": True}, r"normalise: action: clip: expected false, got true"),
        ],
    )
    def test_each_place_that_differs_is_named(self, root: Path, options: dict[str, Any], message: str) -> None:
        spec = opened(root, normalize={"action": "min_max"}).specification
        with pytest.raises(SchemaError, match=message):
            opened(root, **({"normalize": {"action": "min_max"}} | options)).require(spec)

    def test_the_same_numbers_of_other_statistics_are_the_same_specification(self, root: Path) -> None:
        one, other = (
            lapsdata.open_steps(root, normalize={"action": "mean_std"}, stats={"action": told})
            for told in (
                {"mean": [0, 0, 0], "std": [1, 1, 1]},
                {"mean": [0, 0, 0], "std": [1, 1, 1], "max": [5, 5, 5]},
            )
        )
        assert one.specification != other.specification
        assert one.specification.digest == other.specification.digest
        one.require(other.specification)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda path: rate(path, 20), r"rate: expected '10', got '20'"),
            (lambda path: wider(path), r"fields: action: shape: expected \[3\], got \[4\]"),
        ],
    )
    def test_a_data_set_that_cannot_give_such_samples(
        self, root: Path, tmp_path: Path, change: Callable[[Path], None], message: str
    ) -> None:
        spec = opened(root, normalize={"next.reward": "mean_std"}).specification
        other = write_lerobot(tmp_path / "other", lengths=(3,))
        change(other / "meta/info.json")
        with pytest.raises(SchemaError, match=message):
            StepDataset.from_spec(other, spec)

    @pytest.mark.parametrize("kind", ["bytes", "dict", "path", "steps", "none"])
    def test_what_is_no_specification(self, root: Path, kind: str) -> None:
        steps = opened(root)
        given: Any = {
            "bytes": steps.specification.to_bytes(),
            "dict": steps.specification.as_json(),
            "path": root / "step_spec.json",
            "steps": steps,
            "none": None,
        }[kind]
        told = rf"specification: expected a StepSpec, got {type(given).__name__}; .*with StepSpec\.parse"
        with pytest.raises(SchemaError, match=told):
            StepDataset.from_spec(root, given)
        with pytest.raises(SchemaError, match=told):
            steps.require(given)
        if kind == "bytes":
            assert StepSpec.parse(bytearray(given)) == steps.specification
            return
        with pytest.raises(SchemaError, match=r"step_spec: expected JSON as bytes or text, got .*read_bytes\(\)"):
            StepSpec.parse(given)

    @pytest.mark.parametrize(
        ("ours", "theirs", "told"),
        [
            (["x", "y", "z"], ["y", "x", "z"], r"names: action: .*'x', 'y', 'z', got 'y', 'x', 'z': number 0 is 'y'"),
            (["x", "y", "z"], {"motors": ["x", "y", "w"]}, r"names: action: .* number 2 is 'w', and not 'z'"),
            (["x", "y", "z"], {"motors": ["x", "y", "z"]}, None),
            (["x", "y", "z"], None, None),
            (None, ["y", "x", "z"], None),
        ],
    )
    def test_numbers_are_those_of_the_names_that_were_trained_on(
        self, tmp_path: Path, ours: Any, theirs: Any, told: str | None
    ) -> None:
        one, other = (named(tmp_path / name, {"action": said}) for name, said in (("a", ours), ("b", theirs)))
        spec = StepSpec.parse(opened(one, delta_timestamps={"action": [0, 0.1]}).specification.to_bytes())
        assert spec.names == ({} if ours is None else {"action": ("x", "y", "z")})
        if told is None:
            assert len(StepDataset.from_spec(other, spec)) == 10
            return
        with pytest.raises(SchemaError, match=told):
            StepDataset.from_spec(other, spec)
        with pytest.raises(SchemaError, match=r"1 problem|unlike-specification"):
            opened(other, delta_timestamps={"action": [0, 0.1]}).require(spec)

    def test_names_are_of_what_was_stored_and_of_the_states_too(self, tmp_path: Path) -> None:
        told = {
            "state": {"turn": {"start": 0, "end": 3, "rotation_type": "axis_angle"}, "arm": {"start": 0, "end": 2}},
            "action": {"arm": {"start": 1, "end": 3, "absolute": True}},
        }
        one, other = (
            named(tmp_path / name, {"observation.state": state, "action": ["a", "b", "c"]})
            for name, state in (("a", ["x", "y", "z"]), ("b", ["y", "x", "z"]))
        )
        for root in (one, other):
            (root / "meta/modality.json").write_text(json.dumps(told))
        options: Any = {
            "fields": ["state.turn", "action.arm"],
            "relative": {"action.arm": "state.arm"},
            "rotations": {"state.turn": "rotation_6d"},
        }
        spec = opened(one, **options).specification
        names = {"state.turn": ("x", "y", "z"), "action.arm": ("b", "c"), "state.arm": ("x", "y")}
        assert spec.names == names
        with pytest.raises(SchemaError, match=r"(?s)names: state\.arm: .*names: state\.turn: ") as caught:
            StepDataset.from_spec(other, spec)
        assert len(caught.value.problems) == 2

    def test_where_names_differ_far_behind_is_told(self, tmp_path: Path) -> None:
        spec = opened(named(tmp_path / "a", {"action": ["x", "y", "z"]})).specification
        long = tuple(f"joint_{at}" for at in range(40))
        one, other = (
            spec.model_copy(update={"names": {"action": names}}) for names in (long, (*long[:37], *long[:36:-1]))
        )
        with pytest.raises(SchemaError, match=r"and 28 more: number 37 is 'joint_39', and not 'joint_37'; where"):
            require_specification(other, one, "set")

    def test_records_of_before_know_no_names(self, root: Path) -> None:
        spec = opened(root).specification
        document: Any = spec.as_json()
        del document["names"]
        before = StepSpec.parse(json.dumps(document))
        assert (before, before.digest) == (spec, spec.digest)

    def test_numbers_of_a_field_that_the_data_set_does_not_have(self, root: Path) -> None:
        spec = opened(root, normalize={"action": "min_max"}).specification
        strange = spec.model_copy(update={"normalise": {"torque": spec.normalise["action"]}})
        with pytest.raises(SchemaError, match=r"specification: normalise: expected fields of the data set, got torque"):
            StepDataset.from_spec(root, strange)
        with pytest.raises(SchemaError, match=r"specification: normalise: torque: expected {.*}, got nothing"):
            opened(root).require(strange)

    def test_times_are_whole_rows_however_they_were_spelled(self, root: Path) -> None:
        one, other = (opened(root, delta_timestamps={"action": [0, time]}) for time in (0.1, 0.10003))
        assert one.specification == other.specification
        assert one.specification.delta_timestamps == {"action": (0.0, 0.1)}

    def test_streams_and_samples_are_of_the_specification(self, root: Path) -> None:
        steps = opened(root, normalize={"action": "min_max"})
        spec = steps.specification
        for sample in steps.stream(buffer=3, seed=1):
            back = spec.denormalise("action", sample["action"].numpy())
            np.testing.assert_allclose(back, sample["observation.state"].numpy() + 0.5, rtol=1e-6, atol=1e-6)
        for field in spec.fields:
            assert steps.gather([0])[field.name].shape[1:] == field.shape
            assert steps.gather([0])[field.name].dtype == field.dtype

    def test_options_that_the_specification_decides(self, root: Path) -> None:
        spec = opened(root).specification
        with pytest.raises(SchemaError, match=r"expected what the specification does not decide, got clip, stats"):
            StepDataset.from_spec(root, spec, stats=STATS, clip=True)
        assert StepDataset.from_spec(root, spec, threads=2, cache_bytes=0).specification == spec

    def test_a_subset_and_another_choice_of_fields(self, root: Path) -> None:
        steps = self.make(root)
        assert steps.subset(episodes=[1]).specification == steps.specification
        assert opened(root, normalize={"action": "min_max"}).fingerprint != opened(root).fingerprint

    def test_words_of_a_task_are_those_of_its_row_whatever_is_done_to_a_batch(self, root: Path) -> None:
        words = ["pick the cube", "place the cup"]
        steps = opened(root, transform=Shift(2.0))
        assert [sample["task"] for sample in steps.__getitems__([0, 4])] == words
        assert steps[4]["action"].tolist() == (steps.gather([4])["action"][0]).tolist()
        numbers = {"task_index": {"mean": [5], "std": [2]}}
        scaled = lapsdata.open_steps(root, normalize={"task_index": "mean_std"}, stats=numbers)
        assert [sample["task"] for sample in scaled.__getitems__([0, 4])] == words
        assert scaled[0]["task_index"] == -2.5
        around = lapsdata.open_steps(root, {"task_index": [-0.1, 0.1]})
        assert (around[4]["task"], around.task_of(0), around[0]["task_index"].tolist()) == (words[1], words[0], [0, 0])

    def test_what_is_no_transform(self, root: Path) -> None:
        with pytest.raises(SchemaError, match=r"transform: expected a function of a batch with a name"):
            opened(root, transform=len)
        steps = opened(root, transform=Shift(1.0))
        np.testing.assert_array_equal(steps.gather([3])["action"], opened(root).gather([3])["action"] + 1)

        class Wider(Shift):
            def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
                return {"action": np.zeros((1, 4), np.float32), "reward": batch["next.reward"]}

        with pytest.raises(SchemaError, match=r"2 problems:") as caught:
            opened(root, transform=Wider(1.0)).gather([0])
        assert "transform shift: action: expected (1, 3) float32, got (1, 4) float32" in str(caught.value)
        assert "transform shift: reward: expected some of observation.state, action" in str(caught.value)


class TestRotationsAndDifferences:
    def test_rotations_are_those_of_scipy(self, groups: Path) -> None:
        asked = {"action.turn": "rotation_6d", "state.turn": "quaternion"}
        fields = ["action.turn", "state.turn"]
        steps = lapsdata.open_steps(groups, {"action.turn": [0, 0.1]}, fields=fields, rotations=asked)
        assert steps.spec["action.turn"].shape == (2, 6)
        batch = steps.gather(range(10))
        euler = lapsdata.open_steps(groups, {"action.turn": [0, 0.1]}, fields=fields).gather(range(10))["action.turn"]
        matrices = Rotation.from_euler("XYZ", euler.reshape(-1, 3).astype(float)).as_matrix()
        np.testing.assert_allclose(batch["action.turn"].reshape(-1, 6), matrices[:, :2].reshape(-1, 6), atol=1e-6)
        xyzw = Rotation.from_rotvec(STATE).as_quat(canonical=True)
        np.testing.assert_allclose(batch["state.turn"], xyzw[:, [3, 0, 1, 2]], atol=1e-6)
        change = steps.specification.rotations["action.turn"]
        assert (change.source, change.target) == ("euler_angles_rpy", "rotation_6d")
        again = StepDataset.from_spec(groups, steps.specification)
        np.testing.assert_array_equal(again.gather(range(10))["action.turn"], batch["action.turn"])

    def test_actions_relative_to_the_present_state(self, groups: Path) -> None:
        steps = lapsdata.open_steps(
            groups,
            {"action.arm": [0, 0.2], "state.arm": [-0.1]},
            fields=["action.arm"],
            relative={"action.arm": "state.arm"},
        )
        # Two rows on, the row is two larger, and the action half a step ahead of its state.
        np.testing.assert_array_equal(steps.gather([5])["action.arm"], [[[0.5, 0.5], [0.5, 2.5]]])
        assert StepDataset.from_spec(groups, steps.specification).specification.relative == {"action.arm": "state.arm"}

    def test_statistics_of_stored_numbers_are_not_those_of_changed_ones(self, groups: Path) -> None:
        options: dict[str, Any] = {"rotations": {"action.turn": "rotation_6d"}, "normalize": {"action.turn": "min_max"}}
        with pytest.raises(SchemaError, match=r"action\.turn: expected min and max of its numbers, got none"):
            opened(groups, fields=["action.turn"], **options)
        own = {"action.turn": {"min": [-2] * 6, "max": [2] * 6}}
        found = lapsdata.open_steps(groups, fields=["action.turn"], stats=own, **options).gather([0])
        del options["normalize"]
        plain = lapsdata.open_steps(groups, fields=["action.turn"], **options).gather([0])
        np.testing.assert_allclose(found["action.turn"], plain["action.turn"] / 2)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"rotations": {"action.hand": "matrix"}}, r"action\.hand: expected a part that the data set calls a rot"),
            ({"rotations": {"action": "matrix"}}, r"expected a part of a vector that is a rotation: .*, got 'action'"),
            ({"rotations": {"action.turn": "quaternion_xyzw"}}, r"expected one of axis_angle, .*, got 'quaternion_xy"),
            ({"rotations": {"action.cut": "matrix"}}, r"action\.cut: expected 3 float32 or float64 numbers of euler"),
            ({"relative": {"action.arm": "state.leg"}}, r"expected features or parts of them, got state\.leg"),
            ({"relative": {"action.arm": "state.turn"}}, r"whose difference is a step, got rotations: state\.turn"),
            ({"relative": {"action.hand": "state.arm"}}, r"action\.hand: expected an action that is a place"),
            ({"relative": {"action": "state.arm"}}, r"got rotations: action\.turn, action\.cut; name each part"),
            ({"relative": {"action": "state.arm"}}, r"got one that is a step already: action\.hand; leave it as it is"),
            ({"relative": {"action.arm": "next.reward"}}, r"and a state of as many numbers, got 2 and None"),
        ],
    )
    def test_refusals(self, groups: Path, options: dict[str, Any], message: str) -> None:
        with pytest.raises(SchemaError, match=message):
            lapsdata.open_steps(groups, **options)


def named(root: Path, names: dict[str, Any]) -> Path:
    write_lerobot(root, version="v3.0", lengths=LENGTHS)
    told = json.loads((root / "meta/info.json").read_text())
    for name, said in names.items():
        told["features"][name]["names"] = said
    (root / "meta/info.json").write_text(json.dumps(told))
    return root


def rate(info: Path, fps: int) -> None:
    info.write_text(json.dumps(json.loads(info.read_text()) | {"fps": fps}))


def wider(info: Path) -> None:
    told = json.loads(info.read_text())
    told["features"]["action"] |= {"shape": [4], "names": None}
    info.write_text(json.dumps(told))


def test_numbers_of_unlike_names_are_not_mixed(tmp_path: Path) -> None:
    sets = {
        name: opened(named(tmp_path / name, {"action": said}))
        for name, said in (
            ("none", None),
            ("one", ["x", "y", "z"]),
            ("other", ["z", "y", "x"]),
            ("like", ["x", "y", "z"]),
        )
    }
    alike = Mixture({name: sets[name] for name in ("none", "one", "like")})
    assert len(alike) == 30
    with pytest.raises(SchemaError, match=r"other: action: .*'x', 'y', 'z' as in one, got 'z', 'y', 'x': number 0"):
        Mixture(sets)
    without = {name: lapsdata.open_steps(tmp_path / name, fields=["next.reward"]) for name in sets}
    mixture = Mixture(without)
    assert mixture.gather([0], fields=["next.reward"])["next.reward"].shape == (1,)
    with pytest.raises(SchemaError, match=r"unlike-names"):
        mixture.gather([0], fields=["action"])


@pytest.mark.parametrize("how", ["mean_std", "min_max", "q01_q99"])
def test_statistics_of_the_rows_are_those_of_the_chosen_episodes(tmp_path: Path, how: str) -> None:
    """A train part is scaled by its own numbers, and what is judged by the same ones."""
    root = write_lerobot(tmp_path / "set", lengths=(4, 6, 5))
    rows = [one.columns["action"].astype(np.float64) for one in episode_rows((4, 6, 5))]
    train = np.concatenate([rows[0], rows[2]])
    low, high = {
        "mean_std": (train.mean(0), train.mean(0) + train.std(0)),
        "min_max": (train.min(0), train.max(0)),
        "q01_q99": (np.quantile(train, 0.01, axis=0), np.quantile(train, 0.99, axis=0)),
    }[how]
    scaled = (train - low) / (high - low) if how == "mean_std" else 2 * (train - low) / (high - low) - 1
    steps = lapsdata.open_steps(root, episodes=[0, 2], normalize={"action": how}, stats="rows")  # type: ignore[dict-item]
    np.testing.assert_allclose(steps.gather(range(9))["action"], scaled, rtol=1e-5, atol=1e-6)
    judged = StepDataset.from_spec(root, steps.specification, episodes=[1])
    other = (rows[1] - low) / (high - low) if how == "mean_std" else 2 * (rows[1] - low) / (high - low) - 1
    np.testing.assert_allclose(judged.gather(range(6))["action"], other, rtol=1e-5, atol=1e-6)
    with pytest.raises(SchemaError, match=r"action: expected .* of its numbers, got"):
        lapsdata.open_steps(root, normalize={"action": how})  # type: ignore[dict-item]
