"""Panoramas of views: a file for each split, made view by view, a few of them at once."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata import console
from lapsdata._convert._keys import convert_key, marked
from lapsdata._convert._planning import parents_of
from lapsdata._convert._report import Converted
from lapsdata._convert._rigs import lacking_cameras
from lapsdata._convert._work import ConvertWork
from lapsdata.adapters import find_adapter, read_adapted
from lapsdata.containers import Views
from lapsdata.errors import Problem, SchemaError, UnknownFormatError
from lapsdata.execution.local import usable_cores
from lapsdata.execution.manifest import WorkItem
from lapsdata.formats.views_hdf5 import open_views, write_views
from lapsdata.transforms.panorama_views import (
    CENTRE,
    PanoramaCounts,
    PanoramaOptions,
    PanoramaPixels,
    counts_of,
    layers_of,
    panorama_views,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata._convert._options import ConvertOptions
    from lapsdata._convert._rigs import LackingCameras
    from lapsdata._convert._sources import ConvertSource, Sources
    from lapsdata._convert._targets import Target
    from lapsdata.containers import Layer
    from lapsdata.execution.engine import Tell
    from lapsdata.schema import ViewsHeader
    from lapsdata.transforms.views_to_panorama import Panorama

__all__ = ["panorama_items", "to_panoramas"]

_SPARSE = 0.5
"""Share of pixels with depth that have one with depth beside them, below which depth is called sparse."""


def panorama_items(
    found: Sources, target: Path, plugin: Target, options: ConvertOptions, depth_root: Path | None, workers: int | None
) -> list[WorkItem[ConvertWork]]:
    """Return an item for each split, with the number of its panoramas.

    Parameters
    ----------
    found : Sources
        Views of others, or a file of views of ours.
    target : Path
        A folder for `<split>.h5`, or `<split>_<index>.h5`; a file where there is one split.
    plugin : Target
    options : ConvertOptions
        `panorama` is among them.
    depth_root : Path or None
    workers : int or None
        How many panoramas are made at once.

    Raises
    ------
    SchemaError
        There is no such split or set, several splits for one file, or panoramas cannot be made of these views.
    StorageError, CorruptDataError
        They cannot be read.
    """
    (source,) = found.items
    with console.progress("look at sources", 1, unit="sources") as advance:
        parents = parents_of(source, found.record, depth_root)
        views, _ = _read(source, options, depth_root, options.split)
        advance(1)
    splits = list(dict.fromkeys(views.split))
    file = target.suffix in plugin.suffixes and not target.is_dir()
    if file and len(splits) > 1:
        message = f"expected a folder for the splits {', '.join(splits)}, got the name of one file"
        raise SchemaError(Problem("several-items", str(target), message, "name a folder, or one split"))
    items = []
    for split in splits:
        told = options.model_copy(update={"split": split})
        count = len(panorama_views(_part(views, split, options.index), options.panorama))
        name = split if options.index is None else f"{split}_{options.index:06d}"
        output = target if file else target / f"{name}{plugin.suffixes[0]}"
        work = ConvertWork((source,), parents, told, "views", depth_root, workers, options.split)
        items.append(WorkItem(name, output, convert_key(told, parents), work, count))
    return items


def to_panoramas(work: ConvertWork, target: Path, before: int, tell: Tell, *, overwrite: bool) -> Converted:
    """Write the panoramas of one split, in memory that does not grow with their number."""
    options = work.options
    views, notes = _read(work.sources[0], options, work.depth_root, work.split)
    around = panorama_views(_part(views, str(options.split), options.index), options.panorama)
    lacking = _lacking(views, around)
    threads = usable_cores() if work.workers is None else work.workers
    with ThreadPoolExecutor(threads) as pool:
        ahead = _Ahead(around, pool, threads)

        def finished() -> ViewsHeader:
            counted = {f"pixels_{name}": count for name, count in ahead.total()._asdict().items() if name != "pixels"}
            made = marked(around.header.provenance, options, work.parents)
            counted["panoramas_of_fewer_cameras"] = len(lacking)
            policies = {**around.header.policies, **{name: count for name, count in counted.items() if count}}
            return around.header.model_copy(update={"provenance": made, "policies": policies})

        try:
            done = write_views(target, _with_pixels(around, ahead), overwrite=overwrite, tell=tell, finished=finished)
        finally:
            pool.shutdown(cancel_futures=True)
    told = (*notes, *_notes(around, views, options), *_fewer(lacking, options))
    shares = _by_agent(around, ahead.counts)
    return Converted(len(around), before, done.nbytes, notes=told, unit="panoramas", agents=shares, lacking=lacking)


class _Ahead:
    """Pixels of panoramas in the order of their views, made by threads a few ahead of what is read."""

    def __init__(self, views: Views, pool: ThreadPoolExecutor, ahead: int) -> None:
        if not isinstance(views.pixels, PanoramaPixels):
            raise TypeError(f"expected pixels of panoramas, got {type(views.pixels).__name__}")
        self._pixels, self._pool, self._ahead, self._end = views.pixels, pool, ahead, len(views)
        self._begun: dict[int, Future[Panorama]] = {}
        self.counts: dict[int, PanoramaCounts] = {}

    def read(self, layer: Layer, view: int) -> NDArray[Any]:
        for later in range(view, min(view + self._ahead + 1, self._end)):
            if later not in self._begun:
                self._begun[later] = self._pool.submit(self._pixels.made, later)
        for passed in [one for one in self._begun if one < view]:
            del self._begun[passed]
        made = self._begun[view].result()
        if view not in self.counts:
            self.counts[view] = counts_of(made)
        return layers_of(made)[layer]

    def told(self, layer: Layer, view: int) -> str:
        return self._pixels.told(layer, view)

    def total(self) -> PanoramaCounts:
        return PanoramaCounts(*map(sum, zip(*self.counts.values(), strict=True)))


def _with_pixels(views: Views, pixels: _Ahead) -> Views:
    from dataclasses import replace

    return replace(views, pixels=pixels)


def _read(
    source: ConvertSource, options: ConvertOptions, depth_root: Path | None, split: str | None
) -> tuple[Views, tuple[Problem, ...]]:
    """Read views of others, or open those of ours, whose pixels are compared with checksums when they are read."""
    if source.kind != "adapted":
        return open_views(source.path), ()
    found = find_adapter(source.path, {"views"})
    if found is None:
        message = "expected views that an adapter knows, as it did before, got others"
        raise UnknownFormatError(Problem("changed-meanwhile", str(source.path), message, "run this again"))
    said = {"split": split, "agents": options.agents, "rate": options.rate, "depth_root": depth_root}
    adapted = read_adapted(found[0], source.path, said)
    if not isinstance(adapted.container, Views):
        raise TypeError(f"{found[0].name} promises views, and reads {type(adapted.container).__name__}")
    return adapted.container, adapted.told(source.path)


def _part(views: Views, split: str, index: int | None) -> Views:
    """Return the sets of a split, or one of them."""
    places = [place for place, name in enumerate(views.split) if name == split]
    if index is None:
        return views.take(places)
    if index >= len(places):
        message = f"expected a set from 0 to {len(places) - 1} of {split}, got {index}"
        raise SchemaError(Problem("unknown-set", "index", message))
    return views.take([places[index]])


def _lacking(cameras: Views, around: Views) -> tuple[LackingCameras, ...]:
    """Return the panoramas that are made of fewer cameras than their agent has in other sets, that are not made now."""
    names = zip(around.split, around.scenario, around.frame.tolist(), strict=True)
    made = {(*name, around.agent[view]) for place, name in enumerate(names) for view in around.views_of(place)}
    return tuple(one for one in lacking_cameras(cameras) if one[:4] in made)


def _fewer(lacking: Sequence[LackingCameras], options: ConvertOptions) -> list[Problem]:
    """Say what a camera that is not told of does to the panoramas of its agent."""
    if not lacking:
        return []
    asked = options.panorama or PanoramaOptions()
    moved = "; their centre is the mean of those that are left, ahead as the first of them looks"
    count = f"{len(lacking):,} panorama{'s are' if len(lacking) > 1 else ' is'}"
    message = f"{count} made of fewer cameras than their agent has in other frames: what those saw is not covered"
    message += moved if asked.place == CENTRE else ""
    fix = "copy the files of these frames again, or name a camera by --place"
    return [Problem("fewer-cameras", "panorama", message, fix, "warning")]


def _by_agent(views: Views, counts: Mapping[int, PanoramaCounts]) -> dict[str, dict[str, float]]:
    """Return the number of panoramas of each agent, and the mean share of pixels in each mask that is stored."""
    of: dict[str, list[int]] = defaultdict(list)
    for view in sorted(counts):
        of[views.agent[view]].append(view)
    names = ("covered", "valid", "non_ambiguous")
    return {
        agent: {
            "panoramas": len(each),
            **{
                name: float(np.mean([getattr(counts[view], name) / counts[view].pixels for view in each]))
                for name in names
                if views.present[name][each].all()
            },
        }
        for agent, each in of.items()
    }


def _notes(views: Views, cameras: Views, options: ConvertOptions) -> Sequence[Problem]:
    """Say what was done without, and which policies stood in for it."""
    counted, notes = views.header.policies, []
    asked = options.panorama or PanoramaOptions()
    for name, message, fix in (
        ("panoramas_without_depth", "panoramas have no depth and no valid mask, as no camera of theirs has: colours "
         "are those of what is far away (policy infinity), and what is near stands beside itself or twice",
         "--depth-root names where depth lies; --depth-from-lidar makes some"),
        ("cameras_without_depth", "cameras have no depth beside others of their agent that have: there it is not known",
         None),
        ("cameras_without_images", "cameras have no picture: their part of a panorama is not covered", None),
        ("agents_without_images", "agents of sets have no picture: they are left out", None),
        ("sets_without_images", "sets have no picture: they are left out", None),
    ):  # fmt: skip
        if count := counted.get(name, 0):
            notes.append(Problem(name.replace("_", "-"), "panorama", f"{count:,} {message}", fix, "warning"))
    if asked.crop_first:
        message = "pictures were cropped to the shape of the panorama first: two thirds of what they show is lost"
        notes.append(Problem("cropped-first", "panorama", message, "leave out --crop-first", "warning"))
    if asked.colour != "infinity" and views.present["depth"].any() and _is_sparse(cameras):
        message = (
            "depth is sparse, as that of a LiDAR: pixels with colours by depth lie between those of what is far away"
        )
        notes.append(Problem("sparse-depth", "panorama", message, "--colour infinity makes a whole picture", "info"))
    return notes


def _is_sparse(views: Views) -> bool:
    """Say whether most pixels with depth have none beside them, in the first view that has depth."""
    known = views.read("depth", int(np.argmax(views.present["depth"]))) > 0
    beside = known[:, :-1] & known[:, 1:]
    return bool(beside.sum() < _SPARSE * known[:, :-1].sum())
