"""From predicted action chunks and robot episodes to open-loop errors, beside what has seen nothing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters import find_adapter, read_adapted
from lapsdata.containers import Episodes
from lapsdata.errors import Problem, SchemaError, UnknownFormatError, listed
from lapsdata.metrics.actions import POSITIONS, ErrorSums, KnownActions, at_steps, held
from lapsdata.provenance import parent, provenance
from lapsdata.schema.actions import ActionKey, ActionResult, ActionRow, ActionRules, RowName
from lapsdata.schema.base import Count, Record
from lapsdata.stages._header_key import key_now, key_of
from lapsdata.stages._output import Output, settle
from lapsdata.stages._predicted_actions import KeyPart, read_predicted
from lapsdata.storage.atomic import existing
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.schema import Feature
    from lapsdata.schema.base import Parent
    from lapsdata.stages._predicted_actions import PredictedActions

    Floats = NDArray[np.float64]

__all__ = ["ActionOptions", "action_errors", "score_actions"]

_STAGE = "actions"
_CHANCE: tuple[RowName, ...] = ("hold_last", "mean_action", "mean_trajectory")


class ActionOptions(Record):
    """What is scored, and what is known.

    Examples
    --------
    >>> ActionOptions(parts=("left_arm",), train=(0, 80)).train
    (0, 80)
    """

    parts: tuple[str, ...] = ("action",)
    """Named parts of actions (`left_arm` is `action.left_arm` too), or whole columns."""
    train: tuple[Count, Count] | None = None
    """Numbers of the episodes that means are known of, first and one after the last; null takes all."""


def score_actions(
    predicted: Path, dataset: Path, out: Path, options: ActionOptions | None = None, *, force: bool = False
) -> Output[ActionResult]:
    """Score predicted actions; a result that was made so already is kept.

    Parameters
    ----------
    predicted : Path
        See `lapsdata.stages._predicted_actions.read_predicted`.
    dataset : Path
        Robot episodes of any kind that is known.
    out : Path
        A JSON file.
    options : ActionOptions, optional
    force : bool

    Raises
    ------
    LapsError
        As `action_errors`.
    StorageError
        Something else is in the place of the output, or it cannot be written.

    Examples
    --------
    See `action_errors`.
    """
    chosen = options or ActionOptions()
    episodes, rows = _opened(dataset)
    parents = _parents(predicted, episodes)

    def known(path: Path) -> tuple[str | None, ActionResult]:
        found = read_sealed_json(path, ActionResult)
        return key_of(_STAGE, found.provenance), found

    def make(overwrite: bool) -> ActionResult:
        result = _scored(predicted, episodes, rows, chosen, parents)
        write_sealed_json(out, result, overwrite=overwrite)
        return result

    return settle(out, key_now(_STAGE, chosen.as_json(), parents), read=known, make=make, force=force)


def action_errors(predicted: Path, dataset: Path, options: ActionOptions | None = None) -> ActionResult:
    """Return what `score_actions` writes.

    Raises
    ------
    SchemaError
        Keys, episodes or rows that the data set does not have; arrays of other shapes.
    UnknownFormatError, CorruptDataError, StorageError
        Something cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import episode_rows, write_lerobot
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> root = write_lerobot(folder / "set", lengths=(4, 6))
    >>> truth = episode_rows((4, 6))[1].columns["action"]
    >>> np.savez(folder / "said.npz", episode=[1, 1], row=[2, 5], actions=truth[[2, 5]][:, None] + 0.5)
    >>> found = action_errors(folder / "said.npz", root)
    >>> [(row.name, row.parts[0].mae) for row in found.rows][:2]
    [('prediction', 0.5), ('hold_last', 0.6666666666666666)]
    """
    episodes, rows = _opened(dataset)
    return _scored(predicted, episodes, rows, options or ActionOptions(), _parents(predicted, episodes))


def _opened(dataset: Path) -> tuple[Episodes, EpisodeRows]:
    found = find_adapter(existing(dataset), ("episodes",))
    if found is None:
        message = "expected robot episodes of a kind that is known, got something else"
        raise UnknownFormatError(
            Problem("unknown-format", str(dataset), message, "name the folder with meta/info.json")
        )
    container = read_adapted(found[0], dataset, {}).container
    if not isinstance(container, Episodes):
        raise TypeError(f"{found[0].name} promises episodes, and reads {type(container).__name__}")
    return container, EpisodeRows(dataset if dataset.is_dir() else dataset.parent, container)


def _parents(predicted: Path, episodes: Episodes) -> list[Parent]:
    return [parent("prediction", predicted), *episodes.header.provenance.parents]


def _scored(
    predicted: Path, episodes: Episodes, rows: EpisodeRows, options: ActionOptions, parents: Sequence[Parent]
) -> ActionResult:
    keys = [_key(name, episodes) for name in options.parts]
    if len(set(options.parts)) < len(keys) or not keys:
        message = f"expected each key once, and at least one, got {', '.join(options.parts)}"
        raise SchemaError(Problem("key-twice", "keys", message))
    said = read_predicted(predicted, keys)
    numbers = _known_rows(predicted, said, episodes)
    known = _known(episodes, rows, keys, options.train)
    sums, digest, held_by_mean = _sums(said, numbers, episodes, rows, keys, known)
    horizon = said.actions.shape[1]
    table = []
    for name, found in sums.items():
        if found.counts[0] == sums["prediction"].counts[0]:  # else it was not known of some episode
            errors = tuple(found.of_key(part) for part in _parts(keys))
            table.append(ActionRow(name=name, kind="prediction" if name == "prediction" else "chance", parts=errors))
    counts = sums["prediction"].counts
    return ActionResult(
        provenance=provenance(parameters=options.as_json(), parents=parents),
        policies={
            "steps_beyond_the_end_left_out": int(len(said.row) * horizon - counts.sum()),
            "first_rows_held_by_the_mean_action": held_by_mean,
            "episodes_without_a_prediction": len(_others(episodes, options.train) - set(numbers)),
        },
        rules=ActionRules(
            horizon=horizon,
            means_of="other_episodes" if options.train is None else "train_episodes",
            positions=POSITIONS,
        ),
        truth_digest=digest,
        episodes=tuple(numbers),
        rows_predicted=len(said.row),
        steps_scored=tuple(counts.tolist()),
        parts=tuple(
            ActionKey(
                name=key.name,
                numbers=key.numbers,
                steps=episodes.header.steps_within(key.feature, key.start, key.stop),
            )
            for key in keys
        ),
        rows=tuple(table),
    )


def _key(name: str, episodes: Episodes) -> KeyPart:
    """Return the part of an action that is meant by a name."""
    header = episodes.header
    features = {feature.name: feature for feature in header.features}
    for group in header.groups:
        if group.name in (name, f"action.{name}"):
            numbers, wide = _numbers(features[group.feature])
            return KeyPart(name, group.feature, group.start, group.stop, wide, numbers[group.start : group.stop])
    whole = features.get(name, features.get(f"action.{name}"))
    if whole is None or whole.dtype == "text" or len(whole.shape) > 1:
        there = [group.name for group in header.groups if group.name.startswith("action")]
        there += [one for one in features if "action" in one]
        message = f"expected a part of an action or a column of numbers, such as {listed(there, 12)}; got {name!r}"
        raise SchemaError(Problem("unknown-key", "keys", message))
    numbers, wide = _numbers(whole)
    return KeyPart(name, whole.name, 0, wide, wide, numbers)


def _numbers(feature: Feature) -> tuple[tuple[str, ...], int]:
    """Return the names of the numbers of a vector, and how many there are."""
    wide = feature.shape[0] if feature.shape else 1
    return feature.names or tuple(map(str, range(wide))), wide


def _parts(keys: Sequence[KeyPart]) -> list[slice]:
    stops = np.cumsum([key.stop - key.start for key in keys]).tolist()
    return [slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False)]


def _known_rows(path: Path, said: PredictedActions, episodes: Episodes) -> list[int]:
    """Return the numbers of the predicted episodes; refuse those and their rows that the data set does not have."""
    numbers = np.unique(said.episode)
    if strange := np.setdiff1d(numbers, episodes.number).tolist():
        message = (
            f"expected numbers of the {len(episodes)} episodes whose rows are there, got {listed(map(str, strange))}"
        )
        raise SchemaError(Problem("unknown-episode", f"{path}: episode", message))
    rows = episodes.rows[np.searchsorted(episodes.number, said.episode)]
    wrong = np.flatnonzero((said.row < 0) | (said.row >= rows))
    if wrong.size:
        at = int(wrong[0])
        message = f"expected rows within 0 to {rows[at] - 1} of episode {said.episode[at]}, got {said.row[at]}"
        raise SchemaError(Problem("unknown-row", f"{path}: row", message))
    found: list[int] = numbers.tolist()
    return found


def _actions(rows: EpisodeRows, place: int, number: int, keys: Sequence[KeyPart]) -> Floats:
    """Return the true actions of an episode, the keys one after the other: (R, D)."""
    columns = rows.read(place, sorted({key.feature for key in keys}))
    flat: dict[str, NDArray[Any]] = {name: column.reshape(len(column), -1) for name, column in columns.items()}
    found = np.concatenate([flat[key.feature][:, key.start : key.stop] for key in keys], axis=1).astype(np.float64)
    if not np.isfinite(found).all():
        message = "expected finite actions, got others: lapsdata check tells where"
        raise SchemaError(Problem("not-finite", f"episode {number}", message))
    return found


def _others(episodes: Episodes, train: tuple[int, int] | None) -> set[int]:
    """Return the numbers of the episodes that were not trained on."""
    numbers: list[int] = episodes.number.tolist()
    return {number for number in numbers if train is None or not train[0] <= number < train[1]}


def _known(
    episodes: Episodes, rows: EpisodeRows, keys: Sequence[KeyPart], train: tuple[int, int] | None
) -> KnownActions:
    if train is not None and len(_others(episodes, train)) == len(episodes):
        first, last = int(episodes.number[0]), int(episodes.number[-1])
        message = f"expected episodes of the data set, which are {first} to {last}, got none in {train[0]}:{train[1]}"
        fix = "name those that were trained on: the rows of chance are made of them"
        raise SchemaError(Problem("unknown-episode", "train", message, fix))
    known = KnownActions(sum(key.stop - key.start for key in keys))
    for place, number in enumerate(episodes.number.tolist()):
        if train is None or train[0] <= number < train[1]:
            known.add(number, _actions(rows, place, number, keys))
    return known


def _sums(
    said: PredictedActions,
    numbers: Sequence[int],
    episodes: Episodes,
    rows: EpisodeRows,
    keys: Sequence[KeyPart],
    known: KnownActions,
) -> tuple[dict[RowName, ErrorSums], str, int]:
    """Return the sums of every row of the table, the digest of the truth, and how often a mean was held."""
    horizon, wide = said.actions.shape[1:]
    names: tuple[RowName, ...] = ("prediction", *_CHANCE)
    sums = {name: ErrorSums(horizon, wide) for name in names}
    digest = hashlib.sha256("\n".join(key.name for key in keys).encode())
    held_by_mean = 0
    for number in numbers:
        place = int(np.searchsorted(episodes.number, number))
        truth = _actions(rows, place, number, keys)
        digest.update(np.array([number, *truth.shape], "<i8").tobytes() + truth.astype("<f8").tobytes())
        picked = said.episode == number
        at = said.row[picked]
        chunks, there = at_steps(truth, at, horizon)
        mean = known.mean_action(without=number)
        position = np.minimum(at[:, None] + np.arange(horizon), len(truth) - 1) / max(len(truth) - 1, 1)
        told: dict[RowName, Floats | None] = {
            "prediction": said.actions[picked],
            "hold_last": held(truth, at, horizon, mean),
            "mean_action": None if mean is None else np.broadcast_to(mean, chunks.shape),
            "mean_trajectory": known.mean_trajectory(position, without=number),
        }
        held_by_mean += int((at == 0).sum()) if mean is not None else 0
        for name, one in told.items():
            if one is not None:
                sums[name].add(one, chunks, there)
    return sums, f"sha256:{digest.hexdigest()}", held_by_mean
