"""Episodes as strategies draw them; `lapsdata.testing.strategies` offers them beside all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers import Episodes
from lapsdata.schema import Camera, EpisodesHeader, Feature, Group, Task
from lapsdata.testing._drawn import names, of, policies, provenances, rates, st

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

__all__ = ["episodes"]


@st.composite
def _episodes_header(draw: DrawFn, store: str) -> EpisodesHeader:
    """Draw features of any shape, cameras of any kind, parts of vectors, and tasks whose numbers have gaps."""
    shapes = draw(st.dictionaries(names(), st.lists(st.integers(1, 4), max_size=2).map(tuple), min_size=1, max_size=4))
    dtypes = st.sampled_from(["bool", "uint8", "int64", "float32", "float64"])
    features = tuple(Feature(name=name, dtype=draw(dtypes), shape=shape) for name, shape in shapes.items())
    kinds = st.sampled_from(["video", "pixels", "encoded", "files"])
    cameras = tuple(
        Camera(name=f"camera/{number}", stored=kind, rate=draw(st.none() | rates()))  # type: ignore[arg-type]  # one of its words
        for number, kind in enumerate(draw(st.lists(kinds, max_size=2)))
    )
    first = features[0]
    length = first.shape[0] if first.shape else 1
    start = draw(st.integers(0, length - 1))
    part = Group(name="part/0", feature=first.name, start=start, stop=draw(st.integers(start + 1, length)))
    numbers = sorted(draw(st.sets(st.integers(0, 9), max_size=3)))
    return EpisodesHeader(
        provenance=draw(provenances()),
        policies=draw(policies()),
        rate=draw(rates()),
        robot=draw(st.none() | names()),
        store=store,  # type: ignore[arg-type]  # one of its words
        features=features,
        cameras=cameras,
        groups=draw(st.sampled_from([(), (part,)])),
        tasks=tuple(Task(number=number, words=draw(names())) for number in numbers),
        time=draw(st.sampled_from([None, features[-1].name])),
    )


@st.composite
def episodes(draw: DrawFn, *, max_episodes: int = 4) -> Episodes:
    """Draw episodes of files that are nowhere: several in a file and in a video, or one in each; some without a video.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(max_examples=3)
    ... @given(episodes(max_episodes=2))
    ... def test_one(made):
    ...     assert 1 <= len(made) <= 2
    >>> test_one()
    """
    header = draw(_episodes_header(draw(st.sampled_from(["parquet", "hdf5"]))))
    count, files = draw(st.integers(1, max_episodes)), draw(st.integers(1, 3))
    each = st.integers(0, files - 1)
    known = [task.number for task in header.tasks]
    tasks = [draw(st.lists(st.sampled_from(known), max_size=2)) if known else [] for _ in range(count)]
    video_index, video_start_s = {}, {}
    for camera in header.cameras:
        if camera.stored == "video":
            index = draw(of(np.int64, (count,), st.integers(-1, 1)))
            begin = np.cumsum(draw(of(np.float64, (count,), st.floats(0.1, 3600))))
            video_index[camera.name], video_start_s[camera.name] = index, np.where(index < 0, np.nan, begin)
    grouped = header.store == "hdf5"
    return Episodes(
        header,
        number=np.cumsum(draw(of(np.int64, (count,), st.integers(1, 9)))) - 1,
        rows=draw(of(np.int64, (count,), st.integers(1, 2**20))),
        files=tuple(f"data/file-{number:03d}" for number in range(files)),
        file_index=draw(of(np.int64, (count,), each)),
        first_row=np.zeros(count, np.int64) if grouped else draw(of(np.int64, (count,), st.integers(0, 2**20))),
        groups=tuple(f"data/demo_{number}" for number in range(count)) if grouped else None,
        task_number=np.array([number for of in tasks for number in of], np.int64),
        task_stop=np.cumsum([len(of) for of in tasks], dtype=np.int64),
        video_files=("a.mp4", "b.mp4") if video_index else (),
        video_index=video_index,
        video_start_s=video_start_s,
    )
