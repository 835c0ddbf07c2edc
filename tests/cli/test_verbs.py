"""Each verb of the ground floor, from the outside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

import lapsdata as front_door
from lapsdata.checks.doctor import diagnose
from lapsdata.errors import Problem
from lapsdata.schema import RECORDS
from lapsdata.testing import samples

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]

FILES = {
    "clip.h5": ("tracks_hdf5", samples.sample_tracks),
    "clip.zarr": ("tracks_zarr", samples.sample_tracks),
    "tokens.zarr": ("tokens_zarr", samples.sample_tokens),
    "clips.jsonl": ("energies_jsonl", samples.sample_energies),
    "segments.parquet": ("segments_parquet", samples.sample_segments),
    "boxes.parquet": ("boxes_parquet", samples.sample_boxes),
}


@pytest.mark.parametrize("name", FILES)
def test_inspect_shows_any_file_of_ours_in_one_screen(lapsdata: Run, tmp_path: Path, name: str) -> None:
    expected, sample = FILES[name]
    front_door.write(tmp_path / name, sample())
    done = lapsdata("inspect", name)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    facts = dict(line.split(maxsplit=1) for line in lines)
    assert facts["file"] == name
    assert facts["format"].startswith(f"{expected} 1.0, {sample().nbytes:,} bytes")
    for fact, value in sample().facts().items():
        assert " ".join(facts[fact.split()[0]].split()).endswith(value)


def test_inspect_as_json_holds_the_whole_header(lapsdata: Run, tmp_path: Path) -> None:
    front_door.write(tmp_path / "clip.h5", samples.sample_tracks())
    document = json.loads(lapsdata("inspect", "clip.h5", "--json").stdout)
    assert document["format"] == "tracks_hdf5"
    assert document["header"] == samples.sample_tracks().header.as_json()
    assert document["facts"]["default/vis"] == "bool (3, 4, 5)"
    assert document["problems"] == []


def test_inspect_finds_a_flipped_bit(lapsdata: Run, tmp_path: Path) -> None:
    target = tmp_path / "clip.h5"
    front_door.write(target, samples.sample_tracks())
    with h5py.File(target) as file:
        offset = file["root/default/tracks"].id.get_offset()
    content = bytearray(target.read_bytes())
    content[offset] ^= 1
    target.write_bytes(content)
    done = lapsdata("inspect", "clip.h5", "--json")
    assert done.returncode == 1
    assert [problem["severity"] for problem in json.loads(done.stdout)["problems"]] == ["error"]
    assert done.stderr == ""


def test_inspect_of_a_foreign_file_says_what_to_do(lapsdata: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["x"] = np.arange(3.0)
    done = lapsdata("inspect", "theirs.h5")
    assert done.returncode == 1
    assert "lapsdata inspect FILE --low-level" in done.stderr


def test_low_level_inspection_looks_at_one_item(lapsdata: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["x"] = np.array([[1, 2], [3, 5]], ">f4")
    done = lapsdata("inspect", "theirs.h5", "--low-level", "--pick", "1")
    assert (done.returncode, done.stderr) == (0, "")
    row, item = done.stdout.splitlines()[1:]
    assert row.split()[:2] == ["/x", "(2,"]
    assert "float 4B big" in row
    assert "min 3, max 5, mean 4, NaN 0" in item


def test_low_level_inspection_as_json(lapsdata: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["x"] = np.zeros(3, "f4")
    document = json.loads(lapsdata("inspect", "theirs.h5", "--low-level", "--json").stdout)
    assert document["path"] == "theirs.h5"
    assert len(document["datasets"]) == 1
    assert document["problems"] == []


def test_doctor_tells_every_finding(lapsdata: Run) -> None:
    done = lapsdata("doctor")
    names = [line.split()[1] for line in done.stdout.splitlines()[1:]]
    assert names == [finding.name for finding in diagnose()]
    assert done.returncode == 0, done.stderr


def test_doctor_as_json_tells_a_warning_as_a_record(lapsdata: Run) -> None:
    done = lapsdata("doctor", "--json", HDF5_USE_FILE_LOCKING="FALSE")
    document = json.loads(done.stdout)
    assert document["status"] == "warning"
    assert [problem["code"] for problem in document["problems"]] == ["no-file-locking"]
    assert done.returncode == 0


def test_schema_export_and_check_agree(lapsdata: Run, tmp_path: Path) -> None:
    exported = lapsdata("schema", "export", "--out", "out")
    assert exported.returncode == 0
    assert sorted(exported.stdout.split()) == sorted(f"out/{name}.json" for name in [*RECORDS, "index"])
    checked = lapsdata("schema", "check", "--dir", "out")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "out: no drift\n", "")


def test_schema_check_tells_each_drift(lapsdata: Run, tmp_path: Path) -> None:
    lapsdata("schema", "export", "--out", "out")
    (tmp_path / "out" / "tracks.v1.json").unlink()
    (tmp_path / "out" / "boxes.v1.json").write_text("{}")
    done = lapsdata("schema", "check", "--dir", "out")
    assert (done.returncode, done.stdout) == (1, "")
    told = [line.rpartition("[")[2] for line in done.stderr.splitlines()]
    assert told == ["schema-drift]", "schema-missing]"]
    as_json = lapsdata("schema", "check", "--dir", "out", "--json")
    assert as_json.returncode == 1
    assert {problem["where"] for problem in json.loads(as_json.stdout)["problems"]} == {
        "boxes.v1.json",
        "tracks.v1.json",
    }


def test_plugins_lists_every_verb_and_format_of_ours(lapsdata: Run) -> None:
    document = json.loads(lapsdata("plugins", "--json").stdout)
    ours = {(entry["kind"], entry["name"]) for entry in document["plugins"] if entry["distribution"] == "lapsdata"}
    assert {("formats", name) for name, _ in FILES.values()} <= ours
    assert {("commands", name) for name in ("inspect", "doctor", "schema", "plugins")} <= ours


def test_problems_of_a_verb_decide_its_exit_code() -> None:
    import typer

    from lapsdata.cli._common import finish

    finish([Problem("a", "b", "c", severity="warning"), Problem("a", "b", "c", severity="info")])
    with pytest.raises(typer.Exit, match="1"):
        finish([Problem("a", "b", "c")])
