"""Feeding models: sources of batches, the order of an epoch, and the loader that keeps both.

Anything with a length, a `spec` and `gather` can be loaded (`BatchSource`): `open_windows` makes one of tracks files,
`open_steps` one of robot episodes, `open_mot` one of clips with tracked boxes, `open_view_sets` sets of camera views.
"""

from lapsdata.loading._step_transform import StepTransform
from lapsdata.loading.catalog import write_catalog
from lapsdata.loading.ledger_check import EpochReceived, LedgerReport, check_ledgers
from lapsdata.loading.loader import EndlessError, Loader
from lapsdata.loading.location import Location
from lapsdata.loading.mixture import Mixture
from lapsdata.loading.mot import ClipWindows, MotClip, MotDataset, open_mot
from lapsdata.loading.plan import LoaderPlan
from lapsdata.loading.source import Batch, BatchSource, BatchSpec, FieldSpec
from lapsdata.loading.step_stream import StepStream
from lapsdata.loading.steps import EpisodeSpan, StepDataset, StepMeta, open_steps
from lapsdata.loading.stream import StreamDataset, open_stream
from lapsdata.loading.view_batches import ViewBatches, ViewSum
from lapsdata.loading.views import ViewDataset, ViewSet, open_view_sets
from lapsdata.loading.windows import WindowDataset, open_windows

__all__ = [
    "Batch",
    "BatchSource",
    "BatchSpec",
    "ClipWindows",
    "EndlessError",
    "EpisodeSpan",
    "EpochReceived",
    "FieldSpec",
    "LedgerReport",
    "Loader",
    "LoaderPlan",
    "Location",
    "Mixture",
    "MotClip",
    "MotDataset",
    "StepDataset",
    "StepMeta",
    "StepStream",
    "StepTransform",
    "StreamDataset",
    "ViewBatches",
    "ViewDataset",
    "ViewSet",
    "ViewSum",
    "WindowDataset",
    "check_ledgers",
    "open_mot",
    "open_steps",
    "open_stream",
    "open_view_sets",
    "open_windows",
    "write_catalog",
]
