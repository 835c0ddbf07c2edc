"""Steps of robot episodes: rows of numbers and frames around each row, by number, in LeRobot's own words.

A sample is what lies around one row of one episode: each feature at the row itself, or at the times around it that
`delta_timestamps` names. Nothing crosses the ends of an episode: there the first or last row stands for what is not
there, and `<name>_is_pad` says so; where a row has no value of a nullable feature, it is zeros, and `<name>_is_null`
says so. No video is opened before the first sample that holds its frames.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.adapters import find_adapter
from lapsdata.errors import Problem, SchemaError, UnknownFormatError
from lapsdata.loading._by_number import ByNumber
from lapsdata.loading._selection import check_ids
from lapsdata.loading._step_changes import StepChanges, rotation_changes, states_of
from lapsdata.loading._step_frames import StepFrames
from lapsdata.loading._step_meta import EpisodeSpan, StepMeta
from lapsdata.loading._step_options import (
    PAD,
    StepOptions,
    check_asked,
    chosen_episodes,
    names_of,
    opened_episodes,
    row_offsets,
    spec_of_all,
)
from lapsdata.loading._step_rows import AskedRows, StepRows
from lapsdata.loading._step_spec import (
    expect_specification,
    fingerprint_of,
    normalisations,
    require_specification,
    specification,
    stats_of_rows,
)
from lapsdata.loading._step_transform import transform_name, transformed
from lapsdata.loading._window_options import check_buffers, fitting_buffers, listed_names, tensors
from lapsdata.schema.episodes import IS_NULL
from lapsdata.storage.episode_rows import folder_of_rows
from lapsdata.storage.ids import checked_id, checked_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from numpy.typing import ArrayLike, NDArray

    from lapsdata.loading._step_options import ImageType
    from lapsdata.loading._step_transform import StepTransform
    from lapsdata.loading._step_words import DescribedFeature
    from lapsdata.loading.source import Batch, BatchSpec, To
    from lapsdata.loading.step_stream import StepStream
    from lapsdata.schema import FeatureStats, StepSpec
    from lapsdata.video.frame import Decoder, Pixels

__all__ = ["EpisodeSpan", "StepDataset", "StepMeta", "open_steps"]

# A batch of a loader or two: what is decoded for one is what the other would decode again.
_BLOCK_ROWS = 64


class StepDataset(ByNumber):
    """Steps of episodes, by number; made by `open_steps`.

    A `BatchSource`: `len`, `spec`, `gather`. `steps[i]` is one sample as LeRobot gives it: a dict of tensors, and
    `task` in words. Safe to use from threads, after a fork, and to send to other processes.

    In a torch `DataLoader`, gather once per batch:
    `DataLoader(steps, sampler=BatchSampler(RandomSampler(steps), 64, drop_last=False), batch_size=None)`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", lengths=(4, 6), videos=True)
    >>> steps = open_steps(root, {"observation.images.top": [-0.1, 0], "action": [0, 0.1]})
    >>> sample = steps[3]
    >>> sample["observation.images.top"].shape, sample["action_is_pad"].tolist(), sample["task"]
    (torch.Size([2, 3, 48, 64]), [False, True], 'pick the cube')
    >>> [(span.number, span.start, span.stop) for span in steps.episodes]
    [(0, 0, 4), (1, 4, 10)]
    """

    def __init__(
        self,
        meta: StepMeta,
        chosen: NDArray[np.int64],
        offsets: Mapping[str, NDArray[np.int64]],
        fields: Sequence[str],
        options: StepOptions,
        changes: StepChanges | None = None,
        transform: StepTransform | None = None,
    ) -> None:
        self.meta, self._chosen, self._offsets, self._options = meta, chosen, dict(offsets), options
        self._changes, self._transform = changes or StepChanges(), transform
        episodes = meta.episodes
        self._rows = StepRows(meta, options.row_cache_bytes)
        self._images = StepFrames(meta, self._rows, options)
        self._starts: NDArray[np.int64] = np.concatenate([[0], np.cumsum(episodes.rows[chosen])])
        self._stored = spec_of_all(episodes, offsets, options)
        self._all = self._changes.spec(self._stored)
        self._present = spec_of_all(episodes, {}, options)
        self._usual = tuple(fields)
        self._others = names_of(episodes)
        self._cameras = {camera.name: camera for camera in episodes.header.cameras}
        self._groups = {group.name: group for group in episodes.header.groups}

    def __len__(self) -> int:
        """Return the number of rows of all chosen episodes."""
        return int(self._starts[-1])

    def __repr__(self) -> str:
        return (
            f"StepDataset({len(self)} steps of {self.num_episodes} episodes at {self.fps:g} per second; {self.spec!r})"
        )

    @property
    def spec(self) -> BatchSpec:
        """What a batch holds by default."""
        return self._all.only(self._usual)

    def spec_of(self, fields: Sequence[str]) -> BatchSpec:
        """Return what a batch holds when some of `fields` are asked for."""
        return self._all.only(fields)

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that can be asked for."""
        return tuple(self._all)

    @property
    def features(self) -> dict[str, DescribedFeature]:
        """What a sample may hold, by name; see `meta.features`."""
        return self.meta.features

    @property
    def fps(self) -> float:
        """Rows per second."""
        return self.meta.fps

    @property
    def num_episodes(self) -> int:
        """Number of chosen episodes."""
        return len(self._chosen)

    @property
    def num_frames(self) -> int:
        """Number of rows of all chosen episodes: `len`."""
        return len(self)

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever plans to load the steps should know; `Loader.plan` shows it.

        Rows are not read before they are asked for: what is wrong with their times and numbers is a warning, and is
        among the notes of this process, from then on.
        """
        notes = (*self.meta.notes, *self._options.notes(), *self._rows.notes.problems)
        return tuple(str(problem) for problem in notes)

    @functools.cached_property
    def _tasks(self) -> dict[int, str]:
        return self.meta.tasks

    @functools.cached_property
    def episodes(self) -> tuple[EpisodeSpan, ...]:
        """The chosen episodes, in order, and which steps are theirs."""
        return self.meta.spans(self._chosen, self._starts)

    @functools.cached_property
    def fingerprint(self) -> str:
        """What tells these steps from others: 16 hex digits of header, episodes, choice and fields, not of values."""
        told = {"spec": repr(self.spec), "options": self._options.as_json(), "specification": self.specification.digest}
        return fingerprint_of(self.meta.episodes, told, (self._chosen, *self._offsets.values()))

    @property
    def block_rows(self) -> int:
        """Steps that should be read together: those of an episode share files of rows and groups of pictures."""
        return _BLOCK_ROWS

    @property
    def part_rows(self) -> NDArray[np.int64]:
        """Steps of each chosen episode, where blocks of `block_rows` end early: int64."""
        return np.diff(self._starts)

    @functools.cached_property
    def specification(self) -> StepSpec:
        """What a sample is, for a checkpoint to carry: `to_bytes` spells it, `StepSpec.parse` reads it."""
        header = self.meta.episodes.header
        return specification(
            header, self.spec, self._stored, self._offsets, self._options, self._changes, self._transform
        )

    @property
    def clipped(self) -> dict[str, int]:
        """How many numbers were put on the edge of their range in this process, by field; see `clip`."""
        return dict(self._changes.clipped.get().counts)

    def require(self, spec: StepSpec) -> None:
        """Refuse to go on where samples are not what `spec` says, say that of a checkpoint.

        Raises
        ------
        SchemaError
            Each place where the two differ (`unlike-specification`), or no specification at all.
        """
        require_specification(self.specification, spec, str(self.meta.root))

    @classmethod
    def from_spec(
        cls,
        path: str | PathLike[str],
        spec: StepSpec,
        *,
        episodes: Sequence[int] | None = None,
        transform: StepTransform | None = None,
        **options: Any,  # noqa: ANN401 - what `open_steps` takes beside
    ) -> StepDataset:
        """Open episodes so that samples are what a specification says, with its numbers and not those of the data set.

        Parameters
        ----------
        path : path
            Any data set, such as one to evaluate on.
        spec : StepSpec
        episodes : sequence of int, optional
        transform : StepTransform, optional
            The one that the specification names: it is a program, which no record holds.
        options
            Those of `open_steps` that do not decide what a sample is: `tolerance_s`, `open_videos`, `cache_bytes`,
            `threads`, `strict`, and what an adapter asks for.

        Raises
        ------
        SchemaError
            The data set cannot give such samples: names, shapes, dtypes, forms of rotations, rate, or what numbers are
            called are others; no specification.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> from lapsdata.testing.episode_sets import write_lerobot
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> train = open_steps(
        ...     write_lerobot(folder / "train"),
        ...     normalize={"action": "mean_std"},
        ...     stats={"action": {"mean": [1, 2, 3], "std": [1, 1, 2]}},
        ... )
        >>> test = StepDataset.from_spec(write_lerobot(folder / "test", lengths=(3,)), train.specification)
        >>> test.gather([1])["action"].tolist()
        [[-0.5, -0.5, -0.75]]
        """
        expect_specification(spec, options)
        steps = open_steps(
            path,
            dict(spec.delta_timestamps),
            episodes=episodes,
            fields=[one.name for one in spec.fields],
            image_type=spec.image_type,
            pixels=spec.pixels,
            decoder=spec.decoder,
            rotations={name: change.target for name, change in spec.rotations.items()},
            relative=spec.relative,
            transform=transform,
            **options,
        )
        changes = replace(steps._changes, normalise=spec.normalise)
        if strange := sorted(set(spec.normalise) - set(steps._all)):
            message = f"expected fields of the data set, got {', '.join(strange)}"
            raise SchemaError(Problem("unknown-field", f"{path}: specification: normalise", message))
        again = cls(steps.meta, steps._chosen, steps._offsets, steps._usual, steps._options, changes, steps._transform)
        again.require(spec)
        return again

    @property
    def time_offset_s(self) -> Mapping[str, float]:
        """By camera, by how much rows are later than the frames that show them, seconds, where that is not 0.

        It is known of a camera once frames of it were read.
        """
        return self._images.time_offset_s

    @property
    def decoded(self) -> int:
        """How many frames were made by a decoder in this process."""
        return self._images.pool.decoded

    @property
    def kept(self) -> int:
        """How many frames came out of the cache in this process."""
        return self._images.pool.kept

    def gather(
        self,
        ids: Any,  # noqa: ANN401 - whatever NumPy makes whole numbers of
        *,
        fields: Sequence[str] | None = None,
        out: Mapping[str, NDArray[Any]] | None = None,
        to: To = "numpy",
        threads: int | None = None,
    ) -> Batch:
        """Return steps as a batch.

        Parameters
        ----------
        ids : int64 (B,)
            Numbers of steps, in any order, with repeats.
        fields : sequence of str, optional
            Some of `fields`; those of `spec` by default.
        out : mapping of np.ndarray, optional
            Buffers to fill, by field; each must be one that is asked for.
        to : {"numpy", "torch"}
        threads : int, optional
            How many threads decode frames.

        Returns
        -------
        dict
            By field, `(B, ...)`; features asked for at D times `(B, D, ...)`, and `<name>_is_pad` bool (B, D). Frames
            are RGB (B, D, 3, H, W), without D for one time.

        Raises
        ------
        IndexError
            An id outside of `0 .. len - 1`.
        SchemaError
            A field or buffer at fault; rows of another episode than the list says; a row without a frame.
        CorruptDataError
            A file of rows or a frame cannot be decoded.
        StorageError
            A file cannot be read.
        """
        names = list(self._usual if fields is None else self._all.only(listed_names("fields", fields)))
        asked = self._asked(ids)
        if out is not None:
            check_buffers(out, names)
            fitting_buffers(out, self._all.only(list(out)), len(asked))
        batch: Batch = {
            name: out[name] if out is not None and name in out else self._all[name].empty(len(asked)) for name in names
        }
        changed = {name: self._stored[name].empty(len(asked)) for name in names if name in self._changes.names}
        stored = batch | changed
        cameras = {name: camera for name in names if (camera := self._others.get(name, name)) in self._cameras}
        frames = {name: stored[name] for name in cameras}
        self._images.put(frames, cameras, self._offsets, asked, threads or self._options.threads)
        self._put_rows(stored, asked, self._offsets)
        self._changes.apply(changed, self._states(changed, asked), batch)
        if self._transform is not None:
            transformed(self._transform, batch)
        return batch if to == "numpy" else tensors(batch, to)

    def _asked(self, ids: Any) -> AskedRows:  # noqa: ANN401 - whatever NumPy makes whole numbers of
        """Return the rows that steps are of."""
        wanted = checked_ids(ids)
        check_ids(wanted, len(self))
        part = np.searchsorted(self._starts, wanted, "right") - 1
        place = self._chosen[part]
        return AskedRows(place, wanted - self._starts[part], self.meta.episodes.rows[place])

    def _states(self, actions: Batch, asked: AskedRows) -> Batch:
        """Return the states of the present row that actions are given relative to, by action: (B, C) each."""
        needed = {name: self._changes.relative[name] for name in actions if name in self._changes.relative}
        rows = {name: self._present[name].empty(len(asked)) for name in dict.fromkeys(needed.values())}
        self._put_rows(rows, asked, {})
        return {action: rows[state] for action, state in needed.items()}

    def _put_rows(self, batch: Batch, asked: AskedRows, offsets: Mapping[str, NDArray[np.int64]]) -> None:
        """Fill in features, groups and what says that nothing was there."""
        columns: dict[str, list[str]] = {}
        rows: dict[str, NDArray[np.int64]] = {}
        for name in batch:
            column = self._groups[name].feature if name in self._groups else self._others.get(name, name)
            if name.endswith(PAD) and name.removesuffix(PAD) in offsets:
                wanted, clipped = asked.around(offsets[name.removesuffix(PAD)])
                np.not_equal(wanted, clipped, out=batch[name])
            elif name == "frame_index" and not self._rows.stored(name):
                batch[name][...] = asked.row
            elif column not in self._cameras:
                columns.setdefault(column, []).append(name)
                around = offsets.get(name, offsets.get(name.removesuffix(IS_NULL)))
                rows[name] = asked.row if around is None else asked.around(around)[1]
        for place, at in asked.by_episode if columns else ():
            stored = self._rows.episode(place, list(columns))
            for column, names in columns.items():
                for name in names:
                    group = self._groups.get(name)
                    values = stored[column] if group is None else stored[column][..., group.start : group.stop]
                    batch[name][at] = values[rows[name][at]]
        for column, names in columns.items():
            for name in (one for one in names if self._rows.notes.doubtful(column, batch[one])):
                self._rows.notes.numbers(column, batch[name], asked.place, rows[name].reshape(len(asked.place), -1))

    def task_of(self, id: int) -> str | None:
        """Return the instruction of a step in words; None where it has none."""
        return self._tasks_of(self._asked([checked_id(id)]))[0]

    def _tasks_of(self, asked: AskedRows) -> list[str | None]:
        known = self._tasks
        if self._rows.stored("task_index"):
            # As the rows have them: what is done to a batch is not done to words.
            numbers = self._present["task_index"].empty(len(asked))
            self._put_rows({"task_index": numbers}, asked, {})
            return [known.get(number) for number in numbers.tolist()]
        tasks = [self.meta.episodes.tasks_of(place) for place in asked.place.tolist()]
        return [known[int(numbers[0])] if len(numbers) else None for numbers in tasks]

    def __getitems__(self, ids: Sequence[int]) -> list[Batch]:
        """Return several samples, read at once, each with `task` in words."""
        batch, tasks = self.gather(ids, to="torch"), self._tasks_of(self._asked(ids))
        return [
            {name: tensor[at] for name, tensor in batch.items()} | {"task": task or ""} for at, task in enumerate(tasks)
        ]

    def frames_of(self, camera: str, episode: int) -> tuple[Path, NDArray[np.int64]]:
        """Return the video that shows an episode, by its own number, and the frame in it of each row: int64 (R,).

        Raises
        ------
        SchemaError
            No such episode, no video of it, or not a frame for each row.
        """
        place = int(chosen_episodes(self.meta.episodes, [episode])[0])
        frame = self._images.of_episode(camera, place)
        every = self.meta.episodes
        return self.meta.root / every.video_files[int(every.video_index[camera][place])], frame

    def subset(self, *, episodes: Sequence[int]) -> StepDataset:
        """Return the steps of some of the chosen episodes, by their own numbers, in that order."""
        chosen = chosen_episodes(self.meta.episodes, episodes)
        strangers = np.setdiff1d(chosen, self._chosen)
        if len(strangers):
            got = self.meta.episodes.number[strangers].tolist()
            raise SchemaError(Problem("unknown-episode", "episodes", f"expected some of those chosen, got {got[:12]}"))
        return StepDataset(self.meta, chosen, self._offsets, self._usual, self._options, self._changes, self._transform)

    def stream(self, *, buffer: int = 256, block_rows: int = 32, seed: int = 0) -> StepStream:
        """Return the steps as something to loop over, for a torch `DataLoader` with workers; see `StepStream`.

        Parameters
        ----------
        buffer : int
            How many samples are held to be mixed; 1 gives blocks as they lie.
        block_rows : int
            Steps of one episode that are read together.
        seed : int
        """
        from lapsdata.loading.step_stream import stream_of

        return stream_of(self, {"buffer": buffer, "block_rows": block_rows, "seed": seed})

    def close(self) -> None:
        """Close videos; a later `gather` opens what it needs."""
        self._images.close()


def open_steps(
    path: str | PathLike[str],
    delta_timestamps: Mapping[str, Sequence[float]] | None = None,
    *,
    episodes: Sequence[int] | None = None,
    fields: Sequence[str] | None = None,
    image_type: ImageType = "uint8",
    pixels: Pixels = "rgb_quick",
    decoder: Decoder = "pyav",
    normalize: Mapping[str, str] | None = None,
    stats: Mapping[str, FeatureStats | Mapping[str, ArrayLike]] | Literal["rows"] | None = None,
    clip: bool = False,
    rotations: Mapping[str, str] | None = None,
    relative: Mapping[str, str] | None = None,
    transform: StepTransform | None = None,
    tolerance_s: float | None = None,
    open_videos: int = 16,
    cache_bytes: int = 1 << 24,
    threads: int = 1,
    strict: bool = False,
    **told: Any,  # noqa: ANN401 - what an adapter asks for
) -> StepDataset:
    """Open robot episodes for loading; only what they say of themselves is read, no rows and no video.

    Parameters
    ----------
    path : path
        A data set that an adapter of episodes knows: LeRobot 2.0, 2.1, 3.0, GR00T, robomimic, ACT ...
    delta_timestamps : mapping of sequences, arrays or tensors of float, seconds, optional
        By feature, camera or group, at which times around a row it is given: `{"action": [0, 0.05, 0.1]}`; by default
        at the row alone, without an axis of time. GR00T's names are known too (`video.ego_view`, `state.left_arm`,
        `annotation.human.validity`).
    episodes : sequence of int, optional
        Numbers of episodes, as the data set counts them; all by default, but for those of which opening has seen that
        their file of rows cannot be read: `notes` names them.
    fields : sequence of str, optional
        What a batch holds by default, in this order; all features and cameras by default, of groups and other names
        those that `delta_timestamps` names.
    image_type : {"uint8", "float32"}
        Frames from 0 to 255, or from 0 to 1 as LeRobot gives them.
    pixels : {"rgb_quick", "rgb"}
        How colours are made: as LeRobot and others make them, to the same bits, or carefully, which takes longer; see
        `lapsdata.video.frame.Pixels`.
    decoder : {"pyav", "torchcodec"}
        What decodes videos. torchcodec is an extra and takes the FFmpeg of the machine; whether it can be used is asked
        here, and none is taken in place of the other: some colours differ, see `lapsdata.video.frame.Decoder`. It
        paints over damage that PyAV refuses, and half as many of its frames fit into `cache_bytes`.
    normalize : mapping of str, optional
        By feature, group or camera (of float32), how its numbers are scaled: "mean_std"; "min_max" or "q01_q99", onto
        -1 to 1; or "none". A number without spread (std 0, or max = min) is moved to 0 and not divided. The result is
        float32, float64 where the feature is.
    stats : mapping of mappings or of FeatureStats, or "rows", optional
        What `normalize` takes, none is made up: by feature, its mean, std, min, max, q01, q99, such as `meta.stats`
        of the steps of a data set; or "rows": computed from all rows of the chosen episodes.
        Those of a group are cut from those of its feature. Numbers that `rotations` or `relative` changes need
        statistics under their own name.
    clip : bool
        Whether what "min_max" and "q01_q99" put outside of -1 to 1 is put on the edge; `clipped` counts it.
    rotations : mapping of str, optional
        By group, in which form its rotation is given: "rotation_6d" ...; see `lapsdata.geometry.EPISODE_ROTATIONS`.
        What is `relative` as well is rewritten afterwards.
    relative : mapping of str, optional
        By action, the state of the present row that it is given as a step from, at all times that are asked for:
        `{"action.arm": "state.arm"}`. Numbers are subtracted, parts that tell a rotation are composed.
    transform : StepTransform, optional
        What is done with each batch in the end: a function with a name and parameters, which the specification keeps.
    tolerance_s : float, optional, seconds
        How far the time of a frame may be from that of its row; a quarter of a frame by default.
    open_videos : int
        How many decoders stay open.
    cache_bytes : int
        Bytes of delivered frames that are kept, 16 MiB by default; 0 for none.
    threads : int
        How many threads decode the frames of a batch.
    strict : bool
        Whether all that opening finds wrong with the data set is an error, and not a note.
    told
        What an adapter asks for, where files cannot say it: `rate`.

    Raises
    ------
    UnknownFormatError
        No adapter knows it as episodes.
    SchemaError
        What it says of itself cannot be; a time between rows; names that it does not have.
    StorageError
        It cannot be read.
    MissingExtraError
        torchcodec is asked for, and is not installed, finds no FFmpeg, or does not load.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", version="v3.0", lengths=(4, 6, 5))
    >>> steps = open_steps(root, {"action": [0, 0.1]}, episodes=[2])
    >>> len(steps), steps.gather([4])["action"][0].tolist()
    (5, [[2.5, 4.5, 6.5], [2.5, 4.5, 6.5]])
    """
    check_asked(delta_timestamps, normalize, stats, rotations, relative, clip=clip, strict=strict)
    root = Path(path)
    found = find_adapter(root, ["episodes"])
    if found is None:
        message = "expected episodes of a robot that an adapter knows, got none"
        fix = "name the folder that holds meta/info.json"
        raise UnknownFormatError(Problem("unknown-format", str(root), message, fix))
    adapted = found[0].read(root, **({"strict": True} if strict else {}), **told)
    every: Any = adapted.container
    header = every.header
    options = StepOptions(image_type, pixels, tolerance_s, open_videos, cache_bytes, threads=threads, decoder=decoder)
    options.check()
    if transform is not None:
        transform_name(transform)
    names = [one.name for one in (*header.features, *header.cameras, *header.groups)]
    others = names_of(every)
    offsets = row_offsets(delta_timestamps, [*names, *others], header.rate)
    stored = spec_of_all(every, offsets, options)
    states, turning = states_of(relative, header, stored)
    changes = StepChanges(rotation_changes(rotations, header), states, turning)
    spec = changes.spec(stored)
    chosen, left_out = opened_episodes(every, episodes, adapted.unreadable, root)
    meta = StepMeta(folder_of_rows(root), every, (*adapted.told(root), *left_out), adapted.stats)
    given = stats_of_rows(meta, chosen, normalize or {}, others) if stats == "rows" else stats
    numbers = normalisations(
        normalize, given, header, spec, others, changed=changes.names, deltas=frozenset(offsets), clip=clip
    )
    # Parts of vectors and other names say again what stands there already.
    again = {*others, *(group.name for group in header.groups)} - offsets.keys()
    usual = [name for name in spec if name.removesuffix(PAD) not in again]
    if fields is not None:
        usual = list(spec.only(listed_names("fields", fields)))
    return StepDataset(meta, chosen, offsets, usual, options, replace(changes, normalise=numbers), transform)
