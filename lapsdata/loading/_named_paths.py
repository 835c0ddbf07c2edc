"""The paths and URLs that a user names: one, or several."""

from __future__ import annotations

import os
import re
from os import PathLike
from typing import Any

from lapsdata.errors import Problem, SchemaError
from lapsdata.storage.remote import is_url

__all__ = ["named_paths"]

_BROKEN_URL = re.compile(r"^[a-z][a-z0-9+.-]+:/[^/]")
"""What `pathlib` makes of a URL: one of its two slashes is gone."""


def named_paths(path: Any) -> list[str | PathLike[str]]:  # noqa: ANN401 - what a user gives
    """Return what was named as a list.

    Raises
    ------
    SchemaError
        Something that is no path, or a URL that was made a `pathlib.Path`.

    Examples
    --------
    >>> named_paths("a.h5")
    ['a.h5']
    >>> named_paths(["a.h5", 3])
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: path: expected a path or URL, or a list of these, got 3 [wrong-value]
    """
    alone = isinstance(path, str | bytes | PathLike) or not hasattr(path, "__iter__")
    named = [path] if alone else list(path)
    for one in named:
        if not isinstance(one, str | PathLike):
            message = f"expected a path or URL, or a list of these, got {one!r}"
            raise SchemaError(Problem("wrong-value", "path", message))
        if _BROKEN_URL.match(os.fspath(one)) and not is_url(one):
            message = f"expected a URL as text, got {os.fspath(one)!r}, which was made a path"
            raise SchemaError(Problem("wrong-value", "path", message, "give it as str"))
    return named
