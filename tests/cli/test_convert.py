"""`lapsdata convert` from the outside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

import lapsdata as front_door
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
    facts = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[:4])
    assert (facts["items"], facts["made"], facts["windows"]) == ("1", "1", "40")
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
