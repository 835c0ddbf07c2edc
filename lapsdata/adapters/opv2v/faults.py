"""What is wrong with the files of a root, when each of them is looked at; and what tells a changed root from others."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata import console
from lapsdata.adapters.opv2v.copied_frames import copied_frames
from lapsdata.adapters.opv2v.extrinsics import extrinsic_problems
from lapsdata.adapters.opv2v.metadata_cache import usual_cache
from lapsdata.adapters.opv2v.missing_cameras import missing_cameras
from lapsdata.adapters.opv2v.pictures import png_size
from lapsdata.adapters.opv2v.point_cloud import read_pcd
from lapsdata.adapters.opv2v.poses import EXTRINSIC_CODES
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.adapters.opv2v.refusals import counted_refusals
from lapsdata.adapters.opv2v.scanning import scan_opv2v
from lapsdata.adapters.opv2v.vehicles import read_vehicles
from lapsdata.errors import LapsError, Problem, listed
from lapsdata.storage.listing import listing_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lapsdata.adapters.opv2v.frame_facts import FrameFacts
    from lapsdata.adapters.opv2v.layout import AgentFolder
    from lapsdata.adapters.opv2v.scanning import Opv2vScan

__all__ = ["digest_opv2v", "faults_of_opv2v"]

_SHOWN = 3
# What reading tells in one sentence, and a look at the files one by one.
_BY_FILE = frozenset({"missing-image", "missing-camera", "picture-without-camera"})
# What it tells of the frames that are read, and a look at the files of all.
_OF_ALL = EXTRINSIC_CODES | {"missing-extrinsic", "missing-lidar-pose"}


def digest_opv2v(root: Path) -> str:
    """Return the digest of a root: of its yaml files, and of the names, sizes and times of all others.

    Parameters
    ----------
    root : Path

    Raises
    ------
    StorageError, SchemaError
        As `scan_opv2v`.
    """
    scan = scan_opv2v(root, cache=usual_cache())
    told = [(folder.path.removeprefix(str(root)), listing_digest(Path(folder.path))) for folder in scan.folders]
    total = f"{scan.parent.digest}{told}".encode("utf-8", "surrogateescape")
    return f"sha256:{hashlib.sha256(total).hexdigest()}"


def faults_of_opv2v(root: Path, *, split: str | None = None) -> Iterator[Problem]:
    """Yield what is wrong with a root: every yaml, point cloud and picture is looked at, pictures by their two ends.

    Parameters
    ----------
    root : Path
    split : str, optional
        That one alone.

    Raises
    ------
    StorageError, SchemaError
        It cannot be read at all, or has no such split.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.testing.opv2v_scenes import write_opv2v
    >>> root = Path(tempfile.mkdtemp())
    >>> scenes = write_opv2v(root)
    >>> list(faults_of_opv2v(root))
    []
    >>> (root / "train" / scenes[0].name / "641" / "000071.pcd").write_bytes(b"")
    0
    >>> [problem.code for problem in faults_of_opv2v(root)]
    ['not-pcd']
    """
    scan = scan_opv2v(root, split=split, cache=usual_cache())
    # What reading tells of frames that are left out is told here as it is.
    refused = counted_refusals(scan.refused)
    left_out = {(one.code, one.where) for one in refused}
    yield from refused
    yield from (
        one
        for one in read_opv2v(root, split=split, cache=usual_cache()).notes
        if (one.code, one.where) not in left_out and one.code not in _BY_FILE | _OF_ALL
    )
    yield from extrinsic_problems(scan, range(len(scan.folders)))
    yield from _unequal_frames(scan)
    with console.progress("look at files", sum(len(one.files) for one in scan.folders), unit="files") as advance:
        for number, folder in enumerate(scan.folders):
            facts = scan.facts_of(number)
            yield from _of_folder(folder, facts)
            yield from _cameras(folder, facts)
            yield from copied_frames(folder, facts)
            advance(len(folder.files))


def _unequal_frames(scan: Opv2vScan) -> Iterator[Problem]:
    """Yield scenarios whose agents do not all have the same frames."""
    for _, numbers in scan.scenarios():
        folders = [scan.folders[number] for number in numbers]
        every = set().union(*(folder.frames for folder in folders))
        for folder in folders:
            lacking = sorted(every - set(folder.frames))
            if lacking:
                shown = ", ".join(map(str, lacking[:_SHOWN])) + (", ..." if len(lacking) > _SHOWN else "")
                message = f"expected the {len(every)} frames of all agents, got {len(folder.frames)}: without {shown}"
                fix = "sets of those frames are smaller, or none where it is the ego"
                yield Problem("unequal-frames", folder.path, message, fix, "warning")


def _of_folder(folder: AgentFolder, facts: Mapping[str, FrameFacts]) -> Iterator[Problem]:
    yield from _pictures(folder, facts)
    for stem in folder.stems:
        cameras = facts[stem].cameras if stem in facts else ()
        for name in (f"{stem}_{camera}.png" for camera in cameras):
            if name not in folder.files:
                message = "expected a picture of the camera that its yaml tells of, got none"
                yield Problem("missing-image", str(Path(folder.path, name)), message, "copy it again")
        if f"{stem}.pcd" in folder.files:
            yield from _tried(read_pcd, Path(folder.path, f"{stem}.pcd"))
        else:
            message = "expected a point cloud beside the yaml, got none"
            yield Problem("missing-pcd", str(Path(folder.path, f"{stem}.pcd")), message, "copy it again", "warning")
        if stem in facts:
            yield from _tried(read_vehicles, folder, stem)
    names: dict[int, list[str]] = {}
    for stem in folder.stems:
        names.setdefault(int(stem), []).append(stem)
    for frame, stems in names.items():
        if len(stems) > 1:
            message = f"expected one yaml of frame {frame}, got {listed(f'{stem}.yaml' for stem in stems)}"
            fix = f"delete what is not of it; {stems[0]}.yaml is taken"
            yield Problem("frame-twice", str(Path(folder.path, f"{stems[1]}.yaml")), message, fix)
    frames = {name.split(".")[0].split("_")[0] for name in folder.files if name.endswith((".png", ".pcd"))}
    if alone := sorted(frames - set(folder.stems)):
        message = f"expected a yaml of each frame, got pictures or points of {len(alone)} without: {listed(alone)}"
        yield Problem("frames-without-yaml", folder.path, message, "copy them again", "warning")


def _pictures(folder: AgentFolder, facts: Mapping[str, FrameFacts]) -> Iterator[Problem]:
    """Yield pictures that are damaged, and those of another size than most of their camera."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for stem in folder.stems:
        for camera in facts[stem].cameras if stem in facts else ():
            name = f"{stem}_{camera}.png"
            if name in folder.files:
                try:
                    found.setdefault(camera, {})[name] = png_size(Path(folder.path, name))
                except LapsError as error:
                    yield from error.problems
    for camera, sizes in found.items():
        # Of as many of each size it is the first one, which views take as well.
        (width, height), _ = Counter(sizes.values()).most_common(1)[0]
        if unlike := [name for name, size in sizes.items() if size != (width, height)]:
            got = sizes[unlike[0]]
            message = (
                f"expected pictures of {width}x{height}, as {camera} of agent {folder.agent} has in "
                f"{len(sizes) - len(unlike)} of {len(sizes)} frames of {folder.scenario}, got {got[0]}x{got[1]} "
                f"({len(unlike)} of another size: {listed(unlike)})"
            )
            fix = "copy whole pictures of this camera, neither scaled nor cropped"
            yield Problem("wrong-pixels", str(Path(folder.path, unlike[0])), message, fix)


