"""The header of robot episodes: what a row holds, which cameras look on, and what parts of a vector are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Header, Parameters, Positive, Rate, Record, Size, Text

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "IS_NULL",
    "IS_PAD",
    "Camera",
    "EpisodesHeader",
    "Feature",
    "FeatureName",
    "Group",
    "Rotation",
    "RowStore",
    "StatePart",
    "StepKind",
    "Task",
    "names_of_samples",
]

IS_NULL = "_is_null"
"""What follows the name of a nullable feature where it says which rows have no value."""

IS_PAD = "_is_pad"
"""What follows the name of a feature where it says at which times around a row there was no row."""

FeatureName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
"""As the data set spells it: `observation.state`, `obs/eef_pos`."""

RowStore = Literal["parquet", "hdf5"]
"""How rows are stored: a table of columns, or an array per column in a group of each episode."""

Rotation = Literal[
    "axis_angle",
    "quaternion",
    "rotation_6d",
    "matrix",
    "euler_angles_rpy",
    "euler_angles_ryp",
    "euler_angles_pry",
    "euler_angles_pyr",
    "euler_angles_yrp",
    "euler_angles_ypr",
]
"""How numbers tell a rotation, in the words of GR00T."""


StepKind = Literal["relative", "delta"]
"""What an action is a step from: the state of its row, or the action of the row before (of the first row, the state).

Of numbers it is the difference, of rotations `inverse(origin) @ action`.
"""


class Feature(Record):
    """One column of the rows."""

    name: FeatureName
    """Its name in a sample."""
    dtype: Annotated[str, Field(pattern=r"^(bool|u?int(8|16|32|64)|float(16|32|64)|text)$")]
    """Type of its numbers as they are stored."""
    shape: tuple[Positive, ...]
    """Shape of the value of one row; empty for a single number."""
    names: tuple[Text, ...] | None = None
    """What the numbers of a vector are, in their order; null where that is not told."""
    nullable: bool = False
    """Whether a row may have no value: a sample then has zeros, and `<name>_is_null` beside them says so."""

    @model_validator(mode="after")
    def _a_name_for_each(self) -> Self:
        if self.names is not None and len(self.names) != (self.shape[0] if self.shape else 1):
            raise ValueError(f"expected a name for each of {self.shape}, got {len(self.names)}")
        return self


class Camera(Record):
    """One camera: frames beside the rows."""

    name: FeatureName
    """Its name in a sample."""
    stored: Literal["video", "pixels", "encoded", "files"]
    """In a video; as arrays of pixels in the rows; as bytes of an image file in the rows; as image files."""
    size: Size | None = None
    """Size of a frame, as the data set says; null where it does not."""
    rate: Rate | None = None
    """Frames per second, as the data set says."""
    codec: Text | None = None
    """Codec of the video, as the data set says."""


class StatePart(Record):
    """Part of a state that actions are steps from."""

    feature: FeatureName
    """The column that it is cut from."""
    start: Count
    """First number of the vector."""
    stop: Positive
    """First number after the part."""
    rotation: Rotation | None = None
    """How its numbers tell a rotation; null for what is none."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.start < self.stop:
            raise ValueError(f"expected start < stop, got {self.start} and {self.stop}")
        return self


