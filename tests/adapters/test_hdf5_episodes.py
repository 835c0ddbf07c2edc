"""What episodes of HDF5 share: drawn sets of datasets, told about once and never mixed."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters._hdf5_episodes import Attempt, shared_columns, structure, told_rate
from lapsdata.errors import Problem, SchemaError, spans_told
from lapsdata.schema import Camera, Feature
from lapsdata.storage.hdf5_columns import Column
from lapsdata.timebase import FrameRate

ROWS = 4
KINDS = {
    "wide": Column((ROWS, 3), "float", np.dtype("f4")),
    "double": Column((ROWS, 3), "float", np.dtype("f8")),
    "flag": Column((ROWS,), "boolean", np.dtype(bool)),
    "words": Column((ROWS,), "variable-string"),
    "pixels": Column((ROWS, 6, 8, 3), "integer", np.dtype("u1")),
    "short": Column((ROWS - 1, 3), "float", np.dtype("f4")),
    "broken": Column(problem=Problem("missing-filter", "x", "expected an installed filter, got none")),
    "compound": Column((ROWS,), "compound"),
}
FAULTY = {"short", "broken", "compound"}


def attempt(number: int, kinds: dict[str, str]) -> Attempt:
    columns = {name: KINDS[kind] for name, kind in kinds.items()}
    return Attempt(number, "demo.hdf5", f"data/demo_{number}", ROWS, columns)


@st.composite
def sets(draw: st.DrawFn) -> list[dict[str, str]]:
    """Draw for each episode what its datasets are; those of one name are mostly alike."""
    usual = draw(st.dictionaries(st.sampled_from("abcd"), st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
    episodes = [dict(usual) for _ in range(draw(st.integers(1, 7)))]
    for _ in range(draw(st.integers(0, 4))):
        name, one = draw(st.sampled_from("abcd")), draw(st.sampled_from(episodes))
        kind = draw(st.sampled_from([None, *sorted(KINDS)]))
        one.pop(name, None)
        if kind is not None:
            one[name] = kind
    return episodes


@given(drawn=sets())
def test_episodes_that_are_kept_have_all_columns_in_one_kind(drawn: list[dict[str, str]]) -> None:
    attempts = [attempt(number, kinds) for number, kinds in enumerate(drawn)]
    sound: dict[str, list[set[int]]] = defaultdict(list)
    for name in "abcd":
        for kind in KINDS.keys() - FAULTY:
            sound[name].append({number for number, kinds in enumerate(drawn) if kinds.get(name) == kind})
    everywhere = {name for name, groups in sound.items() if any(len(group) == len(drawn) for group in groups)}
    found = None
    with contextlib.suppress(SchemaError):
        found = shared_columns("demo.hdf5", attempts)
    if found is None:
        assert not everywhere
        return
    names = {one.name for one in (*found.features, *found.cameras)}
    assert everywhere <= names
    assert 2 * len(found.attempts) > len(drawn)
    for name in names:
        kinds = {drawn[one.number].get(name) for one in found.attempts}
        assert len(kinds) == 1
        assert kinds <= KINDS.keys() - FAULTY
    # What is left out is said, and nothing is said where nothing is.
    codes = [note.code for note in found.notes]
    assert len(set(codes)) == len(codes)
    whole = len(found.attempts) == len(drawn) and names == {name for kinds in drawn for name in kinds}
    assert whole == (not codes)
    assert ("episodes-left-out" in codes) == (len(found.attempts) < len(drawn))
    assert ("columns-left-out" in codes) == (names != {name for kinds in drawn for name in kinds})


def test_each_kind_is_what_it_says() -> None:
    kinds = {"a": "wide", "b": "flag", "c": "words", "d": "pixels"}
    found = shared_columns("demo.hdf5", [attempt(0, kinds)])
    assert found.features == (
        Feature(name="a", dtype="float32", shape=(3,)),
        Feature(name="b", dtype="bool", shape=()),
        Feature(name="c", dtype="text", shape=()),
    )
    (camera,) = found.cameras
    assert (camera.name, camera.stored) == ("d", "pixels")
    assert camera.size is not None
    assert (camera.size.width, camera.size.height) == (8, 6)


def test_of_two_halves_the_column_goes() -> None:
    found = shared_columns("demo.hdf5", [attempt(0, {"a": "wide", "b": "flag"}), attempt(1, {"a": "wide"})])
    assert ([one.name for one in found.features], len(found.attempts)) == (["a"], 2)
    assert [note.message for note in found.notes] == [
        "expected each dataset in every episode, got 'b' (none) in 1",
        "'b' are left out: not each of 2 episodes has them",
    ]


@pytest.mark.parametrize(
    ("name", "column", "stored"),
    [
        ("images/top", Column((ROWS, 900), "integer", np.dtype("u1")), "encoded"),
        ("images/top", Column((ROWS,), "variable-length"), "encoded"),
        ("images/top", Column((ROWS,), "fixed-string"), "encoded"),
        ("images/top", KINDS["pixels"], "pixels"),
        ("other/top", KINDS["pixels"], None),
        ("other/top", Column((ROWS, 900), "integer", np.dtype("u1")), None),
    ],
)
def test_where_cameras_have_a_place_they_are_nowhere_else(name: str, column: Column, stored: str | None) -> None:
    found = shared_columns("set", [Attempt(0, "episode_0.hdf5", "/", ROWS, {name: column})], "images/")
    assert [one.stored for one in found.cameras] == [one for one in (stored,) if one is not None]
    assert all(isinstance(one, Camera) for one in found.cameras)
    assert len(found.features) == (stored is None)


def test_the_structure_is_that_of_all_columns() -> None:
    one, same, other = (attempt(0, {"a": kind}) for kind in ("wide", "wide", "double"))
    digests = {structure("act", Path("set"), [each]).digest for each in (one, same, other)}
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("told", "found", "wanted"),
    [
        (20, None, ("20", "told", 0)),
        (None, FrameRate(10), ("10", "there", 0)),
        ("10", FrameRate(10), ("10", "told", 0)),
        (29.97, FrameRate(30), ("30000/1001", "told", 1)),
    ],
)
def test_what_is_told_comes_before_what_is_found(
    told: float | str | None, found: FrameRate | None, wanted: tuple[str, str, int]
) -> None:
    rate, origin, notes = told_rate("x", told, None if found is None else (found, "there"), "why")
    assert (str(rate), origin, len(notes)) == wanted


@given(numbers=st.lists(st.integers(0, 60), max_size=40))
def test_spans_hold_each_number_once(numbers: list[int]) -> None:
    told = spans_told(numbers)
    spans, _, more = told.partition(" and ")
    parts = [part.split("-") for part in spans.split(", ") if part]
    inside = [number for part in parts for number in range(int(part[0]), int(part[-1]) + 1)]
    every = sorted(set(numbers))
    assert inside == every[: len(inside)]
    assert bool(more) == (len(inside) < len(every))
    assert len(parts) <= 12
