"""Episodes of HDF5 by `lapsdata convert`: found as what they are, written as what was asked for, or refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata._convert import convert
from lapsdata._convert._sources import find_sources
from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.act_hdf5 import read as read_act
from lapsdata.adapters.lerobot import PLUGIN
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.robomimic import read as read_robomimic
from lapsdata.errors import SchemaError, UnknownFormatError
from lapsdata.testing.demo_files import write_act, write_robomimic
from lapsdata.testing.episode_sets import drawn_frame, episode_rows, write_lerobot
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata._convert import ConvertReport


def codes(report: ConvertReport) -> list[str]:
    return [problem.code for problem in report.problems if problem.severity != "info"]


# --- what is a source -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [None, frozenset({"episodes"})])
def test_demonstrations_and_episodes_of_act_are_sources(tmp_path: Path, wanted: frozenset[str] | None) -> None:
    demos, act = write_robomimic(tmp_path / "demo.hdf5"), write_act(tmp_path / "act")
    for path in (demos, act, act / "episode_1.hdf5"):
        found = find_sources(path, wanted)
        assert found.record == "episodes"
        assert [(one.path, one.kind) for one in found.items] == [(path, "adapted")]


def test_where_tracks_are_wanted_they_are_none(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5")
    assert find_sources(path, frozenset({"tracks"})).record == "tracks"
    report = convert(path, tmp_path / "out.zarr", rate=10, size=(64, 48), workers=1)
    assert codes(report) == ["no-windows"]


def test_tracks_in_hdf5_are_still_tracks(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.h5", sample_tracks())
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["a/tracks"], file["a/vis"] = np.zeros((3, 4, 5, 2), "f4"), np.ones((3, 4, 5), "f4")
    for name in ("clip.h5", "theirs.h5"):
        assert find_sources(tmp_path / name).record == "tracks"
    assert {one.kind for one in find_sources(tmp_path).items} == {"tracks", "foreign"}


# --- what becomes of them ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["lerobot-3.0", "lerobot-2.1", "lerobot-2.0", "gr00t"])
def test_a_file_of_demonstrations_becomes_each_version(tmp_path: Path, to: str) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(2, 3), images=True)
    report = convert(path, tmp_path / "set", to=to, task="pick", workers=1)
    assert report.facts["episodes"] == "2"
    made_up = {"modality-made", "no-modality"} if to == "gr00t" else set[str]()
    assert set(codes(report)) == {"frames-encoded", "unverified", *made_up}
    found = read_set(tmp_path / "set", strict=True)
    assert found.version == {"gr00t": "v2.0"}.get(to, f"v{to[-3:]}")
    steps = lapsdata.open_steps(tmp_path / "set")
    wanted = episode_rows((2, 3))[1].columns
    assert steps[3]["action"].tolist() == wanted["action"][1].tolist()
    assert steps[3]["task"] == "pick"
    image = np.asarray(steps[3]["observation.images.top_image"])
    assert np.abs(image.reshape(48, 64, 3).astype(int) - drawn_frame(1, 1)).max() <= 3


def test_a_folder_of_act_and_one_of_its_files(tmp_path: Path) -> None:
    folder = write_act(tmp_path / "act", lengths=(2, 3))
    assert convert(folder, tmp_path / "a", to="lerobot-2.1", rate=50, workers=1).facts["episodes"] == "2"
    convert(folder / "episode_1.hdf5", tmp_path / "b", to="lerobot-2.1", rate=50, workers=1)
    assert read_set(tmp_path / "b").episodes.rows.tolist() == [3]
    convert(folder, tmp_path / "demo.hdf5", to="robomimic", rate=50, workers=1)
    assert read_robomimic(tmp_path / "demo.hdf5").container.rows.tolist() == [2, 3]  # type: ignore[attr-defined]
    convert(tmp_path / "demo.hdf5", tmp_path / "again.hdf5", to="robomimic", workers=1)
    assert read_robomimic(tmp_path / "again.hdf5").container.rows.tolist() == [2, 3]  # type: ignore[attr-defined]
    convert(folder / "episode_1.hdf5", tmp_path / "one.hdf5", to="robomimic", rate=50, workers=1)
    with h5py.File(tmp_path / "one.hdf5") as file:
        assert file["data/demo_1/obs/images/top"].shape == (3, 48, 64, 3)


def test_episodes_are_told_as_they_are_done(tmp_path: Path) -> None:
    done: list[int] = []
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(2, 2, 2))
    assert PLUGIN.writer is not None
    found = read_robomimic(path).container
    PLUGIN.writer.write(tmp_path / "set", found, root=path, to="lerobot-2.0", tell=done.append)
    assert [units for units in done if units] == [1, 1, 1]


def test_an_edit_is_counted_and_goes_by_the_source(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5", lengths=(2, 3, 4), numbers=(1, 5, 6))
    edit = EpisodesEdit(without_episodes="5", drop=("dones",), rename={"obs/joint_pos": "observation.state"})
    report = convert(path, tmp_path / "set", to="lerobot-3.0", edit=edit, workers=1)
    assert report.facts["episodes"] == "2"
    told = {problem.code: problem.message for problem in report.problems}
    assert told["unverified"].startswith("2 episodes carry no checksum")
    assert told["dropped"] == "left out: dones"
    assert read_set(tmp_path / "set").episodes.rows.tolist() == [2, 4]
    assert json.loads(json.dumps(report.as_json()))["items"][0]["made"]["unit"] == "episodes"


def test_a_second_call_leaves_what_is_there(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5")
    convert(path, tmp_path / "set", to="lerobot-3.0", workers=1)
    before = (tmp_path / "set/meta/info.json").read_bytes()
    assert codes(convert(path, tmp_path / "set", to="lerobot-2.1", workers=1)) == ["foreign-output"]
    assert (tmp_path / "set/meta/info.json").read_bytes() == before


# --- what is refused --------------------------------------------------------------------------------------------


def failed(source: Any, target: Path, **said: Any) -> tuple[str, str]:
    report = convert(source, target, workers=1, **said)
    (problem,) = [one for one in report.problems if one.severity == "error"]
    assert not target.exists()
    return problem.code, f"{problem.message}; {problem.fix}"


def test_a_rate_is_asked_for_where_no_file_says_it(tmp_path: Path) -> None:
    folder = write_act(tmp_path / "act", lengths=(2,))
    code, message = failed(folder, tmp_path / "set", to="lerobot-3.0")
    assert code == "no-times"
    assert "no file an attribute fps, rate, control_freq, frequency; give --rate" in message
    path = write_robomimic(tmp_path / "demo.hdf5", env_args={"env_name": "Lift"})
    code, message = failed(path, tmp_path / "set", to="lerobot-3.0")
    assert (code, "env_args names neither control_freq" in message) == ("no-times", True)


def test_without_a_target_those_that_there_are_are_named(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5")
    with pytest.raises(UnknownFormatError, match=r"formats of episodes, .*robomimic.* got no --to.*--to lerobot-3\.0"):
        convert(path, tmp_path / "set", workers=1)
    with pytest.raises(SchemaError, match=r"expected the format to write, got none: .*; name it: --to lerobot-3\.0"):
        convert(path, tmp_path / "set", edit=EpisodesEdit(drop=("dones",)), workers=1)


def test_several_are_converted_before_they_are_merged(tmp_path: Path) -> None:
    demos, act = write_robomimic(tmp_path / "demo.hdf5"), write_act(tmp_path / "act")
    lerobot = write_lerobot(tmp_path / "old")
    for sources in ([demos, act], [lerobot, demos], [act, lerobot]):
        said = {"rate": 10} if sources[0] != lerobot else {}
        code, message = failed(sources, tmp_path / "set", to="lerobot-3.0", **said)
        assert code == "several-sources"
        assert "convert each, then merge what came out" in message
    convert(demos, tmp_path / "a", to="lerobot-3.0", task="pick", workers=1)
    convert(demos, tmp_path / "b", to="lerobot-3.0", task="place", workers=1)
    convert([tmp_path / "a", tmp_path / "b"], tmp_path / "both", workers=1)
    assert len(read_set(tmp_path / "both", strict=True).episodes) == 6


def test_a_folder_of_several_files_of_demonstrations_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "libero"
    folder.mkdir()
    for name in ("open.hdf5", "close.hdf5"):
        write_robomimic(folder / name)
    (folder / "README.md").write_text("no")
    with pytest.raises(SchemaError, match=r"got a folder of 2: 'close\.hdf5', 'open\.hdf5'; convert each, then merge"):
        convert(folder, tmp_path / "set", to="lerobot-3.0", workers=1)
    (folder / "open.hdf5").unlink()
    (folder / "close.hdf5").unlink()
    with pytest.raises(SchemaError, match="expected tracks files, got README"):
        convert(folder, tmp_path / "set", to="lerobot-3.0", workers=1)


def test_a_task_is_for_episodes_that_have_none(tmp_path: Path) -> None:
    lerobot, path = write_lerobot(tmp_path / "old"), write_robomimic(tmp_path / "demo.hdf5")
    code, message = failed(lerobot, tmp_path / "set", to="lerobot-3.0", task="pick")
    assert (code, message) == ("wrong-option", "expected none, got one: each row of LeRobot has its task; leave it out")
    code, message = failed(path, tmp_path / "again.hdf5", to="robomimic", task="pick")
    assert (code, "got task" in message) == ("wrong-option", True)
    lapsdata.write(tmp_path / "clip.h5", sample_tracks())
    with pytest.raises(SchemaError, match="task: expected none with tracks_zarr, got one: it has none"):
        convert(tmp_path / "clip.h5", tmp_path / "clip.zarr", task="pick", workers=1)


def test_an_edit_on_the_way_to_robomimic_is_refused(tmp_path: Path) -> None:
    path = write_robomimic(tmp_path / "demo.hdf5")
    code, message = failed(path, tmp_path / "b.hdf5", to="robomimic", edit=EpisodesEdit(drop=("dones",)))
    assert (code, "got edit" in message) == ("wrong-option", True)


def test_what_the_reader_has_found_is_told_beside(tmp_path: Path) -> None:
    folder = write_act(tmp_path / "act", lengths=(2, 2, 2))
    (folder / "episode_1.hdf5").write_bytes(b"no")
    report = convert(folder, tmp_path / "set", to="lerobot-2.1", rate=50, workers=1)
    assert report.facts["episodes"] == "2"
    numbered = next(one for one in report.problems if one.code == "episodes-numbered")
    assert numbered.message.startswith("episodes 0, 2 are numbered from 0 now")
    assert any("of 3 episodes left out: 1" in one.message for one in report.problems)
    assert read_act(folder, rate=50).container.number.tolist() == [0, 2]  # type: ignore[attr-defined]  # episodes


def test_the_same_call_again_says_why_it_is_refused(tmp_path: Path) -> None:
    source = write_lerobot(tmp_path / "set", lengths=(4,))
    for fate in ("made", "failed"):
        (entry,) = convert(source, tmp_path / "packed", to="shards").entries
        assert entry.fate == fate
    (problem,) = entry.problems
    assert problem.code == "foreign-output"
    assert "files of others carry no mark of what they were made of: they are never replaced" in problem.message
