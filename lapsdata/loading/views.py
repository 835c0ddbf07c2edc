"""Sets of views, by number, as MapAnything takes them: pictures, depth, masks, cameras and poses.

There is one way from files to a sample, whoever asks: a training in batches, a validation, or an inference of one set.
How many views a sample has, and which, depends on seed, epoch and set alone. A set that cannot give them is left out
when the data set is opened, and counted; no other one takes its place.
"""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.containers.shared_sets import shared_sets
from lapsdata.errors import Problem, SchemaError, warn, whole_number
from lapsdata.loading._selection import check_ids
from lapsdata.loading._view_draws import Group, ViewDraws, shared_out
from lapsdata.loading._view_opening import opened_sets
from lapsdata.loading._view_options import ViewOptions
from lapsdata.loading._view_pixels import field_specs, sample_depth_kind
from lapsdata.loading.permutation import Permutation
from lapsdata.loading.source import BatchSpec
from lapsdata.loading.view_batches import ViewSum, checked_epoch
from lapsdata.schema.base import canonical_json
from lapsdata.storage.ids import checked_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from lapsdata.containers import Views
    from lapsdata.loading._view_opening import OpenedSets
    from lapsdata.loading._view_options import MissingDepth, MissingPredictions, Pick, PoseFrame, TooFew

__all__ = ["ViewDataset", "ViewSet", "open_view_sets"]

_PREDICTED = "pred_"


class ViewSet(NamedTuple):
    """Where one set comes from.

    Parameters
    ----------
    id : int
    split, scenario : str
    frame : int
        Its number, as its source has it.
    agent, camera : tuple of str
        Of each view that may be taken.

    Examples
    --------
    >>> ViewSet(3, "train", "2021_08_22_21_41_24", 69, ("641", "650"), ("camera0", "camera0")).agent[0]
    '641'
    """

    id: int
    split: str
    scenario: str
    frame: int
    agent: tuple[str, ...]
    camera: tuple[str, ...]


