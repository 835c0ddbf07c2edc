"""Nothing in the repository tells where it was made."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Written so that this file does not hold what it forbids. HDF5 groups of ours are called /root/<view>.
PLACES = {
    *("/".join(("", folder, "")) for folder in ("work", "home")),
    *("/".join(("", *path)) for path in (("root", "."), ("tmp", "scratch"))),
    *(sign.join(("index", "url")) for sign in "-_"),
}
PUBLIC = {"pypi.org", "files.pythonhosted.org", "download.pytorch.org"}


def index_hosts() -> set[str]:
    """Hosts of the package indexes that this machine happens to use."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    words = [
        *listed.replace("'", " ").split(),
        *(os.environ.get(f"PIP_{name}", "") for name in ("INDEX_URL", "FIND_LINKS")),
    ]
    return {host for word in words if "://" in word and (host := urlsplit(word).hostname)} - PUBLIC


def holds(path: Path, forbidden: set[str]) -> list[str]:
    content = path.read_bytes()
    return [f"{path}: {text}" for text in sorted(forbidden) if text.encode() in content]


def test_no_file_tells_of_a_machine(project_files: tuple[Path, ...]) -> None:
    forbidden = PLACES | index_hosts()
    found = [line for path in project_files for line in holds(path, forbidden)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("place", sorted(PLACES))
def test_a_path_would_be_found(tmp_path: Path, place: str) -> None:
    (tmp_path / "x.json").write_text('{"file": "' + place + 'main/x"}')
    assert holds(tmp_path / "x.json", PLACES) == [f"{tmp_path / 'x.json'}: {place}"]


def test_no_file_is_large_or_made_by_a_tool(project_files: tuple[Path, ...], root: Path) -> None:
    made = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "dist", "build", ".venv"}
    assert [str(path) for path in project_files if made & set(path.relative_to(root).parts)] == []
    assert [str(path) for path in project_files if path.stat().st_size > 2**20] == []
