"""What a conversion is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lapsdata.adapters import BoxesEdit, EpisodesEdit
from lapsdata.geometry import BoxOrigin
from lapsdata.schema.base import Count, Name, Positive, Rate, Record, Size
from lapsdata.transforms.panorama_views import PanoramaOptions

__all__ = ["ConvertOptions"]


class ConvertOptions(Record):
    """How files are written, and what is said about foreign ones, which carry no times.

    Examples
    --------
    >>> ConvertOptions(to="tracks_zarr", profile="compact").round_px is None
    True
    """

    to: Annotated[str, Field(min_length=1)]
    """Registry name of the format that is written."""
    profile: Literal["raw", "compact"] = "raw"
    """`raw`: uncompressed; `compact`: rounded and compressed."""
    round_px: Annotated[float, Field(gt=0)] | Literal["none"] | None = None
    """For `compact`: what positions are rounded to, in pixels; null is the default of 1/64, "none" is lossless."""
    samples_per_shard: Positive | None = None
    """For shards: windows in every archive but the last; null is the default."""
    rate: Rate | None = None
    """Of foreign files: frames per second."""
    size: Size | None = None
    """Of foreign files: the frame that their positions refer to, where they do not say it themselves."""
    stride: Positive | None = None
    """Of foreign files: frames from the start of a window to the start of the next; null is 1 for tracks."""
    horizon: Positive | None = None
    """Of energies of others: frames of a window; null is what that project uses."""
    duration_s: Annotated[float, Field(gt=0)] | None = None
    """Of energies of others: seconds that the video lasts, to compare the number of rows with."""
    zeros: Literal["measured", "gated"] = "measured"
    """Of energies of others: what a value of exactly 0.0 is."""
    split: Annotated[str, Field(min_length=1)] | None = None
    """Of segments of others: which of their videos."""
    end: Literal["inclusive", "exclusive"] | None = None
    """Of ranges of frames: whether the last frame is part of one."""
    unit: Literal["s", "100ns"] | None = None
    """Of label files: what times are counted in."""
    gap_label: Annotated[str, Field(min_length=1)] | None = None
    """For labels per frame: what frames in no segment are called."""
    task: Annotated[str, Field(min_length=1)] | None = None
    """Of episodes in HDF5: what was to be done where the files do not say it."""
    edit: EpisodesEdit | None = None
    """Of episodes: which are kept, and what is left out, renamed or rewritten."""
    boxes: BoxesEdit | None = None
    """Of boxes: which are kept."""
    classes: dict[str, Name] | None = None
    """Of boxes of others: what their classes are called, by number as text, or by another name."""
    whose: Name | None = None
    """Of boxes of others: who says so, `truth`, `detector` or the name of a tracker."""
    first_number: Count | None = None
    """Of boxes of others: what their files call the first frame."""
    pixels: BoxOrigin | None = None
    """Of boxes of others: what their texts count pixels from; null is 1, as MOTChallenge has it."""
    annotations: Annotated[str, Field(min_length=1)] | None = None
    """Of tasks of Label Studio: which annotation of each counts; null is the best."""
    number_by: Literal["path", "name"] | None = None
    """Of tasks of Label Studio: what frames are numbered by; null is the number in the name of an image."""
    agents: Annotated[str, Field(min_length=1)] | None = None
    """Of views of others: which agents sets are made of, as `train=2,validate=4`; null for all."""
    panorama: PanoramaOptions | None = None
    """Of views: how panoramas are made of them; null where views stay what they are."""
    index: Count | None = None
    """For panoramas: the one set of each split that they are made of, from 0; null for all."""
    prefix: Annotated[str, Field(min_length=1)] | None = None
    """For a detection database and for Label Studio: what stands before the names of images or sequences."""
    digits: Annotated[int, Field(ge=1, le=12)] | None = None
    """For a detection database: digits of a frame in its keys."""
    suffix: Literal["none", ".txt"] | None = None
    """For a detection database: what its keys end with."""

    @property
    def window_stride(self) -> int:
        """Frames from one window of foreign tracks to the next."""
        return 1 if self.stride is None else self.stride
