"""The installed command, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from lapsdata import console
from lapsdata.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def lapsdata(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `lapsdata` in an empty folder; keyword arguments are environment variables."""

    def command(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("lapsdata"), *arguments],
            env={**os.environ, "COLUMNS": "80", **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return command


class Ran(NamedTuple):
    """What a call has left behind."""

    returncode: int | str | None
    stdout: str
    stderr: str


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ran]:
    """Run the command in this process, in an empty folder: only the outcome counts there."""

    def command(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        with monkeypatch.context() as patch, warnings.catch_warnings():
            patch.setattr(console, "_kept", None)
            patch.setattr(sys, "argv", ["lapsdata", *map(str, arguments)])
            patch.chdir(tmp_path)
            with pytest.raises(SystemExit, match=r"^\d+$") as end:
                main()
        return Ran(end.value.code, *capsys.readouterr())

    return command
