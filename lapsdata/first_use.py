"""Names of a package that are loaded when they are first used, so that importing the package costs nothing."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["first_use"]


def first_use(package: str, homes: Mapping[str, tuple[str, ...]]) -> Callable[[str], object]:
    """Return the `__getattr__` of a package whose names are loaded when they are first used.

    Parameters
    ----------
    package : str
        Its `__name__`.
    homes : mapping of str to tuple of str
        The names that it offers, by the module that holds them.

    Raises
    ------
    AttributeError
        When called: the package has no such name.

    Examples
    --------
    >>> load = first_use("lapsdata", {"lapsdata.timebase": ("FrameRate", "FrameSpan")})
    >>> load("FrameRate").__module__
    'lapsdata.timebase.rate'
    >>> load("FrameRat")
    Traceback (most recent call last):
        ...
    AttributeError: module 'lapsdata' has no attribute 'FrameRat'; it has FrameRate, FrameSpan
    """
    home = {name: module for module, names in homes.items() for name in names}

    def load(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module '{package}' has no attribute '{name}'; it has {', '.join(sorted(home))}")
        value = getattr(importlib.import_module(home[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
