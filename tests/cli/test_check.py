"""`lapsdata check`: what a person and a script see, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

from lapsdata import formats
from lapsdata.checks import integrity
from lapsdata.checks.outcome import IntegrityReport
from lapsdata.loading.loader import Loader
from lapsdata.testing.episode_sets import write_lerobot
from lapsdata.testing.numbers import Numbers
from lapsdata.testing.samples import sample_energies, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable

    Inside = Callable[..., "Ran"]

    from typing import NamedTuple

    class Ran(NamedTuple):
        returncode: int
        stdout: str
        stderr: str


LIST = "theirs.h5.lapsdata-seal.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make one file of ours, one of others, and the ledger of one rank."""
    data = tmp_path / "data"
    data.mkdir()
    formats.write(data / "clip.h5", sample_tracks(windows=3))
    theirs(data / "theirs.h5")
    with Loader(Numbers(20), batch_size=5, shuffle="global", workers=0, ledger=data) as loader:
        for _ in loader:
            pass
    return data


def theirs(path: Path, windows: int = 6) -> None:
    with h5py.File(path, "w") as file:
        file["tracks"] = np.ones((windows, 4, 5, 2), np.float32)
        file["vis"] = np.ones((windows, 4, 5), np.float32)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def payload(path: Path) -> int:
    """Return where the tracks of a file of others lie."""
    with h5py.File(path) as file:
        return int(file["tracks"].id.get_offset())


