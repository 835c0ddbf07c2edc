"""One verb alone, called in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
import typer.main

from lapsdata import console
from lapsdata.errors import LapsError
from lapsdata.verbs import Settings
from tests.conftest import Ran

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


def runner(
    app: typer.Typer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *before: str,
    prog_name: str,
) -> Callable[..., Ran]:
    """Return what calls an app with words that stand before those of a call; what it raises is raised."""
    monkeypatch.setattr(console, "_kept", None)

    def command(*arguments: str) -> Ran:
        capsys.readouterr()
        try:
            typer.main.get_command(app)([*before, *arguments], obj=Settings(), prog_name=prog_name)
        except SystemExit as end:
            return Ran(end.code, *capsys.readouterr())
        except LapsError:
            monkeypatch.setattr(console, "_kept", None)
            raise
        raise AssertionError("the verb did not end")

    return command
