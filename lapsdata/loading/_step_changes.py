"""What becomes of stored numbers before they are in a sample: steps from a state, rotations, and scales."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problems, SchemaError, listed
from lapsdata.geometry import EPISODE_ROTATIONS, convert_episode_rotations, rotation_width
from lapsdata.loading.source import BatchSpec, FieldSpec
from lapsdata.schema import FieldNormalisation, Group, RotationChange
from lapsdata.schema.step_spec import expect_held
from lapsdata.storage.per_process import PerProcess
from lapsdata.transforms.action_steps import Turning, relative_actions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lapsdata.loading.source import Batch
    from lapsdata.schema import EpisodesHeader, Feature

__all__ = ["StepChanges", "rotation_changes", "states_of"]


class _Clipped:
    """How many numbers were put on the edge of their range in this process, by field."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def add(self, name: str, count: int) -> None:
        with self._lock:
            self.counts[name] += count


@dataclass(frozen=True)
class StepChanges:
    """What is done to fields, in this order: `relative`, `rotations`, `normalise`."""

    rotations: Mapping[str, RotationChange] = field(default_factory=dict)
    relative: Mapping[str, str] = field(default_factory=dict)
    turning: Mapping[str, Turning] = field(default_factory=dict)
    normalise: Mapping[str, FieldNormalisation] = field(default_factory=dict)
    clipped: PerProcess[_Clipped] = field(default_factory=functools.partial(PerProcess, _Clipped), compare=False)

    @property
    def names(self) -> frozenset[str]:
        """Fields that are changed."""
        return frozenset({*self.rotations, *self.relative, *self.normalise})

    def spec(self, stored: BatchSpec) -> BatchSpec:
        """Return what a batch holds, of what it would hold if nothing was changed."""
        found = dict(stored)
        for name, change in self.rotations.items():
            one = found[name]
            found[name] = replace(one, shape=(*one.shape[:-1], rotation_width(change.target)))
        for name in self.normalise:
            one = found[name]
            floats = np.issubdtype(one.dtype, np.floating)
            found[name] = replace(one, dtype=one.dtype if floats else np.dtype(np.float32), unit=None)
        return BatchSpec(found)

    def apply(self, stored: Batch, states: Batch, batch: Batch) -> None:
        """Fill in the fields that are changed.

        Parameters
        ----------
        stored : mapping of np.ndarray (B, ...)
            Those fields as the data set has them.
        states : mapping of np.ndarray (B, C)
            The states of `relative`, by the name of the action: those of the present row.
        batch : mapping of np.ndarray (B, ...)
            Is filled.

        Raises
        ------
        SchemaError
            Numbers that are no rotation, or that are beyond the dtype once they are scaled.
        """
        for name, values in stored.items():
            found = values
            try:
                if name in self.relative:
                    state = states[name]
                    state = state if found.ndim == state.ndim else state[:, None]
                    found = relative_actions(found, state, self.turning.get(name))
                if name in self.rotations:
                    change = self.rotations[name]
                    found = convert_episode_rotations(found, source=change.source, target=change.target)
            except SchemaError as error:
                raise error.within(name) from None
            plain = found
            if name in self.normalise:
                found = self._normalised(name, found)
            with np.errstate(over="ignore"):
                batch[name][...] = found
            if name in self.normalise:
                expect_held(name, plain, batch[name])

    def _normalised(self, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
        one = self.normalise[name]
        found = one.normalise(values)
        if one.clip:
            self.clipped.get().add(name, int((np.abs(found) > 1).sum()))
            np.clip(found, -1, 1, out=found)
        return found


def rotation_changes(asked: Mapping[str, str] | None, header: EpisodesHeader) -> dict[str, RotationChange]:
    """Return how rotations are rewritten, of the form that each group is asked for in.

    Raises
    ------
    SchemaError
        Names of no group, groups that the data set does not call rotations, or of another number of numbers, and forms
        that are none.
    """
    found = Problems("rotations")
    groups = {group.name: group for group in header.groups}
    dtypes = {feature.name: feature.dtype for feature in header.features}
    changes = {}
    for name, target in (asked or {}).items():
        group = groups.get(name)
        if group is None:
            known = listed([one.name for one in header.groups if one.rotation is not None], 12) or "none"
            found.add("unknown-field", name, f"expected a part of a vector that is a rotation: {known}, got {name!r}")
        elif target not in EPISODE_ROTATIONS:
            found.add("unknown-choice", name, f"expected one of {', '.join(EPISODE_ROTATIONS)}, got {target!r}")
        elif group.rotation is None:
            fix = "write its rotation_type into meta/modality.json"
            found.add("no-rotation", name, "expected a part that the data set calls a rotation, got none", fix)
        elif not _is_form(group) or dtypes[group.feature] not in ("float32", "float64"):
            wanted = f"{rotation_width(group.rotation)} float32 or float64 numbers of {group.rotation}"
            got = f"{group.stop - group.start} of {dtypes[group.feature]}"
            found.add("wrong-shape", name, f"expected {wanted}, got {got}")
        elif target != group.rotation:
            changes[name] = RotationChange(source=group.rotation, target=target)  # type: ignore[arg-type]  # one of them
    found.raise_as(SchemaError)
    return changes


def _is_form(group: Group) -> bool:
    return group.rotation is not None and group.stop - group.start == rotation_width(group.rotation)


def states_of(
    asked: Mapping[str, str] | None, header: EpisodesHeader, stored: Mapping[str, FieldSpec]
) -> tuple[dict[str, str], dict[str, Turning]]:
    """Return the states that actions are given as steps from, by action, and how both tell rotations where they do.

    Raises
    ------
    SchemaError
        Names that are not there, a rotation beside what is none, vectors that hold rotations among other numbers,
        actions that are steps already, vectors of unlike length or no floats.
    """
    found = Problems("relative")
    turning: dict[str, Turning] = {}
    every: list[Feature | Group] = [*header.features, *header.groups]
    vectors = {one.name: one for one in every}
    for action, state in (asked or {}).items():
        missing = [name for name in (action, state) if name not in vectors or name not in stored]
        if missing:
            found.add("unknown-field", action, f"expected features or parts of them, got {', '.join(missing)}")
            continue
        if steps := _steps_in(vectors[action], header):
            got = f"got one that is a step already: {', '.join(steps)}"
            found.add("steps-already", action, f"expected an action that is a place, {got}", "leave it as it is")
        sizes = [_vector(vectors[name], header) for name in (action, state)]
        rotations = [_rotations_in(vectors[name], header) for name in (action, state)]
        pair = [one.rotation for one in (vectors[action], vectors[state]) if isinstance(one, Group)]
        if len(pair) == 2 and pair[0] is not None and pair[1] is not None:
            turning[action] = Turning(pair[0], pair[1])
            if sizes != [rotation_width(form) for form in pair if form is not None]:
                wanted = " and ".join(f"{rotation_width(form)} floats of {form}" for form in turning[action])
                found.add("wrong-shape", action, f"expected {wanted}, got {sizes[0]} and {sizes[1]}")
        elif inside := [name for names in rotations for name in names]:
            message = f"expected numbers whose difference is a step, got rotations: {', '.join(inside)}"
            found.add("wrong-value", action, message, "name each part: a rotation is a step from a rotation")
        elif sizes[0] != sizes[1] or sizes[0] is None:
            message = f"expected a vector of floats, and a state of as many numbers, got {sizes[0]} and {sizes[1]}"
            found.add("wrong-shape", action, message)
    found.raise_as(SchemaError)
    return dict(asked or {}), turning


def _steps_in(one: Feature | Group, header: EpisodesHeader) -> list[str]:
    """Return the parts of a vector that are stored as steps."""
    feature, start, stop = _span(one)
    return [
        group.name
        for group in header.groups
        if group.feature == feature and group.absolute is False and group.start < stop and start < group.stop
    ]


def _rotations_in(one: Feature | Group, header: EpisodesHeader) -> list[str]:
    """Return what tells a rotation: a part itself, or parts of a whole vector."""
    if isinstance(one, Group):
        return [one.name] if one.rotation is not None else []
    return [group.name for group in header.groups if group.feature == one.name and group.rotation is not None]


def _span(one: Feature | Group) -> tuple[str, int, int]:
    if isinstance(one, Group):
        return one.feature, one.start, one.stop
    return one.name, 0, one.shape[0] if one.shape else 1


def _vector(one: Feature | Group, header: EpisodesHeader) -> int | None:
    """Return how many numbers a vector of floats has; None for what is none."""
    if isinstance(one, Group):
        feature = next(feature for feature in header.features if feature.name == one.feature)
        return one.stop - one.start if _vector(feature, header) is not None else None
    return one.shape[0] if one.dtype.startswith("float") and len(one.shape) == 1 else None
