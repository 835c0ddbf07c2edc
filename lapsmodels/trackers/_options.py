"""What a tracker can be told: the fields of its dataclass, checked by name and type."""

from __future__ import annotations

import difflib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapsdata.errors import Problems, SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lapsmodels.trackers._protocol import Tracker

__all__ = ["configured", "notice_of", "weights_of"]


def configured(tracker: Tracker, options: Mapping[str, Any]) -> Tracker:
    """Return the tracker with some of its options set; one that is no dataclass has none.

    Parameters
    ----------
    tracker : Tracker
        The object of the registry.
    options : mapping
        By the name of the field; a value has the type of the field's default, and a whole number stands for a float.

    Raises
    ------
    SchemaError
        With everything that is wrong: `unknown-option`, `wrong-type`; what the tracker itself says of the values.

    Examples
    --------
    >>> from lapsmodels.trackers.lucas_kanade import PLUGIN
    >>> configured(PLUGIN, {"levels": 2, "back_error_px": 2}).parameters
    {'back_error_px': 2.0, 'window_px': 21, 'levels': 2}
    """
    if not options:
        return tracker
    stated: Any = tracker
    known = {field.name: getattr(stated, field.name) for field in fields(stated)} if is_dataclass(stated) else {}
    found, taken = Problems(f"options of {tracker.name}"), dict[str, Any]()
    for name, value in options.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            message = f"expected one of {', '.join(known) or '(it has none)'}, got {name!r}"
            found.add("unknown-option", name, message, f"did you mean {near[0]!r}?" if near else None)
            continue
        kind = type(known[name])
        taken[name] = float(value) if kind is float and type(value) is int else value
        if type(taken[name]) is not kind:
            found.add("wrong-type", name, f"expected {kind.__name__} such as {known[name]!r}, got {value!r}")
    found.raise_as(SchemaError)
    told: Tracker = replace(stated, **taken)
    return told


def weights_of(tracker: Tracker) -> Path | None:
    """Return the file of weights that the tracks of a tracker depend on, if it has one: its option `checkpoint`.

    Examples
    --------
    >>> from lapsmodels.trackers.lucas_kanade import PLUGIN
    >>> weights_of(PLUGIN) is None
    True
    """
    checkpoint = getattr(tracker, "checkpoint", "")
    return Path(checkpoint) if checkpoint else None


def notice_of(tracker: Tracker) -> str | None:
    """Return what whoever chooses a tracker has to know, told once in a run: its attribute `notice`.

    Examples
    --------
    >>> from lapsmodels.trackers.lucas_kanade import PLUGIN
    >>> notice_of(PLUGIN) is None
    True
    """
    return getattr(tracker, "notice", None)
