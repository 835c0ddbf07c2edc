"""Views of any kind for a report: which sets of a root, and where a prediction has the same views."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.containers import Views
from lapsdata.errors import Problem, SchemaError, UnknownFormatError, listed
from lapsdata.formats import recognise, views_hdf5
from lapsdata.formats._views_folder import open_views_folder
from lapsdata.provenance import parent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.schema.base import Parent

    _Key = tuple[str, int, str, str]

__all__ = ["NO_VIEW", "OpenedViews", "chosen_sets", "match_views", "open_views"]

NO_VIEW = -1
"""In the place of a view that the other side has not."""


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
    from lapsdata.adapters import find_adapter, read_adapted
    from lapsdata.storage.atomic import existing

    existing(path)
    found = find_adapter(path, {"views"}) if path.is_dir() else None
    if found is not None:
        told = {"split": split, "depth_root": depth_root, "agents": agents}
        adapted = read_adapted(found[0], path, told)
        if isinstance(adapted.container, Views):
            _refuse_flat_depth(adapted.container, path)
            return OpenedViews(adapted.container, adapted.container.header.provenance.parents, adapted.told(path))
    ours = open_views_folder(path) if path.is_dir() else None
    if path.is_dir() and ours is None:
        message = "expected a file or a folder of files of views, or a root such as OPV2V's, got another folder"
        raise UnknownFormatError(Problem("not-views", str(path), message, f"see: lapsdata inspect {path}"))
    wrong = [name for name, value in (("depth_root", depth_root), ("agents", agents)) if value is not None]
    if wrong:
        message = f"expected nothing to be said beside views of ours, got {' and '.join(wrong)}"
        fix = "leave it out: its depth and agents were settled when it was made"
        raise SchemaError(Problem("wrong-option", str(path), message, fix))
    views = _one_file(path) if ours is None else ours.views
    _refuse_flat_depth(views, path)
    files, notes = ((path,), ()) if ours is None else (ours.files, ours.notes)
    return OpenedViews(views, tuple(parent(role, file) for file in files), notes)


def _one_file(path: Path) -> Views:
    """Open a file: of sets that nobody asks for no pixel is read."""
    plugin = recognise(path)
    if plugin.record != "views":
        message = f"expected views, got {plugin.record}"
        raise UnknownFormatError(Problem("wrong-record", str(path), message, "name a file with views"))
    return views_hdf5.open_views(path)


def _refuse_flat_depth(views: Views, path: Path) -> None:
    """Refuse depth along the axis of cameras that look around: of most of their pixels it says no place."""
    for number, model in enumerate(views.header.cameras):
        if model.kind != "pinhole" and model.depth == "z" and views.present["depth"][views.model == number].any():
            message = f"expected depth along the ray of a camera that is {model.kind}, got depth along its axis"
            fix = "write the length of the ray, and depth='ray' in its camera model"
            raise SchemaError(Problem("depth-kind", f"{path}: cameras[{number}]", message, fix))


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
    same = {split, *({"val", "validate"} if split in {"val", "validate"} else ())}
    places = [place for place, name in enumerate(views.split) if split is None or name in same]
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