class ViewDataset(ViewSum):
    """Sets of views, by number; made by `open_view_sets`.

    `sets[i]` is a sample: a list of views, each a dictionary in the conventions of MapAnything:

    - `img` uint8 (H, W, 3), RGB.
    - `depthmap` float32 (H, W), metres: along the axis of a pinhole camera, along the rays of a panorama, as
      `depth_kind` ("z" or "ray") says; 0 where there is none, below 0 where it is ambiguous (the sky).
    - `valid_mask` bool: has depth above 0, and its source does not deny it. `non_ambiguous_mask` bool: as the source
      says, else where depth is not below 0.
    - `camera_pose` float32 (4, 4): cam2world in OpenCV's axes, metres. `camera_intrinsics` float32 (3, 3), where the
      centre of the first pixel is (0, 0); for panoramas, as `camera_model` says, pixels per radian in place of the
      focal length: no pinhole is meant.
    - `pred_depthmap`, `pred_valid_mask`, `pred_non_ambiguous_mask`, `pred_camera_pose`, `pred_camera_intrinsics`: the
      same of the prediction, where there is one.
    - `dataset`, `label` (scenario/agent), `instance` (frame_camera), `camera_model`, `depth_kind` texts; `idx` (set, 0,
      view) and `true_shape` int32 (2,), height and width; `is_metric_scale`.

    Arrays are float32, int32, uint8 or bool, and finite. `batches` makes a source for a `Loader`. `n @ sets`, `k *
    sets` and `a + b` are longer, shorter and joined data sets; see `ViewSum`. Safe to use from threads, after a fork,
    and to send to other processes.

    Attributes
    ----------
    epoch : int
        Of which views are drawn where nobody says another one.
    notes : tuple of str
        What was left out or allowed.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> sets = open_view_sets(sample_views(), views=2, split="train")
    >>> sample = sets[0]
    >>> len(sets), [(view["label"], view["instance"]) for view in sample]
    (1, [('2021_08_22_21_41_24/641', '69_camera0'), ('2021_08_22_21_41_24/1000', '69_camera0')])
    >>> sample[0]["depthmap"].dtype, sample[0]["valid_mask"][0].tolist()
    (dtype('float32'), [False, True, True, True])
    """

    def __init__(self, opened: OpenedSets, options: ViewOptions) -> None:
        self._opened, self._options = opened, options
        self._has = np.diff(opened.first)
        self.notes = tuple(str(note) for note in opened.notes)
        self.epoch = 0
        self._draws: ViewDraws | None = None
        super().__init__(((self, len(opened.place)),))

    def __repr__(self) -> str:
        views = " or ".join(map(str, self._options.counts))
        return f"ViewDataset({len(self)} sets of {views} views of {self._opened.size})"

    @property
    def counts(self) -> tuple[int, ...]:
        """How many views a sample may have, the fewest first."""
        return self._options.counts

    @property
    def seed(self) -> int:
        """What draws depend on."""
        return self._options.seed

    @property
    def spec(self) -> BatchSpec:
        """The arrays of one view."""
        own = field_specs(self._opened.size)
        if self._opened.predictions is None:
            return BatchSpec(own)
        predicted = field_specs(self._opened.size, images=False)
        return BatchSpec(own | {_PREDICTED + name: field for name, field in predicted.items()})

    @property
    def fingerprint(self) -> str:
        """What tells these sets from others: 16 hex digits of names, poses, cameras and options, not of pixels."""
        opened, options = self._opened, self._options
        told: dict[str, Any] = {
            "options": [*options.counts, options.seed, options.pick, options.pose_frame],
            "spec": repr(self.spec),
            "cameras": [[model.as_json() for model in one.views.header.cameras] for one in opened.pixels],
        }
        digest = hashlib.sha256(canonical_json(told))
        for number in range(len(self._has)):
            digest.update(repr(self.locate(number)[1:]).encode())
        for one in opened.pixels:
            digest.update(one.views.present["depth"].tobytes())
        for array in (opened.first, *(one.views.cam2world for one in opened.pixels)):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    def groups(self, part: int, size: int) -> list[Group]:
        """Return sets by the numbers of views that they can give; sizes are shared out as they are many."""
        counts = np.array(self.counts)
        able = np.searchsorted(counts, self._has, "right")
        kinds = np.unique(able).tolist()
        members = [np.flatnonzero(able == kind) for kind in kinds]
        sizes = shared_out(size, [len(of) for of in members])
        return [Group(part, self.counts[:kind], of, many) for kind, of, many in zip(kinds, members, sizes, strict=True)]

    def at_epoch(self, epoch: int) -> ViewDataset:
        """Return the same sets with the draws of an epoch; nothing is copied.

        Raises
        ------
        SchemaError
            A number below 0.
        """
        other = copy.copy(self)
        other.epoch = checked_epoch(epoch)
        other.parts = ((other, len(other)),)
        return other

    def locate(self, id: int) -> ViewSet:
        """Say where a set comes from.

        Raises
        ------
        IndexError
            No such set.
        """
        number = self._number(id)
        views, place = self._of(number)
        taken = self._taken(number)
        return ViewSet(
            number,
            views.split[place],
            views.scenario[place],
            int(views.frame[place]),
            tuple(views.agent[view] for view in taken),
            tuple(views.camera[view] for view in taken),
        )

    def find(self, scenario: str, frame: int) -> int:
        """Return the number of a set.

        Raises
        ------
        SchemaError
            There is none, or there are several.
        """
        opened = self._opened
        found = [
            number
            for number, (source, place) in enumerate(zip(opened.source.tolist(), opened.place.tolist(), strict=True))
            if opened.pixels[source].views.scenario[place] == scenario
            and int(opened.pixels[source].views.frame[place]) == frame
        ]
        if len(found) != 1:
            message = f"expected one set of frame {frame} of {scenario!r}, got {len(found)}"
            raise SchemaError(Problem("unknown-set", "views", message, "see locate(number) of each"))
        return found[0]

    def shared_with(self, other: ViewDataset) -> list[tuple[int, int]]:
        """Return which sets are also in another data set, by their numbers in both.

        A set is the same where it has a view of the same scenario, frame, agent, camera and pose, in whatever file and
        split: of those that its source has, whichever cameras are taken. No picture is read.

        Parameters
        ----------
        other : ViewDataset

        Examples
        --------
        >>> from lapsdata.testing.samples import sample_views
        >>> every = open_view_sets(sample_views(), views=1, missing_depth="empty")
        >>> open_view_sets(sample_views(), views=1, split="val", missing_depth="empty").shared_with(every)
        [(0, 1)]
        """
        return shared_sets(self._opened.places, other._opened.places)

    def _number(self, id: int) -> int:
        ids = np.array([checked_id(id)])
        check_ids(ids, len(self._has))
        return int(ids[0])

    def _of(self, number: int) -> tuple[Views, int]:
        opened = self._opened
        return opened.pixels[int(opened.source[number])].views, int(opened.place[number])

    def _taken(self, number: int) -> list[int]:
        first = self._opened.first
        found: list[int] = self._opened.view[first[number] : first[number + 1]].tolist()
        return found

    def drawn(self, id: int, count: int, turn: int) -> list[int]:
        """Return which views of its container a sample has: the first one of its set, and drawn ones, in their order.

        Parameters
        ----------
        id : int
        count : int
            How many.
        turn : int
            The epoch, or how often the set has come before.
        """
        taken = self._taken(id)
        if self._options.pick == "first" or count == len(taken):
            return taken[:count]
        views, place = self._of(id)
        # By the name of the set: it gives the same views in whatever selection of sets it stands.
        words = (self.seed, "views", views.split[place], views.scenario[place], int(views.frame[place]), turn)
        others = Permutation(len(taken) - 1, *words)(np.arange(count - 1)) + 1
        return [taken[0], *(taken[other] for other in sorted(others.tolist()))]

    def put(self, id: int, views: Sequence[int], out: Mapping[str, NDArray[Any]], rows: Sequence[int]) -> None:
        """Fill arrays with views of a set; every sample and every batch is made here.

        Parameters
        ----------
        id : int
        views : sequence of int
            As `drawn` returns them.
        out : mapping of np.ndarray (M, ...)
            Some of `spec`.
        rows : sequence of int
            Where each view goes.
        """
        opened, frame = self._opened, self._options.pose_frame
        source = int(opened.source[id])
        own = {name: values for name, values in out.items() if not name.startswith(_PREDICTED)}
        opened.pixels[source].put(views, own, rows, frame)
        if opened.predictions is not None:
            theirs = {name.removeprefix(_PREDICTED): out[name] for name in out.keys() - own.keys()}
            opened.predictions[0].put(opened.matched[source][list(views)].tolist(), theirs, rows, frame)

    def told(self, id: int, view: int) -> dict[str, str]:
        """Return what a view is called: `dataset`, `label`, `instance`, `camera_model` and `depth_kind`."""
        views, place = self._of(id)
        model = views.camera_model(view)
        return {
            "dataset": self._options.dataset,
            "label": f"{views.scenario[place]}/{views.agent[view]}",
            "instance": f"{int(views.frame[place])}_{views.camera[view]}",
            "camera_model": model.kind,
            "depth_kind": sample_depth_kind(model),
        }

    def sample(self, id: int, *, views: int | None = None, epoch: int | None = None) -> list[dict[str, Any]]:
        """Return one set as a list of views.

        Parameters
        ----------
        id : int
        views : int, optional
            How many; by default the only number there is, or the one of several that seed, epoch and `id` draw.
        epoch : int, optional
            Of which views are drawn; `epoch` by default.

        Raises
        ------
        IndexError
            No such set.
        SchemaError
            The set has not so many views (`too-few-views`).
        CorruptDataError, StorageError
            A picture or depth is not what it should be.
        """
        number, turn = self._number(id), self.epoch if epoch is None else checked_epoch(epoch)
        count = self._count(number, turn) if views is None else whole_number(views)
        if count is None or not 1 <= count <= int(self._has[number]):
            message = f"expected 1 to {int(self._has[number])} views of set {number}, got {views!r}"
            raise SchemaError(Problem("too-few-views", "views", message))
        drawn = self.drawn(number, count, turn)
        out = {name: field.empty(count) for name, field in self.spec.items()}
        self.put(number, drawn, out, range(count))
        shape = np.array(self._opened.size.shape, np.int32)
        return [
            {
                **{name: values[row] for name, values in out.items()},
                **self.told(number, view),
                "idx": (number, 0, row),
                "true_shape": shape.copy(),
                "is_metric_scale": True,
            }
            for row, view in enumerate(drawn)
        ]

    def _count(self, number: int, turn: int) -> int:
        if len(self.counts) == 1:
            return self.counts[0]
        if self._draws is None:
            self._draws = ViewDraws(self.groups(0, len(self._has)), max_images=1, seed=self.seed, shuffle=False)
        return int(self._draws.counts_of(turn)[number])

    def __getitem__(self, id: int | tuple[int, ...]) -> list[dict[str, Any]]:
        """Return a sample; `(set, 0)` and `(set, 0, which number of views)` are taken as MapAnything's samplers say it.

        Raises
        ------
        IndexError
            No such set or number of views.
        SchemaError
            Another aspect than the only one, 0.
        """
        if not isinstance(id, tuple):
            return self.sample(id)
        number, aspect, *which = (int(one) for one in id)
        if aspect != 0 or len(which) > 1:
            message = f"expected (set, 0) or (set, 0, number of views), got {id!r}"
            raise SchemaError(Problem("wrong-value", "views", message, "all pictures are of one size"))
        return self.sample(number, views=self.counts[which[0]] if which else None)


