"""JSON Schemas of the records, for other languages: export, and the check that they have not drifted."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from lapsdata.errors import Problem
from lapsdata.schema.actions import ActionResult
from lapsdata.schema.boxes import BoxesHeader
from lapsdata.schema.catalog import CatalogHeader, CatalogIndex
from lapsdata.schema.clusters import ClusterResult
from lapsdata.schema.energies import EnergiesHeader, EnergiesSeal, EnergyRow
from lapsdata.schema.episode_shards import EpisodeSample, EpisodeShards
from lapsdata.schema.episodes import EpisodesHeader
from lapsdata.schema.invariance import InvarianceResult
from lapsdata.schema.ledger import LedgerRun, LedgerSpan
from lapsdata.schema.loader import LoaderState
from lapsdata.schema.probe import ProbeResult
from lapsdata.schema.recipe import Recipe
from lapsdata.schema.result import BoundaryResult
from lapsdata.schema.run import Run
from lapsdata.schema.seal_list import SealList
from lapsdata.schema.segmentation import SegmentationResult
from lapsdata.schema.segments import SegmentsHeader
from lapsdata.schema.shards import ShardSample, ShardsManifest
from lapsdata.schema.step_spec import StepSpec
from lapsdata.schema.threshold import ThresholdRecord
from lapsdata.schema.tokens import TokensHeader
from lapsdata.schema.tracking import TrackingResult
from lapsdata.schema.tracks import TracksHeader
from lapsdata.schema.video import SourceVideo
from lapsdata.schema.views import ViewsHeader
from lapsdata.schema.views_report import ViewsReport

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema.base import Record

__all__ = ["RECORDS", "check_schemas", "export_schemas"]

RECORDS: dict[str, type[Record]] = {
    "action_result.v1": ActionResult,
    "boundary_result.v1": BoundaryResult,
    "boxes.v1": BoxesHeader,
    "catalog.v1": CatalogHeader,
    "catalog_index.v1": CatalogIndex,
    "cluster_result.v1": ClusterResult,
    "energies.v1": EnergiesHeader,
    "energies_row.v1": EnergyRow,
    "energies_seal.v1": EnergiesSeal,
    "episode_sample.v1": EpisodeSample,
    "episode_shards.v1": EpisodeShards,
    "episodes.v1": EpisodesHeader,
    "invariance_result.v1": InvarianceResult,
    "ledger.v1": LedgerRun,
    "ledger_span.v1": LedgerSpan,
    "loader_state.v1": LoaderState,
    "probe_result.v1": ProbeResult,
    "recipe.v1": Recipe,
    "run.v1": Run,
    "seal_list.v1": SealList,
    "segmentation_result.v1": SegmentationResult,
    "segments.v1": SegmentsHeader,
    "shards.v1": ShardsManifest,
    "shards_sample.v1": ShardSample,
    "source_video.v1": SourceVideo,
    "step_spec.v1": StepSpec,
    "threshold.v1": ThresholdRecord,
    "tokens.v1": TokensHeader,
    "tracking_result.v1": TrackingResult,
    "tracks.v1": TracksHeader,
    "views.v1": ViewsHeader,
    "views_report.v1": ViewsReport,
}
"""Records by the name of their schema file; a new major version is a new entry beside the old one."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_files() -> dict[str, bytes]:
    """Return the exact content of each exported file, by file name: one per record, and `index.json`.

    Examples
    --------
    >>> sorted(schema_files())[:2]
    ['action_result.v1.json', 'boundary_result.v1.json']
    """
    files = {}
    index = {}
    for name, record in RECORDS.items():
        schema = {"$schema": _DIALECT, "$id": f"lapsdata:{name}", **record.model_json_schema()}
        content = _pretty(schema)
        files[f"{name}.json"] = content
        stem, _, version = name.rpartition(".v")
        index[name] = {
            "record": stem,
            "version": int(version),
            "status": "current",
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    files["index.json"] = _pretty(index)
    return files


def export_schemas(folder: Path) -> list[Path]:
    """Write the JSON Schema of every record and `index.json` into `folder`; return the files written.

    Parameters
    ----------
    folder : Path
        Made if it does not exist. Other files in it (examples) are left alone.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> len(export_schemas(pathlib.Path(tempfile.mkdtemp()))) == len(RECORDS) + 1
    True
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in schema_files().items():
        path = folder / name
        path.write_bytes(content)
        written.append(path)
    return written


def check_schemas(folder: Path) -> list[Problem]:
    """Compare the files in `folder` with the records of this release.

    Returns
    -------
    list of Problem
        Missing, differing and superfluous schema files; empty when nothing has drifted. A folder that is not
        there is one problem.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> len(check_schemas(folder)) == len(RECORDS) + 1
    True
    >>> _ = export_schemas(folder)
    >>> check_schemas(folder)
    []
    """
    if not folder.is_dir():
        message = f"expected a folder of exported schemas, got {'a file' if folder.exists() else 'nothing'}"
        code = "wrong-kind" if folder.exists() else "not-found"
        return [Problem(code, str(folder), message, "name their folder, or make it: lapsdata schema export --out DIR")]
    fix = "run: lapsdata schema export, and note the change under the format's version in CHANGELOG.md"
    expected = schema_files()
    problems = []
    for name, content in expected.items():
        path = folder / name
        if not path.is_file():
            problems.append(Problem("schema-missing", name, "expected an exported schema, got no file", fix))
        elif path.read_bytes() != content:
            problems.append(Problem("schema-drift", name, "expected the schema of this release, got another", fix))
    for path in sorted(folder.glob("*.json")):
        if path.name not in expected:
            message = "expected a file for a known record, got one that no record exports"
            problems.append(Problem("schema-unknown", path.name, message, "remove it, or register its record"))
    return problems


def _pretty(document: object) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")
