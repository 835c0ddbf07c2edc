"""Robot steps: what LeRobot's own words mean, held against plain indexing of drawn sets whose values are known."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata.errors import CorruptDataError, LapsWarning, SchemaError, StorageError, UnknownFormatError
from lapsdata.loading import BatchSource, Loader, Mixture
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, episode_rows, write_lerobot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lapsdata.loading import StepDataset

LENGTHS = (4, 6, 5)
VERSIONS = ("v2.0", "v2.1", "v3.0")
DELTAS = {CAMERA: [-0.1, 0], "action": [0, 0.1, 0.3], "observation.state": [-0.2]}


@pytest.fixture(scope="module", params=VERSIONS)
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steps") / "set"
    return write_lerobot(folder, version=request.param, lengths=LENGTHS, videos=True)


@pytest.fixture
def steps(root: Path) -> Iterator[StepDataset]:
    found = lapsdata.open_steps(root, DELTAS)
    yield found
    found.close()


def expected(index: int) -> dict[str, Any]:
    """Return a sample by plain indexing."""
    starts = np.concatenate([[0], np.cumsum(LENGTHS)])
    episode = int(np.searchsorted(starts, index, "right")) - 1
    row, last = index - int(starts[episode]), LENGTHS[episode] - 1
    columns = episode_rows(LENGTHS)[episode].columns
    sample: dict[str, Any] = {name: array[row] for name, array in columns.items()}
    for name, times in DELTAS.items():
        wanted = [row + round(time * 10) for time in times]
        inside = [min(max(one, 0), last) for one in wanted]
        sample[f"{name}_is_pad"] = np.array([one != here for one, here in zip(wanted, inside, strict=True)])
        if name == CAMERA:
            sample[name] = np.stack([drawn_frame(episode, one).transpose(2, 0, 1) for one in inside])
        else:
            sample[name] = columns[name][inside]
    return sample


def assert_sample(found: dict[str, Any], index: int) -> None:
    wanted = expected(index)
    task = found.pop("task")
    assert task == ("pick the cube", "place the cup")[int(wanted["task_index"])]
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        got = found[name].numpy()
        assert got.shape == np.shape(array), name
        if name == CAMERA:
            # Encoding costs a level or two; frames of a row or an episode apart differ by 7 and more.
            assert np.abs(got.astype(int) - array).max() <= 2
        else:
            np.testing.assert_array_equal(got, array, err_msg=name)


@pytest.mark.parametrize("index", range(sum(LENGTHS)))
def test_each_sample_is_what_plain_indexing_gives(steps: StepDataset, index: int) -> None:
    assert_sample(steps[index], index)


@given(ids=st.lists(st.integers(0, sum(LENGTHS) - 1), min_size=1, max_size=9), threads=st.integers(1, 3))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_batch_is_its_samples_in_any_order(steps: StepDataset, ids: list[int], threads: int) -> None:
    batch = steps.gather(ids, threads=threads)
    assert list(batch) == list(steps.spec)
    for at, index in enumerate(ids):
        for name, array in steps[index].items():
            if name != "task":
                np.testing.assert_array_equal(batch[name][at], array.numpy(), err_msg=name)


def test_the_words_that_users_know(steps: StepDataset) -> None:
    assert isinstance(steps, BatchSource)
    assert (len(steps), steps.num_frames, steps.num_episodes, steps.fps) == (15, 15, 3, 10.0)
    assert steps.meta.camera_keys == [CAMERA]
    assert steps.meta.robot_type == "drawn"
    assert steps.meta.tasks == {0: "pick the cube", 1: "place the cup"}
    assert (steps.meta.total_episodes, steps.meta.total_frames) == (3, 15)
    assert {"observation.state", "action", CAMERA} <= steps.features.keys()
    assert [tuple(span) for span in steps.episodes] == [
        (0, 0, 4, ("pick the cube",)),
        (1, 4, 10, ("place the cup",)),
        (2, 10, 15, ("pick the cube",)),
    ]
    assert "15 steps of 3 episodes at 10 per second" in repr(steps)
    assert steps[-1]["frame_index"] == 4
    assert steps[2:4]["frame_index"].tolist() == [2, 3]


def test_chosen_episodes_keep_their_numbers_and_their_order(root: Path) -> None:
    steps = lapsdata.open_steps(root, {"action": [0.1]}, episodes=[2, 0])
    assert [span.number for span in steps.episodes] == [2, 0]
    assert steps.gather(range(9))["episode_index"].tolist() == [2] * 5 + [0] * 4
    assert steps.gather([4])["action_is_pad"].tolist() == [[True]]
    assert [span.number for span in steps.subset(episodes=[0]).episodes] == [0]
    with pytest.raises(SchemaError, match=r"episodes: expected some of those chosen, got \[1\]"):
        steps.subset(episodes=[1])


def test_a_frame_at_one_time_has_no_axis_of_time_and_floats_are_from_0_to_1(root: Path) -> None:
    steps = lapsdata.open_steps(root, {CAMERA: [0]}, image_type="float32")
    found = steps[5][CAMERA]
    assert found.shape == (3, 48, 64)
    assert found.dtype == torch.float32
    whole = lapsdata.open_steps(root, {CAMERA: [0]})[5][CAMERA]
    torch.testing.assert_close(found, whole / 255)
    careful = lapsdata.open_steps(root, {CAMERA: [0]}, pixels="rgb")[5][CAMERA]
    assert int((careful.int() - whole.int()).abs().max()) <= 2


def test_no_video_is_opened_for_numbers_alone(root: Path, tmp_path: Path) -> None:
    steps = lapsdata.open_steps(root, fields=["observation.state"])
    assert steps.gather([0, 14])["observation.state"].tolist() == [[0, 0, 0], [2, 4, 6]]
    assert (steps.decoded, steps.kept) == (0, 0)


def test_buffers_are_filled_and_frames_are_kept(steps: StepDataset) -> None:
    fresh = lapsdata.open_steps(steps.meta.root, DELTAS)
    buffers = {name: field.empty(2) for name, field in fresh.spec.items()}
    batch = fresh.gather([7, 3], out=buffers)
    assert all(batch[name] is buffers[name] for name in buffers)
    decoded = fresh.decoded
    fresh.gather([7, 3])
    assert (fresh.decoded, fresh.kept) == (decoded, 4)
    with pytest.raises(SchemaError, match=r"out: action: expected \(2, 3, 3\) float32 .*, got \(2, 3\) float32"):
        fresh.gather([7, 3], out={"action": np.zeros((2, 3), np.float32)})
    fresh.close()
    assert_sample(fresh[3], 3)


def test_a_pickled_data_set_and_processes_of_a_data_loader_give_the_same(steps: StepDataset) -> None:
    assert_sample(pickle.loads(pickle.dumps(steps))[6], 6)
    loader = torch.utils.data.DataLoader(
        steps, batch_size=4, num_workers=2, multiprocessing_context=multiprocessing.get_context("fork")
    )
    seen = torch.cat([batch["index"] for batch in loader])
    assert seen.tolist() == list(range(15))
    first = next(iter(torch.utils.data.DataLoader(steps, batch_size=4)))
    assert first["task"] == ["pick the cube"] * 4
    assert first["action"].shape == (4, 3, 3)


def test_a_loader_gives_each_step_once_and_goes_on_where_it_stopped(steps: StepDataset) -> None:
    def make() -> Loader:
        return Loader(steps, global_batch_size=4, seed=3, shuffle="block", epochs=1, fields=["index", "action"])

    whole = [batch["index"].tolist() for batch in make()]
    flat = [index for batch in whole for index in batch]
    assert sorted(set(flat)) == list(range(15))
    first = make()
    iterator = iter(first)
    begun = [next(iterator)["index"].tolist() for _ in range(2)]
    state = first.state_dict()
    later = make()
    later.load_state_dict(state)
    assert begun + [batch["index"].tolist() for batch in later] == whole


def test_data_sets_of_several_rates_are_mixed(root: Path, tmp_path: Path) -> None:
    other = write_lerobot(tmp_path / "fast", lengths=(8,), fps=20.0)
    fields = ["action", "action_is_pad", "timestamp"]
    slow = lapsdata.open_steps(root, {"action": [0, 0.1]}, fields=fields)
    fast = lapsdata.open_steps(other, {"action": [0, 0.1]}, fields=fields)
    mixture = Mixture({"slow": slow, "fast": fast}, weights={"slow": 1, "fast": 1})
    batch = next(iter(Loader(mixture, global_batch_size=8, seed=1)))
    assert batch["action"].shape == (8, 2, 3)
    # 0.1 s later is one row at 10 per second and two at 20.
    assert fast.gather([1])["action"][0, 1, 1] - fast.gather([1])["action"][0, 0, 1] == 2
    assert slow.gather([1])["action"][0, 1, 1] - slow.gather([1])["action"][0, 0, 1] == 1


class TestTime:
    def test_rows_that_begin_at_one_period_are_shown_with_the_frame_of_their_number(self, tmp_path: Path) -> None:
        """As GR00T writes them: by time alone the last row has no frame, and all others that of the row after."""
        root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS, videos=True, start_s=0.1)
        steps = lapsdata.open_steps(root, {CAMERA: [0]})
        with pytest.warns(LapsWarning, match=r"rows are 0\.1 s later than the frames .*: row i has frame i \[time-of"):
            frames = steps.gather(range(15))[CAMERA]
        assert steps.time_offset_s == {CAMERA: 0.1}
        for index in range(15):
            episode = int(np.searchsorted([4, 10], index, "right"))
            row = index - (0, 4, 10)[episode]
            assert abs(int(frames[index].mean()) - int(drawn_frame(episode, row)[0, 0, 0])) <= 2

    def test_rows_that_begin_before_their_frames_are_told_so(self, tmp_path: Path) -> None:
        root = write_lerobot(tmp_path / "set", lengths=(4,), videos=True, start_s=-0.1)
        steps = lapsdata.open_steps(root, {CAMERA: [0]})
        with pytest.warns(LapsWarning, match=r"rows are 0\.1 s earlier than the frames that they count with: row i"):
            steps.gather([0])
        assert steps.time_offset_s == {CAMERA: -0.1}

    def test_frames_between_rows_are_passed_over_by_time(self, tmp_path: Path) -> None:
        root = write_lerobot(tmp_path / "set", lengths=(8,), videos=True)
        thin(root / "data/chunk-000/episode_000000.parquet", slice(None, None, 2), root)
        steps = lapsdata.open_steps(root, {CAMERA: [0]})
        with pytest.warns(LapsWarning, match=r"rows 0\.1 s apart, .*, got 0\.2 s: 5 per second"):
            frames = steps.gather(range(4))[CAMERA].reshape(4, -1).mean(axis=1)
        np.testing.assert_allclose(frames, [drawn_frame(0, row)[0, 0, 0] for row in (0, 2, 4, 6)], atol=2)

    def test_fewer_frames_than_rows_are_told_and_no_other_frame_given(self, tmp_path: Path) -> None:
        root = write_lerobot(tmp_path / "set", lengths=(6, 4), videos=True)
        videos = root / f"videos/chunk-000/{CAMERA}"
        (videos / "episode_000000.mp4").write_bytes((videos / "episode_000001.mp4").read_bytes())
        steps = lapsdata.open_steps(root, {CAMERA: [0]})
        with pytest.raises(
            SchemaError, match=rf"000\.mp4: {CAMERA}: episode 0: expected a frame for each of 6 rows, got 4"
        ):
            steps[0]
        assert steps[7]["frame_index"] == 1

    def test_rows_that_drift_from_their_frames_are_refused(self, tmp_path: Path) -> None:
        root = write_lerobot(tmp_path / "set", lengths=(6,), videos=True)
        rewrite(root / "data/chunk-000/episode_000000.parquet", timestamp=pa.array(np.arange(6) * 0.13, pa.float32()))
        steps = lapsdata.open_steps(root, {CAMERA: [0]})
        nearest = r"episode 0: row 1: expected a frame within 0\.025.* nearest is frame 1 at"
        with pytest.warns(LapsWarning, match="uneven-times"), pytest.raises(SchemaError, match=nearest):
            steps[0]
        assert lapsdata.open_steps(root, {CAMERA: [0]}, tolerance_s=0.05, episodes=[0]).fps == 10


class TestRefusals:
    @pytest.mark.parametrize(
        ("deltas", "message"),
        [
            ({"actoin": [0]}, r"delta_timestamps: actoin: expected some of .*, got 'actoin'"),
            (
                {"action": [0.05]},
                r"action: expected multiples of 0\.1 s, the time between rows, got 0\.05; rows",
            ),
            ({"action": []}, r"action: expected a list of finite seconds, got \[\]"),
            ({"action": [float("nan")]}, r"action: expected a list of finite seconds, got \[nan\]"),
            ({"action": "0.1"}, r"action: expected a list of finite seconds, got '0\.1'"),
        ],
    )
    def test_times_that_cannot_be(self, root: Path, deltas: dict[str, Any], message: str) -> None:
        with pytest.raises(SchemaError, match=message):
            lapsdata.open_steps(root, deltas)

    @pytest.mark.parametrize(
        ("episodes", "message"),
        [
            ([7], r"episodes: expected numbers of the 3 episodes whose rows are there, got \[7\]"),
            ([0, 0], r"episodes: expected each episode once, got \[0\] again"),
            ([], r"episodes: expected a list of numbers of episodes, got \[\]"),
            ([0.5], r"episodes: expected a list of numbers of episodes, got \[0\.5\]"),
        ],
    )
    def test_episodes_that_are_not_there(self, root: Path, episodes: list[Any], message: str) -> None:
        with pytest.raises(SchemaError, match=message):
            lapsdata.open_steps(root, episodes=episodes)

    def test_words_that_mean_nothing(self, root: Path, tmp_path: Path) -> None:
        with pytest.raises(SchemaError, match=r"image_type: expected one of 'uint8', 'float32', got 'int8'"):
            lapsdata.open_steps(root, image_type="int8")  # type: ignore[arg-type]
        with pytest.raises(UnknownFormatError, match=r"expected episodes of a robot that an adapter knows, got none"):
            lapsdata.open_steps(tmp_path)

    @pytest.mark.parametrize("index", [15, -16])
    def test_steps_that_are_not_there(self, steps: StepDataset, index: int) -> None:
        with pytest.raises(IndexError, match=rf"id: expected -15 to 14, got {index}"):
            steps[index]

    def test_rows_of_another_episode_are_never_given(self, tmp_path: Path) -> None:
        """What loads correctly only by the order of file names: the list says one thing, the file another."""
        root = write_lerobot(tmp_path / "set", lengths=(4, 4))
        files = [root / f"data/chunk-000/episode_00000{number}.parquet" for number in (0, 1)]
        one, other = (file.read_bytes() for file in files)
        files[0].write_bytes(other)
        files[1].write_bytes(one)
        steps = lapsdata.open_steps(root)
        with pytest.raises(SchemaError, match=r"episode_000000\.parquet: expected rows of episode 0, got 1 in row 0"):
            steps[0]

    def test_a_file_with_too_few_rows(self, tmp_path: Path) -> None:
        root = write_lerobot(tmp_path / "set", lengths=(4, 6), version="v3.0")
        file = root / "data/chunk-000/file-000.parquet"
        pq.write_table(read_table(file).slice(0, 8), file)
        steps = lapsdata.open_steps(root)
        assert steps[3]["frame_index"] == 3
        with pytest.raises(
            CorruptDataError, match=r"file-000\.parquet: episode 1: expected rows 4 to 10, got a file of 8"
        ):
            steps[4]

    def test_a_video_that_goes_away(self, tmp_path: Path) -> None:
        root = write_lerobot(tmp_path / "set", lengths=(4, 6), videos=True)
        steps = lapsdata.open_steps(root, {CAMERA: [0]})
        (root / f"videos/chunk-000/{CAMERA}/episode_000001.mp4").unlink()
        assert_close = steps[0][CAMERA].float().mean()
        assert abs(float(assert_close) - 20) <= 2
        with pytest.raises(StorageError, match=r"episode_000001\.mp4: .*no such file"):
            steps[4]

    def test_an_episode_without_a_video(self, tmp_path: Path) -> None:
        root = write_lerobot(tmp_path / "set", lengths=(4, 6), videos=True)
        (root / f"videos/chunk-000/{CAMERA}/episode_000001.mp4").unlink()
        steps = lapsdata.open_steps(root)
        assert "got none for 1: 1" in steps.notes[0]
        with pytest.raises(
            SchemaError, match=rf"{CAMERA}: episode 1: expected a video, got none; leave the episode out"
        ):
            steps[4]
        assert lapsdata.open_steps(root, episodes=[0])[0]["index"] == 0


def test_other_choices_have_another_fingerprint(root: Path) -> None:
    plain = lapsdata.open_steps(root).fingerprint
    assert plain == lapsdata.open_steps(root).fingerprint
    others = [
        lapsdata.open_steps(root, episodes=[0]),
        lapsdata.open_steps(root, {"action": [0]}),
        lapsdata.open_steps(root, {"action": [0.1]}),
        lapsdata.open_steps(root, image_type="float32"),
    ]
    assert len({plain, *(one.fingerprint for one in others)}) == 5


def test_groups_are_parts_of_vectors(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS)
    told = {
        "state": {"arm": {"start": 0, "end": 2}},
        "action": {"hand": {"start": 2, "end": 3, "absolute": True}},
        "annotation": {"human.task": {"original_key": "task_index"}},
    }
    (root / "meta/modality.json").write_text(json.dumps(told))
    steps = lapsdata.open_steps(root, {"action.hand": [0, 0.1]})
    assert "state.arm" not in steps.spec
    batch = steps.gather([1, 3], fields=["state.arm", "action.hand", "action.hand_is_pad"])
    assert batch["state.arm"].tolist() == [[0, 1], [0, 3]]
    assert batch["action.hand"].tolist() == [[[1.5], [2.5]], [[3.5], [3.5]]]
    assert batch["action.hand_is_pad"].tolist() == [[False, False], [False, True]]
    assert steps.meta.episodes.header.annotations == {"annotation.human.task": "task_index"}


def test_names_of_gr00t_are_known(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=LENGTHS, videos=True)
    told = {"video": {"front": {"original_key": CAMERA}}, "annotation": {"human.task": {"original_key": "task_index"}}}
    (root / "meta/modality.json").write_text(json.dumps(told))
    steps = lapsdata.open_steps(root, {"video.front": [-0.1, 0]})
    batch = steps.gather([5])
    assert "annotation.human.task" not in batch
    whole = steps.gather([5, 4], fields=[CAMERA, "annotation.human.task"])
    np.testing.assert_array_equal(batch["video.front"][0, 1], whole[CAMERA][0])
    np.testing.assert_array_equal(batch["video.front"][0, 0], whole[CAMERA][1])
    assert batch["video.front_is_pad"].tolist() == [[False, False]]
    assert whole["annotation.human.task"].tolist() == [1, 1]
    steps.close()


def test_frames_of_another_size_than_the_data_set_says_are_refused(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(4,), videos=True)
    info = json.loads((root / "meta/info.json").read_text())
    info["features"][CAMERA]["shape"] = [64, 48, 3]
    (root / "meta/info.json").write_text(json.dumps(info))
    steps = lapsdata.open_steps(root)
    with pytest.raises(SchemaError, match=rf"{CAMERA}: episode 0: expected frames of 48x64 pixel"):
        steps[0]
    steps.close()


class TestImagesInRows:
    def write(self, root: Path, damage: dict[int, Any] | None = None) -> Path:
        """Put images into the rows, as data sets without videos have them: bytes of PNG, one of them a file."""
        camera = "observation.image"
        write_lerobot(root, version="v3.0", lengths=(4, 6), per_file=2)
        info = json.loads((root / "meta/info.json").read_text())
        info["features"][camera] = {"dtype": "image", "shape": [48, 64, 3], "names": ["height", "width", "channel"]}
        (root / "meta/info.json").write_text(json.dumps(info))
        file = root / "data/chunk-000/file-000.parquet"
        images = [self.png(number) for number in range(10)]
        (root / "third.png").write_bytes(images[3])
        column: list[Any] = [{"bytes": data, "path": None} for data in images]
        column[3] = {"bytes": None, "path": "third.png"}
        for row, value in (damage or {}).items():
            column[row] = value
        pq.write_table(read_table(file).append_column(camera, pa.array(column)), file, row_group_size=4)
        return root

    @staticmethod
    def png(number: int) -> bytes:
        import cv2

        _, data = cv2.imencode(".png", np.full((48, 64, 3), (number, 2 * number, 3 * number), np.uint8)[..., ::-1])
        return bytes(data.tobytes())

    def test_they_are_frames_as_those_of_videos(self, tmp_path: Path) -> None:
        steps = lapsdata.open_steps(self.write(tmp_path / "set"), {"observation.image": [-0.1, 0]})
        batch = steps.gather(range(10))["observation.image"]
        assert batch.shape == (10, 2, 3, 48, 64)
        assert batch[:, 1, :, 0, 0].tolist() == [[n, 2 * n, 3 * n] for n in range(10)]
        assert batch[4, 0, 0, 0, 0] == 4
        plain = lapsdata.open_steps(tmp_path / "set", image_type="float32")
        assert float(plain[9]["observation.image"][2, 0, 0]) == pytest.approx(27 / 255)

    @pytest.mark.parametrize(
        ("value", "error", "message"),
        [
            ({"bytes": b"no image", "path": None}, CorruptDataError, r"row 1: expected an image .*, got 8 bytes"),
            ({"bytes": b"", "path": None}, CorruptDataError, r"row 1: expected an image that can be decoded, got 0"),
            (
                {"bytes": None, "path": None},
                SchemaError,
                r"row 1: expected the bytes of an image, or its path",
            ),
            ({"bytes": None, "path": "gone.png"}, StorageError, r"gone\.png: cannot read: no such file"),
        ],
    )
    def test_what_is_no_image(self, tmp_path: Path, value: Any, error: type[Exception], message: str) -> None:
        steps = lapsdata.open_steps(self.write(tmp_path / "set", {1: value}))
        assert steps[0]["observation.image"].shape == (3, 48, 64)
        with pytest.raises(error, match=message):
            steps[1]


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize(
    ("times", "found"),
    [
        ([float("nan")] * 4, "nan in row 0"),
        ([0.0] * 4, "0.0 in row 1 after 0.0"),
        ([0.3, 0.2, 0.1, 0.0], r"0\.2\d* in row 1 after 0\.3"),
    ],
)
def test_rows_without_times_in_order_are_given_no_frame(
    version: str, times: list[float], found: str, tmp_path: Path
) -> None:
    root = write_lerobot(tmp_path / "set", version=version, videos=True, per_file=1)
    rewrite(min((root / "data").rglob("*.parquet")), timestamp=pa.array(times, pa.float32()))
    steps = lapsdata.open_steps(root)
    with pytest.raises(SchemaError, match=f"expected rising seconds, got {found}.*times-not-rising"):
        steps[1]
    with pytest.warns(LapsWarning, match=f"episode 0: expected rising seconds, got {found[:3]}.*times-not-rising"):
        assert steps.gather([1], fields=["action"])["action"].tolist() == [[0.5, 1.5, 1.5]]


@pytest.mark.parametrize(
    ("starts", "code", "told"),
    [
        (
            [0.0, 0.0, 1.0],
            "shared-start",
            "own for each episode of a video, got shared ones of 0-1",
        ),
        ([0.0, None, 1.0], "no-video-place", "from_timestamp of each episode, got none of 1"),
        ([0.0, float("nan"), 1.0], "no-video-place", "from_timestamp of each episode, got none of 1"),
    ],
)
def test_episodes_without_a_place_of_their_own_in_a_video_are_given_no_frame(
    starts: list[Any], code: str, told: str, tmp_path: Path
) -> None:
    """Regression: they were shown with the frames of another episode."""
    root = write_lerobot(tmp_path / "set", version="v3.0", videos=True)
    table = root / "meta/episodes/chunk-000/file-000.parquet"
    rewrite(table, **{f"videos/{CAMERA}/from_timestamp": pa.array(starts)})
    steps = lapsdata.open_steps(root)
    (note,) = (one for one in steps.meta.notes if one.code != "span-unlike-rows")
    assert note.code == code
    assert told in note.message
    assert int(steps[10][CAMERA].float().mean()) == pytest.approx(int(drawn_frame(2, 0)[0, 0, 0]), abs=2)
    cause = rf"episode 1: expected a video whose place is known, got none: expected .*{told}.*; write where"
    with pytest.raises(SchemaError, match=cause):
        steps[4]
    steps.close()
    with pytest.raises(SchemaError, match=code):
        lapsdata.open_steps(root, strict=True)


def read_table(path: Path) -> pa.Table:
    """Read a table in this thread; those of Arrow may hold the file a little longer."""
    with pq.ParquetFile(path) as file:
        return file.read(use_threads=False)


def rewrite(path: Path, **columns: pa.Array) -> None:
    table = read_table(path)
    for name, column in columns.items():
        table = table.set_column(table.schema.names.index(name), name, column)
    pq.write_table(table, path)


def thin(path: Path, rows: slice, root: Path) -> None:
    table = read_table(path)
    kept = table.take(list(range(len(table)))[rows])
    pq.write_table(kept, path)
    episodes = root / "meta/episodes.jsonl"
    told = json.loads(episodes.read_text())
    episodes.write_text(json.dumps(told | {"length": len(kept)}))
