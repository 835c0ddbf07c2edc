"""`--splits` as several verbs take it."""

from __future__ import annotations

import typer

__all__ = ["split_names"]


def split_names(text: str | None) -> tuple[str, ...] | None:
    """Return the names in a text such as `train,val`; None where none is given.

    Raises
    ------
    typer.BadParameter
        One of them is empty.

    Examples
    --------
    >>> split_names("train, val"), split_names(None)
    (('train', 'val'), None)
    """
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise typer.BadParameter(f"expected names of splits, as train,val, got {text!r}", param_hint="--splits")
    return names
