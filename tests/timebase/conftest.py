"""Rates that occur, and frame times of any spacing."""

from __future__ import annotations

from fractions import Fraction

import pytest

RATES = (
    Fraction(24000, 1001),
    Fraction(30000, 1001),
    Fraction(60000, 1001),
    Fraction(120000, 1001),
    Fraction(50, 3),
    Fraction(15, 2),
    Fraction(1, 3),
    Fraction(10),
    Fraction(15),
    Fraction(24),
    Fraction(25),
    Fraction(30),
    Fraction(240),
)


@pytest.fixture(scope="session", params=RATES, ids=str)
def fraction(request: pytest.FixtureRequest) -> Fraction:
    """One after the other, the rates of cameras, containers and robots."""
    found = request.param
    assert isinstance(found, Fraction)
    return found
