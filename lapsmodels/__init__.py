"""The thin models that stand on lapsdata: trackers, motion tokenizer, sequence encoder, training.

The names below are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata._first_use import on_first_use

if TYPE_CHECKING:
    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.tokenizer.model import Encoded, MotionTokenizer

__all__ = ["Encoded", "MotionTokenizer", "TokenizerConfig"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_first_use(__name__)
