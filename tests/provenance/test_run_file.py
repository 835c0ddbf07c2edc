"""`run.json`: what ran, how it ended, whole at every moment, and never in the way of the error that matters."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from lapsdata.errors import Problem, SchemaError, StorageError
from lapsdata.provenance import calling_repository, code_digest
from lapsdata.schema import Run
from lapsdata.storage.run_file import record_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMMAND = ("lapsdata", "track", "clip 1.mp4")


@pytest.fixture
def judge(root: Path) -> Callable[[Path], Run]:
    """Return a function that reads a run file after JSON Schema has accepted it."""
    validator = Draft202012Validator(json.loads((root / "schemas" / "run.v1.json").read_text("utf-8")))

    def read(path: Path) -> Run:
        validator.validate(json.loads(path.read_text("utf-8")))
        return Run.parse(path.read_bytes(), path.name)

    return read


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_says_running_then_finished(tmp_path: Path, judge: Callable[[Path], Run]) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    with record_run(tmp_path, COMMAND) as path:
        during = judge(path)
        assert (during.outcome, during.finished_utc) == ("running", None)
        assert names(tmp_path) == ["run.json"]
    after = judge(path)
    assert names(tmp_path) == ["run.json"]
    assert after.outcome == "finished"
    assert after == during.model_copy(update={"outcome": "finished", "finished_utc": after.finished_utc})
    times = [datetime.fromisoformat(text) for text in (after.started_utc, after.finished_utc or "")]
    assert before <= times[0] <= times[1] <= datetime.now(UTC)


def test_names_command_code_repository_and_python(tmp_path: Path, judge: Callable[[Path], Run]) -> None:
    with record_run(tmp_path, COMMAND) as path:
        run = judge(path)
    assert run.command == COMMAND
    assert {package.name: package.code_digest for package in run.packages} == {
        "lapsdata": code_digest("lapsdata"),
        "lapsmodels": code_digest("lapsmodels"),
    }
    assert run.repository is None or run.repository.commit == getattr(calling_repository(), "commit", None)
    assert run.python == platform.python_version()


def test_the_calling_repository_is_the_one_of_the_working_folder(
    git: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judge: Callable[[Path], Run]
) -> None:
    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message", "first")
    monkeypatch.chdir(tmp_path / "repository")
    with record_run(tmp_path / "out", COMMAND) as path:
        pass
    repository = judge(path).repository
    assert repository is not None
    assert (repository.commit, repository.dirty) == (git("rev-parse", "HEAD"), False)


def test_the_command_line_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judge: Callable[[Path], Run]
) -> None:
    monkeypatch.setattr(sys, "argv", ["lapsdata", "run", os.fsdecode(b"caf\xe9.mp4"), "Küche"])
    with record_run(tmp_path) as path:
        assert judge(path).command == ("lapsdata", "run", "caf\\xe9.mp4", "Küche")


def test_the_folder_may_be_text(tmp_path: Path, judge: Callable[[Path], Run]) -> None:
    with record_run(str(tmp_path / "out"), COMMAND) as path:
        assert path == tmp_path / "out" / "run.json"
    assert judge(path).outcome == "finished"


def test_no_command_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"^Run: command: expected at least 1 items, got \(\)"):
        with record_run(tmp_path, ()):
            pytest.fail("ran")
    assert names(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt("stopped"), SystemExit(3)])
def test_says_failed_and_lets_the_error_through(
    error: BaseException, tmp_path: Path, judge: Callable[[Path], Run]
) -> None:
    with pytest.raises(type(error), match=re.escape(str(error))) as caught:
        with record_run(tmp_path, COMMAND) as path:
            raise error
    assert caught.value is error
    assert not hasattr(error, "__notes__")
    run = judge(path)
    assert run.outcome == "failed"
    assert run.finished_utc is not None
    assert names(tmp_path) == ["run.json"]


def test_folders_are_made_and_an_older_record_replaced(tmp_path: Path, judge: Callable[[Path], Run]) -> None:
    folder = tmp_path / "a" / "b"
    with record_run(folder, ("lapsdata", "first")):
        pass
    with record_run(folder, ("lapsdata", "second")) as path:
        assert judge(path).command == ("lapsdata", "second")
    assert names(folder) == ["run.json"]


def test_a_killed_run_says_running(tmp_path: Path, judge: Callable[[Path], Run]) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from lapsdata.storage.run_file import record_run\n"
        "with record_run(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run((sys.executable, "-c", code, str(tmp_path)), check=False)
    assert done.returncode == -signal.SIGKILL
    run = judge(tmp_path / "run.json")
    assert (run.outcome, run.finished_utc, run.command) == ("running", None, ("-c", str(tmp_path)))


def test_a_file_in_the_way_of_the_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    for folder in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(StorageError, match=r"out.*: cannot make the folder: "):
            with record_run(folder, COMMAND):
                pytest.fail("ran")
    assert (tmp_path / "out").read_text() == ""


def test_a_full_disk_is_a_storage_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(StorageError, match=r"run\.json: cannot write: no space left on the device; free space"):
        with record_run(tmp_path, COMMAND):
            pytest.fail("ran")
    assert names(tmp_path) == []


def test_the_error_of_the_run_is_not_replaced_by_the_one_of_noting_it(
    tmp_path: Path, judge: Callable[[Path], Run]
) -> None:
    full = StorageError(Problem("disk-full", "clip.h5", "cannot write: no space left on the device"))

    def run() -> None:
        with record_run(tmp_path / "out", COMMAND) as path:
            path.rename(tmp_path / "kept.json")
            path.parent.rmdir()
            raise full

    with pytest.raises(StorageError, match=r"clip\.h5: cannot write") as caught:
        run()
    assert caught.value is full
    (note,) = full.__notes__
    assert note.startswith("run.json still says that it runs: ")
    assert "not-found" in note
    assert judge(tmp_path / "kept.json").outcome == "running"


def give_up_override() -> None:
    """Let permissions bind this process even if it is root: what it executes cannot regain these capabilities."""
    if os.geteuid() == 0:
        drop_from_bounding_set, override, read_search = 24, 1, 2  # prctl(2), capabilities(7)
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        for capability in (override, read_search):
            if prctl(drop_from_bounding_set, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl")


def as_anyone(folder: Path) -> subprocess.CompletedProcess[str]:
    """Record a run in a process that permissions bind."""
    code = (
        "import sys; from pathlib import Path\n"
        "from lapsdata.errors import StorageError; from lapsdata.storage.run_file import record_run\n"
        "try:\n"
        "    with record_run(Path(sys.argv[1]), ('lapsdata',)): print('ran')\n"
        "except StorageError as error: print(error)\n"
    )
    return subprocess.run(
        (sys.executable, "-c", code, str(folder)),
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=give_up_override,
    )


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that nobody may write to, and open it again for the clean-up."""
    folder = tmp_path / "out"
    folder.mkdir(mode=0o555)
    yield folder
    folder.chmod(0o755)


