"""Each verb of the ground floor, from the outside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import lapsdata as front_door
from lapsdata.checks import doctor
from lapsdata.checks._imports import MODULES, OPTIONAL, Import
from lapsdata.checks.doctor import diagnose
from lapsdata.errors import Problem
from lapsdata.schema import RECORDS
from lapsdata.testing import samples

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every package import: to try each takes seconds, and `tests/checks` does."""
    monkeypatch.setattr(doctor, "try_imports", lambda: {name: Import("1") for name in (*MODULES, *OPTIONAL)})


@pytest.mark.usefixtures("imported")
def test_doctor_tells_every_finding(lapsdata: Run) -> None:
    done = lapsdata("doctor")
    names = [line.split()[1] for line in done.stdout.splitlines()[1:]]
    assert names == [finding.name for finding in diagnose()]
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("imported")
def test_doctor_as_json_tells_a_warning_as_a_record(inside: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "FALSE")
    done = inside("doctor", "--json")
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


def test_schema_check_tells_each_drift(inside: Run, tmp_path: Path) -> None:
    inside("schema", "export", "--out", "out")
    (tmp_path / "out" / "tracks.v1.json").unlink()
    (tmp_path / "out" / "boxes.v1.json").write_text("{}")
    done = inside("schema", "check", "--dir", "out")
    assert (done.returncode, done.stdout) == (1, "")
    told = [line.rpartition("[")[2] for line in done.stderr.splitlines()]
    assert told == ["schema-drift]", "schema-missing]"]
    as_json = inside("schema", "check", "--dir", "out", "--json")
    assert as_json.returncode == 1
    assert {problem["where"] for problem in json.loads(as_json.stdout)["problems"]} == {
        "boxes.v1.json",
        "tracks.v1.json",
    }


def test_plugins_lists_every_verb_and_format_of_ours(inside: Run) -> None:
    document = json.loads(inside("plugins", "--json").stdout)
    ours = {(entry["kind"], entry["name"]) for entry in document["plugins"] if entry["distribution"] == "lapsdata"}
    assert {("formats", name) for name in ("tracks_hdf5", "tracks_zarr", "energies_jsonl", "boxes_parquet")} <= ours
    assert {("commands", name) for name in ("inspect", "doctor", "schema", "plugins")} <= ours


def test_problems_of_a_verb_decide_its_exit_code() -> None:
    import typer

    from lapsdata.verbs import finish

    finish([Problem("a", "b", "c", severity="warning"), Problem("a", "b", "c", severity="info")])
    with pytest.raises(typer.Exit, match="1"):
        finish([Problem("a", "b", "c")])


LONG = "x" * 300


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
def test_schema_export_names_what_is_refused(inside: Run, tmp_path: Path, out: str, told: str) -> None:
    (tmp_path / "taken").touch()
    (tmp_path / "full" / "tracks.v1.json").mkdir(parents=True)
    done = inside("schema", "export", "--out", out)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [told]
    as_json = inside("schema", "export", "--out", out, "--json")
    assert as_json.returncode == 1
    assert f"[{json.loads(as_json.stdout)['problems'][0]['code']}]" in told


def test_schema_export_as_json(inside: Run) -> None:
    document = json.loads(inside("schema", "export", "--out", "out", "--json").stdout)
    assert document["folder"] == "out"
    assert sorted(document["files"]) == sorted(f"{name}.json" for name in [*RECORDS, "index"])


@pytest.mark.parametrize(("name", "code"), [("absent", "not-found"), ("taken", "wrong-kind")])
def test_schema_check_of_no_folder_is_one_problem(inside: Run, tmp_path: Path, name: str, code: str) -> None:
    (tmp_path / "taken").touch()
    done = inside("schema", "check", "--dir", name)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {name}: expected a folder of exported schemas, got ")
    assert line.endswith(f"[{code}]")
    assert done.returncode == 1
