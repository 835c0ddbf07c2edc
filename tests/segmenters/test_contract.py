"""Every segmenter of this library keeps the contract that plug-ins of others must keep."""

from __future__ import annotations

from typing import Any

import pytest

from lapsdata.plugins import registry
from lapsdata.testing.segmenter_contract import SegmenterContract

OURS = sorted(entry.name for entry in registry("segmenters").entries() if entry.distribution == "lapsdata")

# By name of the segmenter: what it can be asked for, so that every rule it has is at work once.
PARAMETERS: dict[str, dict[str, dict[str, Any]]] = {
    "state_machine": {
        "plain": {"threshold": 0.5},
        "strict": {"threshold": 0.5, "off_ratio": 0.5, "up_s": 0.5, "down_s": 0.375, "min_duration_s": 1.0},
        "held": {"threshold": 0.5, "missing": "hold", "gated": "missing", "cooldown_s": 0.5},
        "longest": {"threshold": 0.25, "max_duration_s": 1.0, "missing": "hold"},
        "longest-cooled": {"threshold": 0.25, "max_duration_s": 0.75, "cooldown_s": 0.25, "min_duration_s": 0.5},
        "refined": {"threshold": 0.5, "refine_s": 0.5, "max_duration_s": 3.0, "missing": "hold"},
        "refined-short": {"threshold": 0.4, "refine_s": 0.125, "up_s": 0.0, "down_s": 0.0, "min_duration_s": 0.25},
        "always": {"threshold": 0.0, "off_ratio": 1.0, "max_duration_s": 2.0},
    },
    "uniform": {"period": {"period_s": 2.0}, "count": {"count": 3}},
    "random_cuts": {"mean": {"mean_s": 2.0, "seed": 3}, "count": {"count": 5}},
    "peaks": {"any": {}, "few": {"height": 0.6, "prominence": 0.3, "distance_s": 1.0}},
    "kernel_cpd": {
        "linear": {"pen": 0.5},
        "count": {"count": 6},
        "rbf": {"kernel": "rbf", "pen": 2.0, "min_size": 4},
        "rbf-count": {"kernel": "rbf", "count": 9, "gamma": 2.0, "width": 3},
        "cosine": {"kernel": "cosine", "width": 5, "pen": 0.2},
        "cosine-count": {"kernel": "cosine", "width": 3, "count": 4, "min_size": 1},
    },
    "abd": {
        "count": {"count": 6},
        "mean": {"mean_s": 2.0, "smooth_s": 0.0},
        "least": {"least": 0.5, "smooth_s": 0.5, "window_s": 1.0},
    },
}
CASES = {f"{name}-{title}": (name, given) for name in OURS for title, given in PARAMETERS[name].items()}


class TestEverySegmenter(SegmenterContract):
    """Run once for each segmenter and set of parameters."""

    @pytest.fixture(autouse=True, params=CASES)
    def _one_of_them(self, request: pytest.FixtureRequest) -> None:
        name, given = CASES[request.param]
        self.segmenter = registry("segmenters").load(name)(**given)


def test_every_module_of_the_room_is_among_them() -> None:
    assert set(PARAMETERS) == set(OURS) == {"abd", "kernel_cpd", "peaks", "random_cuts", "state_machine", "uniform"}


def test_helpers_of_the_room_are_no_plugins() -> None:
    assert {"smoothing", "thresholds"}.isdisjoint(registry("segmenters").names())