def test_a_folder_without_write_permission_is_a_storage_error(closed: Path) -> None:
    done = as_anyone(closed)
    message = "cannot write: no permission; choose a folder you may write to [no-permission]"
    assert (done.stdout, done.stderr) == (f"{closed}/run.json: {message}\n", "")
    assert names(closed) == []


def test_a_folder_that_cannot_be_made_is_a_storage_error(closed: Path) -> None:
    done = as_anyone(closed / "new")
    message = "cannot make the folder: no permission; choose a folder you may write to [no-permission]"
    assert (done.stdout, done.stderr) == (f"{closed}/new: {message}\n", "")


def test_the_same_process_can_write_where_it_may(tmp_path: Path, judge: Callable[[Path], Run]) -> None:
    done = as_anyone(tmp_path)
    assert (done.stdout, done.stderr) == ("ran\n", "")
    assert judge(tmp_path / "run.json").outcome == "finished"


@pytest.mark.parametrize("code", [0, None])
def test_a_program_that_exits_with_0_has_finished(tmp_path: Path, code: int | None) -> None:
    with pytest.raises(SystemExit, match=rf"^{code}$"), record_run(tmp_path, ("lapsdata", "plugins")):
        raise SystemExit(code)
    assert Run.parse((tmp_path / "run.json").read_bytes()).outcome == "finished"
