"""`lapsdata convert`: the same windows in another store or profile; videos in pieces; depth of point clouds."""

from __future__ import annotations

import re
from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapsdata import console
from lapsdata.verbs import Json, Settings, finish

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from lapsdata._convert import PanoramaOptions
    from lapsdata.adapters import BoxesEdit, EpisodesEdit
    from lapsdata.execution.report import Report

__all__ = ["PLUGIN"]


class _Profile(StrEnum):
    RAW = "raw"
    COMPACT = "compact"


class _Zeros(StrEnum):
    MEASURED = "measured"
    GATED = "gated"


class _End(StrEnum):
    INCLUSIVE = "inclusive"
    EXCLUSIVE = "exclusive"


class _Suffix(StrEnum):
    NONE = "none"
    TXT = ".txt"


class _NumberBy(StrEnum):
    PATH = "path"
    NAME = "name"


class _Pixels(StrEnum):
    ONE_BASED = "one_based"
    EDGE = "edge"
    CENTRE = "centre"


class _Model(StrEnum):
    EQUIRECTANGULAR = "equirectangular"
    CYLINDER = "cylinder"


class _Colour(StrEnum):
    BY_DEPTH = "by_depth"
    INFINITY = "infinity"


class _Unit(StrEnum):
    SECONDS = "s"
    HTK = "100ns"


