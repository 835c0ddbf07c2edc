"""Rows whose vectors are rewritten: actions as steps or as places, rotations in another form; all else as it is."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters.lerobot._edit_names import ARROW_FEATURES
from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.geometry import convert_episode_rotations
from lapsdata.storage.parquet_rows import column_array
from lapsdata.transforms.action_steps import absolute_actions, delta_actions, relative_actions, summed_actions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from lapsdata.adapters.lerobot._edit_parts import Span
    from lapsdata.adapters.lerobot._edit_rotations import Turn
    from lapsdata.adapters.lerobot._edit_senses import SenseChange

__all__ = ["rewritten"]


def rewritten(
    table: pa.Table, senses: Sequence[SenseChange], turns: Sequence[Turn], where: str
) -> tuple[pa.Table, bool]:
    """Return the rows of one episode with other numbers, and whether angles were not unique somewhere.

    Parameters
    ----------
    table : pyarrow.Table
    senses : sequence of SenseChange
        Done first, in the form that rotations have in the table.
    turns : sequence of Turn
    where : str
        The episode, for messages.

    Raises
    ------
    SchemaError
        Numbers that are no rotation, columns that are no vectors.
    CorruptDataError
        Numbers that are not finite, of which none could be found again; or that are beyond their dtype afterwards.
    """
    changed = dict.fromkeys([one.span.feature for one in senses] + [one.span.feature for one in turns])
    read = dict.fromkeys([*changed, *(one.state.feature for one in senses)])
    stored = {name: column_array(table.column(name), f"{where}: {name}") for name in read}
    found = {name: stored[name].copy() for name in changed}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for sense in senses:
            values = _converted(sense, _cut(stored, sense.span, where), _cut(stored, sense.state, where), where)
            found[sense.span.feature][:, sense.span.start : sense.span.stop] = values
        for name in changed:
            found[name] = _turned(found[name], [one for one in turns if one.span.feature == name], where)
    locked = [one for one in told if "imbal lock" in str(one.message)]
    for one in told:
        if one not in locked:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    for name, values in found.items():
        table = _replaced(table, name, values)
    return _lengths_told(table, {name: values.shape[1] for name, values in found.items()}), bool(locked)


def _cut(stored: dict[str, NDArray[Any]], span: Span, where: str) -> NDArray[Any]:
    values = stored[span.feature]
    if values.ndim != 2 or values.shape[1] < span.stop:
        message = f"expected vectors of at least {span.stop} numbers, got {values.shape[1:]} in a row"
        raise SchemaError(Problem("unlike-columns", f"{where}: {span.feature}", message))
    found: NDArray[Any] = values[:, span.start : span.stop]
    _expect_finite(found, f"{where}: {span}")
    return found


def _expect_finite(values: NDArray[Any], where: str) -> None:
    wrong = ~np.isfinite(values).all(axis=1)
    if wrong.any():
        message = f"expected finite numbers, got others in {int(wrong.sum())} rows, first in row {int(wrong.argmax())}"
        fix = "correct them, or leave the episode out: --without-episodes"
        raise CorruptDataError(Problem("not-finite", where, message, fix))


def _converted(one: SenseChange, actions: NDArray[Any], states: NDArray[Any], where: str) -> NDArray[Any]:
    try:
        with np.errstate(over="ignore"):
            if "relative" in (one.before, one.after):
                between = relative_actions if one.after == "relative" else absolute_actions
                found = between(actions, states, one.turning)
            else:
                along = delta_actions if one.after == "delta" else summed_actions
                found = along(actions, states[0], one.turning)
    except SchemaError as error:
        raise error.within(f"{where}: {one.span}") from None
    if not np.isfinite(found).all():
        message = f"expected {one.after} actions that {found.dtype} can hold, got others"
        raise CorruptDataError(Problem("too-large", f"{where}: {one.span}", message, "correct the numbers"))
    return found


def _turned(values: NDArray[Any], turns: Sequence[Turn], where: str) -> NDArray[Any]:
    parts, at = [], 0
    for one in sorted(turns):
        parts.append(values[:, at : one.span.start])
        numbers = _cut({one.span.feature: values}, one.span, where)
        try:
            parts.append(convert_episode_rotations(numbers, source=one.source, target=one.target))
        except SchemaError as error:
            raise error.within(f"{where}: {one.span}") from None
        at = one.span.stop
    return np.concatenate([*parts, values[:, at:]], axis=1)


def _replaced(table: pa.Table, name: str, values: NDArray[Any]) -> pa.Table:
    """Return rows with other vectors in a column, whose lists stay of their kind."""
    import pyarrow as pa

    at = table.schema.get_field_index(name)
    field = table.schema.field(at)
    kind, wide = field.type, values.shape[1]
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    if pa.types.is_fixed_size_list(kind):
        array = pa.FixedSizeListArray.from_arrays(flat, type=pa.list_(kind.value_field, wide))
    else:
        large = pa.types.is_large_list(kind)
        offsets = pa.array(np.arange(len(values) + 1) * wide, pa.int64() if large else pa.int32())
        array = (pa.LargeListArray if large else pa.ListArray).from_arrays(offsets, flat, type=kind)
    return table.set_column(at, field.with_type(array.type), array)


def _lengths_told(table: pa.Table, wide: dict[str, int]) -> pa.Table:
    """Return rows with true lengths of vectors in what datasets has noted of them."""
    noted = dict(table.schema.metadata or {})
    told = json.loads(noted[ARROW_FEATURES]) if ARROW_FEATURES in noted else {}
    features = told.get("info", {}).get("features", {})
    for name, length in wide.items():
        one = features.get(name)
        if isinstance(one, dict) and isinstance(one.get("length"), int) and one["length"] >= 0:
            one["length"] = length
    return table.replace_schema_metadata({**noted, ARROW_FEATURES: json.dumps(told).encode()}) if features else table
