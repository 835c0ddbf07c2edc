"""The registry: what it finds, when it imports, and how it refuses."""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest

from lapsdata import __version__
from lapsdata.errors import LapsWarning, PluginError, Problem, UnknownFormatError
from lapsdata.plugins import KINDS, PluginEntry, Registry, registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Lay = Callable[..., Path]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Return the name of a package of built-ins: two plug-ins, a helper, a private module, a subpackage."""
    name = f"house_{request.node.name}"
    folder = tmp_path / name
    (folder / "lodge").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('listing must not import the package')")
    (folder / "alpha.py").write_text("PLUGIN = 'the alpha'")
    (folder / "beta.py").write_text("PLUGIN = object()")
    (folder / "protocol.py").write_text("")
    (folder / "_shared.py").write_text("")
    (folder / "lodge" / "__init__.py").write_text("PLUGIN = 'the lodge'")
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def mend(package: str, tmp_path: Path) -> None:
    (tmp_path / package / "__init__.py").write_text("")


def test_built_ins_are_the_public_modules_of_the_place(package: str) -> None:
    found = Registry[str]("formats", package, helpers={"protocol"})
    assert found.names() == ("alpha", "beta", "lodge")
    assert package not in sys.modules


def test_a_public_module_without_plugin_is_told_and_not_passed_over(package: str, tmp_path: Path) -> None:
    mend(package, tmp_path)
    found = Registry[str]("formats", package)
    assert "protocol" in found.names()
    with pytest.raises(PluginError, match=r"protocol.* cannot be imported: AttributeError: .*'PLUGIN'"):
        found.load("protocol")


def test_loading_imports_only_the_module_that_was_asked_for(package: str, tmp_path: Path) -> None:
    mend(package, tmp_path)
    found = Registry[str]("formats", package)
    assert found.load("alpha") == "the alpha"
    assert f"{package}.alpha" in sys.modules
    assert f"{package}.beta" not in sys.modules
    assert {entry.name: entry.status for entry in found.entries()} == {
        "alpha": "ok",
        "beta": "not-loaded",
        "lodge": "not-loaded",
        "protocol": "not-loaded",
    }


def test_an_object_is_loaded_once(package: str, tmp_path: Path) -> None:
    mend(package, tmp_path)
    found = Registry[object]("formats", package)
    assert found.load("beta") is found.load("beta")


def test_an_entry_says_where_it_comes_from(package: str) -> None:
    found = Registry[str]("checks", package)
    assert found.entries()[0] == PluginEntry(
        "checks", "alpha", "lapsdata", __version__, f"{package}.alpha", "not-loaded", None
    )


def test_a_missing_package_of_built_ins_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"no package lapsdata\.nowhere for the built-in metrics"):
        Registry("metrics", "lapsdata.nowhere").names()


def test_without_built_ins_or_distributions_there_is_nothing(lay: Lay) -> None:
    found = Registry[str]("segmenters")
    assert found.names() == ()
    assert found.entries() == ()
    assert found.check() == []
    assert found.load_all() == {}


def test_entry_points_join_the_built_ins(
    package: str, lay: Lay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mend(package, tmp_path)
    site = lay("laps-one", "0.3", "[lapsdata.formats]\nalpine = laps_one:FORMAT\n", laps_one="FORMAT = 'from one'")
    monkeypatch.syspath_prepend(str(site))
    found = Registry[str]("formats", package, helpers={"protocol"})
    assert found.names() == ("alpha", "alpine", "beta", "lodge")
    assert "laps_one" not in sys.modules
    assert found.entries()[1] == PluginEntry("formats", "alpine", "laps-one", "0.3", "laps_one", "not-loaded")
    assert found.load("alpine") == "from one"
    assert set(found.load_all()) == {"alpha", "alpine", "beta", "lodge"}


def test_a_group_belongs_to_one_kind(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    site = lay("laps-two", "1", "[lapsdata.metrics]\nedit = laps_two:METRIC\n", laps_two="METRIC = 1")
    monkeypatch.syspath_prepend(str(site))
    assert Registry[int]("metrics").names() == ("edit",)
    assert Registry[int]("checks").names() == ()


def test_what_is_installed_later_is_found_after_a_refresh(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Registry[int]("trackers")
    assert found.names() == ()
    site = lay("laps-late", "1", "[lapsdata.trackers]\nlate = laps_late:TRACKER\n", laps_late="TRACKER = 1")
    monkeypatch.syspath_prepend(str(site))
    assert found.names() == ()
    found.refresh()
    assert found.names() == ("late",)
    assert found.load("late") == 1


BROKEN = """
[lapsdata.segmenters]
good = laps_good:SEGMENTER
torn = laps_torn:SEGMENTER
"""


@pytest.fixture
def torn(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = lay("laps-torn", "2.0", BROKEN, laps_good="SEGMENTER = 'good'", laps_torn="import no_such_library_at_all")
    monkeypatch.syspath_prepend(str(site))
    return site


def test_a_broken_plug_in_asked_for_by_name_is_an_error_that_names_it(torn: Path) -> None:
    found = Registry[str]("segmenters")
    for _ in range(2):
        with pytest.raises(
            PluginError,
            match=r"^lapsdata\.segmenters: torn: laps-torn 2\.0 \(laps_torn:SEGMENTER\) cannot be imported: "
            r"ModuleNotFoundError: No module named 'no_such_library_at_all'; "
            r"repair it or `pip uninstall laps-torn` \[broken-plugin\]$",
        ) as caught:
            found.load("torn")
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert found.load("good") == "good"


def test_a_broken_plug_in_is_a_named_warning_when_all_are_loaded(torn: Path) -> None:
    with pytest.warns(LapsWarning, match=r"torn: laps-torn 2\.0 .* cannot be imported") as caught:
        assert Registry[str]("segmenters").load_all() == {"good": "good"}
    assert [warning.filename for warning in caught] == [__file__]


def test_check_loads_all_and_tells_what_is_broken(torn: Path) -> None:
    found = Registry[str]("segmenters")
    (problem,) = found.check()
    assert (problem.code, problem.where, problem.severity) == (
        "broken-plugin",
        "lapsdata.segmenters: torn",
        "warning",
    )
    good, broken = found.entries()
    assert (good.status, good.reason) == ("ok", None)
    assert (broken.status, broken.reason) == (
        "broken",
        "ModuleNotFoundError: No module named 'no_such_library_at_all'",
    )


def test_a_broken_module_is_imported_once(lay: Lay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = f"with open({str(tmp_path / 'mark')!r}, 'a') as file:\n    file.write('x')\nraise OSError('no camera')"
    site = lay("laps-once", "1", "[lapsdata.segmenters]\nonce = laps_once:SEGMENTER\n", laps_once=source)
    monkeypatch.syspath_prepend(str(site))
    found = Registry[str]("segmenters")
    for _ in range(3):
        assert len(found.check()) == 1
    assert (tmp_path / "mark").read_text() == "x"


def test_an_entry_point_of_no_distribution_is_listed_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("loose", "math:pi", "lapsdata.metrics")
    monkeypatch.setattr("lapsdata.plugins.entry_points", lambda group: [point] if group == point.group else [])
    found = Registry[float]("metrics")
    assert found.load("loose") == 3.141592653589793
    assert found.entries() == (PluginEntry("metrics", "loose", "?", "?", "math", "ok"),)


def test_a_repaired_plug_in_works_after_a_refresh(torn: Path) -> None:
    found = Registry[str]("segmenters")
    assert len(found.check()) == 1
    (torn / "laps_torn.py").write_text("SEGMENTER = 'whole again'")
    assert len(found.check()) == 1
    found.refresh()
    assert found.check() == []
    assert found.load("torn") == "whole again"


def test_a_broken_built_in_sends_nobody_to_uninstall_lapsdata(package: str) -> None:
    with pytest.raises(PluginError, match=r"RuntimeError: listing must not import.*; install lapsdata again"):
        Registry[str]("formats", package).load("alpha")


@pytest.fixture
def rivals(lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    lay("laps-cat", "1.0", "[lapsdata.adapters]\nrobot = laps_cat:A\nsole = laps_cat:B\n", laps_cat="A = B = 'cat'")
    site = lay("laps-dog", "2.0", "[lapsdata.adapters]\nrobot = laps_dog:A\n", laps_dog="A = 'dog'")
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("rivals")
def test_two_distributions_of_one_name_are_refused_with_both_names() -> None:
    found = Registry[str]("adapters")
    with pytest.raises(PluginError, match=r"^lapsdata\.adapters: robot: expected one distribution") as caught:
        found.load("robot")
    text = str(caught.value)
    assert "laps-cat 1.0 (laps_cat:A)" in text
    assert "laps-dog 2.0 (laps_dog:A)" in text
    assert "`pip uninstall laps-cat` or `pip uninstall laps-dog`" in text
    assert "[plugin-clash]" in text


@pytest.mark.usefixtures("rivals")
def test_a_clash_leaves_the_other_names_usable_but_not_the_whole_list() -> None:
    found = Registry[str]("adapters")
    assert found.names() == ("robot", "sole")
    assert found.load("sole") == "cat"
    with pytest.raises(PluginError, match="robot"):
        found.load_all()


@pytest.mark.usefixtures("rivals")
def test_a_clash_is_listed_once_for_each_claim() -> None:
    found = Registry[str]("adapters")
    problems = found.check()
    assert [(problem.code, problem.severity) for problem in problems] == [("plugin-clash", "error")]
    claims = [entry for entry in found.entries() if entry.name == "robot"]
    assert {(entry.distribution, entry.status) for entry in claims} == {
        ("laps-cat", "clash"),
        ("laps-dog", "clash"),
    }
    other = {"laps-cat": "laps-dog 2.0 (laps_dog:A)", "laps-dog": "laps-cat 1.0 (laps_cat:A)"}
    for entry in claims:
        assert entry.reason == f"also claimed by {other[entry.distribution]}"


def test_a_plug_in_cannot_take_the_name_of_a_built_in(package: str, lay: Lay, monkeypatch: pytest.MonkeyPatch) -> None:
    site = lay("laps-thief", "9", "[lapsdata.formats]\nalpha = laps_thief:A\n", laps_thief="A = 'stolen'")
    monkeypatch.syspath_prepend(str(site))
    with pytest.raises(
        PluginError, match=rf"got lapsdata {__version__} .* and laps-thief 9 .*; `pip uninstall laps-thief` \["
    ):
        Registry[str]("formats", package).load("alpha")


@pytest.mark.parametrize(("kind", "error"), [("formats", UnknownFormatError), ("checks", PluginError)])
def test_an_unknown_name_shows_the_known_ones_and_the_nearest(package: str, kind: str, error: type[Exception]) -> None:
    found = Registry[str](kind, package, helpers={"protocol"})
    with pytest.raises(error, match=r"expected one of alpha, beta, lodge, got 'alhpa'; did you mean 'alpha'\?"):
        found.load("alhpa")
    with pytest.raises(error, match=r"expected one of alpha, beta, lodge, got 'zebra' \[unknown-name\]"):
        found.load("zebra")


def test_an_unknown_name_where_nothing_is_installed() -> None:
    with pytest.raises(PluginError, match=r"expected one of \(none is installed\), got 'peaks'"):
        Registry[str]("segmenters").load("peaks")


def test_there_is_one_registry_a_kind() -> None:
    assert registry("commands") is registry("commands")
    assert [registry(kind).kind for kind in KINDS] == list(KINDS)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(PluginError, match=r"expected one of adapters, .*, got 'format'; did you mean 'formats'"):
        registry("format")


def test_our_own_plug_ins_all_load() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problems: list[Problem] = [problem for kind in KINDS for problem in registry(kind).check()]
    assert problems == []
