"""Depth from point clouds: a folder of `.npy` for each agent of a scenario, and a table that says how it was made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata._convert._report import MadeReport
from lapsdata.adapters import find_adapter, part_of_other
from lapsdata.adapters.opv2v.extrinsics import extrinsic_problems
from lapsdata.adapters.opv2v.layout import unknown_folders
from lapsdata.adapters.opv2v.lidar_depth import depth_of_points
from lapsdata.adapters.opv2v.metadata_cache import usual_cache
from lapsdata.adapters.opv2v.poses import EXTRINSIC_CODES
from lapsdata.adapters.opv2v.refusals import counted_refusals
from lapsdata.adapters.opv2v.scanning import scan_opv2v
from lapsdata.errors import Problem, SchemaError, UnknownFormatError
from lapsdata.execution.local import LocalEngine
from lapsdata.execution.manifest import Found, WorkItem, judge, plan, work_key
from lapsdata.execution.report import carry_out_shown
from lapsdata.provenance import code_digest, provenance
from lapsdata.schema.base import Count, Name, Parent, Provenance, Record
from lapsdata.storage.atomic import atomic_folder, existing
from lapsdata.storage.listing import size_and_time
from lapsdata.storage.run_file import record_run
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json

if TYPE_CHECKING:
    from os import PathLike

    from lapsdata.adapters.opv2v.frame_facts import FrameFacts
    from lapsdata.adapters.opv2v.layout import AgentFolder
    from lapsdata.adapters.opv2v.scanning import Opv2vScan
    from lapsdata.execution.engine import Tell
    from lapsdata.execution.manifest import Job

__all__ = ["DepthReport", "DepthTable", "depth_from_lidar"]

_STAGE = "lidar_depth"
_TABLE = "lidar_depth.json"


class DepthTable(Record):
    """`lidar_depth.json`: what a folder of depth holds, and what it was made of.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_provenance
    >>> DepthTable(provenance=sample_provenance(), files=(), without_points=()).files
    ()
    """

    provenance: Provenance
    """The yaml files and point clouds of the agent, by their sizes and times, are its parent."""
    files: tuple[Name, ...]
    """Depth by frame and camera: float32 (H, W), metres along the camera's axis, 0 where no point falls."""
    without_points: tuple[Name, ...]
    """Frames that have no point cloud, and therefore no depth."""
    pixels: Count = 0
    """Pixels of all files."""
    filled: Count = 0
    """Pixels that a point falls on."""


class MadeDepth(NamedTuple):
    """What was made of one agent.

    Examples
    --------
    >>> MadeDepth(files=12, without_points=1, pixels=100, filled=7).filled
    7
    """

    files: int
    without_points: int
    pixels: int
    filled: int


