"""Records are loaded when they are first used, and every one of them is where it is said to be."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lapsdata.schema
from lapsdata.schema import _HOME


@pytest.mark.parametrize("name", lapsdata.schema.__all__)
def test_every_name_is_that_of_its_module(name: str) -> None:
    found = getattr(lapsdata.schema, name)
    module = sys.modules[f"lapsdata.schema.{_HOME[name]}"]
    assert getattr(module, name) is found
    assert name in dir(lapsdata.schema)


def test_names_are_neither_missing_nor_left_over() -> None:
    assert set(_HOME) == set(lapsdata.schema.__all__)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"module 'lapsdata\.schema' has no attribute 'Nothing'"):
        getattr(lapsdata.schema, "Nothing")  # noqa: B009 - a checker knows that there is none


def test_one_record_loads_no_other() -> None:
    code = (
        "import sys; from lapsdata.schema import BoxesHeader; print(*sorted(n for n in sys.modules if 'schema.' in n))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.rpartition(".")[2] for name in done.stdout.split() if name.startswith("lapsdata.schema.")}
    assert loaded == {"_reading", "base", "boxes"}
