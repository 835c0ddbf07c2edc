"""The contracts: one pydantic record per header, row and sidecar, and their JSON Schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata._first_use import on_first_use

if TYPE_CHECKING:
    from lapsdata.schema.actions import ActionErrors, ActionKey, ActionResult, ActionRow, ActionRules, KeyErrors
    from lapsdata.schema.ap_scores import ApClass, ApClasses, ApConfidence, ApRow, ApRules, ApScores, EdgeRule, TieRule
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
    from lapsdata.schema.drawn import DrawnScore, RowKind
    from lapsdata.schema.energies import EnergiesHeader, EnergiesSeal, EnergyRow, EnergyState
    from lapsdata.schema.episode_shards import EpisodeSample, EpisodeShards
    from lapsdata.schema.episodes import Camera, EpisodesHeader, Feature, Group, StatePart, Task
    from lapsdata.schema.export import RECORDS, check_schemas, export_schemas
    from lapsdata.schema.feature_stats import FeatureStats
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
    from lapsdata.schema.label_scores import (
        LabelledVideo,
        LabelRow,
        LabelRules,
        LabelScores,
        LengthPolicy,
        OverlapScore,
    )
    from lapsdata.schema.ledger import LedgerRun, LedgerSpan
    from lapsdata.schema.loader import EpochOrder, LoaderState, OrderedSource
    from lapsdata.schema.probe import LeftOutVideo, ProbedGroup, ProbeResult, ProbeRow, ProbeRules
    from lapsdata.schema.recipe import Recipe, StageChoice
    from lapsdata.schema.result import (
        AboveChance,
        Bootstrap,
        BoundaryCounting,
        BoundaryDeviation,
        BoundaryEmpty,
        BoundaryMatching,
        BoundaryResult,
        BoundaryRow,
        BoundaryRules,
        BoundaryScore,
        ChanceCorrected,
        NearestBoundary,
        PrecisionRecall,
        ScoredVideo,
    )
    from lapsdata.schema.run import CallingRepository, Package, Run
    from lapsdata.schema.seal_list import SealedArray, SealList
    from lapsdata.schema.segment_clusters import (
        BackgroundTime,
        ClusterScope,
        ScopedGroup,
        SegmentClusterRow,
        SegmentClusterRules,
        SegmentClusterScores,
    )
    from lapsdata.schema.segmentation import RulesProfile, SegmentationResult, TruthClock
    from lapsdata.schema.segments import EndReason, SegmentedVideo, SegmentsHeader
    from lapsdata.schema.shards import ShardSample, ShardsHeader, ShardsManifest
    from lapsdata.schema.step_spec import FieldNormalisation, RotationChange, StepField, StepSpec, TransformName
    from lapsdata.schema.tokens import Tokenizer, TokensHeader
    from lapsdata.schema.tracking import (
        TrackCountName,
        TrackDifference,
        TrackingResult,
        TrackLeftOut,
        TrackLossRecord,
        TrackNumbers,
        TrackRow,
        TrackRules,
        TrackSequence,
        TrackSequenceScores,
        TrackSweepRow,
        TrackValues,
    )
    from lapsdata.schema.tracks import (
        Agreement,
        Area,
        BackError,
        Grid,
        Measured,
        TrackQuality,
        TracksHeader,
        TracksView,
    )
    from lapsdata.schema.training import ViewSplit, ViewTraining
    from lapsdata.schema.video import SourceVideo
    from lapsdata.schema.views import (
        AgentSelection,
        CameraModel,
        DepthKind,
        PanoramaAngles,
        PinholeLens,
        ViewsHeader,
    )

__all__ = [
    "RECORDS",
    "AboveChance",
    "ActionErrors",
    "ActionKey",
    "ActionResult",
    "ActionRow",
    "ActionRules",
    "AgentSelection",
    "Agreement",
    "ApClass",
    "ApClasses",
    "ApConfidence",
    "ApRow",
    "ApRules",
    "ApScores",
    "Area",
    "BackError",
    "BackgroundTime",
    "Bootstrap",
    "BoundaryCounting",
    "BoundaryDeviation",
    "BoundaryEmpty",
    "BoundaryMatching",
    "BoundaryResult",
    "BoundaryRow",
    "BoundaryRules",
    "BoundaryScore",
    "BoundaryShift",
    "BoxSequence",
    "BoxesHeader",
    "CallingRepository",
    "Camera",
    "CameraModel",
    "CatalogField",
    "CatalogHeader",
    "CatalogIndex",
    "ChanceCorrected",
    "ClusterResult",
    "ClusterRow",
    "ClusterRules",
    "ClusterScope",
    "ClusterScores",
    "CodeAgreement",
    "DepthKind",
    "DrawnScore",
    "EdgeRule",
    "EncoderTraining",
    "EndReason",
    "EnergiesHeader",
    "EnergiesSeal",
    "EnergyRow",
    "EnergyState",
    "EpisodeSample",
    "EpisodeShards",
    "EpisodesHeader",
    "EpochOrder",
    "Equal",
    "Feature",
    "FeatureStats",
    "FieldNormalisation",
    "FrameRange",
    "Grid",
    "Group",
    "Header",
    "InvarianceResult",
    "InvarianceRow",
    "InvarianceRules",
    "InvarianceVideo",
    "KeyErrors",
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
    "PanoramaAngles",
    "Parent",
    "PinholeLens",
    "PrecisionRecall",
    "ProbeResult",
    "ProbeRow",
    "ProbeRules",
    "ProbedGroup",
    "Provenance",
    "Recipe",
    "Record",
    "RotationChange",
    "RowKind",
    "RulesProfile",
    "Run",
    "ScopedGroup",
    "ScoredVideo",
    "SealList",
    "SealedArray",
    "SegmentClusterRow",
    "SegmentClusterRules",
    "SegmentClusterScores",
    "SegmentationResult",
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
    "StatePart",
    "StepField",
    "StepSpec",
    "Task",
    "TieRule",
    "Tokenizer",
    "TokensHeader",
    "Tool",
    "TrackCountName",
    "TrackDifference",
    "TrackLeftOut",
    "TrackLossRecord",
    "TrackNumbers",
    "TrackQuality",
    "TrackRow",
    "TrackRules",
    "TrackSequence",
    "TrackSequenceScores",
    "TrackSweepRow",
    "TrackValues",
    "TrackingResult",
    "TracksHeader",
    "TracksView",
    "TransformName",
    "TriedCount",
    "TruthClock",
    "VideoChange",
    "ViewSplit",
    "ViewTraining",
    "ViewsHeader",
    "canonical_json",
    "check_schemas",
    "export_schemas",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_first_use(__name__)
