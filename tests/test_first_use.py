"""Packages whose names are loaded when they are first used: all are there, and nothing else is loaded with them."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

from lapsdata.first_use import first_use

PACKAGES = ("lapsdata", "lapsdata.schema", "lapsmodels")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_what_its_home_holds(package: str) -> None:
    module = importlib.import_module(package)
    homes = {name: home for home, names in module._HOMES.items() for name in names}
    assert sorted(homes) == sorted(module.__all__)
    assert homes.keys() <= set(dir(module))
    for name, home in homes.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name), name
        assert module.__dict__[name] is getattr(module, name), name


@pytest.mark.parametrize("package", PACKAGES)
def test_another_name_is_refused_with_those_that_are_there(package: str) -> None:
    module = importlib.import_module(package)
    with pytest.raises(
        AttributeError, match=rf"^module '{package}' has no attribute 'nope'; it has .*{module.__all__[-1]}"
    ):
        module.nope  # noqa: B018
    with pytest.raises(ImportError, match=r"cannot import name 'nope'"):
        exec(f"from {package} import nope")  # noqa: S102


def test_a_name_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("one")
    monkeypatch.setitem(sys.modules, "one", package)
    load = first_use("one", {"fractions": ("Fraction",), "lapsdata.nowhere": ("Lost",)})
    assert load("Fraction") is package.__dict__["Fraction"]
    with pytest.raises(ModuleNotFoundError, match=r"lapsdata\.nowhere"):
        load("Lost")
    assert "Lost" not in package.__dict__


def test_a_file_is_read_without_the_records_of_scores() -> None:
    """Building all records takes longer than reading a small file."""
    code = "import lapsdata, lapsdata.schema, sys; lapsdata.read, lapsdata.schema.TracksHeader; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    records = {name for name in done.stdout.split() if name.startswith("lapsdata.schema.")}
    assert "lapsdata.schema.tracks" in records
    assert records.isdisjoint(f"lapsdata.schema.{name}" for name in ("export", "result", "clusters", "invariance"))
