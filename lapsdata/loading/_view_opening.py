"""From files of views to sets that can be loaded: what is left out, by which policy, and where predictions stand."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters import expect_views
from lapsdata.containers import Views
from lapsdata.containers.model_cameras import flat_depth
from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.loading._view_pixels import ViewPixels, expect_same_size
from lapsdata.schema.split_names import find_split, usual_split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from lapsdata.geometry import FrameSize
    from lapsdata.loading._view_options import ViewOptions

    Given = Views | str | PathLike[str]

__all__ = ["OpenedSets", "opened_sets"]

_WHERE = "open_view_sets"


class OpenedSets(NamedTuple):
    """Sets of views of one or several containers.

    Parameters
    ----------
    pixels : tuple of ViewPixels
        By container.
    predictions : tuple of ViewPixels or None
    matched : tuple of int64 (V,)
        For the views of each container, their numbers in its predictions; empty without predictions.
    source : int64 (S,)
        Container of each set.
    place : int64 (S,)
        Its place there.
    view : int64 (N,)
        Views that may be taken, set after set.
    first : int64 (S + 1,)
        Where the views of each set begin in `view`.
    size : FrameSize
    notes : tuple of Problem
    """

    pixels: tuple[ViewPixels, ...]
    predictions: tuple[ViewPixels, ...] | None
    matched: tuple[NDArray[np.int64], ...]
    source: NDArray[np.int64]
    place: NDArray[np.int64]
    view: NDArray[np.int64]
    first: NDArray[np.int64]
    size: FrameSize
    notes: tuple[Problem, ...]

    @property
    def places(self) -> list[tuple[Views, int]]:
        """The container of each set, and its place there."""
        both = zip(self.source.tolist(), self.place.tolist(), strict=True)
        return [(self.pixels[source].views, place) for source, place in both]


def opened_sets(given: Given | Sequence[Given], predictions: Given | None, options: ViewOptions) -> OpenedSets:
    """Open views and choose sets.

    Raises
    ------
    SchemaError
        No set is left; no such split; sets without pictures, depth, predictions or views enough, where that is an
        error; views of several sizes.
    LapsError
        Something cannot be read.
    """
    sources = [given] if isinstance(given, (Views, str, PathLike)) else given
    opened, fixes, notes = _opened(sources, "views", options.split, options.told)
    predicted, _, more = _opened([] if predictions is None else [predictions], "predictions", None, {})
    notes += more
    chosen = [_Chosen(pixels.views, pixels.where, fix, options) for pixels, fix in zip(opened, fixes, strict=True)]
    matched: list[NDArray[np.int64]] = []
    for one in chosen:
        one.narrow(notes)
        one.drop_without("image", "error", notes)
        one.drop_without("depth", options.missing_depth, notes)
    if predicted:
        keys = _keys(predicted[0])
        for one in chosen:
            found = np.array([keys.get(key, -1) for key in _named(one.views)], np.int64)
            matched.append(found)
            one.drop(found < 0, "no-prediction", "a prediction", options.missing_predictions, "missing_predictions",
                     notes)  # fmt: skip
        notes += _left_over(predicted[0], matched)
    for one in chosen:
        one.drop_few(notes)
    return _together(opened, predicted, matched, chosen, notes)


def _opened(
    given: Iterable[Given], called: str, split: str | None, told: dict[str, Any]
) -> tuple[list[ViewPixels], list[str], list[Problem]]:
    """Return containers, what can be done where each lacks depth, and notes."""
    found, fixes, notes = [], list[str](), list[Problem]()
    for one in given:
        if isinstance(one, Views):
            if told:
                message = f"expected nothing to be said of views that are open, got {' and '.join(told)}"
                raise SchemaError(Problem("wrong-option", called, message, "give the path of their root"))
            views, where = one, called
            fixes.append("")
        else:
            opened = expect_views(Path(one), split=split, **told)
            views, where = opened.views, Path(one).name
            notes += opened.notes
            if told:
                words = ", ".join(f"{name}={value}" for name, value in told.items())
                notes.append(Problem("told", where, f"read with {words}", None, "info"))
            fixes.append(_depth_fix(Path(one), opened.takes, told))
        flat_depth(views, where).raise_as(SchemaError)
        found.append(ViewPixels(views, where))
    return found, fixes, notes


def _depth_fix(path: Path, takes: frozenset[str], told: dict[str, Any]) -> str:
    """Return what can be done where views of a file have no depth."""
    made = f"`lapsdata convert {path} DEPTH --depth-from-lidar` makes it of point clouds"
    if "depth_root" not in takes:
        return "convert the views again, with --depth-root; "
    if "depth_root" not in told:
        return f"say in which root it lies, as `depth_root`; {made}; "
    return f"it is not in {told['depth_root']}: {made}; "


def _named(views: Views) -> Iterator[tuple[str, str, int, str, str]]:
    """Yield what each view is known by."""
    for view, place in enumerate(views.set_of.tolist()):
        frame = int(views.frame[place])
        yield usual_split(views.split[place]), views.scenario[place], frame, views.agent[view], views.camera[view]


def _keys(predicted: ViewPixels) -> dict[tuple[str, str, int, str, str], int]:
    keys: dict[tuple[str, str, int, str, str], int] = {}
    for view, key in enumerate(_named(predicted.views)):
        if key in keys:
            message = f"expected one prediction of each view, got a second one of {key}"
            raise SchemaError(Problem("prediction-twice", predicted.where, message))
        keys[key] = view
    return keys


def _left_over(predicted: ViewPixels, matched: Sequence[NDArray[np.int64]]) -> list[Problem]:
    used = np.unique(np.concatenate(matched))
    unused = len(predicted.views) - int((used >= 0).sum())
    if not unused:
        return []
    message = f"{unused} of {len(predicted.views)} predicted views are none of the truth"
    return [Problem("other-predictions", predicted.where, message, severity="warning")]


class _Chosen:
    """Which sets and views of a container are left."""

    def __init__(self, views: Views, where: str, depth_fix: str, options: ViewOptions) -> None:
        self.views, self.where, self._depth_fix, self._options = views, where, depth_fix, options
        self.sets = np.ones(views.sets, bool)
        self.usable = np.ones(len(views), bool)

    def narrow(self, notes: list[Problem]) -> None:
        """Keep those that are asked for by name."""
        options = self._options
        if options.split is not None:
            there = sorted(set(self.views.split))
            split = find_split(options.split, there)
            if split is None:
                message = f"expected one of the splits {listed(there, 9)}, got {options.split!r}"
                raise SchemaError(Problem("unknown-split", self.where, message, "name one of them as `split`"))
            self.sets &= np.array(self.views.split) == split
        if options.cameras is not None:
            self.usable &= np.isin(np.array(self.views.camera), options.cameras)
            self._tell_cameras(options.cameras, notes)

    def _tell_cameras(self, cameras: Sequence[str], notes: list[Problem]) -> None:
        """Say which cameras are not there, and which are; refuse where none is and sets may not be left out."""
        there = sorted({self.views.camera[view] for view in np.flatnonzero(self.sets[self.views.set_of])})
        strange = [name for name in cameras if name not in there]
        if there and strange:
            message = f"expected cameras that are there, {listed(there, most=12)}, got {listed(strange)}"
            problem = Problem("unknown-camera", self.where, message, "name those: cameras=[...]")
            if len(strange) == len(cameras) and self._options.too_few == "error":
                raise SchemaError(problem)
            notes.append(replace(problem, severity="warning"))

    def drop_without(self, layer: str, policy: str, notes: list[Problem]) -> None:
        """Do what a policy says about sets with views that lack a layer."""
        if policy == "empty":
            lacking = int((~self.views.present[layer] & self.usable & self.sets[self.views.set_of]).sum())
            if lacking:
                message = f"{lacking} views have no {layer}: it is 0 everywhere, and nothing is valid"
                notes.append(Problem(f"no-{layer}", self.where, message, None, "info"))
        else:
            option = None if layer == "image" else "missing_depth"
            self.drop(~self.views.present[layer], f"no-{layer}", layer, policy, option, notes)

    def drop(
        self, lacking: NDArray[np.bool_], code: str, what: str, policy: str, option: str | None, notes: list[Problem]
    ) -> None:
        """Leave out sets with views that lack something, or refuse them."""
        of_sets = np.bincount(self.views.set_of[lacking & self.usable], minlength=self.views.sets) > 0
        message = f"{int((of_sets & self.sets).sum())} of {int(self.sets.sum())} sets have views without {what}"
        fix = f"{option}='leave_out' leaves them out" if option else "choose cameras that have it: cameras=[...]"
        fix = self._depth_fix + fix if what == "depth" else fix
        self._leave_out(of_sets, code, message, policy, fix, notes)

    def drop_few(self, notes: list[Problem]) -> None:
        """Do what the policy says about sets with too few views."""
        counts, policy = self._options.counts, self._options.too_few
        least = counts[0] if policy == "fewer" else counts[-1]
        has = np.bincount(self.views.set_of[self.usable], minlength=self.views.sets)
        few = self.sets & (has < least)
        message = f"{int(few.sum())} of {int(self.sets.sum())} sets have fewer than {least} views"
        if policy == "fewer":
            short = int((self.sets & (has >= least) & (has < counts[-1])).sum())
            if short:
                told = f"{short} of {int(self.sets.sum())} sets have fewer than {counts[-1]} views: they give fewer"
                notes.append(Problem("fewer-views", self.where, told, None, "info"))
            policy = "leave_out"
        fix = "too_few='leave_out' leaves them out, 'fewer' takes of each set as many as it has"
        self._leave_out(few, "too-few-views", message, policy, fix, notes)

    def _leave_out(
        self, wrong: NDArray[np.bool_], code: str, message: str, policy: str, fix: str, notes: list[Problem]
    ) -> None:
        wrong = wrong & self.sets
        if not wrong.any():
            return
        place = int(np.flatnonzero(wrong)[0])
        first = f"{self.views.split[place]}/{self.views.scenario[place]}, frame {int(self.views.frame[place])}"
        if policy == "error":
            raise SchemaError(Problem(code, self.where, f"{message}, the first {first}", fix))
        notes.append(Problem(code, self.where, f"{message}, the first {first}: they are left out", None, "info"))
        self.sets &= ~wrong


def _together(
    opened: Sequence[ViewPixels],
    predicted: Sequence[ViewPixels],
    matched: Sequence[NDArray[np.int64]],
    chosen: Sequence[_Chosen],
    notes: Sequence[Problem],
) -> OpenedSets:
    source, place, view, count = [], [], [], []
    sizes: list[tuple[str, FrameSize]] = []
    for number, one in enumerate(chosen):
        places = np.flatnonzero(one.sets)
        kept = one.usable & one.sets[one.views.set_of]
        source.append(np.full(len(places), number))
        place.append(places)
        view.append(np.flatnonzero(kept))
        count.append(np.bincount(one.views.set_of[kept], minlength=one.views.sets)[places])
        sizes += _sizes(one.views, kept, one.where)
        if predicted:
            of_them = np.zeros(len(predicted[0].views), bool)
            of_them[matched[number][kept]] = True
            sizes += _sizes(predicted[0].views, of_them, predicted[0].where)
            _expect_depth(predicted[0], of_them)
    if not sum(map(len, place)):
        told = [str(note) for note in notes]
        message = "expected at least one set, got none" + (f": {'; '.join(told)}" if told else "")
        raise SchemaError(Problem("no-sets", _WHERE, message, "see what is asked for: split, cameras, views"))
    return OpenedSets(
        tuple(opened),
        tuple(predicted) or None,
        tuple(matched),
        np.concatenate(source).astype(np.int64),
        np.concatenate(place).astype(np.int64),
        np.concatenate(view).astype(np.int64),
        np.concatenate([[0], np.cumsum(np.concatenate(count))]).astype(np.int64),
        expect_same_size(sizes),
        tuple(notes),
    )


def _sizes(views: Views, kept: NDArray[np.bool_], where: str) -> list[tuple[str, FrameSize]]:
    return [
        (f"{where}: camera model {number}", views.header.cameras[number].size.frame)
        for number in np.unique(views.model[kept]).tolist()
    ]


def _expect_depth(predicted: ViewPixels, kept: NDArray[np.bool_]) -> None:
    lacking = int((kept & ~predicted.views.present["depth"]).sum())
    if lacking:
        message = f"expected depth of every predicted view, got {lacking} of {int(kept.sum())} without"
        raise SchemaError(Problem("no-depth", predicted.where, message, "store the predicted depth with the poses"))
