"""Packages whose names are loaded when they are first used, so that one name does not cost what all of them do."""

from __future__ import annotations

import ast
import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["on_first_use"]


def on_first_use(package: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package whose imports stand under `if TYPE_CHECKING`.

    Those imports of names in `__all__` are read in its source, and each is done when its name is asked for: there is
    one list of them, for type checkers and for this. The package takes both under `if not TYPE_CHECKING`, or a checker
    would take every name for one of its own.

    Examples
    --------
    >>> import lapsdata.schema
    >>> find, names = on_first_use("lapsdata.schema")
    >>> find("FrameRange").__module__, "BoxesHeader" in names()
    ('lapsdata.schema.boxes', True)
    """
    module = sys.modules[package]
    source = module.__spec__.loader.get_source(package)  # type: ignore[union-attr]
    homes = {name: home for name, home in _imports(source) if name in module.__all__}

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(module.__all__)}")
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(module, name, value)
        return value

    return find, lambda: sorted({*vars(module), *homes})


def _imports(source: str) -> Iterator[tuple[str, str]]:
    """Yield names and the modules they are imported from."""
    for block in ast.parse(source).body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for line in block.body:
                if isinstance(line, ast.ImportFrom) and line.module is not None:
                    yield from ((alias.name, line.module) for alias in line.names)
