"""A transform of batches that says what it is, so that nobody evaluates without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.schema import TransformName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lapsdata.loading.source import Batch

__all__ = ["StepTransform", "transform_name", "transformed"]


class StepTransform(Protocol):
    """A function of a batch of arrays: the same fields, shapes and dtypes, other values.

    Examples
    --------
    >>> class Shift:
    ...     name = "shift"
    ...     parameters = {"by": 1.0}
    ...
    ...     def __call__(self, batch):
    ...         return {"action": batch["action"] + np.float32(self.parameters["by"])}
    >>> transform_name(Shift()).parameters
    {'by': 1.0}
    """

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What it was told: anything that JSON can hold."""

    def __call__(self, batch: Batch) -> Batch:
        """Return the fields that it changes, or all."""


def transform_name(transform: StepTransform) -> TransformName:
    """Return what a specification says of a transform.

    Raises
    ------
    SchemaError
        It has no name or parameters, or such that no file can hold.
    """
    given: object = transform
    if not (callable(given) and hasattr(given, "name") and hasattr(given, "parameters")):
        message = f"expected a function of a batch with a name and parameters, got {given!r}"
        raise SchemaError(Problem("wrong-value", "transform", message))
    try:
        return TransformName(name=transform.name, parameters=dict(transform.parameters))
    except SchemaError as error:
        raise error.within("transform") from None


def transformed(transform: StepTransform, batch: Batch) -> None:
    """Put what a transform makes of a batch into its buffers.

    Raises
    ------
    SchemaError
        It gives other fields, shapes or dtypes.
    """
    found = Problems(f"transform {transform.name}")
    result = transform(dict(batch))
    for name, array in result.items():
        if name not in batch:
            found.add("unknown-field", name, f"expected some of {', '.join(batch)}, got {name!r}")
            continue
        target, given = batch[name], np.asarray(array)
        if (given.shape, given.dtype) != (target.shape, target.dtype):
            message = f"expected {target.shape} {target.dtype}, got {given.shape} {given.dtype}"
            found.add("wrong-shape", name, message)
        elif given is not target:
            target[...] = given
    found.raise_as(SchemaError)
