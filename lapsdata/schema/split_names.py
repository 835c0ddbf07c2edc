"""What splits are called: one of them has two names, and whoever asks by either means the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["find_split", "usual_split"]


def usual_split(name: str) -> str:
    """Return the one name of a split: `validate` for `val`.

    Examples
    --------
    >>> usual_split("val"), usual_split("test")
    ('validate', 'test')
    """
    return "validate" if name == "val" else name


def find_split(name: str, there: Iterable[str]) -> str | None:
    """Return what a split is called among those that are there; None where it is not.

    Parameters
    ----------
    name : str
        `val` finds `validate`, and the other way round; where both are there, each finds itself.
    there : iterable of str

    Examples
    --------
    >>> find_split("val", ["train", "validate"]), find_split("test", ["train"])
    ('validate', None)
    """
    names = list(there)
    return name if name in names else next((one for one in names if usual_split(one) == usual_split(name)), None)
