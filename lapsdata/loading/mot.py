"""Clips of tracked boxes, proposals and pictures, by number: what joint detection and tracking is trained on.

A truth and the proposals of a detector are two sides that never share an array. They meet by the name of a sequence and
the number of a frame, never by position, and what would spoil a training without an error is looked for at opening:
proposals that are the truth, that cover a part of it, or ids that never persist.
"""

from __future__ import annotations

import copy
import functools
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError, warn
from lapsdata.loading._by_number import ByNumber
from lapsdata.loading._mot_opening import opened_clips
from lapsdata.loading._mot_options import MotOptions
from lapsdata.loading._selection import check_ids
from lapsdata.loading._window_options import check_buffers, fitting_buffers, listed_names, tensors
from lapsdata.loading.source import Batch, BatchSpec, FieldSpec
from lapsdata.schema.base import canonical_json
from lapsdata.storage.ids import checked_id, checked_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from lapsdata.containers.boxes import Boxes
    from lapsdata.geometry.boxes import BoxForm, BoxOrigin
    from lapsdata.loading._mot_clips import Gaps
    from lapsdata.loading._mot_opening import OpenedClips
    from lapsdata.loading._mot_options import Allowed, Ignored, MissingProposals, OtherLabels
    from lapsdata.loading._mot_pictures import PicturePlaces
    from lapsdata.loading.source import To
    from lapsdata.video.frame import Pixels

__all__ = ["ClipWindows", "MotClip", "MotDataset", "open_mot"]

# A batch of a loader or two: what is decoded for one is what the other would decode again.
_BLOCK_ROWS = 64


class ClipWindows(NamedTuple):
    """Which frames clips hold.

    Parameters
    ----------
    sequence : int64 (C,)
        Number of the sequence, as in `MotDataset.sequences`.
    frame_number : int64 (C, T)
        As the source and the names of images count.
    interval : int64 (C,)
        Frames from one to the next.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> open_mot(sample_tracked()[0], clip=2, interval=2, images=False).windows().frame_number.tolist()
    [[0, 2], [1, 3]]
    """

    sequence: NDArray[np.int64]
    frame_number: NDArray[np.int64]
    interval: NDArray[np.int64]


class MotClip(NamedTuple):
    """Where one clip comes from.

    Parameters
    ----------
    id : int
    sequence : str
    frame_number : tuple of int
        As the source and the names of images count.
    interval : int

    Examples
    --------
    >>> MotClip(4, "match", (7, 10, 13), 3).frame_number[-1]
    13
    """

    id: int
    sequence: str
    frame_number: tuple[int, ...]
    interval: int


