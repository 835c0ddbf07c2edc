"""scikit-learn, which only clusters and their scores need."""

from __future__ import annotations

import importlib
from typing import Any

from lapsdata.errors import MissingExtraError, Problem

__all__ = ["optional"]


def optional(module: str, package: str, use: str) -> Any:  # noqa: ANN401 - a module without types
    """Import a module that the extra `cluster` brings.

    Parameters
    ----------
    module : str
        What is imported.
    package : str
        What it is called where one installs it.
    use : str
        What wants it, for the message.

    Raises
    ------
    MissingExtraError
        It is not installed.

    Examples
    --------
    >>> optional("no_such_module", "no-such-package", "a picture")
    Traceback (most recent call last):
    lapsdata.errors.MissingExtraError: a picture: expected no-such-package, got no such package; pip install ...
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and not module.startswith(error.name):
            raise
        message = f"expected {package}, got no such package"
        fix = "pip install 'lapsdata[cluster]'"
        raise MissingExtraError(Problem("missing-extra", use, message, fix)) from error