def lines(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def told(done: Ran) -> list[str]:
    """Return what was told on standard error, without the line about the pace."""
    return [line for line in done.stderr.splitlines() if not line.startswith("check: ")]


def test_a_person_sees_each_item_the_ledgers_and_a_line_for_all(inside: Inside, folder: Path) -> None:
    done = inside("check", "data")
    assert done.returncode == 0
    assert lines(done.stdout)[:3] == [
        ["status", "item", "found"],
        ["ok", "data/clip.h5", "tracks_hdf5: 3 windows verified"],
        ["warning", "data/theirs.h5", "hdf5 of others: 6 windows read, unverified"],
    ]
    assert "epoch 0: exactly once: 20 of 20 samples received" in done.stdout
    assert done.stdout.splitlines()[-1] == "2 items: 1 ok, 1 warning; ledgers: 1 of 1 epochs seen exactly once"
    assert told(done) == [
        "warning: data/theirs.h5: expected checksums, got none: nothing says whether its 6 windows are what was "
        "written; make a list of checksums beside it: lapsdata check PATH --seal [unverified]"
    ]
    assert done.stderr.startswith("check: done: 9 windows in ")


def test_rows_of_episodes_are_counted_as_rows(inside: Inside, tmp_path: Path) -> None:
    write_lerobot(tmp_path / "set", lengths=(4, 6))
    assert inside("check", "set").stderr.startswith("check: done: 10 rows in ")
    formats.write(tmp_path / "clip.h5", sample_tracks(windows=3))
    assert inside("check", "set", "clip.h5").stderr.startswith("check: done: 10 rows and 3 windows in ")


def test_a_script_sees_one_document(inside: Inside, folder: Path) -> None:
    done = inside("check", "data", "--json")
    document = json.loads(done.stdout)
    assert document["items"] == [
        {"path": "data/clip.h5", "status": "ok", "kind": "tracks_hdf5", "windows": 3, "verified": 3,
         "note": "3 windows verified"},
        {"path": "data/theirs.h5", "status": "warning", "kind": "hdf5 of others", "windows": 6, "verified": 0,
         "note": "6 windows read, unverified"},
    ]  # fmt: skip
    (group,) = document["ledgers"]
    assert (group["paths"], group["files"], group["world_sizes"]) == (["data/ledger-rank0000.jsonl"], 1, [1])
    assert group["epochs"][0]["whole"] is True
    assert document["passed_over"] == {}
    assert [(problem["code"], problem["severity"]) for problem in document["problems"]] == [("unverified", "warning")]
    assert (done.returncode, told(done)) == (0, [])


def test_sealing_ends_the_warning_and_finds_a_flip(inside: Inside, folder: Path) -> None:
    done = inside("check", "data", "--seal")
    assert (done.returncode, told(done)) == (0, [])
    assert "hdf5 of others: 6 windows, list written" in done.stdout
    assert (folder / LIST).is_file()
    again = inside("check", "data", "--seal")
    assert "hdf5 of others: 6 windows verified by its list; the list stays" in again.stdout
    flip(folder / "theirs.h5", payload(folder / "theirs.h5"))
    for arguments in (("data",), ("data", "--seal"), ("data/theirs.h5", "--json")):
        done = inside("check", *arguments)
        assert done.returncode == 1
        assert "payload-checksum" in done.stderr + done.stdout
    assert inside("check", "data", "--seal", "--force").returncode == 0
    assert inside("check", "data").returncode == 0


def test_data_and_ledgers_in_one_call_with_a_fault_in_each(inside: Inside, folder: Path) -> None:
    ledger = folder / "ledger-rank0000.jsonl"
    flip(ledger, ledger.stat().st_size - 40)
    flip(folder / "clip.h5", (folder / "clip.h5").stat().st_size - 30)
    done = inside("check", "data/ledger-rank0000.jsonl", "data/clip.h5", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert {"data/clip.h5", "data/ledger-rank0000.jsonl"} <= {
        problem["where"].partition(":")[0] for problem in document["problems"] if problem["severity"] == "error"
    }


def test_what_is_not_there_and_what_is_nothing_known(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"no film")
    formats.write(tmp_path / "e.jsonl", sample_energies())
    done = inside("check", "absent.h5", "notes.txt", "e.jsonl")
    assert done.returncode == 1
    assert ["ok", "e.jsonl", "energies_jsonl: verified"] in lines(done.stdout)
    assert [line.rpartition("[")[2] for line in told(done)] == ["not-found]", "unknown-format]"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [((), "Missing argument 'PATH"), (("data", "--force"), "Invalid value for --force: only with --seal")],
)
def test_wrong_usage(inside: Inside, arguments: tuple[str, ...], text: str) -> None:
    done = inside("check", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr


def test_help_fits_into_80_columns(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = inside("check", "--help").stdout
    assert max(map(len, text.splitlines())) <= 80
    assert "NAME.lapsdata-seal.json" in text


def test_ctrl_c_ends_it_with_nothing_left(tmp_path: Path) -> None:
    theirs(tmp_path / "theirs.h5", windows=300)
    # Slow enough to be interrupted amid the windows, whatever the machine.
    code = (
        "import sys, time; from lapsdata.checks import _rows; from lapsdata.cli.main import main\n"
        "plain, _rows._BLOCK_BYTES = _rows.row_checksums, 1 << 12\n"
        "def slow(values):\n"
        "    sys.stderr.write('begun\\n'); sys.stderr.flush(); time.sleep(0.05); return plain(values)\n"
        "_rows.row_checksums = slow; sys.argv = ['lapsdata', 'check', 'theirs.h5', '--seal']; main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        output, errors = process.communicate(timeout=60)
    assert time.monotonic() - begun < 20
    assert process.returncode not in (0, None)
    assert output == ""
    assert "Traceback" not in errors
    assert os.listdir(tmp_path) == ["theirs.h5"]  # noqa: PTH208 - hidden names as well


def test_the_options_are_handed_on(inside: Inside, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def look(paths: list[Path], **options: object) -> IntegrityReport:
        asked.append({"paths": list(paths), **options})
        return IntegrityReport()

    monkeypatch.setattr(integrity, "check_integrity", look)
    done = inside("check", "data", "--seal", "--force")
    assert lines(done.stdout) == [["no items"]]
    assert [(call["paths"], call["seal"], call["force"]) for call in asked] == [([Path("data")], True, True)]


def test_a_proof_ends_with_its_own_count(inside: Inside, folder: Path) -> None:
    done = inside("check", "data/ledger-rank0000.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "ledgers: 1 of 1 epochs seen exactly once"


@pytest.mark.parametrize(("steps", "code"), [(2, 1), (4, 0), (6, 0)])
def test_where_no_epoch_is_whole_nothing_is_proven(inside: Inside, tmp_path: Path, steps: int, code: int) -> None:
    with Loader(Numbers(20), batch_size=5, epochs=None, workers=0, ledger=tmp_path / "run") as loader:
        for _, _ in zip(range(steps), loader, strict=False):
            pass
    done = inside("check", "run")
    assert done.returncode == code
    assert ("expected at least one epoch seen exactly once, got 0 of 1" in done.stderr) == (code == 1)
    assert ("[unfinished]" in done.stderr) == (steps % 4 > 0)
    (group,) = json.loads(inside("check", "run", "--json").stdout)["ledgers"]
    assert (group["proven"], group["absent"]) == (code == 0, [])
    # How the exit code comes about stands in the help.
    assert "at least one epoch" in " ".join(inside("check", "--help").stdout.replace("│", " ").split())
