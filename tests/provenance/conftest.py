"""Real git repositories and copies of the package, small enough to damage."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that runs git in `tmp_path/repository`, without the settings of this machine's user."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    # Folders above may lie in a repository of their own.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "repository"
    folder.mkdir()

    def run(*arguments: str) -> str:
        who = ("-c", "user.name=Tester", "-c", "user.email=tester@example.invalid")
        return subprocess.run(
            ("git", "-C", str(folder), *who, *arguments), check=True, capture_output=True, text=True
        ).stdout.strip()

    return run
