"""`lapsdata convert` from the outside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

import lapsdata as front_door
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.testing.demo_files import write_act, write_robomimic
from lapsdata.testing.episode_sets import write_lerobot
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ran

    Inside = Callable[..., Ran]


@pytest.fixture(autouse=True)
def in_this_process(one_process: list[int]) -> list[int]:
    """Start no workers."""
    return one_process


def test_a_file_is_converted_and_said_so(inside: Inside, tmp_path: Path) -> None:
    front_door.write(tmp_path / "clip.h5", sample_tracks(windows=40))
    done = inside("convert", "clip.h5", "clip.zarr", "--profile", "compact", "--round-px", "0.5")
    assert done.returncode == 0
    facts = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[:5])
    assert (facts["items"], facts["made"], facts["windows"]) == ("1", "1", "40")
    assert facts["written"] == "clip.zarr"
    assert facts["bytes"].endswith("after")
    error = next(line for line in done.stdout.splitlines() if line.startswith("largest error"))
    assert 0 < float(error.split()[2]) <= 0.25
    assert (
        inside("convert", "clip.h5", "clip.zarr", "--profile", "compact", "--round-px", "0.5").stdout
        == "items  1\nkept   1, not read again: lapsdata check clip.zarr verifies them\n"
    )


def test_json_tells_every_loss(inside: Inside, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["a/tracks"], file["a/vis"] = np.zeros((3, 4, 5, 2), "f4"), np.ones((3, 4, 5), "f4")
        file["text_emb"] = np.zeros(2)
    done = inside("convert", "theirs.h5", "clip.zarr", "--rate", "30", "--size", "64x48", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0
    made = document["items"][0]["made"]
    assert (made["windows"], made["unverified"], made["left_behind"]) == (3, 3, ["text_emb"])
    assert [note["code"] for note in made["notes"]] == ["taken-for-granted"]
    codes = [problem["code"] for problem in document["problems"]]
    assert codes == ["left-behind", "unverified", "taken-for-granted"]


def test_a_foreign_file_says_what_it_needs(inside: Inside, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["a/tracks"], file["a/vis"] = np.zeros((3, 4, 5, 2), "f4"), np.ones((3, 4, 5), "f4")
    done = inside("convert", "theirs.h5", "clip.zarr")
    assert done.returncode == 1
    assert "give its frames per second: --rate 30 [no-rate]" in done.stderr
    assert "give it in pixels: --size WIDTHxHEIGHT [no-size]" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--round-px", "0.5"], "only with --profile compact"),
        (["--profile", "compact", "--round-px", "half"], "expected a number or none, got 'half'"),
        (["--size", "640"], "expected WIDTHxHEIGHT, as 640x480, got '640'"),
        (["--size", "0x480"], "expected WIDTHxHEIGHT"),
    ],
)
def test_wrong_usage_ends_with_2(words: list[str], told: str, inside: Inside) -> None:
    done = inside("convert", "clip.h5", "clip.zarr", *words)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.replace("│", " ").split())


def test_nothing_there_ends_with_1(inside: Inside) -> None:
    done = inside("convert", "clip.h5", "clip.zarr")
    assert (done.returncode, done.stdout) == (1, "")
    assert "clip.h5: cannot open: no such file or folder" in done.stderr


def test_none_is_lossless(inside: Inside, tmp_path: Path) -> None:
    front_door.write(tmp_path / "clip.h5", sample_tracks())
    done = inside("convert", "clip.h5", "clip.zarr", "--profile", "compact", "--round-px", "none")
    assert "none: every position is the same" in done.stdout


def test_energies_of_laps_are_converted_with_what_was_said(inside: Inside, tmp_path: Path, root: Path) -> None:
    theirs = root / "tests" / "samples" / "laps" / "S1_Tea_C1" / "stream_energy_quantized_token_diff_l2_mean.jsonl"
    refused = inside("convert", theirs, "out.jsonl")
    assert refused.returncode == 1
    assert "a row has the number of its window and no time" in refused.stderr
    said = ("--rate", "10", "--stride", "4", "--duration", "20", "--zeros", "gated", "--horizon", "15")
    done = inside("convert", theirs, "out.jsonl", *said)
    assert done.returncode == 0
    assert "3 of 10 energies are 0.0" in done.stderr
    assert "expected 47 windows of 20 s" in done.stderr
    assert "10 (6 measured, 3 gated, 1 missing)" in inside("inspect", "out.jsonl").stdout


def test_segments_of_others_are_told_what_their_files_leave_open(inside: Inside, tmp_path: Path, root: Path) -> None:
    ranges = str(root / "tests" / "samples" / "frame_ranges")
    refused = inside("convert", ranges, "out.parquet", "--rate", "15")
    assert refused.returncode == 1
    assert "give --end inclusive, as Breakfast has it, or --end exclusive [no-end]" in refused.stderr
    assert inside("convert", ranges, "out.parquet", "--rate", "15", "--end", "inclusive").returncode == 0
    written = inside("convert", "out.parquet", "labels", "--to", "mstcn", "--rate", "15", "--gap-label", "background")
    assert written.returncode == 0
    assert "9 frames are in no segment: called 'background' [gaps-filled]" in written.stderr
    assert len((tmp_path / "labels" / "groundTruth" / "P03_tea.txt").read_text().splitlines()) == 90
    again = inside("convert", "out.parquet", "labels", "--to", "mstcn", "--rate", "15", "--gap-label", "background")
    assert (again.returncode, "[foreign-output]" in again.stderr) == (1, True)


def test_units_and_splits_are_words_of_the_command(inside: Inside, tmp_path: Path, root: Path) -> None:
    samples = root / "tests" / "samples"
    (tmp_path / "htk.lab").write_text("0 5000000 sil\n")
    assert "give --unit s or --unit 100ns [no-unit]" in inside("convert", "htk.lab", "htk.parquet").stderr
    assert inside("convert", "htk.lab", "htk.parquet", "--unit", "100ns").returncode == 0
    found = front_door.read(tmp_path / "htk.parquet", front_door.Segments)
    assert found.end_s.tolist() == [0.5]
    split = ("--rate", "2", "--split", "test.split1")
    assert inside("convert", str(samples / "mstcn"), "part.parquet", *split).returncode == 0
    part = front_door.read(tmp_path / "part.parquet", front_door.Segments)
    assert [video.name for video in part.header.videos] == ["V2_Box"]
    assert inside("convert", "htk.lab", "x.parquet", "--unit", "ms").returncode == 2


def test_a_set_of_lerobot_becomes_another_version_and_says_what_is_lost(inside: Inside, tmp_path: Path) -> None:
    write_lerobot(tmp_path / "old", version="v3.0", lengths=(4, 6, 5), videos=True)
    done = inside("convert", "old", "new", "--to", "lerobot-2.1")
    assert done.returncode == 0
    facts = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert (facts["made"], facts["episodes"]) == ("1", "3")
    assert "warning: old: videos: those of 3 episodes begin or end at no keyframe" in done.stderr
    assert "[quantiles-left-behind]" in done.stderr
    assert read_set(tmp_path / "new", strict=True).version == "v2.1"
    again = inside("convert", "old", "new", "--to", "gr00t", "--json")
    assert again.returncode == 1
    assert [problem["code"] for problem in json.loads(again.stdout)["problems"]] == ["foreign-output"]
    wrong = inside("convert", "old", "other", "--to", "lerobot-1.6")
    assert wrong.returncode != 0
    assert "got --to lerobot-1.6" in wrong.stderr


def test_a_set_of_lerobot_is_split_and_merged_again(inside: Inside, tmp_path: Path) -> None:
    write_lerobot(tmp_path / "all", lengths=(4, 6, 5), videos=True)
    assert inside("convert", "all", "a", "--episodes", "0:2", "--drop", "next.reward").returncode == 0
    assert inside("convert", "all", "b", "--without-episodes", "0:2", "--drop", "next.reward").returncode == 0
    done = inside("convert", "a", "b", "c", "--rename", "action=act")
    assert done.returncode == 0
    assert "info: c: a: 2 + 1 episodes are one set, of 2 tasks; 0 tasks have new numbers [merged]" in done.stderr
    assert "info: c: b: action is act now [renamed]" in done.stderr
    found = read_set(tmp_path / "c", strict=True)
    assert found.episodes.rows.tolist() == [4, 6, 5]
    assert {feature.name for feature in found.info.features} >= {"act", "observation.state"}
    unlike = inside("convert", "a", "c", "d")
    assert unlike.returncode == 1
    assert "features: act: expected none as in a, got float32 (3,)" in unlike.stderr
    assert not (tmp_path / "d").exists()


def test_actions_become_steps_and_places_again(inside: Inside, tmp_path: Path) -> None:
    write_lerobot(tmp_path / "old", version="v3.0", lengths=(4, 6))
    words = ("--actions", "action[0:2]=relative", "--rotation", "action=axis_angle:quaternion")
    refused = inside("convert", "old", "new", *words)
    assert refused.returncode == 1
    assert "actions: action[0:2]: expected whole rotations, got action[0:3]" in refused.stderr
    done = inside("convert", "old", "new", "--actions", "action[0:2]=relative", "--drop", "next.reward")
    assert done.returncode == 0
    assert "action[0:2] is relative now, from observation.state[0:2]: each is a step from the state" in done.stderr
    assert "several rows are not relative to one state: for such chunks open a set of places" in done.stderr
    opened = front_door.open_steps(tmp_path / "new", fields=["action"])
    assert opened.gather([5])["action"].tolist() == [[0.5, 0.5, 2.5]]
    assert "actions-are-steps" in inside("inspect", "new").stderr
    back = inside("convert", "new", "back", "--actions", "action=absolute")
    assert back.returncode == 0
    # What the source said of its actions is over, and is not told as if it were not.
    assert "action[0:2] is absolute again" in back.stderr
    assert "actions-are-steps" not in back.stderr
    assert front_door.open_steps(tmp_path / "back", fields=["action"]).gather([5])["action"].tolist() == [
        [1.5, 1.5, 2.5]
    ]
    turned = inside("convert", "back", "turned", "--rotation", "observation.state=axis_angle:rotation_6d")
    assert "observation.state[0:3], axis_angle, is rotation_6d at observation.state[0:6] now" in turned.stderr
    assert read_set(tmp_path / "turned", strict=True).info.features[0].shape == (6,)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--rename", "action"), "expected OLD=NEW, got 'action'"),
        (("--rename", "a=b", "--rename", "a=c"), "expected each name once"),
        (("--actions", "action"), "expected PART=relative, PART=delta or PART=absolute, got 'action'"),
        (("--actions", "action=relative:"), "expected PART=relative, PART=delta or PART=absolute, got"),
        (("--actions", "action=velocity"), "expected PART=relative, PART=delta or PART=absolute, got"),
        (("--actions", "arm=delta"), "actions: arm: expected a vector of floats or a part of one, such as"),
        (("--rotation", "action=rpy:"), "expected PART=rotation_6d or PART=quaternion_xyzw:rotation_6d, got"),
        (("--rotation", "action=matrix"), "say how it is stored: PART=quaternion_xyzw:rotation_6d"),
        (("--actions", "action=delta", "--split-every", "2s"), "pieces of videos need none of the other options"),
        (("--episodes", "1-3"), "expected numbers of episodes, as 0:50,60, got '1-3'"),
        (("--without-episodes", ""), "expected numbers of episodes, as 0:50,60, got ''"),
        (("--episodes", "1", "--split-every", "2s"), "pieces of videos need none of the other options"),
    ],
)
def test_words_of_edits_that_cannot_be(inside: Inside, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    write_lerobot(tmp_path / "all")
    done = inside("convert", "all", "a", *words)
    assert done.returncode != 0
    assert told in " ".join(done.stderr.replace("│", " ").split())


def test_targets_are_named_once_each(inside: Inside, tmp_path: Path) -> None:
    write_lerobot(tmp_path / "all")
    done = inside("convert", "all", "new")
    assert "lerobot-2.0, lerobot-2.1" in done.stderr


def test_a_rate_means_nothing_to_a_set_of_lerobot(inside: Inside, tmp_path: Path) -> None:
    write_lerobot(tmp_path / "old", version="v3.0")
    done = inside("convert", "old", "new", "--to", "lerobot-2.1", "--rate", "30")
    assert done.returncode == 1
    assert "expected what lerobot-2.1 or its source takes, got rate" in done.stderr


def test_the_help_names_every_target_of_episodes_and_their_sources(inside: Inside) -> None:
    told = " ".join(inside("convert", "--help").stdout.replace("│", " ").split())
    assert "of episodes lerobot-3.0, -2.1, -2.0, gr00t, robomimic, shards." in told
    assert "Demonstrations of robomimic (Isaac Lab, LIBERO, MimicGen" in told
    assert "episodes of ACT and ALOHA" in told


def test_demonstrations_become_a_set_of_lerobot_and_say_what_changed(inside: Inside, tmp_path: Path) -> None:
    write_robomimic(tmp_path / "demo.hdf5", images=True)
    done = inside(
        "convert", "demo.hdf5", "picks", "--to", "lerobot-3.0", "--episodes", "1:", "--drop", "dones",
        "--rename", "obs/joint_pos=observation.state", "--task", "pick the cube",
    )  # fmt: skip
    assert done.returncode == 0
    assert "episodes  2" in done.stdout
    told = done.stderr
    assert "called as in LeRobot: actions is action, obs/joint_pos is observation.state, rewards is next.reward" in told
    assert "left out: dones [dropped]" in told
    assert "2 of 3 episodes are kept, 1-2: they are numbered from 0 now" in told
    assert "frames of 'obs/top_image' became videos (h264), which are not the same to the pixel" in told
    found = read_set(tmp_path / "picks", strict=True)
    assert [task.words for task in found.episodes.header.tasks] == ["pick the cube"]
    assert {"observation.state", "action"} < {one.name for one in found.info.features}


def test_episodes_of_act_ask_for_their_rate(inside: Inside, tmp_path: Path) -> None:
    write_act(tmp_path / "act")
    refused = inside("convert", "act", "pours", "--to", "lerobot-2.1")
    assert refused.returncode == 1
    assert "expected rows per second, got none" in refused.stderr
    assert "give --rate" in refused.stderr
    done = inside("convert", "act", "pours", "--to", "lerobot-2.1", "--rate", "50", "--json")
    document = json.loads(done.stdout)
    told = {problem["code"]: problem for problem in document["problems"]}
    assert told["no-task"]["fix"] == 'say it: --task "pick the cube"'
    assert (document["items"][0]["made"]["windows"], done.returncode) == (3, 0)


def test_boxes_of_others_are_told_whose_they_are_and_what_their_numbers_mean(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("0,1,10,20,30,40,0.9,1,-1,-1\n1,2,10,20,3,4,0.8,2,-1,-1\n")
    refused = inside("convert", "one.txt", "a.parquet")
    assert refused.returncode == 1
    assert "one.txt: line 1: frame: expected frames from 1, got 0" in refused.stderr
    words = ("--whose", "ByteTrack", "--first-number", "0", "--classes", "1=player,2=ball", "--pixels", "one_based")
    done = inside("convert", "one.txt", "a.parquet", *words)
    assert done.returncode == 0, done.stderr
    boxes = front_door.read(tmp_path / "a.parquet", front_door.Boxes)
    assert (boxes.label, set(boxes.source), boxes.frame.tolist()) == (("player", "ball"), {"ByteTrack"}, [0, 1])
    assert inside("convert", "a.parquet", "mot", "--to", "motchallenge").returncode == 0
    assert (tmp_path / "mot" / "ByteTrack" / "data" / "one.txt").read_text().splitlines() == [
        "1,1,10,20,30,40,0.9,2,-1,-1",
        "2,2,10,20,3,4,0.8,1,-1,-1",
    ]
    assert (tmp_path / "mot" / "ByteTrack" / "labels.txt").read_text() == "ball\nplayer\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--whose", "ours"), "pieces of videos need none of the other options"),
        (("--first-number", "1"), "pieces of videos need none of the other options"),
        (("--pixels", "edge"), "pieces of videos need none of the other options"),
    ],
)
def test_words_of_boxes_mean_nothing_to_pieces_of_videos(inside: Inside, words: tuple[str, str], told: str) -> None:
    done = inside("convert", "clip.mp4", "pieces", "--split-every", "40s", *words)
    assert (done.returncode, told in " ".join(done.stderr.split())) == (2, True)
