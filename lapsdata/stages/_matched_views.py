"""Views of any kind for a report: which sets of a root, and where a prediction has the same views."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.adapters import expect_views
from lapsdata.containers.model_cameras import flat_depth
from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.provenance import parent
from lapsdata.schema.split_names import find_split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.containers import Views
    from lapsdata.schema import CameraModel
    from lapsdata.schema.base import Parent
    from lapsdata.schema.views import PinholeLens

    _Key = tuple[str, int, str, str]

__all__ = ["NO_VIEW", "CameraGap", "OpenedViews", "camera_gap", "chosen_sets", "match_views", "open_views"]

NO_VIEW = -1
"""In the place of a view that the other side has not."""

_SAME = 1e-6
# Models that say their own lens are off by a few hundredths; their pixels are still those of the same picture.
_SLIGHT = 0.05


class OpenedViews(NamedTuple):
    """Views, what they were read from, and what was told of it.

    Parameters
    ----------
    views : Views
    parents : tuple of Parent
    notes : tuple of Problem
    """

    views: Views
    parents: tuple[Parent, ...]
    notes: tuple[Problem, ...]


def open_views(
    path: Path,
    role: str,
    *,
    split: str | None = None,
    depth_root: Path | None = None,
    agents: str | None = None,
) -> OpenedViews:
    """Open views: a file of ours or a folder of them, or what an adapter knows; no pixel is read.

    Parameters
    ----------
    path : Path
    role : str
        What they are read as, for provenance.
    split : str, optional
        That one alone, of files of others; of ours `chosen_sets` has it.
    depth_root : Path, optional
        Where depth lies, of files of others.
    agents : str, optional
        Which agents sets are made of, of files of others.

    Raises
    ------
    UnknownFormatError
        They are none (`not-views`).
    SchemaError
        Options that mean nothing to a file of ours (`wrong-option`), depth along the axis of a panorama (`depth-kind`),
        and what the adapter refuses.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_views
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "views.h5"
    >>> _ = write(path, sample_views())
    >>> len(open_views(path, "truth").views)
    3
    """
    found = expect_views(path, split=split, depth_root=depth_root, agents=agents)
    flat_depth(found.views, str(path)).raise_as(SchemaError)
    parents = tuple(parent(role, file) for file in found.files) or found.views.header.provenance.parents
    return OpenedViews(found.views, parents, found.notes)


def chosen_sets(views: Views, split: str | None, indexes: Sequence[int], where: str) -> Views:
    """Return some sets of a split, or of all.

    Parameters
    ----------
    views : Views
    split : str, optional
        `val` and `validate` are one.
    indexes : sequence of int
        Their places among the sets of that split, from 0.
    where : str
        What they are of, for messages.

    Raises
    ------
    SchemaError
        No such split (`unknown-split`) or set (`unknown-set`), or one asked for twice.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> chosen_sets(sample_views(), "val", [0], "views.h5").scenario
    ('2021_09_09_13_20_58',)
    """
    wanted = None if split is None else find_split(split, views.split)
    places = [place for place, name in enumerate(views.split) if split is None or name == wanted]
    if not places:
        message = f"expected one of the splits {listed(sorted(set(views.split)))}, got '{split}'"
        raise SchemaError(Problem("unknown-split", where, message))
    strange = [index for index in indexes if not 0 <= index < len(places)]
    if strange or len(set(indexes)) < len(indexes):
        got = f"{strange[0]}" if strange else "one of them twice"
        message = f"expected sets 0 to {len(places) - 1}, each once, got {got}"
        raise SchemaError(Problem("unknown-set", where, message))
    return views.take([places[index] for index in indexes])


def match_views(truth: Views, prediction: Views, where: str) -> NDArray[np.int64]:
    """Return which view of a prediction each view of the truth is: int64 (V,), `NO_VIEW` where it has none.

    Views meet by scenario, frame, agent and camera, wherever they stand; the name of a split is no part of it.

    Parameters
    ----------
    truth, prediction : Views
    where : str
        The prediction, for messages.

    Raises
    ------
    SchemaError
        The prediction has a view twice (`view-twice`): none of both is the one that is meant; or it has none of them
        (`nothing-matched`): it is one of something else, or other names are used.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> match_views(sample_views(), sample_views().take([1]), "predicted.h5").tolist()
    [-1, -1, 0]
    """
    known: dict[_Key, int] = {}
    for view, key in enumerate(_keys(prediction)):
        if key in known:
            told = "scenario {}, frame {}, agent {}, {}".format(*key)
            message = f"expected each view once, got {told} again"
            raise SchemaError(Problem("view-twice", where, message, "write each view into one set"))
        known[key] = view
    wanted = _keys(truth)
    at = np.array([known.get(key, NO_VIEW) for key in wanted], np.int64)
    if (at == NO_VIEW).all():
        raise SchemaError(_nothing_matched(wanted, list(known), where))
    return at


class CameraGap(NamedTuple):
    """How a predicted camera differs from the true one; see `camera_gap`.

    Parameters
    ----------
    comparable : bool
        Whether a pixel of one still is that pixel of the other.
    told : str
        What differs, with both numbers.
    """

    comparable: bool
    told: str


def camera_gap(true: CameraModel, found: CameraModel) -> CameraGap | None:
    """Return how cameras differ in where their pixels look; None where they do not.

    Pixels are those of one picture where the lens alone differs, and that by at most 5 %: models that say a lens of
    their own never meet the true one exactly.

    Parameters
    ----------
    true, found : CameraModel

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> true = sample_views().camera_model(0)
    >>> far = true.lens.model_copy(update={"focal_px": (4.0, 4.0)})
    >>> camera_gap(true, true.model_copy(update={"lens": far})).told
    'focal length 4 x 4 px, not 2 x 2 px: 2 times'
    """
    if true.kind != found.kind:
        return CameraGap(False, f"{found.kind}, not {true.kind}")
    if true.size != found.size:
        sizes = [f"{one.size.width} x {one.size.height}" for one in (found, true)]
        return CameraGap(False, f"{sizes[0]} px, not {sizes[1]} px")
    if true.lens is not None and found.lens is not None:
        return _lens_gap(true.lens, found.lens, (true.size.width, true.size.height))
    if true.angles is None or found.angles is None:
        raise TypeError("a checked camera model has a lens or angles")
    every = [(name, getattr(true.angles, name), getattr(found.angles, name)) for name in type(true.angles).model_fields]
    told = [f"{name} {have:g}, not {want:g}" for name, want, have in every if not _same(want, have)]
    return CameraGap(False, ", ".join(told)) if told else None


def _lens_gap(true: PinholeLens, found: PinholeLens, size: tuple[int, int]) -> CameraGap | None:
    pairs = list(zip(true.focal_px, found.focal_px, strict=True))
    ratios = [have / want for want, have in pairs]
    moved = [have - want for want, have in zip(true.centre_px, found.centre_px, strict=True)]
    told = []
    if not all(_same(want, have) for want, have in pairs):
        (x, y), (mine_x, mine_y) = found.focal_px, true.focal_px
        times = " x ".join(dict.fromkeys(f"{ratio:.6g}" for ratio in ratios))
        told.append(f"focal length {x:g} x {y:g} px, not {mine_x:g} x {mine_y:g} px: {times} times")
    if any(abs(off) > _SAME * side for off, side in zip(moved, size, strict=True)):
        told.append(f"centre {moved[0]:+.4g}, {moved[1]:+.4g} px off")
    slight = all(1 / (1 + _SLIGHT) <= ratio <= 1 + _SLIGHT for ratio in ratios)
    slight = slight and all(abs(off) <= _SLIGHT * side for off, side in zip(moved, size, strict=True))
    return CameraGap(slight, ", ".join(told)) if told else None


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_SAME, abs_tol=_SAME)


_NAMES = ("scenario", "frame", "agent", "camera")


def _nothing_matched(wanted: Sequence[_Key], got: Sequence[_Key], where: str) -> Problem:
    """Say what names were expected and which ones there are, and which of the four never agree."""
    told = [
        ", ".join(f"{name} {value!r}" for name, value in zip(_NAMES, key, strict=True)) for key in (wanted[0], got[0])
    ]
    message = f"expected some of {len(wanted)} views, as {told[0]}; got none of them among {len(got)}, as {told[1]}"
    for place, name in enumerate(_NAMES):
        mine, theirs = (list(dict.fromkeys(str(key[place]) for key in keys)) for keys in (wanted, got))
        if not set(mine) & set(theirs):
            message += f"; no {name} is in both: expected {listed(mine)}, got {listed(theirs)}"
    fix = "predict the same sets (--split, --index), and name them in the prediction as they are named in the truth"
    return Problem("nothing-matched", where, message, fix)


def _keys(views: Views) -> list[_Key]:
    frames = views.frame.tolist()
    return [
        (views.scenario[place], frames[place], agent, camera)
        for place, agent, camera in zip(views.set_of.tolist(), views.agent, views.camera, strict=True)
    ]
