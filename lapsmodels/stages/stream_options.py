"""What a stream is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from lapsdata.schema.base import Positive, Rate, Record
from lapsdata.stages._segment_export import ExportOptions
from lapsdata.transforms.energies import EnergyOptions
from lapsmodels.stages.encode_many import EncodeOptions
from lapsmodels.stages.track_options import TrackOptions

if TYPE_CHECKING:
    from lapsdata.transforms.track_speed import Motion

__all__ = ["StreamOptions"]


class StreamOptions(Record):
    """Everything that decides what comes out of a stream, but for threshold and segmenter.

    Examples
    --------
    >>> StreamOptions().energies.mode
    'token_diff_step'
    """

    track: TrackOptions = Field(default_factory=TrackOptions)
    """Points and horizon are those of the tokenizer."""
    images_rate: Rate | None = None
    """Frames per second of a folder of images, which carry no time; `track.rate` is that of the windows."""
    encode: EncodeOptions = Field(default_factory=lambda: EncodeOptions(batch=1))
    """With `batch` windows at a time: more of them are quicker, and come later."""
    energies: EnergyOptions = Field(default_factory=lambda: EnergyOptions(mode="token_diff_step"))
    """Of steps: of whole windows none is known before they are over."""
    export: ExportOptions = Field(default_factory=ExportOptions)
    """What is written for each segment."""

    @property
    def motion(self) -> Motion:
        """Whether the energies have the motion of the camera in them."""
        return self.energies.motion if self.energies.of_tracks else self.encode.motion

    idle_s: Annotated[float, Field(gt=0)] = 5.0
    """Seconds without a frame after which a live source has ended."""
    queue: Positive = 256
    """Frames of a live source that wait at most; what comes then is dropped, and counted."""