def _cameras(folder: AgentFolder, facts: Mapping[str, FrameFacts]) -> Iterator[Problem]:
    """Yield cameras that are missing in the yaml of a frame, and pictures of cameras that none tells of."""
    strange: dict[str, list[str]] = {}
    for one in missing_cameras(folder, facts):
        if not one.told:
            strange.setdefault(one.camera, []).append(one.name)
            continue
        left = f"its picture {one.name} is there, and has no pose" if one.picture else "and there is no picture of it"
        message = (
            f"expected {one.camera} of agent {folder.agent} in frame {int(one.stem)} of {folder.scenario}, as in other "
            f"frames, got a yaml without it; {left}"
        )
        where = str(Path(folder.path, f"{one.stem}.yaml"))
        fix = "copy the yaml again; until then the set of this frame has a view less"
        yield Problem("missing-camera", where, message, fix, "error" if one.picture else "warning")
    for camera, names in strange.items():
        message = (
            f"expected {camera} of agent {folder.agent} in the yaml files of {folder.scenario}, got {len(names)} "
            f"pictures of it and no pose: {listed(names)}"
        )
        yield Problem("picture-without-camera", folder.path, message, "copy the yaml files again", "warning")


def _tried(look: Callable[..., object], *told: object) -> tuple[Problem, ...]:
    """Return what looking at a file raises."""
    try:
        look(*told)
    except LapsError as error:
        return error.problems
    return ()
