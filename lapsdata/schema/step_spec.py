"""The specification of samples of robot steps: what a checkpoint carries, so that nothing else is fed to its model."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, JsonValue, model_validator

from lapsdata.errors import Problem, SchemaError
from lapsdata.schema.base import Digest, Header, Name, Parameters, Positive, Rate, Record, Text, canonical_json
from lapsdata.schema.episodes import FeatureName, Rotation, StepKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "NORMALISATIONS",
    "FieldNormalisation",
    "NormalisationMode",
    "RotationChange",
    "StepField",
    "StepSpec",
    "TransformName",
]

NormalisationMode = Literal["mean_std", "min_max", "q01_q99"]
"""(x - mean) / std; or from min to max, or from quantile 0.01 to quantile 0.99, onto -1 to 1."""

NORMALISATIONS: dict[NormalisationMode, tuple[str, str]] = {
    "mean_std": ("mean", "std"),
    "min_max": ("min", "max"),
    "q01_q99": ("q01", "q99"),
}
"""Statistics that each way of normalising takes."""

_UNTOLD = ("provenance", "format_version")


class FieldNormalisation(Record):
    """How the numbers of a field are scaled, with the numbers that do it."""

    mode: NormalisationMode
    """How."""
    shape: tuple[Positive, ...]
    """Shape of each of the statistics: that of the field in one row, (3, 1, 1) of frames."""
    values: dict[Literal["mean", "std", "min", "max", "q01", "q99"], tuple[float, ...]]
    """The two statistics that the mode takes, each in row-major order."""
    clip: bool = False
    """Whether what lies outside of -1 to 1 is put on its edge; never for `mean_std`."""
    stats_digest: Digest | None = None
    """Digest of all statistics of the field that the two are from, as canonical JSON; null where that is not told."""

    @model_validator(mode="after")
    def _two_statistics(self) -> Self:
        wanted = NORMALISATIONS[self.mode]
        if set(self.values) != set(wanted):
            raise ValueError(f"expected {wanted[0]} and {wanted[1]}, got {', '.join(sorted(self.values)) or 'nothing'}")
        size = int(np.prod(self.shape, dtype=np.int64))
        low, high = (np.array(self.values[name], np.float64) for name in wanted)  # type: ignore[index]  # one of them
        if len(low) != size or len(high) != size:
            raise ValueError(f"expected {size} numbers in {wanted[0]} and {wanted[1]}, got {len(low)} and {len(high)}")
        with np.errstate(over="ignore"):
            spread = high if self.mode == "mean_std" else high - low
        if (spread < 0).any() or not np.isfinite(spread).all():
            told = "std from 0 on" if self.mode == "mean_std" else f"{wanted[0]} up to {wanted[1]}"
            raise ValueError(f"expected {told}, and no spread beyond float64")
        if self.clip and self.mode == "mean_std":
            raise ValueError("expected no clipping of mean_std, which has no edges")
        return self

    @property
    def centre(self) -> NDArray[np.float64]:
        """What becomes 0: float64, of `shape`."""
        one, other = self._statistics()
        return one if self.mode == "mean_std" else one + (other - one) / 2

    @property
    def scale(self) -> NDArray[np.float64]:
        """By what the distance from it is divided: float64, of `shape`; 1 where the statistics have no spread."""
        one, other = self._statistics()
        spread = other if self.mode == "mean_std" else (other - one) / 2
        return np.where(spread > 0, spread, 1.0)

    @property
    def centred_only(self) -> int:
        """How many numbers have no spread: they are moved to 0, and not divided."""
        one, other = self._statistics()
        return int(((other if self.mode == "mean_std" else (other - one) / 2) == 0).sum())

    def _statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        one, other = (
            np.array(self.values[name], np.float64).reshape(self.shape)  # type: ignore[index]  # one of them
            for name in NORMALISATIONS[self.mode]
        )
        return one, other

    def normalise(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return values `(..., *shape)` scaled, in float64; NaN stays NaN. Whoever clips them counts them."""
        with np.errstate(over="ignore"):
            found: NDArray[np.float64] = (np.asarray(values, np.float64) - self.centre) / self.scale
        return found

    def denormalise(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return what a model gave, `(..., *shape)`, in the unit of the data, computed in float64."""
        found: NDArray[np.float64] = np.asarray(values, np.float64) * self.scale + self.centre
        return found


class RotationChange(Record):
    """How the numbers that tell a rotation are rewritten."""

    source: Rotation
    """How the data set tells it."""
    target: Rotation
    """How samples tell it."""

    @model_validator(mode="after")
    def _a_change(self) -> Self:
        if self.source == self.target:
            raise ValueError(f"expected another form than {self.source}")
        return self


class StepField(Record):
    """One field of a sample."""

    name: FeatureName
    """Its name."""
    dtype: Annotated[str, Field(pattern=r"^(bool|u?int(8|16|32|64)|float(16|32|64))$")]
    """Type of its numbers."""
    shape: tuple[Positive, ...]
    """Its shape in one sample."""


class TransformName(Record):
    """What is done with each batch before a model gets it."""

    name: Name
    """What its author calls it."""
    parameters: Parameters = Field(default_factory=dict)
    """What it was told."""


class StepSpec(Header):
    """What a sample of robot steps is, so that another data set gives the same."""

    RECORD: ClassVar[str] = "step_spec"

    format: Literal["lapsdata.step_spec"] = "lapsdata.step_spec"
    """Which format this record belongs to."""
    rate: Rate
    """Rows per second."""
    fields: Annotated[tuple[StepField, ...], Field(min_length=1)]
    """What a sample holds, in this order, as it is after everything below."""
    delta_timestamps: dict[FeatureName, Annotated[tuple[float, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """At which times around a row a field is given, seconds: whole rows / `rate`; others are given at the row alone."""
    image_type: Literal["uint8", "float32"]
    """Frames from 0 to 255, or from 0 to 1."""
    pixels: Literal["rgb", "rgb_quick"]
    """How colours are made; see `lapsdata.video.frame.Pixels`."""
    decoder: Literal["pyav", "torchcodec"] = "pyav"
    """What decodes videos, and decides some colours; see `lapsdata.video.frame.Decoder`."""
    rotations: dict[FeatureName, RotationChange] = Field(default_factory=dict)
    """Parts of vectors whose rotations are rewritten."""
    relative: dict[FeatureName, FeatureName] = Field(default_factory=dict)
    """Actions that are given as steps from a state of the present row, by that state; others are as stored."""
    steps: dict[FeatureName, StepKind] = Field(default_factory=dict)
    """Actions that the data set itself stores as steps: fields, or parts of them, `action[0:7]`."""
    names: dict[FeatureName, Annotated[tuple[Text, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """What the data set calls the numbers of fields, and of states of `relative`, in their order, where it tells it."""
    normalise: dict[FeatureName, FieldNormalisation] = Field(default_factory=dict)
    """Fields that are scaled, after what is above."""
    transform: TransformName | None = None
    """What is done with batches in the end; null for nothing."""

    @model_validator(mode="after")
    def _agreeing(self) -> Self:
        names = [field.name for field in self.fields]
        if len(set(names)) < len(names):
            raise ValueError("expected each field once")
        if self.decoder == "torchcodec" and self.pixels != "rgb_quick":
            raise ValueError(f"expected pixels rgb_quick of torchcodec, got {self.pixels}")
        if both := sorted(set(self.steps) & set(self.relative)):
            raise ValueError(f"expected no steps from steps, got {', '.join(both)}")
        return self

    @property
    def digest(self) -> str:
        """Digest of what decides samples: `sha256:` of canonical JSON, without provenance and `stats_digest`."""
        return f"sha256:{hashlib.sha256(canonical_json(self.deciding())).hexdigest()}"

    def deciding(self) -> dict[str, JsonValue]:
        """Return what decides samples, as JSON: specifications that agree in it give the same samples of a data set."""
        document: dict[str, Any] = self.as_json()
        for name in _UNTOLD:
            del document[name]
        for one in document["normalise"].values():
            del one["stats_digest"]
        # What is stored as places is so whether it is said or not, and some sets have no names: specifications of
        # before know neither.
        for name in ("steps", "names"):
            if not document[name]:
                del document[name]
        return document

    def denormalise(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """Return what a model gave for a field in the unit of the data.

        Parameters
        ----------
        name : str
            A field; one that is not scaled comes back as it is.
        values : np.ndarray (..., *shape of a row)
            A policy's output, in any batch and at any times.

        Returns
        -------
        np.ndarray, of the same shape, and of its dtype where that is a float
            Rotations are in the form of samples, and steps are steps: only the scale is undone.

        Raises
        ------
        SchemaError
            A name that is no field, values of another shape, values beyond the result's dtype.

        Examples
        --------
        >>> from lapsdata.testing.samples import sample_step_spec
        >>> sample_step_spec().denormalise("action", np.zeros(2, np.float32)).tolist()
        [1.0, 2.0]
        """
        one = self.normalise.get(self._known(name))
        if one is None:
            return values
        return self._as_given(name, values, one.denormalise(self._fitting(name, one, values)))

    def _known(self, name: str) -> str:
        names = {field.name for field in self.fields} | set(self.normalise)
        if name not in names:
            message = f"expected one of {', '.join(sorted(names))}, got {name!r}"
            raise SchemaError(Problem("unknown-field", "specification", message))
        return name

    def _fitting(self, name: str, one: FieldNormalisation, values: NDArray[Any]) -> NDArray[Any]:
        array = np.asarray(values)
        if array.ndim < len(one.shape) or any(
            want not in (1, have)
            for want, have in zip(one.shape, array.shape[array.ndim - len(one.shape) :], strict=True)
        ):
            wanted = "".join(f", {size}" for size in one.shape)
            raise SchemaError(Problem("wrong-shape", name, f"expected (...{wanted}), got {array.shape}"))
        return array

    def _as_given(self, name: str, values: NDArray[Any], found: NDArray[np.float64]) -> NDArray[Any]:
        given = np.asarray(values)
        dtype = given.dtype if np.issubdtype(given.dtype, np.floating) else np.dtype(np.float32)
        with np.errstate(over="ignore"):
            result = found.astype(dtype)
        expect_held(name, given, result)
        return result


def expect_held(name: str, given: NDArray[Any], result: NDArray[Any]) -> None:
    """Refuse a result with infinities or NaN where finite numbers went in: a spread that is next to nothing."""
    if np.isfinite(result).all():
        return
    if (~np.isfinite(result) & np.isfinite(given)).any():
        message = f"expected numbers that {result.dtype} can hold after scaling, got others"
        raise SchemaError(Problem("too-large", name, message, "a statistic has next to no spread"))
