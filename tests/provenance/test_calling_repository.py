"""The calling repository: commit and dirty flag of a real one, null where there is none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lapsdata.provenance import calling_repository
from lapsdata.schema import Run
from lapsdata.storage.run_file import record_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Git = Callable[..., str]


@pytest.fixture
def repository(git: Git, tmp_path: Path) -> Path:
    """Return a repository with one commit of one file."""
    folder = tmp_path / "repository"
    git("init", "--quiet")
    (folder / "train.py").write_text("print()\n")
    (folder / ".gitignore").write_text("*.log\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    return folder


def test_clean(git: Git, repository: Path) -> None:
    found = calling_repository(repository)
    assert found is not None
    assert (found.commit, found.dirty) == (git("rev-parse", "HEAD"), False)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "train.py").write_text("print(1)\n"),
        lambda folder: (folder / "new.py").write_text(""),
        lambda folder: (folder / "train.py").unlink(),
        lambda folder: (folder / os.fsdecode(b"caf\xe9.py")).write_text(""),
    ],
    ids=["changed", "untracked", "deleted", "untracked, not UTF-8"],
)
def test_dirty(change: Callable[[Path], object], repository: Path) -> None:
    change(repository)
    found = calling_repository(repository)
    assert found is not None
    assert found.dirty


def test_the_index_is_not_touched(repository: Path) -> None:
    """Regression: `git status` was refreshing the index when a run was killed, and its lock stayed in the way."""
    index = repository / ".git" / "index"
    # A file whose times have changed and its content has not is what a refresh writes down.
    os.utime(repository / "train.py", (1, 1))
    before = index.stat().st_ino, index.stat().st_mtime_ns, index.read_bytes()
    assert calling_repository(repository) is not None
    assert (index.stat().st_ino, index.stat().st_mtime_ns, index.read_bytes()) == before


def test_dirty_when_only_staged(git: Git, repository: Path) -> None:
    (repository / "train.py").write_text("print(2)\n")
    git("add", "train.py")
    found = calling_repository(repository)
    assert found is not None
    assert found.dirty


def test_untracked_files_count_whatever_the_user_told_git(git: Git, repository: Path) -> None:
    git("config", "status.showUntrackedFiles", "no")
    git("config", "core.quotePath", "false")
    (repository / os.fsdecode(b"caf\xe9.py")).write_text("")
    found = calling_repository(repository)
    assert found is not None
    assert found.dirty


def test_ignored_files_do_not_count(repository: Path) -> None:
    (repository / "run.log").write_text("")
    found = calling_repository(repository)
    assert found is not None
    assert not found.dirty


def test_seen_from_a_folder_inside_and_as_the_working_folder(
    git: Git, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = repository / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    found = calling_repository()
    assert found is not None
    assert found.commit == git("rev-parse", "HEAD")
    assert found == calling_repository(repository)


def test_the_commit_moves(git: Git, repository: Path) -> None:
    before = calling_repository(repository)
    git("commit", "--quiet", "--allow-empty", "--message", "second")
    after = calling_repository(repository)
    assert before is not None
    assert after is not None
    assert before.commit != after.commit


def test_sha256_repositories_are_described(git: Git, tmp_path: Path) -> None:
    git("init", "--quiet", "--object-format=sha256")
    git("commit", "--quiet", "--allow-empty", "--message", "first")
    found = calling_repository(tmp_path / "repository")
    assert found is not None
    assert len(found.commit) == 64


def test_no_commit_yet(git: Git, tmp_path: Path) -> None:
    git("init", "--quiet")
    assert calling_repository(tmp_path / "repository") is None


@pytest.mark.usefixtures("git")
def test_no_repository(tmp_path: Path) -> None:
    assert calling_repository(tmp_path / "repository") is None


def test_no_folder(tmp_path: Path) -> None:
    assert calling_repository(tmp_path / "absent") is None


def test_no_git_on_the_path(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert calling_repository(repository) is None


def test_a_working_folder_that_is_gone(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = repository / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert calling_repository() is None
    with record_run(tmp_path / "out", ("lapsdata", "run")) as path:
        pass
    run = Run.parse(path.read_bytes())
    assert (run.repository, run.outcome) == (None, "finished")


def test_paths_may_be_text(repository: Path) -> None:
    assert calling_repository(str(repository)) == calling_repository(repository) is not None
