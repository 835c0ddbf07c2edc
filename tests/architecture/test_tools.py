"""The tools that `make lint` runs find nothing, and `.ci/run` runs what the README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


def run(*command: str | Path, root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=root, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [("check", "."), ("format", "--check", ".")], ids=["check", "format"])
def test_ruff_finds_nothing(root: Path, arguments: tuple[str, ...]) -> None:
    done = run(BIN / "ruff", *arguments, root=root)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_mypy_strict_finds_nothing(root: Path) -> None:
    done = run(BIN / "mypy", root=root)
    assert done.returncode == 0, done.stdout
    assert "strict = true" in (root / "pyproject.toml").read_text()


def test_make_lint_runs_every_tool(root: Path) -> None:
    commands = run("make", "--dry-run", "lint", root=root).stdout
    for tool in ("ruff check .", "ruff format --check .", "mypy", "lint-imports"):
        assert re.search(rf"^\S*/{re.escape(tool)}$", commands, re.MULTILINE), tool


def test_make_test_installs_with_the_constraints_and_runs_everything(root: Path) -> None:
    commands = run("make", "--dry-run", "--always-make", "test", root=root).stdout
    assert re.search(r"pip install .*-c constraints\.txt .*-e '\.\[test", commands)
    (tests,) = [line for line in commands.splitlines() if " -m pytest" in line]
    # A path, a mark or a keyword would leave something out.
    assert not re.search(r" -[mk] (?!pytest)| tests\b|--ignore|--deselect", tests)


def test_ci_runs_exactly_make_test(root: Path) -> None:
    script = root / ".ci" / "run"
    if not script.exists():
        pytest.skip("source distributions carry no .ci")
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().splitlines()[-1] == "exec make test"
    assert script.read_text().count("make ") == 1


def test_ci_refuses_to_run_without_the_real_inputs(root: Path, tmp_path: Path) -> None:
    script = root / ".ci" / "run"
    if not script.exists():
        pytest.skip("source distributions carry no .ci")
    done = run(script, root=root, LAPSDATA_REAL_DATA=str(tmp_path))
    assert done.returncode == 1
    assert f"LAPSDATA_REAL_DATA={tmp_path} holds no data" in done.stderr
