"""Every tracker of this library keeps the contract that plug-ins of others must keep; none is listed here."""

from __future__ import annotations

import pytest

from lapsdata.plugins import registry
from lapsmodels.testing import TrackerContract

# Those on models of other people keep it in test_models.py, with stand-ins of the models.
MODELS = {"bootstapir", "cotracker", "tapnext"}
OURS = sorted(
    entry.name
    for entry in registry("trackers").entries()
    if entry.distribution == "lapsdata" and entry.name not in MODELS
)


class TestEveryTracker(TrackerContract):
    """Run once for each tracker."""

    @pytest.fixture(autouse=True, params=OURS)
    def _one_of_them(self, request: pytest.FixtureRequest) -> None:
        self.tracker = registry("trackers").load(request.param)


def test_every_module_of_the_room_is_among_them() -> None:
    assert {"dense_flow", "lucas_kanade"} <= set(OURS)
    assert set(registry("trackers").names()) >= MODELS
