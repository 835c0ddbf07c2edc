"""Every example in a docstring runs and shows what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import warnings
from typing import TYPE_CHECKING

import pytest

import lapsdata
import lapsmodels

if TYPE_CHECKING:
    from pathlib import Path

MODULES = [
    name
    for package in (lapsdata, lapsmodels)
    for name in (
        package.__name__,
        *(found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")),
    )
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    # An example may install its own way to show warnings.
    with warnings.catch_warnings():
        found = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert found.failed == 0, capsys.readouterr().out


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    examples = sum(len(test.examples) for name in MODULES for test in finder.find(importlib.import_module(name)))
    assert examples > 200
