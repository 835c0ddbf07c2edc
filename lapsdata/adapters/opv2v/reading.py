"""A root of OPV2V as views: sets of agents at one time, with poses; pictures and depth are decoded when asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters._adapter import Adapted
from lapsdata.adapters.opv2v.depth_files import depth_folders, depth_notes
from lapsdata.adapters.opv2v.layout import agent_order, split_folders, unknown_folders
from lapsdata.adapters.opv2v.metadata_cache import usual_cache
from lapsdata.adapters.opv2v.missing_cameras import missing_cameras, missing_notes, missing_policies
from lapsdata.adapters.opv2v.pictures import picture_size
from lapsdata.adapters.opv2v.poses import camera_models, pose_problems
from lapsdata.adapters.opv2v.refusals import counted_refusals
from lapsdata.adapters.opv2v.scanning import Opv2vScan, scan_opv2v
from lapsdata.adapters.opv2v.selection import FewAgents, few_agents, select_agents, selections_of
from lapsdata.adapters.opv2v.view_pixels import Opv2vPixels
from lapsdata.containers import LAYERS, Views
from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import carla_poses
from lapsdata.provenance import provenance
from lapsdata.schema import AgentSelection, ViewsHeader
from lapsdata.schema.split_names import find_split
from lapsdata.storage.atomic import existing
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lapsdata.adapters.opv2v.depth_files import DepthFolder
    from lapsdata.adapters.opv2v.layout import AgentFolder
    from lapsdata.adapters.opv2v.missing_cameras import MissingCamera

__all__ = ["STEPS_PER_S", "read_opv2v"]

STEPS_PER_S = FrameRate(20)
"""Frames are numbered by steps of the simulation, of 0.05 s; each second one is recorded, 10 in a second."""

_ALL = AgentSelection()


@dataclass
class _Rows:
    """Sets and views while they are collected."""

    split: list[str] = field(default_factory=list)
    scenario: list[str] = field(default_factory=list)
    frame: list[int] = field(default_factory=list)
    stop: list[int] = field(default_factory=list)
    agent: list[str] = field(default_factory=list)
    camera: list[str] = field(default_factory=list)
    numbers: list[tuple[float, ...]] = field(default_factory=list)
    lidar: list[tuple[float, ...]] = field(default_factory=list)
    folder: list[int] = field(default_factory=list)
    image: list[str] = field(default_factory=list)
    depth: list[str | None] = field(default_factory=list)
    has_image: list[bool] = field(default_factory=list)
    missing: list[tuple[AgentFolder, MissingCamera]] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    few: dict[str, FewAgents] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)


def read_opv2v(
    root: Path,
    *,
    split: str | None = None,
    rate: FrameRate | float | str | None = None,
    depth_root: Path | None = None,
    agents: str | Mapping[str, AgentSelection] | None = None,
    cache: Path | str | None = "usual",
    strict: bool = False,
) -> Adapted:
    """Read a root, or one of its splits: a set for each frame of each scenario's ego.

    Parameters
    ----------
    root : Path
        Holds `train`, `validate` (or `val`), `test` or `test_culvercity`.
    split : str, optional
        That one alone.
    rate : FrameRate, number or str, optional
        Numbers of frames in a second; 20 by default, as OPV2V was recorded.
    depth_root : Path, optional
        Where depth lies, `<split>/<scenario>/<agent>/<frame>_camera<i>_depth.npy` or `.png`.
    agents : str or mapping of AgentSelection, optional
        Which agents sets are made of, by split; see `selections_of`. All by default.
    cache : Path, None or "usual"
        Folder where parsed frames are kept; see `usual_cache`.
    strict : bool
        Whether all that is wrong is an error, and not a note.

    Returns
    -------
    Adapted
        Views in the order of splits, scenarios, frames, agents and cameras. A set has the agents that recorded its
        frame; those with too few, or without the ego, are left out and counted.

    Raises
    ------
    SchemaError
        There is no such split, no frame, or a text of selections that is none; with `strict` whatever would else be a
        note of severity "warning".
    StorageError
        Nothing is there, or it may not be read.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.testing.opv2v_scenes import write_opv2v
    >>> root = Path(tempfile.mkdtemp())
    >>> _ = write_opv2v(root)
    >>> views = read_opv2v(root, agents="train=2", cache=None).container
    >>> views.sets, len(views), views.agent[:5]
    (3, 24, ('1000', '1000', '1000', '1000', '641'))
    >>> views.read("image", 0).shape
    (60, 80, 3)
    """
    given = selections_of(agents) if isinstance(agents, str) else dict(agents or {})
    per_s = STEPS_PER_S if rate is None else FrameRate.parse(rate)
    place = (usual_cache() if cache == "usual" else Path(cache)) if cache is not None else None
    scan = scan_opv2v(existing(root), split=split, cache=place)
    chosen = {name: _selection(name, given) for name in dict.fromkeys(folder.split for folder in scan.folders)}
    _refuse_unknown(root, given)
    depths = depth_folders(depth_root, scan.folders)
    rows = _Rows()
    for name, numbers in scan.scenarios():
        _collect(scan, numbers, chosen[name], depths, rows)
    refused, unknown = counted_refusals(scan.refused), unknown_folders(root, split)
    if not rows.stop:
        message = f"expected sets of frames, got none: {_counted_text(rows.counted) or 'no yaml could be read'}"
        why = [replace(one, severity="error") for one in few_agents(rows.few, str(root))]
        fix = None if why else "see: lapsdata check ROOT"
        raise SchemaError(Problem("no-frames", str(root), message, fix), *why, *refused, *unknown)
    views, notes = _views(scan, rows, per_s, chosen, depth_root is not None)
    left_out = (*few_agents(rows.few, str(root)), *_count_notes(root, rows.counted))
    told = (*(_warning(one) for one in refused), *unknown, *scan.notes, *notes, *left_out)
    wrong = [note for note in told if note.severity != "info"]
    if strict and wrong:
        raise SchemaError(*wrong)
    origin = "0.05 s from one number to the next, as OPV2V was recorded" if rate is None else "as given"
    return Adapted(views, told, rate=per_s, rate_origin=origin)


def _collect(
    scan: Opv2vScan,
    numbers: list[int],
    selection: AgentSelection,
    depths: Mapping[int, DepthFolder],
    rows: _Rows,
) -> None:
    """Add the sets of one scenario."""
    folders = {scan.folders[number].agent: number for number in numbers}
    order = agent_order(list(folders))
    missing = {number: _missing(scan, number) for number in numbers}
    recorded: dict[int, dict[str, str]] = {}
    for agent in order:
        for stem in scan.folders[folders[agent]].stems:
            if (folders[agent], stem) in scan.facts:
                stems = recorded.setdefault(int(stem), {})
                rows.counted["second_yaml_of_a_frame"] += agent in stems
                stems.setdefault(agent, stem)
    for frame, stems in sorted(recorded.items()):
        if order[0] not in stems:
            rows.counted["frames_without_ego"] += 1
            continue
        first = scan.folders[folders[order[0]]]
        agents = select_agents(list(stems), selection, first.scenario, frame)
        if selection.count is not None:
            few = rows.few.setdefault(first.split, FewAgents(selection.count))
            few.scenes.setdefault(first.scenario, []).append(len(stems))
        if agents is None:
            rows.counted["sets_with_too_few_agents"] += 1
            continue
        before = len(rows.agent)
        for agent in agents:
            rows.missing += missing[folders[agent]].get(stems[agent], ())
            _add_views(scan, folders[agent], stems[agent], depths.get(folders[agent]), rows)
        if len(rows.agent) == before:
            rows.counted["sets_without_cameras"] += 1
            continue
        rows.split.append(first.split)
        rows.scenario.append(first.scenario)
        rows.frame.append(frame)
        rows.stop.append(len(rows.agent))


def _missing(scan: Opv2vScan, number: int) -> dict[str, list[tuple[AgentFolder, MissingCamera]]]:
    """Return the cameras that the yaml files of an agent do not tell of, by the name of the frame."""
    folder = scan.folders[number]
    found: dict[str, list[tuple[AgentFolder, MissingCamera]]] = {}
    for one in missing_cameras(folder, scan.facts_of(number)):
        found.setdefault(one.stem, []).append((folder, one))
    return found


def _add_views(scan: Opv2vScan, number: int, stem: str, depth: DepthFolder | None, rows: _Rows) -> None:
    folder, facts = scan.folders[number], scan.facts[number, stem]
    for place, camera in enumerate(facts.cameras):
        name = f"{stem}_{camera}"
        rows.agent.append(folder.agent)
        rows.camera.append(camera)
        rows.numbers.append(facts.camera(place))
        rows.lidar.append(facts.lidar)
        rows.folder.append(number)
        rows.image.append(f"{folder.path}/{name}.png")
        rows.has_image.append(f"{name}.png" in folder.files)
        found = () if depth is None else depth.of(name)
        rows.depth.append(found[0] if found else None)
        rows.twice += found[:1] if len(found) > 1 else ()
    if not facts.cameras:
        rows.counted["agents_without_cameras"] += 1


def _views(
    scan: Opv2vScan, rows: _Rows, rate: FrameRate, chosen: Mapping[str, AgentSelection], with_depth: bool
) -> tuple[Views, list[Problem]]:
    numbers, lidar = np.array(rows.numbers, np.float64), np.array(rows.lidar, np.float64)
    models, model, notes = camera_models(numbers[:, 22:], _sizes(scan, rows), rows.image, with_depth)
    # Views have the poses of cameras, whatever their extrinsics say: a wrong one is no reason to refuse them.
    unfit = pose_problems(numbers[:, :6], numbers[:, 6:22], lidar, rows.image)
    notes += [replace(one, severity="warning") if one.severity == "error" else one for one in unfit]
    absent = rows.has_image.count(False)
    if absent:
        first = rows.image[rows.has_image.index(False)]
        message = f"{absent} of {len(rows.image)} pictures are not there: their views have poses alone"
        notes.append(Problem("missing-image", first, message, "copy them again", "warning"))
    notes += missing_notes(rows.missing, len(rows.image))
    has_depth = np.array([path is not None for path in rows.depth])
    if with_depth:
        notes += depth_notes(rows.depth, rows.image, rows.twice)
    policies = {**{name: count for name, count in rows.counted.items() if count}, **missing_policies(rows.missing)}
    policies |= {"depth_npy_before_png": len(rows.twice)} if rows.twice else {}
    present: dict[str, NDArray[np.bool_]] = {layer: np.zeros(len(numbers), bool) for layer in LAYERS}
    present |= {"image": np.array(rows.has_image), "depth": has_depth, "valid": has_depth.copy()}
    frame = np.array(rows.frame, np.int64)
    selections = {name: one for name, one in chosen.items() if one != _ALL}
    header = ViewsHeader(
        provenance=provenance(parameters={"rate": str(rate)}, parents=[scan.parent]),
        policies=policies,
        cameras=models,
        selections=selections,
    )
    views = Views(
        header,
        split=tuple(rows.split),
        scenario=tuple(rows.scenario),
        frame=frame,
        time_s=np.asarray(frame * rate.denominator / rate.numerator, np.float64),
        set_stop=np.array(rows.stop, np.int64),
        agent=tuple(rows.agent),
        camera=tuple(rows.camera),
        model=model,
        cam2world=carla_poses(numbers[:, :6]),
        present=present,
        pixels=Opv2vPixels(tuple(rows.image), tuple(rows.depth)),
    )
    return views, notes


def _sizes(scan: Opv2vScan, rows: _Rows) -> list[tuple[int, int]]:
    """Return the size of the picture of each view; each is compared when it is decoded."""
    known: dict[tuple[int, str], tuple[int, int]] = {}
    for number, camera, numbers in zip(rows.folder, rows.camera, rows.numbers, strict=True):
        if (number, camera) not in known:
            known[number, camera] = picture_size(scan.folders[number], camera, numbers)
    return [known[key] for key in zip(rows.folder, rows.camera, strict=True)]


def _selection(split: str, given: Mapping[str, AgentSelection]) -> AgentSelection:
    named = find_split(split, given)
    return given.get("", _ALL) if named is None else given[named]


def _refuse_unknown(root: Path, given: Mapping[str, AgentSelection]) -> None:
    """Refuse rules for splits that a root has not; those of splits that are not read now are for another time."""
    there = split_folders(root)
    meant = {name: find_split(name, there) for name in given if name}
    if strange := sorted(name for name, found in meant.items() if found is None):
        message = f"expected splits that the root has, {', '.join(there)}, got {', '.join(strange)}"
        raise SchemaError(Problem("unknown-split", str(root), message, "name each split once: train=2,validate=4"))
    twice = Counter(meant.values())
    for name, found in meant.items():
        if twice[found] > 1 and name != found:
            message = f"expected one rule for {found}, got two: {name} and {found} are the same split here"
            raise SchemaError(Problem("same-split", str(root), message, f"leave one out: train=2,{found}=4"))


def _warning(problem: Problem) -> Problem:
    return Problem(problem.code, problem.where, f"{problem.message}: the frame is left out", problem.fix, "warning")


def _count_notes(root: Path, counted: Counter[str]) -> list[Problem]:
    text = _counted_text(counted)
    return [Problem("sets-left-out", str(root), f"left out: {text}", None, "info")] if text else []


def _counted_text(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counted.items()) if count)
