"""What all tests share: the place of the real inputs, and hypothesis without time limits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real inputs; absent outside the project's own machines, where the skip names the variable."""
    named = os.environ.get("LAPSDATA_REAL_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not (folder / "README.md").is_file():
        if named:
            pytest.fail(f"LAPSDATA_REAL_DATA={named} holds no README.md")
        pytest.skip("set LAPSDATA_REAL_DATA to the folder of real inputs")
    return folder


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the root of the checkout."""
    return ROOT
