"""Ranges in the metadata, exact versions in constraints.txt, and the two agree."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import lapsdata

if TYPE_CHECKING:
    from pathlib import Path

# What `make test` installs beside the base.
INSTALLED_EXTRAS = ("test",)


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, Version]:
    lines = [line for line in (root / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    requirements = [Requirement(line) for line in lines]
    assert all(re.fullmatch(r"==[^*]+", str(requirement.specifier)) for requirement in requirements)
    return {canonicalize_name(found.name): Version(str(found.specifier)[2:]) for found in requirements}


def wanted(project: dict[str, Any], *extras: str) -> list[Requirement]:
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return [Requirement(text) for found in lists for text in found]


def test_torch_is_pinned_to_the_version_with_a_small_build(pins: dict[str, Version]) -> None:
    assert pins["torch"] == Version("2.13.0")


def test_everything_that_make_test_installs_is_pinned(project: dict[str, Any], pins: dict[str, Version]) -> None:
    names = {canonicalize_name(requirement.name) for requirement in wanted(project, *INSTALLED_EXTRAS)}
    assert sorted(names - pins.keys()) == []


def test_pins_lie_within_the_ranges(project: dict[str, Any], pins: dict[str, Version]) -> None:
    requirements = wanted(project, *(extra for extra in project["optional-dependencies"] if extra != "all"))
    outside = [
        f"{requirement} excludes {pins[canonicalize_name(requirement.name)]}"
        for requirement in requirements
        if canonicalize_name(requirement.name) in pins
        and not requirement.specifier.contains(pins[canonicalize_name(requirement.name)])
    ]
    assert not outside, "\n".join(outside)


def test_the_base_states_ranges_and_no_exact_version(project: dict[str, Any]) -> None:
    requirements = wanted(project)
    assert [str(found) for found in requirements if not str(found.specifier)] == []
    assert [str(found) for found in requirements if "==" in str(found.specifier)] == []


def test_what_the_design_keeps_out_of_the_base_is_not_in_it(project: dict[str, Any]) -> None:
    names = {canonicalize_name(requirement.name) for requirement in wanted(project)}
    assert names.isdisjoint({"lerobot", "decord", "tensorstore", "pylance", "scikit-learn", "ray"})


def test_the_extra_all_names_only_extras(project: dict[str, Any]) -> None:
    (everything,) = (Requirement(text) for text in project["optional-dependencies"]["all"])
    assert everything.name == "lapsdata"
    assert everything.extras <= set(project["optional-dependencies"])


def test_the_version_has_one_value(project: dict[str, Any], root: Path) -> None:
    assert lapsdata.__version__ == project["version"] == version("lapsdata")
    assert f"## {lapsdata.__version__}" in (root / "CHANGELOG.md").read_text()
