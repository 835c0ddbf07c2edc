"""Distributions to find: one really built and installed, others laid out by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

HERE = Path(__file__).parent


if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def sample_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which the sample distribution is installed from the wheel that was built from its source."""
    source = tmp_path_factory.mktemp("source") / "laps-sample"
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(HERE / "sample_distribution", source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, *offline, "--target", str(site), str(source)], check=True)
    return site


@pytest.fixture
def lay(tmp_path: Path) -> Callable[..., Path]:
    """Lay out an installed distribution by hand: metadata with `entry_points`, and modules with their source."""

    def distribution(name: str, version: str, entry_points: str, **modules: str) -> Path:
        site = tmp_path / "site"
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entry_points)
        for module, source in modules.items():
            (site / f"{module}.py").write_text(source)
        return site

    return distribution


@pytest.fixture(scope="session")
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the installed command `lapsdata` with more folders of installed distributions."""

    def command(*arguments: str, site: Path | str, mark: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(site), "COLUMNS": "80"}
        if mark is not None:
            environment["LAPS_SAMPLE_MARK"] = str(mark)
        return subprocess.run(
            [str(Path(sys.executable).with_name("lapsdata")), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return command
