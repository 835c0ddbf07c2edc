"""Trainings that were begun and not finished: what they have left is never lost to a training of other options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.errors import Problem, StorageError, listed
from lapsmodels.stages.train_options import deciding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata.schema.base import Parent, Provenance
    from lapsmodels.training.checkpoints import Progress

__all__ = ["OTHER_TRAINING", "refuse_other"]

OTHER_TRAINING = "other-training"
"""Code of the problem."""


def refuse_other(
    folder: Path, left: Progress, begun: Provenance | None, options: Mapping[str, JsonValue], parents: Sequence[Parent]
) -> None:
    """Refuse to train in a folder where a training of other options, tracks or code was left.

    Parameters
    ----------
    folder : Path
    left : Progress
        Of its last state.
    begun : Provenance or None
        Of what it was made; None where its record is damaged.
    options : mapping
        What is asked for now.
    parents : sequence of Parent
        The tracks of now.

    Raises
    ------
    StorageError
        Always: names the options that differ, and what can be done.
    """
    found = f"its last state: step {left.step} of {left.steps}"
    message = (
        f"expected the training that was begun here and is not finished ({found}), got another: "
        f"{_differences(begun, options, parents)}"
    )
    fix = (
        "to go on, train as it was begun; or choose another folder, or remove what it has left, and begin anew, by "
        "--force"
    )
    raise StorageError(Problem(OTHER_TRAINING, str(folder), message, fix))


def _differences(begun: Provenance | None, options: Mapping[str, JsonValue], parents: Sequence[Parent]) -> str:
    if begun is None:
        return "training.json is damaged, and its options are not known"
    before, now = deciding(begun.parameters), deciding(options)
    found = [
        f"{name} {_told(before, name)}, now {_told(now, name)}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if [(one.role, one.digest) for one in begun.parents] != [(one.role, one.digest) for one in parents]:
        found.append(f"other tracks ({_tracks_told(begun.parents, parents)})")
    # Whatever else a key is made of is a matter of the code.
    return "; ".join(found) or "other code of lapsmodels"


def _tracks_told(before: Sequence[Parent], now: Sequence[Parent]) -> str:
    """Say which files are others; one that has changed is among both."""
    were, are = ({(one.role, one.digest): one.name for one in parents} for parents in (before, now))
    new, gone = ([name for key, name in one.items() if key not in other] for one, other in ((are, were), (were, are)))
    told = [f"now with {listed(new)}"] * bool(new) + [f"without {listed(gone)} as before"] * bool(gone)
    return ", ".join(told) or "the same files in another order"


def _told(values: Mapping[str, JsonValue], name: str) -> str:
    value = values.get(name)
    return "none" if value is None else str(value)
