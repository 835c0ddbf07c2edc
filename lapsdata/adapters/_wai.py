"""WAI, the folders that MapAnything's own data sets are read from: a scene for each set, its views as frames.

    <path>/<dataset>/<split>_<scenario>_<frame>/scene_meta.json
                                                images/<agent>_<camera>.png
                                                depth/<agent>_<camera>.exr            float32, metres along the axis
                                                non_ambiguous/<agent>_<camera>.png    where the views have it
    <path>/metadata/<split>/<dataset>_scene_list_<split>.npy

Poses are cam2world in OpenCV's axes in either; a pixel is meant at its number in either. `last_modified`, which nothing
reads, is left out: equal views give equal folders.
"""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters._adapter import Writer
from lapsdata.containers.model_cameras import lens_camera
from lapsdata.errors import CorruptDataError, Problem, Problems, SchemaError
from lapsdata.execution.engine import unheard
from lapsdata.formats import WriteReport
from lapsdata.geometry import convert_depth
from lapsdata.storage.atomic import atomic_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers.views import Views
    from lapsdata.execution.engine import Tell

__all__ = ["WRITER", "write_wai"]

_VERSION = "0.1"
_LONGEST_NAME = 240
"""Bytes, that leave room for what is added; file systems take 255."""


def write_wai(path: Path, views: Views, *, dataset: str, overwrite: bool = False, tell: Tell = unheard) -> WriteReport:
    """Write views as WAI, all or nothing.

    Parameters
    ----------
    path : Path
        A folder.
    views : Views
        Of pinhole cameras, each with a picture.
    dataset : str
        What `dataset_name` says; also a folder.
    overwrite : bool
        Whether an existing folder may be replaced.
    tell : callable
        Told of each view that is written; it may end the work, and then nothing is left.

    Returns
    -------
    WriteReport
        Its notes say what has no place, and what MapAnything still needs.

    Raises
    ------
    SchemaError
        Panoramas, for which WAI has no camera model; views without pictures; sets or views of one name, or of a name
        that no folder or file can have.
    CorruptDataError
        Depth that is not finite; a picture that cannot be read.
    StorageError
        The folder exists, or the file system refused.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.samples import sample_views
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "wai"
    >>> _ = write_wai(target, sample_views(), dataset="street")
    >>> meta = json.loads((target / "street" / "train_2021_08_22_21_41_24_69" / "scene_meta.json").read_text())
    >>> meta["camera_convention"], [frame["depth"] for frame in meta["frames"]]
    ('opencv', ['depth/641_camera0.exr', 'depth/1000_camera0.exr'])
    """
    names = _scenes(views, dataset)
    with atomic_folder(path, overwrite=overwrite) as folder:
        for place, name in enumerate(names):
            scene = folder / dataset / name
            scene.mkdir(parents=True)
            frames = []
            for view in views.views_of(place):
                frames.append(_frame(scene, views, view))
                tell(1)
            meta = _meta(name, dataset, frames)
            (scene / "scene_meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")
        for split in sorted(set(views.split)):
            listed = folder / "metadata" / split
            listed.mkdir(parents=True)
            mine = [name for name, own in zip(names, views.split, strict=True) if own == split]
            np.save(listed / f"{dataset}_scene_list_{split}.npy", np.array(mine))
    nbytes = sum(item.stat().st_size for item in path.rglob("*") if item.is_file())
    return WriteReport(path, "wai", nbytes, notes=tuple(_notes(views)))


def _write_named(path: Path, views: Views, *, root: Path, tell: Tell = unheard) -> WriteReport:
    """Write views as a data set that is called as what they were read from."""
    return write_wai(path, views, dataset=root.stem if root.is_file() else root.name, tell=tell)


WRITER = Writer("views", _write_named, frozenset({"root", "tell"}), ("wai",))
"""What `lapsdata convert --to wai` writes with."""


def _scenes(views: Views, dataset: str) -> list[str]:
    """Return what each set is called, and refuse what cannot be written."""
    problems = Problems("views")
    if dataset in ("", ".", "..", "metadata") or not _is_name(dataset):
        message = f"expected the name of a folder beside 'metadata', got {dataset!r}"
        problems.add("wrong-name", "dataset", message, "take letters, digits and _")
    for number in np.unique(views.model).tolist():
        kind = views.header.cameras[number].kind
        if kind != "pinhole":
            message = f"expected pinhole cameras, the only ones of WAI without distortion, got {kind}"
            problems.add("wrong-camera", f"camera model {number}", message, "write the views that it was made of")
    lacking = int((~views.present["image"]).sum())
    if lacking:
        problems.add("no-image", "", f"expected a picture of each view, got {lacking} without")
    frames = zip(views.split, views.scenario, views.frame.tolist(), strict=True)
    names = [f"{split}_{scenario}_{frame}" for split, scenario, frame in frames]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        problems.add("scene-twice", "", f"expected each frame of a scenario once, got {twice[0]} again")
    problems.extend(_wrong_names(views, names))
    problems.raise_as(SchemaError)
    return names


