"""Small valid containers, the same each time; for examples, and as a start for tests of own adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers import (
    LAYERS,
    Boxes,
    Catalog,
    Energies,
    Episodes,
    HeldPixels,
    Segments,
    Shards,
    Tokens,
    Tracks,
    Views,
)
from lapsdata.schema import (
    ActionErrors,
    ActionKey,
    ActionResult,
    ActionRow,
    ActionRules,
    Area,
    BoundaryResult,
    BoxesHeader,
    BoxSequence,
    Camera,
    CameraModel,
    CatalogField,
    CatalogHeader,
    EnergiesHeader,
    EnergyRow,
    EnergyState,
    EpisodesHeader,
    Feature,
    FieldNormalisation,
    FrameRange,
    Grid,
    Group,
    KeyErrors,
    PinholeLens,
    Provenance,
    SegmentationResult,
    SegmentedVideo,
    SegmentsHeader,
    ShardsHeader,
    Size,
    SourceVideo,
    StepField,
    StepSpec,
    Task,
    Tokenizer,
    TokensHeader,
    Tool,
    TracksHeader,
    TracksView,
    TruthClock,
    ViewsHeader,
)
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lapsdata.schema import EndReason

__all__ = [
    "labelled_segments",
    "sample_action_result",
    "sample_boxes",
    "sample_catalog",
    "sample_energies",
    "sample_episodes",
    "sample_provenance",
    "sample_scores",
    "sample_segments",
    "sample_shards",
    "sample_step_spec",
    "sample_tokens",
    "sample_tracked",
    "sample_tracks",
    "sample_views",
]


def sample_provenance() -> Provenance:
    """Return a provenance that no program made.

    Examples
    --------
    >>> sample_provenance().producer
    'sample'
    """
    return Provenance(producer="sample", version="1", code_digest="sha256:" + "0" * 64)


def sample_tracks(
    *,
    windows: int = 3,
    horizon: int = 4,
    points: int = 5,
    stride: int = 1,
    views: tuple[str, ...] = ("default",),
    confidence: bool = False,
    seed: int = 0,
    **header: Any,  # noqa: ANN401 - any header field
) -> Tracks:
    """Return tracks on a 64 x 48 frame at 10 frames per second; some points are lost (NaN and not visible).

    Examples
    --------
    >>> len(sample_tracks(windows=3))
    3
    """
    random = np.random.default_rng(seed)
    shape = (windows, horizon, points)
    tracks, vis = {}, {}
    for view in views:
        vis[view] = random.random(shape) > 0.2
        positions = (random.random((*shape, 2)) * (64, 48)).astype(np.float32)
        positions[~vis[view] & (random.random(shape) > 0.5)] = np.nan
        tracks[view] = positions
    relied_on = {view: random.random(shape).astype(np.float32) for view in views} if confidence else None
    facts = TracksView(
        size=Size(width=64, height=48),
        active_area=Area(x=0, y=0, width=64, height=48),
        points=points,
        grid=Grid(kind="random", order="none"),
    )
    return Tracks(
        TracksHeader(
            **{
                "provenance": sample_provenance(),
                "video": SourceVideo(name="clip_0"),
                "horizon": horizon,
                "stride": stride,
                "rate": FrameRate(10),
                "tracker": Tool(name="sample", version="1"),
                "views": dict.fromkeys(views, facts),
                "confidence": confidence,
                **header,
            }
        ),
        tracks,
        vis,
        np.arange(windows, dtype=np.int64) * stride,
        np.arange(max(windows - 1, 0) * stride + horizon) / 10,
        confidence=relied_on,
    )


def sample_shards(*, windows: tuple[int, ...] = (3, 2), **options: Any) -> Shards:  # noqa: ANN401 - of sample_tracks
    """Return the tracks of some videos, all of one shape, `windows` of each.

    Examples
    --------
    >>> len(sample_shards(windows=(3, 2)))
    5
    """
    videos = tuple(
        sample_tracks(windows=count, seed=number, video=SourceVideo(name=f"clip_{number}"), **options)
        for number, count in enumerate(windows)
    )
    header = ShardsHeader(provenance=sample_provenance(), videos=tuple(video.header for video in videos))
    return Shards(header, videos)


def sample_catalog(*, items: int = 3) -> Catalog:
    """Return a catalog of files that are nowhere: the last item is the test split, the others are in train.

    Examples
    --------
    >>> sample_catalog().path
    ('clip_0.h5', 'clip_1.h5', 'clip_2.h5')
    """
    windows = np.arange(1, items + 1, dtype=np.int64)
    header = CatalogHeader(
        provenance=sample_provenance(),
        fields=(
            CatalogField(name="tracks", shape=(4, 5, 2), dtype="float32", unit="pixel xy"),
            CatalogField(name="vis", shape=(4, 5), dtype="bool"),
            CatalogField(name="start_s", shape=(), dtype="float64", unit="seconds"),
        ),
        usual=("tracks", "vis", "start_s"),
        splits=("train", "test"),
        items=items,
        windows=int(windows.sum()),
        unsummed=1,
    )
    return Catalog(
        header,
        path=tuple(f"clip_{i}.h5" for i in range(items)),
        video=tuple(f"clip_{i}" for i in range(items)),
        group=(None, *(f"match {i // 2}" for i in range(1, items - 1)), "match of the test"),
        split=(*["train"] * (items - 1), "test"),
        first=np.zeros(items, np.int64),
        windows=windows,
        duration_s=np.where(np.arange(items) == 0, np.nan, windows / 10 + 0.3),
        rate=(None, *["10"] * (items - 1)),
        digest=(None, *(f"sha256:{i:064x}" for i in range(1, items))),
    )


def sample_tokens(*, windows: int = 3, horizon: int = 4, latent: int | None = None, seed: int = 0) -> Tokens:
    """Return tokens of a tokenizer with 4 x 3 = 12 codes; with latents where `latent` gives their width.

    Examples
    --------
    >>> sample_tokens(latent=2).quantized.shape
    (3, 3, 2)
    """
    random = np.random.default_rng(seed)
    header = TokensHeader(
        provenance=sample_provenance(),
        video=SourceVideo(name="clip_0"),
        horizon=horizon,
        stride=1,
        rate=FrameRate(10),
        latent=latent,
        tokenizer=Tokenizer(name="sample", version="1", levels=(4, 3), codes=12, nominal_codes=16),
    )
    shape = (windows, header.length)
    latents = None if latent is None else random.normal(size=(*shape, latent)).astype(np.float32)
    return Tokens(
        header,
        random.integers(0, 12, shape).astype(np.int32),
        np.arange(windows, dtype=np.int64),
        np.arange(max(windows - 1, 0) + horizon) / 10,
        prequant=latents,
        quantized=None if latents is None else np.round(latents),
    )


def sample_energies(*, steps: int = 6, seed: int = 0) -> Energies:
    """Return step energies of two videos; every third is gated, the last of each video is missing.

    Examples
    --------
    >>> len(sample_energies(steps=6))
    12
    """
    random = np.random.default_rng(seed)
    header = EnergiesHeader(
        provenance=sample_provenance(),
        per="step",
        source="velocity",
        mode="velocity_step",
        support_s=0.2,
        hop_s=0.1,
        videos=("clip_0", "clip_1"),
    )
    rows = []
    for video in header.videos:
        for step in range(steps):
            state: EnergyState = "missing" if step == steps - 1 else "gated" if step % 3 == 1 else "measured"
            energy = float(random.random()) if state == "measured" else None
            rows.append(EnergyRow(video=video, step=step, start_s=step / 10, end_s=(step + 1) / 10,
                                  energy=energy, state=state))  # fmt: skip
    return Energies.of_rows(header, rows)


def sample_segments() -> Segments:
    """Return three segments of two videos, with scores, codes and embeddings.

    Examples
    --------
    >>> len(sample_segments())
    3
    """
    return Segments(
        SegmentsHeader(
            provenance=sample_provenance(),
            videos=(SegmentedVideo(name="clip_0", end_s=4.0), SegmentedVideo(name="clip_1", end_s=3.0)),
            segmenter=Tool(name="sample", version="1"),
            embedding=2,
        ),
        np.array([0, 0, 1]),
        np.array([0.5, 1.5, 0.0]),
        np.array([1.5, 3.25, 2.0]),
        ("threshold", "max_duration", "end_of_stream"),
        ("reach", "grasp", None),
        score=np.array([0.5, np.nan, 1.0]),
        codes=(np.array([3, 1, 1], np.int32), np.array([], np.int32), np.array([7], np.int32)),
        embedding=np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], np.float32),
    )


def labelled_segments(videos: Mapping[str, Sequence[tuple[str | None, float]]]) -> Segments:
    """Return segments that follow one another from 0 s on, by video: what each is called and how long it lasts.

    A piece called None is time without a segment.

    Examples
    --------
    >>> made = labelled_segments({"tea": [("pour", 2.0), (None, 1.0), ("stir", 3.0)]})
    >>> made.label, made.start_s.tolist(), made.header.videos[0].end_s
    (('pour', 'stir'), [0.0, 3.0], 6.0)
    """
    edges = [np.cumsum([0.0, *(length for _, length in pieces)]) for pieces in videos.values()]
    rows = [
        (video, label, start, end)
        for video, (pieces, times) in enumerate(zip(videos.values(), edges, strict=True))
        for (label, _), start, end in zip(pieces, times[:-1].tolist(), times[1:].tolist(), strict=True)
        if label is not None
    ]
    why: tuple[EndReason] = ("annotation",)
    return Segments(
        SegmentsHeader(
            provenance=sample_provenance(),
            videos=tuple(
                SegmentedVideo(name=name, end_s=float(times[-1])) for name, times in zip(videos, edges, strict=True)
            ),
        ),
        np.array([video for video, *_ in rows], np.int64),
        np.array([start for _, _, start, _ in rows], np.float64),
        np.array([end for *_, end in rows], np.float64),
        why * len(rows),
        tuple(label for _, label, *_ in rows),
    )


def sample_scores(boundaries: BoundaryResult) -> SegmentationResult:
    """Scores of segments that are of boundaries alone.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_boundaries
    >>> found = sample_segments()
    >>> sample_scores(evaluate_boundaries(found, found, draws=2, shift_draws=2)).profile
    'default'
    """
    return SegmentationResult(
        provenance=boundaries.provenance,
        profile="default",
        clock=TruthClock(origin="seconds"),
        truth_digest=boundaries.truth_digest,
        boundaries=boundaries,
    )


def sample_episodes() -> Episodes:
    """Return three episodes in two files, with a camera that has not seen the last of them.

    Examples
    --------
    >>> sample_episodes().rows.tolist()
    [4, 6, 5]
    """
    camera = "observation.images.top"
    return Episodes(
        EpisodesHeader(
            provenance=sample_provenance(),
            rate=FrameRate(10),
            robot="arm",
            store="parquet",
            features=(
                Feature(name="observation.state", dtype="float32", shape=(3,), names=("shoulder", "elbow", "gripper")),
                Feature(name="timestamp", dtype="float32", shape=()),
                Feature(name="task_index", dtype="int64", shape=()),
            ),
            cameras=(Camera(name=camera, stored="video", size=Size(width=64, height=48), codec="h264"),),
            groups=(Group(name="state.gripper", feature="observation.state", start=2, stop=3),),
            annotations={"annotation.task": "task_index"},
            tasks=(Task(number=0, words="pick the cube"), Task(number=1, words="place the cup")),
            time="timestamp",
        ),
        number=np.array([0, 1, 5]),
        rows=np.array([4, 6, 5]),
        files=("data/file-000.parquet", "data/file-001.parquet"),
        file_index=np.array([0, 0, 1]),
        first_row=np.array([0, 4, 0]),
        groups=None,
        task_number=np.array([0, 1, 0]),
        task_stop=np.array([1, 2, 3]),
        video_files=("videos/file-000.mp4",),
        video_index={camera: np.array([0, 0, -1])},
        video_start_s={camera: np.array([0.0, 0.4, np.nan])},
    )


def sample_step_spec() -> StepSpec:
    """Return a specification of two numbers at two times, from 0 to 2 and from 1 to 3.

    Examples
    --------
    >>> sample_step_spec().normalise["action"].mode
    'min_max'
    """
    values: dict[Any, tuple[float, ...]] = {"min": (0.0, 1.0), "max": (2.0, 3.0)}
    return StepSpec(
        provenance=sample_provenance(),
        rate=FrameRate(10),
        fields=(StepField(name="action", dtype="float32", shape=(2, 2)),),
        delta_timestamps={"action": (0.0, 0.1)},
        image_type="uint8",
        pixels="rgb_quick",
        normalise={"action": FieldNormalisation(mode="min_max", shape=(2,), values=values)},
    )


def sample_boxes() -> Boxes:
    """Return four boxes in two sequences; one has no identity, one is to be ignored.

    Examples
    --------
    >>> len(sample_boxes())
    4
    """
    left = BoxSequence(
        name="left",
        length=10,
        rate=FrameRate(25),
        size=Size(width=640, height=360),
        annotated=(FrameRange(start=0, stop=10),),
        images="img1/{frame:06d}.jpg",
    )
    return Boxes(
        BoxesHeader(provenance=sample_provenance(), sequences=(left, left.model_copy(update={"name": "right"}))),
        np.array([0, 0, 0, 1]),
        np.array([0, 0, 1, 5]),
        np.array([0, 1, -1, 0]),
        np.array([10.0, 100.5, 11.0, 0.0]),
        np.array([20.0, 30.25, 21.0, 0.0]),
        np.array([40.0, 41.0, 42.0, 640.0]),
        np.array([80.0, 81.0, 82.0, 60.0]),
        ("player", "player", "player", "stand"),
        ("truth", "truth", "detector", "truth"),
        np.array([False, False, False, True]),
        score=np.array([np.nan, np.nan, 0.75, np.nan]),
        visibility=np.array([1.0, 0.5, np.nan, np.nan]),
        source_id=("7", "12", None, None),
    )


def sample_tracked() -> tuple[Boxes, Boxes]:
    """Return a truth of one player in four frames, and predictions that miss it once and then call it another one.

    Examples
    --------
    >>> [boxes.id.tolist() for boxes in sample_tracked()]
    [[0, 0, 0, 0], [5, 5, 6]]
    """
    sequence = BoxSequence(
        name="rally", length=4, size=Size(width=640, height=360), annotated=(FrameRange(start=0, stop=4),)
    )
    header = BoxesHeader(provenance=sample_provenance(), sequences=(sequence,))

    def boxes(frame: list[int], ids: list[int], source: str) -> Boxes:
        place, count = np.array(frame, np.float64), len(frame)
        return Boxes(
            header,
            np.zeros(count, np.int64),
            np.array(frame),
            np.array(ids),
            10 * place,
            5 * place,
            np.full(count, 40.0),
            np.full(count, 80.0),
            ("player",) * count,
            (source,) * count,
            np.zeros(count, np.bool_),
        )

    return boxes([0, 1, 2, 3], [0, 0, 0, 0], "truth"), boxes([0, 1, 3], [5, 5, 6], "tracker")


def sample_action_result(*, prediction: float = 0.25, numbers: int = 2) -> ActionResult:
    """Return errors of two keys over two steps, every one the same; those of the action that is held are 0.5.

    Parameters
    ----------
    prediction : float
        Error of the prediction.
    numbers : int
        Of the first key.

    Examples
    --------
    >>> [row.parts[0].mae for row in sample_action_result().rows]
    [0.25, 0.5]
    """

    def errors(value: float, count: int) -> KeyErrors:
        one = ActionErrors(mae=value, mse=value**2)
        return KeyErrors(mae=value, mse=value**2, numbers=(one,) * count, steps=(one, one))

    names = ("shoulder", *(f"joint_{number}" for number in range(1, numbers)))
    return ActionResult(
        provenance=sample_provenance(),
        policies={"steps_beyond_the_end_left_out": 1, "first_rows_held_by_the_mean_action": 0},
        rules=ActionRules(horizon=2, means_of="other_episodes", positions=101),
        truth_digest="sha256:" + "0" * 64,
        episodes=(0,),
        rows_predicted=4,
        steps_scored=(4, 3),
        parts=(ActionKey(name="arm", numbers=names), ActionKey(name="hand", numbers=("7",))),
        rows=(
            ActionRow(name="prediction", kind="prediction", parts=(errors(prediction, numbers), errors(prediction, 1))),
            ActionRow(name="hold_last", kind="chance", parts=(errors(0.5, numbers), errors(0.5, 1))),
        ),
    )


def sample_views() -> Views:
    """Return three views of 4 x 3 pixels in two sets; the last one has no depth, and none is covered in part.

    Examples
    --------
    >>> sample_views().read("depth", 0)[0].tolist()
    [0.0, 0.5, 1.0, 1.5]
    """
    size, lens = Size(width=4, height=3), PinholeLens(focal_px=(2.0, 2.0), centre_px=(1.5, 1.0))
    random = np.random.default_rng(0)
    depth = (np.arange(12, dtype=np.float32) / 2).reshape(3, 4)
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, :3, 3] = np.arange(9).reshape(3, 3)
    present: dict[str, NDArray[np.bool_]] = {
        layer: np.array([layer != "covered"] * 2 + [layer == "image"]) for layer in LAYERS
    }
    pixels = HeldPixels(
        {
            "image": tuple(random.integers(0, 256, (3, 4, 3), np.uint8) for _ in range(3)),
            "depth": (depth, depth + 1, None),
            "valid": (depth > 0, depth >= 0, None),
            "non_ambiguous": (depth > 1, depth > 2, None),
        }
    )
    return Views(
        ViewsHeader(
            provenance=sample_provenance(),
            cameras=(CameraModel(kind="pinhole", size=size, lens=lens, depth="z"),),
        ),
        split=("train", "validate"),
        scenario=("2021_08_22_21_41_24", "2021_09_09_13_20_58"),
        frame=np.array([69, 70]),
        time_s=np.array([3.45, 3.5]),
        set_stop=np.array([2, 3]),
        agent=("641", "1000", "641"),
        camera=("camera0",) * 3,
        model=np.zeros(3, np.int64),
        cam2world=poses,
        present=present,
        pixels=pixels,
    )