def convert(
    context: typer.Context,
    source: Annotated[
        list[Path],
        typer.Argument(
            help="Tracks: a file, a folder of files or of shards; or others. Of episodes and boxes several, merged.",
            metavar="SRC...",
        ),
    ],
    target: Annotated[
        Path, typer.Argument(help="A file for one file, else a folder; or a folder of shards.", metavar="DST")
    ],
    to: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="hdf5, zarr, shards; of segments mstcn, laps_segments; of views panorama, wai; of boxes "
            "motchallenge, motchallenge-15, detection-db, label-studio; of episodes lerobot-3.0, -2.1, -2.0, gr00t, "
            "robomimic, shards.",
        ),
    ] = None,
    profile: Annotated[_Profile, typer.Option(help="Uncompressed, or rounded and compressed.")] = _Profile.RAW,
    round_px: Annotated[
        str | None, typer.Option(metavar="PX|none", help="What compact rounds to; 1/64 pixel by default.")
    ] = None,
    samples_per_shard: Annotated[
        int | None, typer.Option(min=1, help="With --to shards: windows, or episodes, per archive.", metavar="N")
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="Of foreign files: frames per second, as 30000/1001.", metavar="FPS")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Of foreign files: the frame, in pixels. Of panoramas: theirs, by default 1008x252.",
            metavar="WIDTHxHEIGHT",
        ),
    ] = None,
    stride: Annotated[
        int | None, typer.Option(min=1, help="Of foreign files: frames from one window to the next.", metavar="N")
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(min=2, help="Of energies of others: frames of a window; of LAPS 15.", metavar="T")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(help="Of energies of others: length of the video, to compare.", metavar="S")
    ] = None,
    zeros: Annotated[_Zeros, typer.Option(help="Of energies of others: what exactly 0.0 is.")] = _Zeros.MEASURED,
    split_every: Annotated[
        str | None, typer.Option(metavar="S", help="Of videos: cut them into pieces of so many seconds, as 40s.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Of segments of others and of views: a split, as test.split1, or train.", metavar="NAME"),
    ] = None,
    end: Annotated[
        _End | None, typer.Option(help="Of ranges of frames: whether the last frame is part of one.")
    ] = None,
    unit: Annotated[_Unit | None, typer.Option(help="Of .lab files: what times are counted in.")] = None,
    gap_label: Annotated[
        str | None, typer.Option(help="With --to mstcn: what frames in no segment are called.", metavar="LABEL")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="Of episodes in HDF5: what was to be done, where no file says it.", metavar="TEXT"),
    ] = None,
    episodes: Annotated[
        str | None, typer.Option(metavar="A:B,N", help="Of episodes: those that are kept, numbered anew from 0.")
    ] = None,
    without_episodes: Annotated[
        str | None, typer.Option(metavar="A:B,N", help="Of episodes: those that are left out.")
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Of episodes: a column or camera to leave out; repeatable.")
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Of episodes: a column or camera with another name; repeatable."),
    ] = None,
    actions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART=SENSE",
            help="Of episodes: actions as relative or delta steps, or absolute again; left_arm=relative; repeatable.",
        ),
    ] = None,
    rotation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART=[FROM:]TO",
            help="Of episodes: a rotation in another form; state.hand=rotation_6d; repeatable.",
        ),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(metavar="S", help="Of boxes: those with a lower score are left out.")
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(metavar="A:B", help="Of boxes: first and last frame, both kept, as their source numbers them."),
    ] = None,
    said_by: Annotated[
        list[str] | None,
        typer.Option(
            "--source", metavar="NAME", help="Of boxes: whose are kept: truth, detector or a tracker; repeatable."
        ),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Of boxes: what is kept, as player; repeatable.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="N=NAME,...", help="Of boxes of others: what their classes are called, 1=player,2=ball."),
    ] = None,
    whose: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of boxes of others: whose they are: truth, detector, or a tracker."),
    ] = None,
    first_number: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Of boxes of others: what their first frame is called.")
    ] = None,
    pixels: Annotated[
        _Pixels | None,
        typer.Option(help="Of boxes in MOTChallenge's texts: count from 1, or 0 at the first one's edge or centre."),
    ] = None,
    annotations: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH",
            help="Of Label Studio: of each task the best, newest or first; predictions, or predictions:NAME.",
        ),
    ] = None,
    number_by: Annotated[
        _NumberBy | None,
        typer.Option(help="Of Label Studio: frames by the number in the path of an image, or by the order of names."),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="With --to detection-db: what its keys begin with, volleyball/test/test1; "
            "with --to label-studio: what stands before the names of sequences.",
        ),
    ] = None,
    digits: Annotated[
        int | None, typer.Option(min=1, max=12, metavar="N", help="With --to detection-db: digits of a frame, 6 or 8.")
    ] = None,
    suffix: Annotated[_Suffix | None, typer.Option(help="With --to detection-db: what its keys end with.")] = None,
    agents: Annotated[
        str | None,
        typer.Option(
            metavar="[SPLIT=]N,...",
            help="Of views of several agents: how many a set has, train=2,validate=4; N:drawn@SEED draws them.",
        ),
    ] = None,
    depth_root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Of views of others: the root where their depth lies.")
    ] = None,
    index: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="I", help="With --to panorama: of each split this set alone, from 0, as DST/train_000000.h5."
        ),
    ] = None,
    model: Annotated[
        _Model | None,
        typer.Option(help="With --to panorama: rows are equal steps of elevation (by default), or of its tangent."),
    ] = None,
    v_fov: Annotated[
        float | None, typer.Option(metavar="DEGREES", help="With --to panorama: from edge to edge, by default 90.")
    ] = None,
    place: Annotated[
        str | None,
        typer.Option(
            metavar="centre|CAMERA",
            help="With --to panorama: seen from between an agent's cameras (by default), or from one of them.",
        ),
    ] = None,
    colour: Annotated[
        _Colour | None,
        typer.Option(help="With --to panorama: colours of what depth says is there, or of what is far away."),
    ] = None,
    crop_first: Annotated[
        bool,
        typer.Option("--crop-first", help="With --to panorama: cut pictures to its shape, as others did; loses most."),
    ] = False,
    depth_from_lidar: Annotated[
        bool,
        typer.Option("--depth-from-lidar", help="Of OPV2V: the points of each frame on the pixels of its cameras."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Convert again what is done; never replaces what others made.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core.")] = None,
    json: Json = False,
) -> None:
    """Turn data into another form: stores, panoramas, pieces.

    With --split-every, SRC is a video or a folder of videos, and every frame of them is in exactly one of the pieces
    DST/NAME_000.mp4 and so on, cut by time; NAME.pieces.json says where each piece was, so that start_s + a time in it
    is the time in the source. Pieces that begin and end at keyframes are copied; others are encoded again (H.264,
    crf 18). Sound is left behind.
    A root of OPV2V or V2XSet becomes views in HDF5, of all its splits or of one (--split): a set for each frame of a
    scenario's ego, with the pictures of all agents' cameras or of --agents. Depth is taken from --depth-root, and is
    valid where it is above 0; scenes with too few agents are left out and counted.
    With --to panorama, SRC is such a root, or a file of views of ours, and the pictures of each agent in a set become
    one that looks around it: DST/train.h5 and so on, for each split or the one of --split, and with --index 7
    DST/train_000007.h5, which has that set alone. It has depth along the ray, poses in the world, and masks of what is
    covered, valid (has depth) and non_ambiguous. Depth is that of the nearest
    surface on each ray, never a mix; without depth nothing of it is stored, colours are those of what is far away,
    and that is told. The centre is the mean of an agent's cameras. How much is covered is told for each agent.
    With --to wai, views become the folders that MapAnything's own data sets are read from: DST/NAME/SCENE for each set,
    NAME being that of SRC, with pictures, depth along the axis (OpenEXR), poses and lists of scenes. Panoramas have no
    camera model there, and are refused; what else has no place is told.
    With --depth-from-lidar, SRC is a root of OPV2V, which has no depth, and DST gets that of its point clouds:
    DST/SPLIT/SCENARIO/AGENT/FRAME_camera0_depth.npy, float32 metres along the axis of the camera, that of the nearest
    point of each pixel, and 0 where none falls; --split makes one split alone.
    Each window is compared with its checksum on the way, in memory that does not grow with their number. What cannot
    be carried over is named, and so is the largest error in pixels. A second call does only what is missing or changed:
    what is kept is judged by its header and not read again, shards that were not finished go on behind their last whole
    archive, and a file that was not finished starts over. Files of others say nothing of that, data sets of episodes
    among them: they are written to a place that is free.
    Foreign files are HDF5, Zarr, folders of npy files and WebDataset tars of other makers with tracks and vis. They
    carry no times, and no checksums but those that lapsdata check --seal has put beside them: windows without any are
    counted. Energies of LAPS (stream_energy_*.jsonl, energy_split1) carry no times either: give --rate and --stride.
    Segments of others (MS-TCN's labels per frame, ActivityNet, RTTM, .lab, EPIC, ranges of frames, LAPS) become
    Parquet, and with --to mstcn or laps_segments files of others, which are never replaced.
    Data sets of LeRobot become another version of it: rows stay as they are, videos are copied without encoding them
    again where they begin at a keyframe, and what has no place in the new version is named. With --episodes,
    --without-episodes, --drop and --rename, and with several SRC that become one set, they keep their version where
    --to says no other; a span 0:50 ends before 50. Tasks are one where their words are. With --to robomimic they become
    demonstrations in HDF5, without videos; with --to shards tar archives with a sample for each, and a catalog.
    With --actions and --rotation vectors are rewritten, and all that describes them. PART is a part that modality.json
    names, as left_arm or state.hand, a column, or some of its numbers, 'action[0:6]' (in quotes for the shell). A
    relative action is the action less the state of its row (openpi calls it delta), a delta one the action less the one
    before, the first of an episode less its state; absolute undoes either. Rotations are composed, inverse(state) x
    action; positions are subtracted in the axes that they are stored in. The state is the one of the same name, or for
    action observation.state where its numbers are alike; else name it, as in
    'action[0:6]=relative:observation.state[0:6]'. What is not named stays a place, as a gripper should. Rotations
    become axis_angle, quaternion (w, x, y, z), rotation_6d (two rows), matrix or euler_angles_rpy; what they are is
    said by modality.json, whose quaternion is w, x, y, z, or before the colon:
    'observation.state[3:7]=quaternion_xyzw:rotation_6d' (robomimic, ROS and SciPy store x, y, z, w).
    Demonstrations of robomimic (Isaac Lab, LIBERO, MimicGen: data/demo_0 in HDF5) and episodes of ACT and ALOHA
    (episode_0.hdf5, a file or a folder of them) become a data set of LeRobot: numbers keep their type and bits under
    LeRobot's names, which are told (obs/x is observation.x, unless --rename obs/x=observation.state says so), and
    frames are encoded as videos. Give --rate where no file says it, and --task where none says what was to be done.
    Boxes of others (MOTChallenge, KITTI, VisDrone, VATIC, UA-DETRAC, COCO, databases of detections and other JSON with
    the boxes of each frame, exports of Label Studio) become Parquet, several SRC one table, and each of these others:
    --to motchallenge sequences with gt/gt.txt, det/det.txt and seqinfo.ini, and results in TRACKER/data;
    --to label-studio a file of tasks, one for each image or video: truth as annotations, all else as predictions;
    --to detection-db a database for MOTRv2, with a key for every frame: PREFIX/img1/00000001.txt, of several sequences
    PREFIX/<sequence>/img1/00000001.txt. Digits and ending are told, as nobody can guess what training asks for; a
    source that is a database keeps its keys, and boxes without a score, as those of a truth, are refused. Frames are
    numbered by the names of images, never by positions; where a source names none, its first frame is image 1. Tracks
    of videos in Label Studio are drawn between their keyframes, and images that nobody has annotated stand outside of
    the annotated ranges.
    """
    from lapsdata._convert import convert as converted

    given = (to, round_px, samples_per_shard, rate, size, stride, horizon, duration, end, unit, gap_label)
    edits = (task, episodes, without_episodes, drop, rename, actions, rotation)
    of_boxes = (min_score, said_by, frames, label, classes, whose, first_number, pixels, annotations, number_by)
    of_views = (agents, depth_root, index, model, v_fov, place, colour, crop_first or None)
    alone = all(one is None for one in (*given, *edits, *of_boxes, prefix, digits, suffix, *of_views))
    alone = alone and profile is _Profile.RAW and zeros is _Zeros.MEASURED
    if split_every is not None:
        if not alone or split is not None or depth_from_lidar:
            raise typer.BadParameter("pieces of videos need none of the other options", param_hint="--split-every")
        from lapsdata._convert._splitting import split_videos

        video, every_s = _one(source, "video or folder of videos"), _seconds(split_every)
        _tell(context, json, lambda: split_videos(video, target, every_s, force=force, workers=workers))
        return
    if depth_from_lidar:
        if not alone:
            raise typer.BadParameter(
                "depth needs none of the other options but --split", param_hint="--depth-from-lidar"
            )
        from lapsdata._convert._lidar_depth import depth_from_lidar as made

        root = _one(source, "root of OPV2V")
        _tell(context, json, lambda: made(root, target, split=split, force=force, workers=workers))
        return
    if round_px is not None and profile is not _Profile.COMPACT:
        raise typer.BadParameter("only with --profile compact", param_hint="--round-px")
    around = _panorama(to, model, v_fov, place, colour, size, crop=crop_first)
    rounded, frame = _round(round_px), _size(size) if around is None else None
    edit = _edit(episodes, without_episodes, drop or [], rename or [], actions or [], rotation or [])
    boxes = _boxes(min_score, said_by, frames, label)
    named = None if classes is None else _pairs(classes.split(","), "--classes", "NUMBER=NAME", ".+")
    _tell(
        context,
        json,
        lambda: converted(
            source,
            target,
            to=to,
            profile=profile.value,
            round_px=rounded,
            samples_per_shard=samples_per_shard,
            rate=rate,
            size=frame,
            stride=stride,
            horizon=horizon,
            duration_s=duration,
            zeros=zeros.value,
            split=split,
            end=None if end is None else end.value,
            unit=None if unit is None else unit.value,
            gap_label=gap_label,
            task=task,
            edit=edit,
            boxes=boxes,
            classes=named,
            whose=whose,
            first_number=first_number,
            pixels=None if pixels is None else pixels.value,
            annotations=annotations,
            number_by=None if number_by is None else number_by.value,
            prefix=prefix,
            digits=digits,
            suffix=None if suffix is None else suffix.value,
            agents=agents,
            depth_root=depth_root,
            panorama=around,
            index=index,
            force=force,
            workers=workers,
        ),
    )


def _one(source: list[Path], what: str) -> Path:
    if len(source) > 1:
        raise typer.BadParameter(f"expected one {what}", param_hint="SRC")
    return source[0]


def _tell(context: typer.Context, json: bool, work: Callable[[], Report[Any]]) -> None:
    """Do the work, tell what became of it however it ends, and leave the verb with the exit code that is due."""
    from lapsdata.execution.report import Interrupted, show

    stopped: Interrupted | None = None
    try:
        report = work()
    except Interrupted as stop:
        stopped, report = stop, stop.report
    if json:
        console.write_json(report.as_json(), report.problems)
    else:
        show(report, tracebacks=context.ensure_object(Settings).traceback)
    if stopped is not None:
        raise typer.Exit(128 + stopped.number)
    finish(report.problems)


def _panorama(
    to: str | None,
    model: _Model | None,
    v_fov: float | None,
    place: str | None,
    colour: _Colour | None,
    size: str | None,
    *,
    crop: bool,
) -> PanoramaOptions | None:
    told = {"model": model, "v_fov_deg": v_fov, "place": place, "colour": colour, "crop_first": crop or None}
    given: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    if to != "panorama":
        if given:
            option = next(iter(given)).removesuffix("_deg").replace("_", "-")
            raise typer.BadParameter("only with --to panorama", param_hint=f"--{option}")
        return None
    from lapsdata._convert import PanoramaOptions

    frame = _size(size)
    if frame is not None:
        given["size"] = {"width": frame[0], "height": frame[1]}
    return PanoramaOptions.parse(dumps(given), "panorama")


def _seconds(text: str) -> float:
    try:
        return float(text.removesuffix("s"))
    except ValueError:
        raise typer.BadParameter(f"expected seconds, as 40s, got {text!r}", param_hint="--split-every") from None


def _boxes(
    min_score: float | None, sources: list[str] | None, frames: str | None, labels: list[str] | None
) -> BoxesEdit | None:
    from lapsdata.adapters import BoxesEdit

    if min_score is None and frames is None and not labels and not sources:
        return None
    span = None
    if frames is not None:
        ends = frames.split(":")
        if len(ends) != 2 or not all(end.isascii() and end.isdigit() for end in ends) or int(ends[0]) > int(ends[1]):
            message = f"expected the first and the last frame, as 1:18948, got {frames!r}"
            raise typer.BadParameter(message, param_hint="--frames")
        span = (int(ends[0]), int(ends[1]))
    return BoxesEdit(
        min_score=min_score, sources=tuple(sources or ()) or None, labels=tuple(labels or ()) or None, frames=span
    )


def _edit(
    episodes: str | None,
    without: str | None,
    drop: list[str],
    rename: list[str],
    actions: list[str],
    rotation: list[str],
) -> EpisodesEdit | None:
    from lapsdata.adapters._edits import FORMS, SENSE, EpisodesEdit

    if episodes is None and without is None and not any((drop, rename, actions, rotation)):
        return None
    return EpisodesEdit(
        episodes=_spans(episodes, "--episodes"),
        without_episodes=_spans(without, "--without-episodes"),
        drop=tuple(drop),
        rename=_pairs(rename, "--rename", "OLD=NEW", ".+"),
        actions=_pairs(actions, "--actions", "PART=relative, PART=delta or PART=absolute", SENSE),
        rotations=_pairs(rotation, "--rotation", "PART=rotation_6d or PART=quaternion_xyzw:rotation_6d", FORMS),
    )


def _pairs(given: list[str], option: str, wanted: str, form: str) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    for text, (name, _, value) in zip(given, pairs, strict=True):
        if not name or not re.fullmatch(form, value):
            raise typer.BadParameter(f"expected {wanted}, got {text!r}", param_hint=option)
    found = {name: value for name, _, value in pairs}
    if len(found) < len(pairs):
        raise typer.BadParameter("expected each name once, got one twice", param_hint=option)
    return found


def _spans(text: str | None, option: str) -> str | None:
    from lapsdata.adapters._edits import SPANS

    if text is not None and not re.fullmatch(SPANS, text):
        raise typer.BadParameter(f"expected numbers of episodes, as 0:50,60, got {text!r}", param_hint=option)
    return text


def _round(text: str | None) -> float | Literal["none"] | None:
    if text is None or text == "none":
        return "none" if text else None
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number or none, got {text!r}", param_hint="--round-px") from None


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdigit() and int(side) for side in sides):
        raise typer.BadParameter(f"expected WIDTHxHEIGHT, as 640x480, got {text!r}", param_hint="--size")
    return int(sides[0]), int(sides[1])


PLUGIN = convert
