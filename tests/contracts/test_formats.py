"""Every module of `lapsdata/formats` keeps the contract that plug-ins of others must keep; none is listed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lapsdata.plugins import registry
from lapsdata.testing.contracts import FormatContract, format_cases, sample_of

if TYPE_CHECKING:
    from lapsdata.containers import Container

CASES = format_cases()

# Small and large, with and without what is optional; of any other record, its sample alone.
EXAMPLES: dict[str, tuple[dict[str, Any], ...]] = {
    "tracks": (
        {"windows": 1},
        {"windows": 5, "stride": 2, "views": ("front", "wrist"), "rate": None},
        {"windows": 3, "confidence": True, "continuous": True},
    ),
    "tokens": ({"windows": 1}, {"windows": 7, "latent": 3}),
    "energies": ({"steps": 1}, {"steps": 50}),
}


class TestEveryFormat(FormatContract):
    """Run once for each format with each of its profiles."""

    @pytest.fixture(autouse=True, params=sorted(CASES))
    def _one_of_them(self, request: pytest.FixtureRequest) -> None:
        case = CASES[request.param]
        self.format, self.options = case.format, (case.options,)

    def examples(self) -> tuple[Container, ...]:
        record = self.format.record
        return tuple(sample_of(record, **options) for options in EXAMPLES.get(record, ({},)))


def test_every_module_of_the_room_is_among_them() -> None:
    ours = {entry.name for entry in registry("formats").entries() if entry.distribution == "lapsdata"}
    assert {case.format.name for case in CASES.values()} == ours
    assert len(ours) >= 6


def test_no_two_cases_of_a_format_are_alike() -> None:
    seen = [(case.format.name, sorted(case.options.items())) for case in CASES.values()]
    assert all(seen.count(one) == 1 for one in seen)