class MotDataset(ByNumber):
    """Clips of tracked boxes, by number; made by `open_mot`.

    A `BatchSource`: `len`, `spec`, `gather`. Safe to use from threads, after a fork, and to send to other processes. A
    batch holds, of B clips of T frames, at most N true boxes and K proposals:

    - `images` uint8 (B, T, H, W, 3), RGB, where pictures were asked for.
    - `truth/box` float32 (B, T, N, 4) pixel, `truth/track_id` and `truth/label` int64 (B, T, N), `truth/ignored` bool,
      `truth/visibility` float32, NaN where it is not known.
    - `proposals/box` float32 (B, T, K, 4) pixel, `proposals/score` float32, NaN where there is none, `proposals/label`
      int64, where there are proposals.
    - `<side>/valid` bool says where a box is, `<side>/count` int64 (B, T) how many there are; behind them stand 0, -1
      and False.
    - `sequence` int64 (B,), `frame_number` int64 (B, T), `interval` int64 (B,), and `frame_size` int64 (B, 2), height
      and width, where they are known of every sequence.

    Labels are numbers in `labels`, of either side; ids are numbers in `identities`.

    In a torch `DataLoader`, gather once per batch, and take the clips of each epoch by name:
    `DataLoader(clips.at_epoch(e), sampler=BatchSampler(RandomSampler(clips), 8, drop_last=False), batch_size=None)`.
    A `Loader` tells the epoch by itself.

    Attributes
    ----------
    sequences : tuple of str
    labels : tuple of str
    identities : Identities
        Who has which `track_id`, and back.
    epoch : int
        Of which intervals are drawn where nobody says another one.
    notes : tuple of str
        What was left out, narrowed or allowed; `Loader.plan` shows it.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, _ = sample_tracked()
    >>> clips = open_mot(truth, clip=2, images=False)
    >>> batch = clips.gather([2, 0])
    >>> batch["truth/box"].shape, batch["truth/track_id"][:, :, 0].tolist(), clips.identities[0].id
    ((2, 2, 1, 4), [[0, 0], [0, 0]], 0)
    >>> clips.locate(2)
    MotClip(id=2, sequence='rally', frame_number=(2, 3), interval=1)
    """

    def __init__(self, opened: OpenedClips, options: MotOptions) -> None:
        self._opened, self._options = opened, options
        self.sequences = tuple(one.name for one in opened.timeline.sequences)
        self.labels, self.identities = opened.labels, opened.identities
        self.notes = tuple(str(note) for note in opened.notes)
        self.epoch = 0
        self._all = _spec(opened, options)

    def __len__(self) -> int:
        """Return the number of clips: one for each frame that one can begin at."""
        return len(self._opened.plan)

    def __repr__(self) -> str:
        return (
            f"MotDataset({len(self)} clips of {self._options.clip} frames of {len(self.sequences)} sequences, "
            f"{len(self.identities)} identities; {self._all!r})"
        )

    @property
    def spec(self) -> BatchSpec:
        """What a batch holds by default: all."""
        return self._all

    @property
    def by_epoch(self) -> bool:
        """Whether clips are other ones in another epoch; then `gather` is told which it is."""
        return len(self._options.intervals) > 1

    @property
    def block_rows(self) -> int:
        """Clips that should be read together: their frames are the same ones."""
        return _BLOCK_ROWS

    @property
    def part_rows(self) -> NDArray[np.int64]:
        """Clips of each sequence, where blocks of `block_rows` end early: int64 (S,)."""
        return np.diff(np.searchsorted(self._opened.plan.first, self._opened.timeline.starts))

    @functools.cached_property
    def fingerprint(self) -> str:
        """What tells these clips from others: 16 hex digits of both sides' boxes, sequences and options.

        Pictures have no part in it, nor have path, date and machine.
        """
        opened = self._opened
        told: dict[str, Any] = {
            "sequences": [one.as_json() for one in opened.timeline.sequences],
            "labels": list(self.labels),
            "spec": repr(self.spec),
            "options": [self._options.seed, self._options.gaps, *self._options.intervals],
        }
        digest = hashlib.sha256(canonical_json(told))
        digest.update(opened.plan.first.astype("<i8").tobytes())
        for side in opened.sides.values():
            for array in (side.first, *side.columns.values()):
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    def at_epoch(self, epoch: int) -> MotDataset:
        """Return the same clips with the intervals of an epoch, drawn by seed, epoch and number; nothing is copied.

        Raises
        ------
        SchemaError
            A number below 0.
        """
        number = checked_id(epoch)
        if number < 0:
            raise SchemaError(Problem("wrong-value", "epoch", f"expected a whole number from 0 on, got {epoch!r}"))
        other = copy.copy(self)
        other.epoch = number
        return other

    def windows(self) -> ClipWindows:
        """Return which frames each clip holds, in this epoch."""
        every = np.arange(len(self))
        frames, interval = self._frames(every, None)
        timeline = self._opened.timeline
        return ClipWindows(timeline.sequence_of(frames[:, 0]), timeline.numbers(frames), interval)

    def locate(self, id: int) -> MotClip:
        """Say which frames a clip holds, in this epoch.

        Raises
        ------
        IndexError
            No such clip.
        """
        ids = np.array([checked_id(id)])
        check_ids(ids, len(self))
        frames, interval = self._frames(ids, None)
        timeline = self._opened.timeline
        sequence = self.sequences[int(timeline.sequence_of(frames[0, :1])[0])]
        return MotClip(int(ids[0]), sequence, tuple(timeline.numbers(frames[0]).tolist()), int(interval[0]))

    def _frames(
        self, ids: NDArray[np.int64], epochs: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the frames of clips in the timeline, and their intervals."""
        plan = self._opened.plan
        interval = plan.interval(ids, np.full(len(ids), self.epoch) if epochs is None else epochs)
        return plan.frames(ids, interval), interval

    def gather(
        self,
        ids: Any,  # noqa: ANN401 - whatever NumPy makes whole numbers of
        *,
        fields: Sequence[str] | None = None,
        out: Mapping[str, NDArray[Any]] | None = None,
        to: To = "numpy",
        epochs: NDArray[np.int64] | None = None,
    ) -> Batch:
        """Return clips as a batch.

        Parameters
        ----------
        ids : int64 (B,)
            Numbers of clips, in any order, with repeats.
        fields : sequence of str, optional
            Some of those of `spec`; without `images` no picture is opened.
        out : mapping of np.ndarray, optional
            Buffers to fill, by field; each must be one that is asked for.
        to : {"numpy", "torch"}
        epochs : int64 (B,), optional
            Of which the intervals are drawn; `epoch` by default.

        Returns
        -------
        dict
            By field; see the class.

        Raises
        ------
        IndexError
            An id outside of `0 .. len - 1`.
        SchemaError
            A field or buffer at fault; pictures of another size than the truth says.
        CorruptDataError
            A picture cannot be decoded.
        StorageError
            A picture cannot be read.
        """
        names = list(self._all if fields is None else self._all.only(listed_names("fields", fields)))
        wanted = checked_ids(ids)
        check_ids(wanted, len(self))
        if out is not None:
            check_buffers(out, names)
            fitting_buffers(out, self._all.only(list(out)), len(wanted))
        batch: Batch = {
            name: out[name] if out is not None and name in out else self._all[name].empty(len(wanted)) for name in names
        }
        frames, interval = self._frames(wanted, epochs)
        flat = frames.reshape(-1)
        for side in self._opened.sides:
            self._put_boxes(batch, side, flat)
        self._put_places(batch, frames, interval)
        if "images" in batch and self._opened.pictures is not None:
            images = batch["images"].reshape(-1, *batch["images"].shape[2:])
            timeline = self._opened.timeline
            self._opened.pictures.put(timeline.sequence_of(flat), timeline.within(flat), images)
        return batch if to == "numpy" else tensors(batch, to)

    def _put_boxes(self, batch: Batch, side: str, frames: NDArray[np.int64]) -> None:
        """Fill in the boxes of one side."""
        rows, asked = self._opened.sides[side], {}
        for name, values in batch.items():
            of, _, column = name.partition("/")
            if of == side and column in rows.columns:
                asked[column] = values.reshape(len(frames), *values.shape[2:])
        counted = {name: batch[name] for name in (f"{side}/valid", f"{side}/count") if name in batch}
        if not asked and not counted:
            return
        count = rows.put(frames, asked)
        for name, values in counted.items():
            if name.endswith("/count"):
                values[...] = count.reshape(values.shape)
            else:
                flat = values.reshape(len(frames), values.shape[-1])
                np.less(np.arange(flat.shape[1]), count[:, None], out=flat)

    def _put_places(self, batch: Batch, frames: NDArray[np.int64], interval: NDArray[np.int64]) -> None:
        """Fill in where clips come from."""
        timeline = self._opened.timeline
        sequence = timeline.sequence_of(frames[:, 0])
        if "sequence" in batch:
            batch["sequence"][...] = sequence
        if "frame_number" in batch:
            batch["frame_number"][...] = timeline.numbers(frames)
        if "interval" in batch:
            batch["interval"][...] = interval
        if "frame_size" in batch:
            batch["frame_size"][...] = self._opened.sizes[sequence]

    def close(self) -> None:
        """Close videos; a later `gather` opens what it needs."""
        if self._opened.pictures is not None:
            self._opened.pictures.close()


def _spec(opened: OpenedClips, options: MotOptions) -> BatchSpec:
    clip, whole = options.clip, np.dtype(np.int64)
    found: dict[str, FieldSpec] = {}
    if opened.pictures is not None:
        found["images"] = FieldSpec((clip, *opened.pictures.shape, 3), np.dtype(np.uint8), "RGB (H, W, 3), 0 to 255")
    place = f"pixel {options.box_form}, edges of the frame from {_EDGES[options.box_origin]} on"
    for side, rows in opened.sides.items():
        most = opened.most[side]
        for name, column in rows.columns.items():
            unit = place if name == "box" else None
            found[f"{side}/{name}"] = FieldSpec((clip, most, *column.shape[1:]), column.dtype, unit)
        found[f"{side}/valid"] = FieldSpec((clip, most), np.dtype(bool))
        found[f"{side}/count"] = FieldSpec((clip,), whole)
    found |= {"sequence": FieldSpec((), whole), "frame_number": FieldSpec((clip,), whole)}
    found["interval"] = FieldSpec((), whole, "frames")
    if len(opened.sizes):
        found["frame_size"] = FieldSpec((2,), whole, "pixel, height and width")
    return BatchSpec(found)


_EDGES = {"centre": "-0.5", "edge": "0", "one_based": "1"}


def open_mot(
    truth: Boxes | str | PathLike[str],
    proposals: Boxes | str | PathLike[str] | None = None,
    *,
    clip: int,
    interval: int = 1,
    max_interval: int | None = None,
    seed: int = 0,
    gaps: Gaps = "split",
    images: PicturePlaces = True,
    image_size: tuple[int, int] | None = None,
    sequences: Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
    other_labels: OtherLabels = "error",
    ignored: Ignored = "mark",
    missing_proposals: MissingProposals = "error",
    allow: Sequence[Allowed] = (),
    truth_source: str = "truth",
    proposals_source: str | None = None,
    proposal_names: Mapping[str, str] | None = None,
    max_boxes: int | None = None,
    max_proposals: int | None = None,
    box_form: BoxForm = "xyxy",
    box_origin: BoxOrigin = "centre",
    pixels: Pixels = "rgb_quick",
    open_videos: int = 8,
    cache_bytes: int = 1 << 26,
    threads: int = 1,
) -> MotDataset:
    r"""Open a truth, proposals and pictures for the training of trackers; boxes are read whole, pictures are not.

    Parameters
    ----------
    truth : Boxes, or path
        A folder or file of any kind of boxes: a root of MOTChallenge, KITTI, Label Studio, Parquet ... To narrow it to
        some frames or labels, give boxes: `lapsdata.adapters.edited_boxes`.
    proposals : Boxes, or path, optional
        Of a detector: a database, `det.txt`, a root that holds `det/det.txt` ... Brought to the truth by the names of
        sequences and the numbers of frames.
    clip : int
        Frames of a clip T.
    interval : int
        Frames from one frame of a clip to the next.
    max_interval : int, optional
        Each clip has an interval from `interval` up to this, of those that fit before its sequence ends; it is drawn
        anew in each epoch, by seed, epoch and the number of the clip alone.
    seed : int
    gaps : {"split", "step_over"}
        No clip holds a frame that nobody annotated, or crosses the end of a sequence. Whether such frames may lie
        between the frames of a clip: "split" has none across them, "step_over" needs only its own frames annotated, as
        where every tenth frame is. `notes` counts frames that are in no clip.
    images : bool, path, or mapping of path
        True: where the truth says, beside it; a folder of the data, or that of images or the video of the only
        sequence; a place for each sequence; False: no pictures. Images are found by the numbers in their names.
    image_size : (int, int), optional
        Height and width to which pictures are resized (cv2.INTER_AREA), and boxes with them. By default all sequences
        must be of one size.
    sequences : sequence of str, optional
        Which sequences, in the order of the truth; all by default.
    labels : sequence of str, optional
        What true boxes are called, in the order of their numbers; by default as the truth has them. Labels that only
        proposals have get numbers behind these.
    other_labels : {"error", "ignore", "leave_out"}
        What becomes of true boxes of other labels than these; "ignore" makes them boxes to be ignored.
    ignored : {"mark", "leave_out"}
        What becomes of true boxes that are to be ignored: `truth/ignored` marks them, or they are left out.
    missing_proposals : {"error", "empty", "leave_out"}
        What becomes of annotated frames that no detector looked at: an error, frames without proposals, or no clip
        holds them.
    allow : sequence of str
        What is refused unless it stands here, of any sequence: "detections-equal-truth", proposals that are the truth;
        "wrong-detections", proposals nowhere near it; "no-proposals", not one; "ids-never-persist" and "ids-are-ranks",
        ids of a truth that follow nobody; "no-identity", true boxes without one.
    truth_source : str
        Whose boxes of the truth count; those of others there are no truth.
    proposals_source : str, optional
        Whose boxes of the proposals count; by default those of the only source there that is not the truth.
    proposal_names : mapping of str, optional
        What the proposals call a sequence, by its name in the truth, where that differs.
    max_boxes, max_proposals : int, optional
        N and K; by default the most that a frame has. A frame with more is an error.
    box_form : {"xyxy", "xywh", "cxcywh"}
    box_origin : {"centre", "edge", "one_based"}
        Where the left and top edges of the frame lie: at -0.5, where the centre of the first pixel is (0, 0); at 0, so
        that boxes divided by the size of the frame are from 0 to 1; or at 1.
    pixels : {"rgb_quick", "rgb"}
        How colours are made; see `lapsdata.video.frame.Pixels`.
    open_videos : int
        How many decoders stay open.
    cache_bytes : int
        Bytes of delivered pictures that are kept, 64 MiB by default; 0 for none.
    threads : int
        How many threads decode the pictures of a batch.

    Returns
    -------
    MotDataset

    Raises
    ------
    UnknownFormatError
        What is given holds no boxes.
    SchemaError
        No clip fits; proposals of other sequences, of too few frames, or copied from the truth; identities that are
        none; labels that are not known; a frame without an image; an option at fault.
    StorageError, CorruptDataError
        Something cannot be read.

    Warns
    -----
    LapsWarning
        What `allow` and `missing_proposals` let pass.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp()) / "rally"
    >>> (root / "gt").mkdir(parents=True)
    >>> _ = (root / "gt" / "gt.txt").write_text("".join(f"{n},1,{9 + n},20,30,40,1,1,1\n" for n in range(1, 7)))
    >>> database = {f"rally/img1/{n:06d}": [f"{n + 5},22,31,38,0.8", "90,90,9,9,0.3"] for n in range(1, 7)}
    >>> import json
    >>> _ = (root.parent / "det_db.json").write_text(json.dumps(database))
    >>> clips = open_mot(root, root.parent / "det_db.json", clip=3, max_interval=2, images=False)
    >>> len(clips), clips.windows().frame_number[3].tolist()
    (4, [4, 5, 6])
    >>> batch = clips.gather([3])
    >>> batch["truth/count"].tolist(), batch["proposals/score"][0, 0].round(1).tolist()
    ([[1, 1, 1]], [0.800000011920929, 0.30000001192092896])
    """
    options = MotOptions(
        clip=clip, interval=interval, max_interval=max_interval, seed=seed, gaps=gaps, sequences=sequences,
        labels=labels, other_labels=other_labels, ignored=ignored, missing_proposals=missing_proposals, allow=allow,
        truth_source=truth_source, proposals_source=proposals_source, proposal_names=proposal_names,
        max_boxes=max_boxes, max_proposals=max_proposals, box_form=box_form, box_origin=box_origin,
        image_size=image_size, pixels=pixels, open_videos=open_videos, cache_bytes=cache_bytes, threads=threads,
    ).checked()  # fmt: skip
    opened = opened_clips(truth, proposals, images, options)
    for note in opened.told:
        warn(str(note))
    return MotDataset(opened, options)
