"""The state of a loader as JSON: what it says, and what makes it one of another loader."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lapsdata.errors import Problems, SchemaError
from lapsdata.loading.sampler import Cursor
from lapsdata.schema.loader import LoaderState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue

    from lapsdata.loading.source import BatchSpec
    from lapsdata.schema.loader import EpochOrder

__all__ = ["order_differences", "read_state", "spelled_fields", "write_state"]

_ADVICE = "a state belongs to its data, seed and order: load the one that was saved with them, or begin anew"


def spelled_fields(spec: BatchSpec) -> dict[str, str]:
    """Return shape, dtype and unit of each field, in words.

    Examples
    --------
    >>> import numpy as np
    >>> from lapsdata.loading.source import BatchSpec, FieldSpec
    >>> spelled_fields(BatchSpec({"tracks": FieldSpec((16, 2), np.dtype("f4"), "pixel xy")}))
    {'tracks': '(16, 2) float32 pixel xy'}
    """
    return {name: " ".join(filter(None, (str(f.shape), str(f.dtype), f.unit))) for name, f in spec.items()}


def write_state(
    order: EpochOrder, spec: BatchSpec, fingerprint: str | None, cursor: Cursor, run: str | None = None
) -> dict[str, JsonValue]:
    """Return the state of a loader as JSON-ready values; `run` names the run that has come so far.

    Examples
    --------
    >>> from lapsdata.loading.source import BatchSpec
    >>> from lapsdata.schema.loader import EpochOrder, OrderedSource
    >>> order = EpochOrder(seed=0, shuffle="none", samples=3, sources=(OrderedSource(name="source", samples=3),))
    >>> write_state(order, BatchSpec({}), None, Cursor(4, 2))["epoch"]
    4
    """
    state = LoaderState(
        order=order,
        fields=spelled_fields(spec),
        fingerprint=fingerprint,
        run=run,
        epoch=cursor.epoch,
        position=cursor.position,
        round=cursor.round,
        step=cursor.step,
        global_step=cursor.global_step,
    )
    return state.as_json()


def read_state(
    document: Mapping[str, Any], order: EpochOrder, spec: BatchSpec, fingerprint: str | None
) -> tuple[Cursor, str | None]:
    """Return where a state stands, and the name of the run that it was saved in.

    Ranks, batch sizes, workers and buffers may differ from those it was saved with; data, seed and order may not.

    Parameters
    ----------
    document : mapping
        As `write_state` returned it, or as JSON kept it.
    order : EpochOrder
    spec : BatchSpec
        Of the source.
    fingerprint : str or None

    Raises
    ------
    SchemaError
        It is no state, or one of other data or of another order: names everything that differs.

    Examples
    --------
    >>> from lapsdata.loading.source import BatchSpec
    >>> from lapsdata.schema.loader import EpochOrder, OrderedSource
    >>> order = EpochOrder(seed=0, shuffle="none", samples=3, sources=(OrderedSource(name="source", samples=3),))
    >>> state = write_state(order, BatchSpec({}), None, Cursor(4, 2))
    >>> read_state(state, order, BatchSpec({}), None)
    (Cursor(epoch=4, position=2, round=0, step=0, global_step=0), None)
    """
    state = LoaderState.parse(json.dumps(document), "state")
    found = Problems("state")
    for where, saved, own in order_differences(state.order, order):
        found.add("other-order", where, f"expected {own} as this loader has, got {saved}", _ADVICE)
    fields = spelled_fields(spec)
    for name in dict.fromkeys([*fields, *state.fields]):
        saved, own = (told.get(name, "no such field") for told in (state.fields, fields))
        if saved != own:
            found.add("other-data", f"fields: {name}", f"expected {own} as this loader has, got {saved}", _ADVICE)
    if state.fingerprint != fingerprint:
        message = f"expected {fingerprint!r} as this loader's source says, got {state.fingerprint!r}"
        found.add("other-data", "fingerprint", message, _ADVICE)
    if not len(found) and state.position > order.samples:
        found.add("wrong-value", "position", f"expected up to {order.samples} samples, got {state.position}")
    found.raise_as(SchemaError)
    return Cursor(state.epoch, state.position, state.round, state.step, state.global_step), state.run


def order_differences(one: EpochOrder, other: EpochOrder) -> Iterator[tuple[str, Any, Any]]:
    """Yield the place and both values of everything in which two orders differ.

    Examples
    --------
    >>> from lapsdata.schema.loader import EpochOrder, OrderedSource
    >>> parts = (OrderedSource(name="source", samples=3),)
    >>> one, two = (EpochOrder(seed=seed, shuffle="none", samples=3, sources=parts) for seed in (0, 1))
    >>> list(order_differences(one, two))
    [('seed', 0, 1)]
    """
    flat_one, flat_other = _flat(one), _flat(other)
    for place in dict.fromkeys([*flat_one, *flat_other]):
        values = flat_one.get(place, "nothing"), flat_other.get(place, "nothing")
        if values[0] != values[1]:
            yield place, *values


def _flat(order: EpochOrder) -> dict[str, Any]:
    flat: dict[str, Any] = {key: value for key, value in order.as_json().items() if key != "sources"}
    flat["sources"] = [source.name for source in order.sources]
    for source in order.sources:
        flat.update({f"{source.name}: {key}": value for key, value in source.as_json().items() if key != "name"})
    return flat
