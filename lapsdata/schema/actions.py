"""The record of open-loop errors of predicted actions, beside predictions that have seen nothing."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, Header, Positive, Record
from lapsdata.schema.episodes import FeatureName, StepKind

__all__ = ["ActionErrors", "ActionKey", "ActionResult", "ActionRow", "ActionRules", "KeyErrors", "RowName"]

RowName = Literal["prediction", "hold_last", "mean_action", "mean_trajectory"]
"""What predicts actions, in the rows of a table."""

_NotNegative = Annotated[float, Field(ge=0)]


class ActionRules(Record):
    """Everything that decides an error and is not in the data; results of unlike rules are never compared."""

    horizon: Positive
    """Steps of an action chunk; step 0 is the action of the row that it was predicted at."""
    averaged: Literal["steps_alike"] = "steps_alike"
    """Every predicted step of every row and every number of a key counts the same."""
    beyond_the_end: Literal["left_out"] = "left_out"
    """Steps after the last row of an episode have no truth: they are left out, and counted."""
    hold_last: Literal["action_before_else_mean"] = "action_before_else_mean"
    """The action of the row before, for all steps; at the first row of an episode, the mean action, and counted."""
    means_of: Literal["other_episodes", "train_episodes"]
    """What the rows of means know: all other episodes, or those of a train part, the predicted one never."""
    positions: Annotated[int, Field(ge=2)]
    """Of the mean trajectory: relative positions, first row to last, that episodes are interpolated at."""


class ActionKey(Record):
    """Part of an action."""

    name: FeatureName
    """As it was asked for."""
    numbers: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(min_length=1)]
    """Names of its numbers; where they have none, their places in the column."""
    steps: dict[FeatureName, StepKind] = Field(default_factory=dict)
    """Which of them the data set stores as steps, `0:7` the first seven; errors of them are errors of steps."""


class ActionErrors(Record):
    """Mean absolute and mean squared error, in the unit of the data and in its square."""

    mae: _NotNegative
    """Mean absolute error."""
    mse: _NotNegative
    """Mean squared error."""


class KeyErrors(ActionErrors):
    """Errors of one key."""

    numbers: Annotated[tuple[ActionErrors, ...], Field(min_length=1)]
    """By number of the key, over all steps."""
    steps: Annotated[tuple[ActionErrors, ...], Field(min_length=1)]
    """By step of the horizon, over all numbers."""


class ActionRow(Record):
    """One row of the table."""

    name: RowName
    """What predicts."""
    kind: Literal["prediction", "chance"]
    """What is scored, or what has seen no picture."""
    parts: Annotated[tuple[KeyErrors, ...], Field(min_length=1)]
    """By key of the result."""


class ActionResult(Header):
    """Errors of predicted actions, open loop: each chunk beside what was done in the data."""

    RECORD: ClassVar[str] = "action_result"

    format: Literal["lapsdata.action_result"] = "lapsdata.action_result"
    """Which record this is."""
    rules: ActionRules
    """What decides an error."""
    truth_digest: Digest
    """Digest of the true actions of the predicted episodes, by key and episode."""
    episodes: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Numbers of the episodes that were predicted, rising."""
    rows_predicted: Positive
    """Rows at which there is a chunk."""
    steps_scored: Annotated[tuple[Count, ...], Field(min_length=1)]
    """By step of the horizon, rows at which it has a truth."""
    parts: Annotated[tuple[ActionKey, ...], Field(min_length=1)]
    """What was scored."""
    rows: Annotated[tuple[ActionRow, ...], Field(min_length=1)]
    """The prediction, then chance; rows of means are absent where no other episode is known."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.steps_scored) != self.rules.horizon:
            raise ValueError(f"expected steps_scored for each of {self.rules.horizon} steps")
        names = [row.name for row in self.rows]
        if names[0] != "prediction" or names.count("prediction") > 1 or self.rows[0].kind != "prediction":
            raise ValueError("expected the prediction as first row, and as no other")
        if len(set(names)) < len(names) or any(row.kind == "prediction" for row in self.rows[1:]):
            raise ValueError("expected each row once, chance after the prediction")
        if len({key.name for key in self.parts}) < len(self.parts):
            raise ValueError("expected each key once")
        if list(self.episodes) != sorted(set(self.episodes)):
            raise ValueError("expected each episode once, rising")
        for row in self.rows:
            if len(row.parts) != len(self.parts):
                raise ValueError(f"expected errors of each of {len(self.parts)} keys")
            for key, errors in zip(self.parts, row.parts, strict=True):
                if len(errors.numbers) != len(key.numbers) or len(errors.steps) != self.rules.horizon:
                    raise ValueError("expected errors of each number of a key, and of each step of the horizon")
        return self