def _wrong_names(views: Views, scenes: list[str]) -> Iterator[Problem]:
    """Yield scenes and views whose files would lie elsewhere, or on each other."""
    for name in scenes:
        if not _is_name(name):
            message = f"expected what a folder can be called, got {name!r}"
            yield Problem("wrong-name", "scenario", message, "give splits and scenarios names without / and \\")
    for place, scene in enumerate(scenes):
        frames = [_frame_name(views, view) for view in views.views_of(place)]
        for name in frames:
            if not _is_name(name):
                message = f"expected what a file can be called, got {name!r}"
                yield Problem("wrong-name", scene, message, "give agents and cameras names without / and \\")
        if len(set(frames)) < len(frames):
            twice = next(name for name, count in Counter(frames).items() if count > 1)
            message = f"expected names of agent and camera that differ when they are joined by _, got {twice} again"
            yield Problem("frame-twice", scene, message, "rename one of them")


def _is_name(text: str) -> bool:
    """Whether a file or folder can be called so, with an ending behind it."""
    return not {"/", "\\"} & set(text) and len(text.encode("utf-8", "surrogateescape")) <= _LONGEST_NAME


def _frame_name(views: Views, view: int) -> str:
    return f"{views.agent[view]}_{views.camera[view]}"


def _frame(scene: Path, views: Views, view: int) -> dict[str, Any]:
    import cv2

    name = _frame_name(views, view)
    size, lens = views.camera_model(view).size, views.intrinsics(view)
    paths = {"image": f"images/{name}.png"}
    _write(scene / paths["image"], cv2.imencode(".png", views.read("image", view)[..., ::-1])[1].tobytes())
    if views.present["depth"][view]:
        paths["depth"] = f"depth/{name}.exr"
        _write(scene / paths["depth"], _exr(_depth(views, view)))
    if views.present["non_ambiguous"][view]:
        paths["non_ambiguous"] = f"non_ambiguous/{name}.png"
        mask = views.read("non_ambiguous", view).view(np.uint8) * np.uint8(255)
        _write(scene / paths["non_ambiguous"], cv2.imencode(".png", mask)[1].tobytes())
    return {
        "frame_name": name,
        "file_path": paths["image"],
        **paths,
        "transform_matrix": views.cam2world[view].tolist(),
        "h": size.height,
        "w": size.width,
        **{key: float(lens[place]) for key, place in _LENS.items()},
    }


_LENS = {"fl_x": (0, 0), "fl_y": (1, 1), "cx": (0, 2), "cy": (1, 2)}


def _depth(views: Views, view: int) -> NDArray[np.float32]:
    """Return depth along the axis, 0 where it is not valid: WAI has no mask that says so."""
    model, depth = views.camera_model(view), views.read("depth", view)
    if not np.isfinite(depth).all():
        message = f"expected finite depth, got {int((~np.isfinite(depth)).sum())} pixels of NaN or infinity"
        raise CorruptDataError(Problem("not-finite", views.pixels.told("depth", view), message))
    if model.depth == "ray" and model.lens is not None:
        depth = convert_depth(depth, lens_camera(model, model.lens), source="ray", target="z")
    if views.present["valid"][view]:
        depth = np.where(views.read("valid", view) | (depth < 0), depth, np.float32(0))
    found: NDArray[np.float32] = np.ascontiguousarray(depth, np.float32)
    return found


def _exr(depth: NDArray[np.float32]) -> bytes:
    """Return depth as the bytes of an OpenEXR file with one channel of float32, in which nothing is rounded."""
    import av

    encoder: Any = av.codec.Codec("exr", "w").create("video")
    encoder.height, encoder.width = depth.shape
    encoder.pix_fmt, encoder.time_base = "grayf32le", Fraction(1, 25)
    encoder.options = {"compression": "zip16", "format": "float"}
    frame = av.VideoFrame.from_ndarray(depth, format="grayf32le")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def _meta(name: str, dataset: str, frames: list[dict[str, Any]]) -> dict[str, Any]:
    formats = {"image": "image", "depth": "depth", "non_ambiguous": "binary"}
    present = [key for key in formats if any(key in frame for frame in frames)]
    return {
        "scene_name": name,
        "dataset_name": dataset,
        "version": _VERSION,
        "shared_intrinsics": False,
        "camera_model": "PINHOLE",
        "camera_convention": "opencv",
        "scale_type": "metric",
        "scene_modalities": {},
        "frames": frames,
        "frame_modalities": {key: {"frame_key": key, "format": formats[key]} for key in present},
    }


def _notes(views: Views) -> list[Problem]:
    found = []
    invalid, covered = (int(views.present[layer].sum()) for layer in ("valid", "covered"))
    if invalid:
        message = f"WAI has no mask of what is valid: depth of {invalid} views is 0 where theirs denies it"
        found.append(Problem("valid-in-depth", "valid", message, severity="info"))
    if covered:
        message = f"WAI has no mask of what is covered: that of {covered} views is left out"
        found.append(Problem("left-out", "covered", message, severity="warning"))
    message = "WAI has no times, and no rule of which agents sets have: scenes are named by split, scenario and frame"
    found.append(Problem("no-times", "scenes", message, severity="info"))
    message = "MapAnything chooses views by how much they see of each other, which is not computed here"
    fix = "run its stage `covisibility` on the folder"
    return [*found, Problem("no-covisibility", "scenes", message, fix, "info")]