@dataclass(frozen=True)
class DepthReport(MadeReport[MadeDepth]):
    """What became of each agent.

    Parameters
    ----------
    notes : tuple of Problem
        Frames whose yaml cannot be read: they have no depth. Agents whose extrinsics are not what their poses say: the
        poses are taken. Folders that are passed over.

    Examples
    --------
    >>> DepthReport(()).facts
    {'items': '0'}
    """

    notes: tuple[Problem, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything to be told, frames that have no depth included."""
        return (*super().problems, *self.notes)

    @property
    def facts(self) -> dict[str, str]:
        """The counts of agents, and what was made of them, in words."""
        made = [entry.result for entry in self.entries if entry.result is not None]
        facts = dict(super().facts)
        if made:
            pixels, filled = sum(one.pixels for one in made), sum(one.filled for one in made)
            facts["files"] = f"{sum(one.files for one in made):,}, float32 metres along the axis of the camera"
            facts["filled"] = f"{filled / max(1, pixels):.2%} of the pixels have a point"
        if lost := sum(one.without_points for one in made):
            facts["left out"] = f"{lost} frames without a point cloud"
        return facts


class _Agent(NamedTuple):
    """What is to be done for one agent."""

    folder: AgentFolder
    facts: dict[str, FrameFacts]
    parent: Parent


def depth_from_lidar(
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    split: str | None = None,
    force: bool = False,
    workers: int | None = None,
) -> DepthReport:
    """Put the points of each frame on the pixels of its cameras; the nearest point of a pixel is its depth.

    Parameters
    ----------
    source : path
        A root of OPV2V.
    target : path
        Root of depth: `<split>/<scenario>/<agent>/<frame>_camera<i>_depth.npy`; made if it is not there.
    split : str, optional
        That one alone.
    force : bool
        Make again what is done; never replaces what others have made.
    workers : int, optional
        Processes; by default one per core.

    Returns
    -------
    DepthReport
        An agent whose files cannot be read fails, and the others go on.

    Raises
    ------
    UnknownFormatError, StorageError, SchemaError
        No such root or split, or it is the target.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; agents that were finished stay, and the next call goes on.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.testing.opv2v_scenes import write_opv2v
    >>> folder = Path(tempfile.mkdtemp())
    >>> scenes = write_opv2v(folder / "root")
    >>> depth_from_lidar(folder / "root", folder / "depth", workers=1).facts["files"]
    '36, float32 metres along the axis of the camera'
    >>> place = folder / "depth" / "train" / scenes[0].name / "641" / "000069_camera0_depth.npy"
    >>> np.load(place).shape
    (60, 80)
    """
    root, out = existing(Path(source)), Path(target)
    found = find_adapter(root, ("views",))
    if found is None or found[0].name != "opv2v":
        message = "expected a root of OPV2V, whose frames have point clouds, got something else"
        unknown = Problem("unknown-format", str(root), message, "name the folder of its splits")
        raise UnknownFormatError(part_of_other(root) or unknown)
    if out.resolve() == root.resolve():
        message = "expected another root for depth than that of the pictures, got the same"
        raise SchemaError(Problem("output-in-input", str(out), message, "name another place"))
    scan = scan_opv2v(root, split=split, cache=usual_cache())
    items = [_item(scan, number, out) for number in range(len(scan.folders))]
    with record_run(out):
        todo = plan(items, lambda item: _look(item, force=force), force=force)
        report = carry_out_shown(todo, _make, LocalEngine(workers), title=_STAGE, unit="frames")
    notes = [_warning(one, "no depth is made") for one in counted_refusals(scan.refused)]
    for number in range(len(scan.folders)):
        unfit = extrinsic_problems(scan, (number,))
        notes += [_warning(one, "depth is made as the poses say") for one in unfit if one.code in EXTRINSIC_CODES]
    return DepthReport(report.entries, report.leftovers, (*notes, *unknown_folders(root, split)))


def _warning(problem: Problem, became: str) -> Problem:
    return replace(problem, message=f"{problem.message}: {became}", severity="warning")


def _item(scan: Opv2vScan, number: int, out: Path) -> WorkItem[_Agent]:
    folder = scan.folders[number]
    facts = {stem: scan.facts[number, stem] for stem in folder.stems if (number, stem) in scan.facts}
    clouds = [Path(folder.path, f"{stem}.pcd") for stem in facts if f"{stem}.pcd" in folder.files]
    told = repr(([(stem, facts[stem]) for stem in facts], [(path.name, *size_and_time(path)) for path in clouds]))
    made_of = Parent(role="points", name=folder.agent, digest=f"sha256:{hashlib.sha256(told.encode()).hexdigest()}")
    name = f"{folder.split}/{folder.scenario}/{folder.agent}"
    key = _key((made_of,), code_digest())
    return WorkItem(name, out / name, key, _Agent(folder, facts, made_of), len(facts))


def _key(made_of: tuple[Parent, ...], code: str) -> str:
    return work_key(_STAGE, code, {}, made_of)


def _key_of(path: Path) -> str | None:
    if not (path / _TABLE).is_file():
        return None
    made = read_sealed_json(path / _TABLE, DepthTable).provenance
    return _key(made.parents, made.code_digest) if made.producer == "lapsdata" else None


def _look(item: WorkItem[_Agent], *, force: bool) -> Found:
    found = judge(item, _key_of)
    if found.state != "done" or force:
        return found
    table = read_sealed_json(item.output / _TABLE, DepthTable)
    lost = [name for name in table.files if not (item.output / name).is_file()]
    return Found("damaged", f"{len(lost)} of {len(table.files)} files are not there") if lost else found


def _make(job: Job[_Agent], tell: Tell) -> MadeDepth:
    """Write the folder of one agent, all or nothing."""
    folder, facts, made_of = job.item.payload
    files, lost, pixels, filled = list[str](), list[str](), 0, 0
    job.item.output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(job.item.output, overwrite=job.overwrite) as temporary:
        for stem in facts:
            if f"{stem}.pcd" not in folder.files:
                lost.append(stem)
                continue
            for name, depth in depth_of_points(folder, stem, facts[stem]):
                np.save(temporary / f"{name}.npy", depth)
                files.append(f"{name}.npy")
                pixels, filled = pixels + depth.size, filled + int(np.count_nonzero(depth))
            tell(1)
        table = DepthTable(
            provenance=provenance(parents=[made_of]),
            files=tuple(files),
            without_points=tuple(lost),
            pixels=pixels,
            filled=filled,
        )
        write_sealed_json(temporary / _TABLE, table)
    return MadeDepth(len(files), len(lost), pixels, filled)
