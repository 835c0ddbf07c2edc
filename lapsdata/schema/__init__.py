"""The contracts: one pydantic record per header, row and sidecar, and their JSON Schemas."""

from lapsdata.schema.ap_scores import ApClass, ApClasses, ApConfidence, ApRow, ApRules, ApScores
from lapsdata.schema.base import Header, Parent, Provenance, Record, Size, Tool, canonical_json
from lapsdata.schema.boxes import BoxesHeader, BoxSequence, FrameRange
from lapsdata.schema.catalog import CatalogField, CatalogHeader, CatalogIndex
from lapsdata.schema.clusters import (
    ClusterResult,
    ClusterRow,
    ClusterRules,
    ClusterScores,
    EncoderTraining,
    LabelCount,
    SequenceLengths,
    TriedCount,
)
from lapsdata.schema.drawn import DrawnScore
from lapsdata.schema.energies import EnergiesHeader, EnergiesSeal, EnergyRow, EnergyState
from lapsdata.schema.export import RECORDS, check_schemas, export_schemas
from lapsdata.schema.invariance import (
    BoundaryShift,
    CodeAgreement,
    Equal,
    InvarianceResult,
    InvarianceRow,
    InvarianceRules,
    InvarianceVideo,
    ShownFrames,
    VideoChange,
)
from lapsdata.schema.label_scores import LabelledVideo, LabelRow, LabelRules, LabelScores, LengthPolicy, OverlapScore
from lapsdata.schema.ledger import LedgerRun, LedgerSpan
from lapsdata.schema.loader import EpochOrder, LoaderState, OrderedSource
from lapsdata.schema.probe import LeftOutVideo, ProbedGroup, ProbeResult, ProbeRow, ProbeRules
from lapsdata.schema.recipe import Recipe, StageChoice
from lapsdata.schema.result import (
    BoundaryCounting,
    BoundaryDeviation,
    BoundaryMatching,
    BoundaryResult,
    BoundaryRow,
    BoundaryRules,
    BoundaryScore,
    NearestBoundary,
    PrecisionRecall,
    ScoredVideo,
)
from lapsdata.schema.run import CallingRepository, Package, Run
from lapsdata.schema.seal_list import SealedArray, SealList
from lapsdata.schema.segment_clusters import (
    ClusterScope,
    ScopedGroup,
    SegmentClusterRow,
    SegmentClusterRules,
    SegmentClusterScores,
)
from lapsdata.schema.segments import EndReason, SegmentedVideo, SegmentsHeader
from lapsdata.schema.shards import ShardSample, ShardsHeader, ShardsManifest
from lapsdata.schema.tokens import Tokenizer, TokensHeader
from lapsdata.schema.tracks import Agreement, Area, BackError, Grid, Measured, TrackQuality, TracksHeader, TracksView
from lapsdata.schema.video import SourceVideo

__all__ = [
    "RECORDS",
    "Agreement",
    "ApClass",
    "ApClasses",
    "ApConfidence",
    "ApRow",
    "ApRules",
    "ApScores",
    "Area",
    "BackError",
    "BoundaryCounting",
    "BoundaryDeviation",
    "BoundaryMatching",
    "BoundaryResult",
    "BoundaryRow",
    "BoundaryRules",
    "BoundaryScore",
    "BoundaryShift",
    "BoxSequence",
    "BoxesHeader",
    "CallingRepository",
    "CatalogField",
    "CatalogHeader",
    "CatalogIndex",
    "ClusterResult",
    "ClusterRow",
    "ClusterRules",
    "ClusterScope",
    "ClusterScores",
    "CodeAgreement",
    "DrawnScore",
    "EncoderTraining",
    "EndReason",
    "EnergiesHeader",
    "EnergiesSeal",
    "EnergyRow",
    "EnergyState",
    "EpochOrder",
    "Equal",
    "FrameRange",
    "Grid",
    "Header",
    "InvarianceResult",
    "InvarianceRow",
    "InvarianceRules",
    "InvarianceVideo",
    "LabelCount",
    "LabelRow",
    "LabelRules",
    "LabelScores",
    "LabelledVideo",
    "LedgerRun",
    "LedgerSpan",
    "LeftOutVideo",
    "LengthPolicy",
    "LoaderState",
    "Measured",
    "NearestBoundary",
    "OrderedSource",
    "OverlapScore",
    "Package",
    "Parent",
    "PrecisionRecall",
    "ProbeResult",
    "ProbeRow",
    "ProbeRules",
    "ProbedGroup",
    "Provenance",
    "Recipe",
    "Record",
    "Run",
    "ScopedGroup",
    "ScoredVideo",
    "SealList",
    "SealedArray",
    "SegmentClusterRow",
    "SegmentClusterRules",
    "SegmentClusterScores",
    "SegmentedVideo",
    "SegmentsHeader",
    "SequenceLengths",
    "ShardSample",
    "ShardsHeader",
    "ShardsManifest",
    "ShownFrames",
    "Size",
    "SourceVideo",
    "StageChoice",
    "Tokenizer",
    "TokensHeader",
    "Tool",
    "TrackQuality",
    "TracksHeader",
    "TracksView",
    "TriedCount",
    "VideoChange",
    "canonical_json",
    "check_schemas",
    "export_schemas",
]
