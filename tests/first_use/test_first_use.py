"""Names of packages are loaded when they are first used, every one of them, and nothing beside it."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types
from typing import TYPE_CHECKING

import pytest

from lapsdata._first_use import on_first_use

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("lapsdata", "lapsdata.containers", "lapsdata.metrics", "lapsdata.schema", "lapsmodels")


def loaded_by(code: str) -> set[str]:
    """Return the modules in memory after `code` ran in a fresh interpreter."""
    report = "import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_that_a_package_promises_is_found(name: str) -> None:
    package = importlib.import_module(name)
    find, names = on_first_use(name)
    for promised in package.__all__:
        assert find(promised) is getattr(package, promised)
        # From now on it stands in the package, and nothing is asked again.
        assert vars(package)[promised] is find(promised)
    assert set(package.__all__) <= set(names())
    assert {"__all__", "__doc__"} <= set(dir(package))


@pytest.mark.parametrize("name", PACKAGES)
def test_another_name_is_said_to_be_none_of_the_package(name: str) -> None:
    package = importlib.import_module(name)
    with pytest.raises(AttributeError, match=rf"module '{name}' has no attribute 'boxen'; it has \w+"):
        _ = package.boxen
    with pytest.raises(ImportError, match="cannot import name 'boxen'"):
        exec(f"from {name} import boxen")  # noqa: S102 - the statement itself is what is tried


def test_boxes_cost_no_record_of_anything_else() -> None:
    found = loaded_by("from lapsdata.containers import Boxes\nfrom lapsdata.metrics import tracking_scores")
    assert {"lapsdata.schema.boxes", "lapsdata.containers.boxes", "lapsdata.metrics.tracking.scores"} <= found
    others = {f"lapsdata.schema.{name}" for name in ("probe", "shards", "segmentation", "episodes", "clusters")}
    others |= {"lapsdata.containers.tracks", "lapsdata.metrics.probe", "numba", "scipy", "torch"}
    assert not found & others


def test_a_record_costs_no_record_of_anything_else() -> None:
    found = loaded_by("from lapsdata.schema import BoxesHeader")
    assert "lapsdata.schema.boxes" in found
    assert not found & {f"lapsdata.schema.{name}" for name in ("probe", "shards", "segmentation", "episodes")}


def test_a_file_is_read_without_the_records_of_scores() -> None:
    """Building all records takes longer than reading a small file."""
    found = loaded_by("import lapsdata, lapsdata.schema; lapsdata.read, lapsdata.schema.TracksHeader")
    assert "lapsdata.schema.tracks" in found
    assert not found & {f"lapsdata.schema.{name}" for name in ("export", "result", "clusters", "invariance")}


def test_a_package_alone_costs_nothing() -> None:
    found = loaded_by("import lapsdata, lapsdata.schema, lapsdata.containers, lapsdata.metrics, lapsmodels")
    assert not found & {"numpy", "pydantic", "torch", "lapsdata.schema.base", "lapsdata.containers.base"}


def test_only_imports_for_checkers_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "door.py").write_text("WIDE = 3\nHandle = int\n")
    (tmp_path / "rooms" / "__init__.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from collections import OrderedDict\n"
        "from lapsdata._first_use import on_first_use\n"
        "if TYPE_CHECKING:\n"
        "    import json\n"
        "    from rooms.door import WIDE, Handle\n"
        "__all__ = ['WIDE']\n"
        "if not TYPE_CHECKING:\n"
        "    __getattr__, __dir__ = on_first_use(__name__)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    rooms = importlib.import_module("rooms")
    assert isinstance(rooms, types.ModuleType)
    assert "rooms.door" not in sys.modules
    assert rooms.WIDE == 3
    assert {"OrderedDict", "WIDE"} <= set(dir(rooms))
    with pytest.raises(AttributeError, match="module 'rooms' has no attribute 'json'; it has WIDE"):
        _ = rooms.json
    # A name for annotations alone is none of the package's names.
    with pytest.raises(AttributeError, match="module 'rooms' has no attribute 'Handle'; it has WIDE"):
        _ = rooms.Handle
    assert "Handle" not in dir(rooms)
    monkeypatch.delitem(sys.modules, "rooms.door")
    monkeypatch.delitem(sys.modules, "rooms")
