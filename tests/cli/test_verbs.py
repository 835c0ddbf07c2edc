"""Each verb of the ground floor, from the outside."""

from __future__ import annotations

import json
import os
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
    row, item, reach = done.stdout.splitlines()[1:]
    assert row.split()[:2] == ["/x", "(2,"]
    assert "float 4B big" in row
    assert "min 3, max 5, mean 4, NaN 0" in item
    assert reach.startswith("rung: what reads the first value of a dataset")


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

    from lapsdata.verbs import finish

    finish([Problem("a", "b", "c", severity="warning"), Problem("a", "b", "c", severity="info")])
    with pytest.raises(typer.Exit, match="1"):
        finish([Problem("a", "b", "c")])


LONG = "x" * 300


@pytest.mark.parametrize("mode", [(), ("--low-level",)], ids=["whole", "low-level"])
@pytest.mark.parametrize(
    ("name", "code"),
    [("absent.h5", "not-found"), (LONG, "wrong-name"), ("circle", "wrong-name"), ("pipe", "wrong-kind")],
)
def test_a_path_that_cannot_be_read_has_one_code_in_both_modes(
    lapsdata: Run, tmp_path: Path, name: str, code: str, mode: tuple[str, ...]
) -> None:
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    done = lapsdata("inspect", name, *mode, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    assert [problem["code"] for problem in json.loads(done.stdout)["problems"]] == [code]


def test_inspect_reads_a_file_as_the_format_that_is_named(lapsdata: Run, tmp_path: Path) -> None:
    front_door.write(tmp_path / "clip.h5", samples.sample_tracks())
    assert "tracks_hdf5" in lapsdata("inspect", "clip.h5", "--format", "tracks_hdf5").stdout
    wrong = lapsdata("inspect", "clip.h5", "--format", "boxes_parquet")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: clip.h5: ")
    unknown = lapsdata("inspect", "clip.h5", "--format", "tracks_hdf")
    assert (unknown.returncode, "[unknown-name]" in unknown.stderr) == (1, True)
    assert lapsdata("inspect", "clip.h5", "--format", "tracks_hdf5", "--low-level").returncode == 2


@pytest.mark.parametrize("mode", [(), ("--low-level",)], ids=["whole", "low-level"])
def test_a_url_is_not_taken_for_a_path(lapsdata: Run, mode: tuple[str, ...]) -> None:
    done = lapsdata("inspect", "https://example.org//a.h5", *mode)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "error: https://example.org//a.h5: expected a file or folder of this machine, got a URL"
    )


def test_hostile_names_stay_in_their_line(lapsdata: Run, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a\n\x1b[31m.h5", "w") as file:
        file["x\n\x1b[31m"] = np.zeros(3, "f4")
        file["y\n"] = h5py.SoftLink("/no\nwhere")
    shown = lapsdata("inspect", "a\n\x1b[31m.h5", "--low-level")
    assert len(shown.stdout.splitlines()) == 5
    assert "\x1b" not in shown.stdout
    told = lapsdata("inspect", "a\n\x1b[31m.h5")
    assert len(told.stderr.splitlines()) == 1
    assert told.stderr.startswith(r"error: a\n\x1b[31m.h5: ")


def test_inspect_says_what_it_reads(lapsdata: Run) -> None:
    text = " ".join(lapsdata("inspect", "--help").stdout.split())
    assert "The whole file is read into memory for that, however large it is." in text


@pytest.fixture
def broken_plugin(tmp_path: Path) -> str:
    """An installed distribution whose format cannot be imported; its folder belongs on PYTHONPATH."""
    record = tmp_path / "site" / "laps_broken-1.0.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: laps-broken\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text("[lapsdata.formats]\ntracks_gone = laps_gone:PLUGIN\n")
    return str(tmp_path / "site")


def test_warnings_are_records_under_json_and_lines_without(lapsdata: Run, tmp_path: Path, broken_plugin: str) -> None:
    front_door.write(tmp_path / "clip.h5", samples.sample_tracks())
    done = lapsdata("inspect", "clip.h5", "--json", PYTHONPATH=broken_plugin)
    assert (done.returncode, done.stderr) == (0, "")
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["severity"] == "warning"
    assert "tracks_gone" in problem["message"]
    plain = lapsdata("inspect", "clip.h5", PYTHONPATH=broken_plugin)
    assert plain.returncode == 0
    assert plain.stderr.startswith("warning: ")
    assert "tracks_gone" in plain.stderr


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("taken", "error: taken: cannot write: expected a folder, got a file; name a folder [wrong-kind]"),
        (
            "taken/deep",
            "error: taken/deep: cannot write: a part of the path is not a folder; check the path [not-found]",
        ),
        ("full", "error: full/tracks.v1.json: cannot write: it is a folder; name a file [wrong-kind]"),
        (LONG, f"error: {LONG}: cannot write: the name is too long; shorten it [wrong-name]"),
    ],
    ids=["a-file", "below-a-file", "a-folder-in-the-way", "long"],
)
def test_schema_export_names_what_is_refused(lapsdata: Run, tmp_path: Path, out: str, told: str) -> None:
    (tmp_path / "taken").touch()
    (tmp_path / "full" / "tracks.v1.json").mkdir(parents=True)
    done = lapsdata("schema", "export", "--out", out)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [told]
    as_json = lapsdata("schema", "export", "--out", out, "--json")
    assert as_json.returncode == 1
    assert f"[{json.loads(as_json.stdout)['problems'][0]['code']}]" in told


def test_schema_export_as_json(lapsdata: Run) -> None:
    document = json.loads(lapsdata("schema", "export", "--out", "out", "--json").stdout)
    assert document["folder"] == "out"
    assert sorted(document["files"]) == sorted(f"{name}.json" for name in [*RECORDS, "index"])


@pytest.mark.parametrize(("name", "code"), [("absent", "not-found"), ("taken", "wrong-kind")])
def test_schema_check_of_no_folder_is_one_problem(lapsdata: Run, tmp_path: Path, name: str, code: str) -> None:
    (tmp_path / "taken").touch()
    done = lapsdata("schema", "check", "--dir", name)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {name}: expected a folder of exported schemas, got ")
    assert line.endswith(f"[{code}]")
    assert done.returncode == 1
