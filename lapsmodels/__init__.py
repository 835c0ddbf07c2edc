"""The thin models that stand on lapsdata: trackers, motion tokenizer, sequence encoder, training.

The names below are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.tokenizer.model import Encoded, MotionTokenizer

__all__ = ["Encoded", "MotionTokenizer", "TokenizerConfig"]

_HOME = {
    "Encoded": "lapsmodels.tokenizer.model",
    "MotionTokenizer": "lapsmodels.tokenizer.model",
    "TokenizerConfig": "lapsmodels.tokenizer.config",
}


if not TYPE_CHECKING:
    # A checker that saw this would take every name for one of ours; it reads the imports above instead.
    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'lapsmodels' has no attribute '{name}'; it has {', '.join(__all__)}")
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
