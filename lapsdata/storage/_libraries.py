"""Functions of C libraries that come with Python packages, by a name that compiled code can call."""

from __future__ import annotations

import ctypes
import importlib

from lapsdata.errors import MissingExtraError, Problem

__all__ = ["add_symbol"]


def add_symbol(name: str, module: str, symbol: str) -> None:
    """Give compiled code a C function that an extension module holds, or links to.

    Parameters
    ----------
    name : str
        How compiled code calls it.
    module : str
        The extension module.
    symbol : str
        The function's own name.

    Raises
    ------
    MissingExtraError
        The package was built without it, as the pure Python form of google-crc32c.
    """
    import llvmlite.binding

    try:
        library = ctypes.CDLL(importlib.import_module(module).__file__)
        address = ctypes.cast(getattr(library, symbol), ctypes.c_void_p).value
    except (ImportError, AttributeError, OSError, TypeError) as error:
        package = module.partition(".")[0].replace("_", "-")
        message = f"expected a build of {package} that holds the C function {symbol}, got none: {error}"
        fix = f"reinstall it from a wheel: pip install --force-reinstall --only-binary :all: {package}"
        raise MissingExtraError(Problem("missing-symbol", module, message, fix)) from error
    llvmlite.binding.add_symbol(name, address)
