"""One case for every format with every profile."""

from __future__ import annotations

import pytest

from lapsdata.testing.contracts import FormatCase, format_cases

CASES = format_cases()


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> FormatCase:
    """Give every format with every profile in turn."""
    return CASES[request.param]
