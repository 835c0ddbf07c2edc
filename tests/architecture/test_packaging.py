"""The wheel and the source distribution: built from a copy, installed, used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import lapsdata

RELEASE = f"lapsdata-{lapsdata.__version__}"


@pytest.fixture(scope="module")
def built(project_files: tuple[Path, ...], root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the source distribution, and the wheel that was built from it."""
    copy = tmp_path_factory.mktemp("copy")
    for path in project_files:
        target = copy / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    (wheel,) = built.glob("*.whl")
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True)
    return site


def run(*command: str | Path, site: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=True)


def test_the_wheel_holds_the_two_packages_and_nothing_else(built: Path, modules: tuple[Path, ...], root: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"{RELEASE}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {path.relative_to(root).as_posix() for path in modules} <= names
    assert {"lapsdata/py.typed", "lapsmodels/py.typed"} <= names
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"lapsdata", "lapsmodels", f"{RELEASE}.dist-info"}
    assert f"{RELEASE}.dist-info/licenses/LICENSE" in names


def test_the_wheel_says_what_it_needs(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    metadata = zipfile.ZipFile(wheel).read(f"{RELEASE}.dist-info/METADATA").decode()
    assert "Requires-Python: >=3.11" in metadata
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Dist: torch>=2.5" in metadata
    assert not re.search(r"^Requires-Dist: [^;]*==[^;]*$", metadata, re.MULTILINE)


def test_the_source_distribution_can_be_tested_and_built_again(built: Path, root: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.removeprefix(f"{RELEASE}/") for name in archive.getnames()}
    files = ("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "constraints.txt", "Makefile", "pyproject.toml")
    assert set(files) <= names
    for folder in ("lapsdata", "lapsmodels", "schemas", "tests", "benchmarks"):
        tracked = {path.relative_to(root).as_posix() for path in (root / folder).rglob("*.py")}
        assert tracked <= names
    assert not {name for name in names if ".git/" in name or "__pycache__" in name or name.endswith(".pyc")}


def test_the_installed_packages_import_from_where_they_were_installed(installed: Path, tmp_path: Path) -> None:
    code = "import lapsdata, lapsmodels; print(lapsdata.__file__, lapsmodels.__file__, sep='\\n'); lapsdata.read"
    shown = run(sys.executable, "-c", code, site=installed, cwd=tmp_path).stdout.split()
    assert [Path(path).parent.parent for path in shown] == [installed, installed]


def test_the_installed_command_runs(installed: Path, tmp_path: Path) -> None:
    command = installed / "bin" / "lapsdata"
    assert "Set-up:" in run(command, "--help", site=installed, cwd=tmp_path).stdout
    assert run(command, "--version", site=installed, cwd=tmp_path).stdout == f"lapsdata {lapsdata.__version__}\n"
    run(command, "schema", "export", "--out", "schemas", site=installed, cwd=tmp_path)
    checked = run(command, "schema", "check", "--dir", "schemas", site=installed, cwd=tmp_path)
    assert checked.stdout == "schemas: no drift\n"
