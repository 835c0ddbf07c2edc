"""Steps of demonstrations in HDF5: the same rows and pixels as the file has, in any order and every process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lapsdata import open_steps
from lapsdata.errors import SchemaError
from lapsdata.testing.demo_files import write_act, write_robomimic
from lapsdata.testing.episode_sets import drawn_frame, episode_rows

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS, TOP = (4, 6, 5), "obs/top_image"
PLACES = [(episode, row) for episode, length in enumerate(LENGTHS) for row in range(length)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_robomimic(tmp_path_factory.mktemp("demo") / "demo.hdf5", lengths=LENGTHS, images=True)


@given(ids=st.lists(st.integers(0, len(PLACES) - 1), min_size=1, max_size=8))
def test_any_rows_and_frames_are_those_of_the_file(ids: list[int], demo: Path) -> None:
    steps = open_steps(demo, {TOP: [-0.1, 0], "actions": [0, 0.1, 0.2]})
    batch = steps.gather(ids)
    columns = episode_rows(LENGTHS)
    for at, (episode, row) in enumerate(PLACES[one] for one in ids):
        last = LENGTHS[episode] - 1
        state = columns[episode].columns
        assert batch["obs/joint_pos"][at].tolist() == state["observation.state"][row].tolist()
        wanted = [state["action"][min(last, row + ahead)].tolist() for ahead in range(3)]
        assert batch["actions"][at].tolist() == wanted
        assert batch["actions_is_pad"][at].tolist() == [row + ahead > last for ahead in range(3)]
        for before in (0, 1):
            frame = drawn_frame(episode, max(0, row - 1 + before)).transpose(2, 0, 1)
            assert np.array_equal(batch[TOP][at, before], frame)
        assert batch[f"{TOP}_is_pad"][at].tolist() == [row == 0, False]


def test_frames_from_0_to_1_are_those_of_bytes(demo: Path) -> None:
    plain, scaled = (open_steps(demo, fields=[TOP], image_type=kind) for kind in ("uint8", "float32"))
    found = scaled.gather([3, 9])[TOP]
    assert found.dtype == np.float32
    assert np.array_equal(found, plain.gather([3, 9])[TOP] * np.float32(1 / 255))


def test_workers_of_torch_have_files_of_their_own(demo: Path) -> None:
    steps = open_steps(demo)
    first: Any = steps[5][TOP]
    loader = torch.utils.data.DataLoader(steps, batch_size=5, num_workers=2)
    found = torch.cat([batch[TOP] for batch in loader])
    assert torch.equal(found[5], first)
    assert found[:, 0, 0, 0].tolist() == [int(drawn_frame(*place)[0, 0, 0]) for place in PLACES]


def test_a_folder_of_files_is_read_the_same_way(tmp_path: Path) -> None:
    steps = open_steps(write_act(tmp_path / "set", lengths=LENGTHS), episodes=[1, 2], rate=50)
    assert len(steps) == 11
    batch = steps.gather([0, 10])
    assert batch["action"].tolist() == [[1.5, 0.5, 1.5], [2.5, 4.5, 6.5]]
    assert np.array_equal(batch["observations/images/top"][1], drawn_frame(2, 4).transpose(2, 0, 1))


def test_a_rate_that_no_file_tells_is_asked_for(tmp_path: Path) -> None:
    folder = write_act(tmp_path / "set", lengths=LENGTHS)
    with pytest.raises(SchemaError, match="expected rows per second, got none"):
        open_steps(folder)
    steps = open_steps(folder / "episode_1.hdf5", {"action": [0, 0.04]}, rate=25)
    assert [(span.number, span.start, span.stop) for span in steps.episodes] == [(1, 0, 6)]
    assert steps.gather([0])["action"][0].tolist() == [[1.5, 0.5, 1.5], [1.5, 1.5, 2.5]]
    with pytest.raises(SchemaError, match=r"0\.05"):
        open_steps(folder, {"action": [0, 0.05]}, rate=25)


def test_notes_stand_beside_what_is_read(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=LENGTHS)
    with h5py.File(path, "r+") as file:
        file["data/demo_1/obs/odd"] = h5py.SoftLink("/nowhere")
    steps = open_steps(path)
    codes = [note.code for note in steps.meta.notes]
    assert codes == ["initial-state", "unreadable-dataset", "columns-left-out"]
    assert len(steps) == 15
    with pytest.raises(SchemaError, match="got a soft link to '/nowhere', which is not there"):
        open_steps(path, strict=True)


def test_frames_that_were_changed_since_are_refused(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", images=True)
    steps = open_steps(path)
    with h5py.File(path, "r+") as file:
        del file[f"data/demo_1/{TOP}"]
        file[f"data/demo_1/{TOP}"] = np.zeros((6, 4, 8, 3), np.uint8)
    with pytest.raises(SchemaError, match=r"obs/top_image: episode 1: row 1: expected pixels uint8 \(48, 64, 3\), got"):
        steps.gather([5])
