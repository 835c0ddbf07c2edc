"""`lapsdata repair` from the outside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

import lapsdata as front_door
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.recorder import EpisodeWriter
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ran

    Inside = Callable[..., Ran]


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A file whose fourth window is not what was written."""
    place = tmp_path / "clip.h5"
    front_door.write(place, sample_tracks(windows=9))
    from lapsdata.storage.hdf5_file import Hdf5File

    with Hdf5File(place) as file:
        offset = file.describe("root/default/tracks").offset or 0
    data = bytearray(place.read_bytes())
    data[offset + 3 * 4 * 5 * 2 * 4] ^= 1
    place.write_bytes(data)
    return place


def test_what_is_lost_is_told_and_ends_with_1(inside: Inside, damaged: Path, tmp_path: Path) -> None:
    done = inside("repair", damaged.name, "--out", "saved.h5")
    assert done.returncode == 1
    facts = {line[:12].strip(): line[12:].strip() for line in done.stdout.splitlines()}
    assert facts["state"] == "repaired"
    assert facts["kept"] == "3 windows"
    assert facts["lost"] == "6 windows, 5 of them sound, but behind the damage"
    assert facts["lost time"] == "0.600 s"
    assert "root/default/tracks: row 3 (" in facts["damage"]
    assert facts["written"] == "saved.h5"
    assert "error: clip.h5: 6 of 9 windows are lost; take them from a copy" in done.stderr
    assert len(front_door.read(tmp_path / "saved.h5")) == 3


def test_json_has_the_numbers(inside: Inside, damaged: Path) -> None:
    document = json.loads(inside("repair", damaged.name, "--json").stdout)
    (item,) = document["items"]
    assert (item["state"], item["kept"], item["lost"], item["good_after"], item["output"]) == ("damaged", 3, 6, 5, None)
    assert [problem["code"] for problem in document["problems"]] == ["lost", "not-written"]


def test_a_whole_file_ends_with_0(inside: Inside, tmp_path: Path) -> None:
    front_door.write(tmp_path / "clip.zarr", sample_tracks())
    done = inside("repair", "clip.zarr", "--out", "saved.zarr")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1] == "state  whole"
    assert not (tmp_path / "saved.zarr").exists()


def test_a_file_of_others_is_refused(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    done = inside("repair", "notes.txt")
    assert done.returncode == 1
    assert "[no-checksums]" in done.stderr


def test_leftovers_go_with_clean(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / ".lapsdata-tmp-0123456789abcdef.h5").write_bytes(b"half")
    assert "--clean removes them" in inside("repair", "clips").stderr
    done = inside("repair", "clips", "--clean")
    assert (done.returncode, done.stdout) == (0, "removed  .lapsdata-tmp-0123456789abcdef.h5\n")


def test_a_recording_that_was_not_finished_is_finished_elsewhere(inside: Inside, tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "picks", fps=10)
    for episode in range(2):
        writer.add_episode({"action": np.full((3, 2), episode, np.float32)}, task="pick")
    told = inside("repair", "picks")
    assert told.returncode == 1
    assert "2 episodes can be saved, nothing was written" in told.stderr
    done = inside("repair", "picks", "--out", "saved")
    assert done.returncode == 0
    assert "its recording was not finished" in done.stderr
    assert read_set(tmp_path / "saved", strict=True).version == "v3.0"
    whole = inside("repair", "saved", "--json")
    assert (whole.returncode, json.loads(whole.stdout)["items"][0]["state"]) == (0, "whole")
