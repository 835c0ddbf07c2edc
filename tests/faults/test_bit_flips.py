"""The gate: a flipped bit anywhere in a file of ours is an error of ours, or changes nothing that is read."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.errors import CorruptDataError, LapsError, UnknownFormatError
from lapsdata.testing.contracts import content_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Container
    from lapsdata.testing.contracts import FormatCase

FLIPS = 100


def outcome(case: FormatCase, path: Path, *, by_name: bool) -> str:
    """Read a damaged file: which error it is, or whether what was read is what was written."""
    try:
        back = case.format.read(path) if by_name else formats.read(path)
    except LapsError as error:
        return type(error).__name__
    except Exception as error:  # noqa: BLE001 - the gate is about exactly these
        return f"foreign: {error!r}"
    return "equal" if case.container.equals(back) else "wrong"


def flip(case: FormatCase, target: Path, seed: int) -> Counter[str]:
    """Flip single bits at random places of all files together; count the outcomes."""
    random = np.random.default_rng(seed)
    whole = content_of(target)
    names = list(whole)
    ends = np.cumsum([len(content) for content in whole.values()])
    seen: Counter[str] = Counter()
    for number in range(FLIPS):
        place, bit = int(random.integers(ends[-1])), int(random.integers(8))
        which = int(np.searchsorted(ends, place, side="right"))
        content = bytearray(whole[names[which]])
        at = place - int(ends[which])  # counted from the end of the file
        content[at] ^= 1 << bit
        part = target / names[which] if names[which] else target
        part.write_bytes(content)
        found = outcome(case, target, by_name=number % 4 != 0)
        if found.startswith(("foreign", "wrong")):
            found += f" at {names[which]} byte {len(content) + at} bit {bit}"
        seen[found] += 1
        part.write_bytes(whole[names[which]])
    return seen


def expect_gate(seen: Counter[str]) -> None:
    allowed = {"equal", CorruptDataError.__name__, UnknownFormatError.__name__}
    assert set(seen) <= allowed, f"of {FLIPS} flips: {dict(seen)}"
    assert seen["CorruptDataError"] > FLIPS / 2, f"of {FLIPS} flips: {dict(seen)}"


@pytest.mark.slow
def test_flips_in_small_files_mostly_hit_structure(small_case: FormatCase, tmp_path: Path) -> None:
    small_case.write(tmp_path / "item")
    expect_gate(flip(small_case, tmp_path / "item", seed=1))


@pytest.mark.slow
def test_flips_in_larger_files_mostly_hit_data(large_case: FormatCase, tmp_path: Path) -> None:
    large_case.write(tmp_path / "item")
    expect_gate(flip(large_case, tmp_path / "item", seed=2))


def test_the_gate_would_see_a_wrong_read(
    small_case: FormatCase, tmp_path: Path, other_of: Callable[[Container], Container]
) -> None:
    other = small_case._replace(container=other_of(small_case.container))
    other.write(tmp_path / "item")
    assert outcome(other, tmp_path / "item", by_name=True) == "equal"
    assert outcome(small_case, tmp_path / "item", by_name=True) == "wrong"
    reader = dataclasses.replace(small_case.format, read=lambda path: 1 / 0)
    broken = small_case._replace(format=reader)
    assert outcome(broken, tmp_path / "item", by_name=True) == "foreign: ZeroDivisionError('division by zero')"