class Group(Record):
    """Part of a vector under a name of its own."""

    name: FeatureName
    """Its name in a sample: `state.left_arm`."""
    feature: FeatureName
    """The column that it is cut from."""
    start: Count
    """First number of the vector."""
    stop: Positive
    """First number after the part."""
    rotation: Rotation | None = None
    """How its numbers tell a rotation; null for what is none."""
    absolute: bool | None = None
    """Whether an action is a place to be, or a step from the present one; null where that is not told."""
    steps: StepKind | None = None
    """What an action that is a step begins at; null for what is none, or where that is not told."""
    state: StatePart | None = None
    """The state that `steps` are from; null where there are none, or where it is not in the data set any more."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.start < self.stop:
            raise ValueError(f"expected start < stop, got {self.start} and {self.stop}")
        if self.steps is not None and self.absolute is not False:
            raise ValueError(f"expected absolute false of {self.steps} steps, got {self.absolute}")
        if self.state is not None and self.steps is None:
            raise ValueError("expected a state of steps alone")
        return self


class Task(Record):
    """What was to be done, in words, by the number that rows carry."""

    number: Count
    """The number in the rows."""
    words: Text
    """The instruction."""


class EpisodesHeader(Header):
    """Header of robot episodes: rows of numbers at their times, and the frames of cameras beside them."""

    RECORD: ClassVar[str] = "episodes"

    format: Literal["lapsdata.episodes"] = "lapsdata.episodes"
    """Which format this header belongs to."""
    rate: Rate
    """Rows per second, as the data set says; the times of the rows are their own."""
    robot: Text | None = None
    """Kind of robot, as the data set says."""
    store: RowStore
    """How rows are stored."""
    features: tuple[Feature, ...]
    """Columns of the rows, in their order."""
    cameras: tuple[Camera, ...] = ()
    """Cameras, in their order."""
    groups: tuple[Group, ...] = ()
    """Named parts of vectors."""
    annotations: dict[FeatureName, FeatureName] = Field(default_factory=dict)
    """Columns whose numbers are those of tasks, by the name that they have in a sample."""
    tasks: tuple[Task, ...] = ()
    """Tasks by number, rising."""
    time: FeatureName | None = None
    """The column of the time of a row, seconds from the start of its episode; null where rows lie 1 / rate apart."""
    extras: Parameters = Field(default_factory=dict)
    """What else the data set says of itself, as it says it."""

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        shapes = {feature.name: feature.shape for feature in self.features}
        names = [*shapes, *(camera.name for camera in self.cameras), *(group.name for group in self.groups)]
        if len(set(names)) < len(self.features) + len(self.cameras) + len(self.groups):
            raise ValueError("expected each name of a feature, camera or group once")
        for group in self.groups:
            shape = shapes.get(group.feature)
            if shape is None or group.stop > (shape[0] if shape else 1):
                told = "no such feature" if shape is None else f"one of shape {shape}"
                raise ValueError(
                    f"expected {group.name} to be numbers {group.start} to {group.stop} of a feature, got {told}"
                )
        numbers = [task.number for task in self.tasks]
        if numbers != sorted(set(numbers)):
            raise ValueError("expected each number of a task once, rising")
        wanted = [*self.annotations.values(), *([self.time] if self.time is not None else [])]
        if strangers := [name for name in wanted if name not in shapes]:
            raise ValueError(f"expected columns among the features, got {', '.join(strangers)}")
        return self

    def steps_within(self, feature: str, start: int, stop: int) -> dict[str, StepKind]:
        """Return which numbers of a part of a vector are stored as steps, `0:7` counted from its start, and of what.

        Parameters
        ----------
        feature : str
        start, stop : int
        """
        found: dict[str, StepKind] = {}
        for group in self.groups:
            first, last = max(group.start, start), min(group.stop, stop)
            if group.feature == feature and group.steps is not None and first < last:
                found[f"{first - start}:{last - start}"] = group.steps
        return found


def names_of_samples(names: Collection[str]) -> dict[str, str]:
    """Return which names of columns and cameras a sample needs for something else, and for what.

    Examples
    --------
    >>> names_of_samples(["action", "action_is_pad", "done_is_pad", "task"])
    {'action_is_pad': 'at which times action has no row', 'task': 'the words of the task'}
    """
    known, needed = set(names), {}
    for name in names:
        pad, null = name.removesuffix(IS_PAD), name.removesuffix(IS_NULL)
        if name == "task":
            needed[name] = "the words of the task"
        elif pad != name and pad in known:
            needed[name] = f"at which times {pad} has no row"
        elif null != name and null in known:
            needed[name] = f"in which rows {null} has no value"
    return needed
