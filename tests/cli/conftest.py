"""The installed command, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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
