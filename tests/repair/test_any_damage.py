"""Flips, cuts and missing files at random places: what is saved is the beginning of what was written, or nothing is."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata._repair import Repaired, repair
from lapsdata.errors import Problem, UnknownFormatError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Container

    CaseOf = Callable[[str], Any]
    IsPrefix = Callable[[Container, Container], None]

NAMES = (
    *("tracks-h5", "tracks-h5-windows", "tracks-h5-compact", "tracks-zarr", "tracks-zarr-compact"),
    *("tokens", "energies", "segments", "boxes", "shards"),
)
TIMES = 2


def files(path: Path) -> list[Path]:
    return sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]


def flip(path: Path, moments: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[moments.randrange(len(data))] ^= 1 << moments.randrange(8)
    path.write_bytes(data)


def cut(path: Path, moments: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: moments.randrange(len(data))])


def remove(path: Path, moments: random.Random) -> None:
    path.unlink()


def zeros(path: Path, moments: random.Random) -> None:
    """A block of the disk that came back empty."""
    data = bytearray(path.read_bytes())
    begin = moments.randrange(len(data))
    data[begin : begin + 4096] = bytes(len(data[begin : begin + 4096]))
    path.write_bytes(data)


def outcome(place: Path, whole: Container, is_prefix: IsPrefix) -> Repaired:
    """Repair a damaged copy and look at what came of it."""
    out = place.parent / "saved" / place.name
    out.parent.mkdir()
    before = {path: path.read_bytes() for path in files(place)}
    try:
        [found] = repair(place, out).items
    except UnknownFormatError:  # it does not even begin as one of ours
        found = Repaired(place, "unknown", "beyond-repair", "windows", notes=(Problem("foreign", "", ""),))
    assert before == {path: path.read_bytes() for path in files(place)}
    if found.state == "repaired":
        saved = lapsdata.read(out, format=found.format)
        assert len(saved) == found.kept > 0
        is_prefix(saved, whole)
    elif found.state == "whole":
        assert lapsdata.read(place).equals(whole)
        assert not out.exists()
    else:
        assert found.state == "beyond-repair"
        assert found.notes
        assert not out.exists()
    shutil.rmtree(place.parent)
    return found


# A single file that is gone is gone.
EVERY = [(name, damage) for name in NAMES for damage in (flip, cut, zeros)]
EVERY += [(name, remove) for name in NAMES if name in ("tokens", "shards") or "zarr" in name]


@pytest.mark.parametrize(("name", "damage"), EVERY)
def test_nothing_wrong_is_ever_saved(
    name: str, damage: Callable[[Path, random.Random], None], case_of: CaseOf, is_prefix: IsPrefix
) -> None:
    case = case_of(name)
    moments = random.Random(f"{name} {damage.__name__}")
    found = []
    for _ in range(TIMES):
        place = case.copy()
        chosen = files(place)
        # By size, so that the windows are hit as often as they take up room.
        sizes = [path.stat().st_size for path in chosen]
        damage(moments.choices(chosen, sizes)[0], moments)
        found.append(outcome(place, case.container, is_prefix))
    assert len(found) == TIMES


def test_most_damage_to_windows_costs_only_what_follows(case_of: CaseOf, is_prefix: IsPrefix) -> None:
    case, moments = case_of("tracks-zarr"), random.Random(3)
    shares = []
    for _ in range(4):
        place = case.copy()
        flip(moments.choice([path for path in files(place) if "c" in path.parts and path.name == "0"]), moments)
        found = outcome(place, case.container, is_prefix)
        shares.append(found.kept / 264 if found.state == "repaired" else 1.0 if found.state == "whole" else 0.0)
    assert sum(shares) / len(shares) > 0.3
