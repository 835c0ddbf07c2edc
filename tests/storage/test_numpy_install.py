"""The detector sees leftovers on disk and in the running process, and nothing where nothing is."""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.storage.numpy_install import numpy_problem, numpy_problem_of, unloaded_numpy_problem

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = f"_multiarray_umath{EXTENSION_SUFFIXES[0]}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Package folder of a clean NumPy 1.26: `numpy/_core` holds Python stubs alone."""
    core = tmp_path / "numpy" / "_core"
    core.mkdir(parents=True)
    (core / "_multiarray_umath.py").touch()
    (tmp_path / "numpy-1.26.4.dist-info").mkdir()
    return tmp_path / "numpy"


def test_the_numpy_of_the_tests_is_sound() -> None:
    assert numpy_problem() is None


def test_a_clean_old_release_is_sound(folder: Path) -> None:
    assert numpy_problem_of(folder, "1.26.4") is None


def test_a_library_beside_its_stub_is_a_mixed_install(folder: Path) -> None:
    left = folder / "_core" / LIBRARY
    left.touch()
    problem = numpy_problem_of(folder, "1.26.4")
    assert problem is not None
    assert (problem.code, problem.severity, problem.where) == ("mixed-numpy-install", "error", str(folder))
    assert f"expected NumPy 1.26.4 alone, got {left} of NumPy 2 beside it" in problem.message
    assert problem.fix is not None
    for command in ("pip uninstall -y numpy", f"rm -rf {folder} ", "pip install --no-cache-dir"):
        assert command in problem.fix


def test_the_same_library_is_right_in_numpy_2(folder: Path) -> None:
    (folder / "_core" / LIBRARY).touch()
    assert numpy_problem_of(folder, "2.1.3") is None


def test_two_install_records_are_a_warning(folder: Path) -> None:
    (folder.parent / "numpy-2.1.3.dist-info").mkdir()
    problem = numpy_problem_of(folder, "2.1.3")
    assert problem is not None
    assert (problem.code, problem.severity) == ("duplicate-numpy-record", "warning")
    assert "2 install records: numpy-1.26.4.dist-info, numpy-2.1.3.dist-info" in problem.message


@pytest.mark.parametrize(
    ("origin", "found"),
    [
        (f"/old/numpy/_core/{LIBRARY}", True),
        (f"/old/numpy/core/{LIBRARY}", False),
        ("/old/numpy/_core/_multiarray_umath.py", False),
    ],
)
def test_the_loaded_core_is_compared_with_the_version(
    folder: Path, monkeypatch: pytest.MonkeyPatch, origin: str, found: bool
) -> None:
    """A library loaded from elsewhere (a user folder over an environment) leaves no trace beside the stubs."""
    loaded = ModuleType("numpy._core._multiarray_umath")
    loaded.__file__ = origin
    monkeypatch.setitem(sys.modules, "numpy._core._multiarray_umath", loaded)
    monkeypatch.setattr(np, "__version__", "1.26.4")
    monkeypatch.setattr(np, "__file__", str(folder / "__init__.py"))
    problem = numpy_problem()
    assert (problem is not None) is found
    if problem is not None:
        assert f"the compiled core {origin} of NumPy 2 loaded instead of its own" in problem.message


def test_a_numpy_that_does_not_import_is_judged_by_its_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.parent / "numpy-1.26.4.dist-info" / "METADATA").write_text("Name: numpy\nVersion: 1.26.4\n")
    (folder / "__init__.py").write_text("raise ImportError('no core')")
    (folder / "_core" / LIBRARY).touch()
    monkeypatch.syspath_prepend(str(folder.parent))
    for name in [name for name in sys.modules if name.partition(".")[0] == "numpy"]:
        monkeypatch.delitem(sys.modules, name)
    problem = numpy_problem()
    assert problem == unloaded_numpy_problem()
    assert problem is not None
    assert problem.code == "mixed-numpy-install"


def test_no_numpy_at_all_is_no_mixed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert unloaded_numpy_problem() is None
