"""The thin models that stand on lapsdata: trackers, motion tokenizer, sequence encoder, training.

The names below are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.first_use import first_use

if TYPE_CHECKING:
    from lapsmodels.tokenizer.config import TokenizerConfig
    from lapsmodels.tokenizer.model import Encoded, MotionTokenizer

__all__ = ["Encoded", "MotionTokenizer", "TokenizerConfig"]

_HOMES = {
    "lapsmodels.tokenizer.config": ("TokenizerConfig",),
    "lapsmodels.tokenizer.model": ("Encoded", "MotionTokenizer"),
}


if not TYPE_CHECKING:
    # A checker that saw this would take every name for one of ours; it reads the imports above instead.
    __getattr__ = first_use(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