def open_view_sets(
    views_of: Views | str | PathLike[str] | Sequence[Views | str | PathLike[str]],
    predictions: Views | str | PathLike[str] | None = None,
    *,
    views: int | Sequence[int],
    split: str | None = None,
    depth_root: str | PathLike[str] | None = None,
    agents: int | str | None = None,
    cameras: Sequence[str] | None = None,
    pick: Pick = "drawn",
    too_few: TooFew = "error",
    missing_depth: MissingDepth = "error",
    missing_predictions: MissingPredictions = "error",
    pose_frame: PoseFrame = "world",
    dataset: str = "views",
    seed: int = 0,
) -> ViewDataset:
    """Open sets of views in the conventions of MapAnything; pictures are read when they are asked for.

    Parameters
    ----------
    views_of : Views, path, or a list of these
        A file of views of ours, which is read at the speed of a copy, or a root of others (OPV2V).
    predictions : Views or path, optional
        What a model says of the same views, found by split, scenario, frame, agent and camera.
    views : int or sequence of int
        How many views a sample has; of several numbers one is drawn for each set. An epoch has as many sets of each
        number, give or take one.
    split : str, optional
        That one alone, which each source must have; `val` and `validate` are one.
    depth_root : path, optional
        Where the depth of a root of others lies, as OPV2V has none.
    agents : int or str, optional
        Which agents the sets of a root of others are made of: `2`, or `train=2,validate=4:drawn@SEED`; all by default.
    cameras : sequence of str, optional
        Views of these alone.
    pick : {"drawn", "first"}
        Which views are taken where a set has more. The first one, which is the ego's, is always there; the others are
        drawn anew in each epoch, or are the first ones.
    too_few : {"error", "leave_out", "fewer"}
        What becomes of sets that cannot give the most views: an error; they are left out and counted; or they give
        those of the numbers that they can, and are left out where they can give none.
    missing_depth : {"error", "leave_out", "empty"}
        What becomes of sets with views without depth: an error; they are left out and counted; or depth is 0 and
        nothing valid, for an inference.
    missing_predictions : {"error", "leave_out"}
        What becomes of sets with views that nobody predicted.
    pose_frame : {"world", "first_view"}
        Poses lead to the world of the scenario, or to the first view of the sample.
    dataset : str
        What `dataset` says in each view.
    seed : int

    Returns
    -------
    ViewDataset

    Raises
    ------
    SchemaError
        No set is left; a source without the split; sets that lack something, where that is an error; pictures of
        several sizes; an option at fault, or one that means nothing to a source.
    UnknownFormatError, StorageError, CorruptDataError
        What is given holds no views, or cannot be read.

    Warns
    -----
    LapsWarning
        Predicted views that are none of the truth; what is to be told of files of others.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_views
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scene.views.h5"
    >>> report = write(path, sample_views())
    >>> sets = open_view_sets(path, views=2, too_few="leave_out", missing_depth="leave_out")
    >>> len(sets), sets.locate(0).agent, sets.notes[0].partition(",")[0]
    (1, ('641', '1000'), 'scene.views.h5: 1 of 2 sets have views without depth')
    """
    options = ViewOptions(
        views=views, split=split, depth_root=depth_root, agents=agents, cameras=cameras, pick=pick, too_few=too_few,
        missing_depth=missing_depth, missing_predictions=missing_predictions, pose_frame=pose_frame,
        dataset=dataset, seed=seed,
    ).checked()  # fmt: skip
    opened = opened_sets(views_of, predictions, options)
    for note in opened.notes:
        if note.severity == "warning":
            warn(str(note))
    return ViewDataset(opened, options)
