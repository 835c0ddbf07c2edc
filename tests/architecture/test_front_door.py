"""What the package promises by name: frozen, small, documented, and never two things under one name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest
from pydantic import BaseModel

import lapsdata
import lapsmodels

# A change of this list is a change of the public interface: note it in CHANGELOG.md.
FROZEN = (
    "AmbiguousFormatError",
    "Boxes",
    "CorruptDataError",
    "Energies",
    "FormatTooNewError",
    "FrameRate",
    "FrameSpan",
    "LapsError",
    "LengthMismatchError",
    "Loader",
    "MissingExtraError",
    "Mixture",
    "Problem",
    "SchemaError",
    "Segments",
    "StepDataset",
    "Tokens",
    "Tracks",
    "WindowDataset",
    "open_steps",
    "open_windows",
    "read",
    "recognise",
    "write",
    "write_catalog",
)
FROZEN_MODELS = ("Encoded", "MotionTokenizer", "TokenizerConfig")
DOORS = [(lapsdata, name) for name in FROZEN] + [(lapsmodels, name) for name in FROZEN_MODELS]


def names_of(package: ModuleType) -> list[str]:
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [package.__name__, *(module.name for module in found)]


MODULES = [*names_of(lapsdata), *names_of(lapsmodels)]
PUBLIC = [name for name in MODULES if not any(part.startswith("_") for part in name.split("."))]
ROOMS = [name for name in PUBLIC if name.count(".") == 1 and name.startswith("lapsdata.")]


def offered() -> list[tuple[str, str]]:
    """Every name that a front door or a room of the data layer offers, with the room."""
    return [
        (room, name)
        for room in ("lapsdata", "lapsmodels", *ROOMS)
        for name in getattr(importlib.import_module(room), "__all__", ())
        if not isinstance(getattr(importlib.import_module(room), name, None), ModuleType)
    ]


def test_the_front_doors_are_frozen() -> None:
    assert tuple(lapsdata.__all__) == FROZEN
    assert tuple(lapsmodels.__all__) == FROZEN_MODELS
    assert len(FROZEN) <= 25


@pytest.mark.parametrize(("door", "name"), DOORS)
def test_every_name_of_a_front_door_opens(door: ModuleType, name: str) -> None:
    assert getattr(door, name).__name__ == name
    assert name in dir(door)


def test_another_name_is_an_attribute_error_that_shows_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="module 'lapsdata' has no attribute 'reed'; it has AmbiguousFormatError"):
        lapsdata.reed  # noqa: B018 - the access is the test
    with pytest.raises(AttributeError, match="'lapsmodels' has no attribute 'Tokenizer'; it has Encoded, MotionToken"):
        lapsmodels.Tokenizer  # noqa: B018 - the access is the test


@pytest.mark.parametrize("name", MODULES)
def test_a_module_offers_only_what_it_has(name: str) -> None:
    module = importlib.import_module(name)
    offers = getattr(module, "__all__", [])
    assert len(set(offers)) == len(offers)
    assert [offer for offer in offers if not hasattr(module, offer)] == []


@pytest.mark.parametrize("name", MODULES)
def test_nothing_shares_the_name_of_a_submodule(name: str) -> None:
    package = importlib.import_module(name)
    submodules = {found.name for found in pkgutil.iter_modules(getattr(package, "__path__", []))}
    taken = [offer for offer in getattr(package, "__all__", []) if offer in submodules]
    assert [offer for offer in taken if not isinstance(getattr(package, offer), ModuleType)] == []


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_for(name: str) -> None:
    assert (importlib.import_module(name).__doc__ or "").strip()


def needs_example(thing: object) -> bool:
    """Exceptions are raised by what is documented; records are shown in schemas/examples."""
    if inspect.isclass(thing):
        return not issubclass(thing, (Exception, BaseModel))
    return inspect.isfunction(thing)


@pytest.mark.parametrize(("room", "name"), offered())
def test_every_offered_name_is_documented_with_an_example(room: str, name: str) -> None:
    thing = getattr(importlib.import_module(room), name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        documented = inspect.getdoc(thing)
        assert documented
        assert not needs_example(thing) or ">>>" in documented


def test_the_examples_are_asked_of_functions_and_classes() -> None:
    assert needs_example(lapsdata.read)
    assert needs_example(lapsdata.Tracks)
    assert not needs_example(lapsdata.SchemaError)
