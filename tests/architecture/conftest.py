"""The sources of the project, as the tests about its shape look at them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def modules(root: Path) -> tuple[Path, ...]:
    """Every module of the two packages."""
    return tuple(sorted(path for package in ("lapsdata", "lapsmodels") for path in (root / package).rglob("*.py")))


@pytest.fixture(scope="session")
def test_modules(root: Path) -> tuple[Path, ...]:
    """Every Python file of the tests."""
    return tuple(sorted((root / "tests").rglob("*.py")))


@pytest.fixture(scope="session")
def project_files(root: Path) -> tuple[Path, ...]:
    """Every file that is, or would be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a checkout of the repository: git lists no files")
    paths = (root / name for name in listed.stdout.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))
