"""A score that a row has: of one set of segments, or the mean over draws with how they scatter."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Record

__all__ = ["DrawnScore", "RowKind", "one_prediction"]

RowKind = Literal["prediction", "chance", "oracle", "control"]
"""What is judged; what it is judged by; what knows this very truth, and judges nothing; and what only tells more of the
prediction, from which it was made."""

_Share = Annotated[float, Field(ge=0, le=1)]


class DrawnScore(Record):
    """One number of a row."""

    mean: Annotated[float, Field(le=1)]
    """Mean over the draws; of a single one itself. 1 is the best there is."""
    sd: Annotated[float, Field(ge=0)] | None = None
    """Standard deviation over the draws (n - 1); null for a single draw."""
    band: tuple[float, float] | None = None
    """Between these lie 95 % of the draws: their quantiles 0.025 and 0.975, interpolated; null for a single draw."""
    p: _Share | None = None
    """Share of the draws that reach the prediction, which counts as one more draw that does: (1 + such draws) /
    (1 + draws); null for a single draw."""

    @model_validator(mode="after")
    def _band_rises(self) -> Self:
        if self.band is not None and self.band[0] > self.band[1]:
            raise ValueError("expected a band from its lower to its upper end")
        return self


def one_prediction(rows: list[tuple[str, str]]) -> None:
    """Refuse rows, told by name and kind, that are not a prediction followed by chance, each once."""
    if len({name for name, _ in rows}) != len(rows):
        raise ValueError("expected each row once")
    if [kind == "prediction" for _, kind in rows] != [True, *[False] * (len(rows) - 1)]:
        raise ValueError("expected the prediction as first row, and as no other")
