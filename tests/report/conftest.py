"""A real browser for the tests that open pages."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

# A browser of root has no sandbox; without a screen and its card, WebGL is computed.
FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; where there is none a test is left out, unless that is forbidden."""
    path = os.environ.get("LAPSDATA_CHROMIUM") or shutil.which("chromium")
    if path is None:
        if os.environ.get("LAPSDATA_BROWSER") == "required":
            pytest.fail("LAPSDATA_BROWSER=required, and yet there is no chromium")
        pytest.skip("there is no chromium: `make test` provides it, or name one by LAPSDATA_CHROMIUM")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield opened
        opened.close()
