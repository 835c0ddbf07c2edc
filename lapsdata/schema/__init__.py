"""The contracts: one pydantic record per header, row and sidecar, and their JSON Schemas.

A record is loaded when it is first used: building all of them takes longer than most of what needs one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

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
    from lapsdata.schema.video import SourceVideo

__all__ = [
    "RECORDS",
    "AboveChance",
    "ActionErrors",
    "ActionKey",
    "ActionResult",
    "ActionRow",
    "ActionRules",
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
    "Parent",
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
    "TrackQuality",
    "TracksHeader",
    "TracksView",
    "TransformName",
    "TriedCount",
    "TruthClock",
    "VideoChange",
    "canonical_json",
    "check_schemas",
    "export_schemas",
]

_HOMES = {
    "actions": "ActionErrors ActionKey ActionResult ActionRow ActionRules KeyErrors",
    "ap_scores": "ApClass ApClasses ApConfidence ApRow ApRules ApScores EdgeRule TieRule",
    "base": "Header Parent Provenance Record Size Tool canonical_json",
    "boxes": "BoxesHeader BoxSequence FrameRange",
    "catalog": "CatalogField CatalogHeader CatalogIndex",
    "clusters": (
        "ClusterResult ClusterRow ClusterRules ClusterScores EncoderTraining LabelCount SequenceLengths TriedCount"
    ),
    "drawn": "DrawnScore RowKind",
    "energies": "EnergiesHeader EnergiesSeal EnergyRow EnergyState",
    "episode_shards": "EpisodeSample EpisodeShards",
    "episodes": "Camera EpisodesHeader Feature Group StatePart Task",
    "export": "RECORDS check_schemas export_schemas",
    "feature_stats": "FeatureStats",
    "invariance": (
        "BoundaryShift CodeAgreement Equal InvarianceResult InvarianceRow InvarianceRules InvarianceVideo "
        "ShownFrames VideoChange"
    ),
    "label_scores": "LabelledVideo LabelRow LabelRules LabelScores LengthPolicy OverlapScore",
    "ledger": "LedgerRun LedgerSpan",
    "loader": "EpochOrder LoaderState OrderedSource",
    "probe": "LeftOutVideo ProbedGroup ProbeResult ProbeRow ProbeRules",
    "recipe": "Recipe StageChoice",
    "result": (
        "AboveChance Bootstrap BoundaryCounting BoundaryDeviation BoundaryEmpty BoundaryMatching BoundaryResult "
        "BoundaryRow BoundaryRules BoundaryScore ChanceCorrected NearestBoundary PrecisionRecall ScoredVideo"
    ),
    "run": "CallingRepository Package Run",
    "seal_list": "SealedArray SealList",
    "segment_clusters": (
        "BackgroundTime ClusterScope ScopedGroup SegmentClusterRow SegmentClusterRules SegmentClusterScores"
    ),
    "segmentation": "RulesProfile SegmentationResult TruthClock",
    "segments": "EndReason SegmentedVideo SegmentsHeader",
    "shards": "ShardSample ShardsHeader ShardsManifest",
    "step_spec": "FieldNormalisation RotationChange StepField StepSpec TransformName",
    "tokens": "Tokenizer TokensHeader",
    "tracks": "Agreement Area BackError Grid Measured TrackQuality TracksHeader TracksView",
    "video": "SourceVideo",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


if not TYPE_CHECKING:
    # A checker that saw this would take every name for one of ours; it reads the imports above instead.
    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module 'lapsdata.schema' has no attribute '{name}'")
        value = getattr(importlib.import_module(f"lapsdata.schema.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
