"""Containers that fill several shards, row groups and windows, for every format and profile; and a folder for all."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.containers import LAYERS, Boxes, Catalog, HeldPixels, Segments, Shards, Views
from lapsdata.schema import SegmentedVideo, Size
from lapsdata.storage import sealed_groups, sealed_parquet, sealed_zarr_writer
from lapsdata.testing.contracts import FormatCase, format_cases
from lapsdata.testing.samples import (
    sample_boxes,
    sample_catalog,
    sample_energies,
    sample_segments,
    sample_shards,
    sample_tokens,
    sample_tracks,
    sample_views,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lapsdata.containers import Container

    Forked = Callable[..., subprocess.CompletedProcess[str]]

ROW_GROUP = 50
# A chunk is a window, and a read opens each.
SHARD_WINDOWS = 16


def many_segments() -> Segments:
    count, small = 170, sample_segments()
    start = np.arange(count, dtype=np.float64)
    video = SegmentedVideo(name="clip_0", end_s=float(count))
    return Segments(
        small.header.model_copy(update={"videos": (video,)}),
        np.zeros(count, np.int64),
        start,
        start + 0.5,
        ("threshold",) * count,
        tuple(f"label {i % 7}" if i % 3 else None for i in range(count)),
        score=np.where(np.arange(count) % 5 == 0, np.nan, np.sin(start)),
        codes=tuple(np.arange(i % 4, dtype=np.int32) for i in range(count)),
        embedding=np.arange(2 * count, dtype=np.float32).reshape(count, 2),
    )


def many_boxes() -> Boxes:
    small, count = sample_boxes(), 180
    rows = np.arange(count) % 4
    columns = {name: array[rows] for name, array in small.arrays()}
    texts = {name: tuple(column[i] for i in rows) for name, column in small.columns() if name in ("label", "source")}
    numbers = {"sequence_index": np.zeros(count, np.int64), "frame": np.arange(count) // 20, "id": np.arange(count)}
    return Boxes(small.header, **{**columns, **texts, **numbers}, source_id=tuple(str(i) for i in range(count)))


def many_views() -> Views:
    small = sample_views()
    size, count = Size(width=64, height=48), 4
    model = small.header.cameras[0].model_copy(update={"size": size})
    random = np.random.default_rng(1)
    depth = tuple(random.random((48, 64), np.float32) for _ in range(count))
    return Views(
        small.header.model_copy(update={"cameras": (model,)}),
        split=("train",) * 2,
        scenario=("one",) * 2,
        frame=np.arange(2),
        time_s=np.arange(2) / 10,
        set_stop=np.array([2, 4]),
        agent=("1", "2") * 2,
        camera=("camera0",) * count,
        model=np.zeros(count, np.int64),
        cam2world=np.tile(np.eye(4), (count, 1, 1)),
        present={layer: np.full(count, layer in ("depth", "valid")) for layer in LAYERS},
        pixels=HeldPixels({"depth": depth, "valid": tuple(one > 0.5 for one in depth)}),
    )


LARGE: dict[str, Callable[[], Container]] = {
    "tracks": lambda: sample_tracks(windows=40, horizon=2, points=22, views=("front",), confidence=True),
    "tokens": lambda: sample_tokens(windows=40, latent=15),
    "energies": lambda: sample_energies(steps=60),
    "segments": many_segments,
    "boxes": many_boxes,
    "catalog": lambda: sample_catalog(items=200),
    "shards": lambda: sample_shards(windows=(30, 10), horizon=2, points=3, views=("front",), confidence=True),
    "views": many_views,
}

SMALL_CASES = format_cases()


@pytest.fixture(params=sorted(SMALL_CASES))
def small_case(request: pytest.FixtureRequest) -> FormatCase:
    """Every format with every profile, and data so small that structure outweighs it."""
    return SMALL_CASES[request.param]


@pytest.fixture(params=sorted(SMALL_CASES))
def large_case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FormatCase:
    """Every format with every profile, and data that fill several shards or row groups."""
    monkeypatch.setattr(sealed_parquet, "ROW_GROUP", ROW_GROUP)
    monkeypatch.setattr(sealed_groups, "ROW_GROUP", ROW_GROUP)
    monkeypatch.setattr(sealed_zarr_writer, "SHARD_WINDOWS", SHARD_WINDOWS)
    case = SMALL_CASES[request.param]
    return case._replace(container=LARGE[case.format.record]())


@pytest.fixture
def other_of() -> Callable[[Container], Container]:
    """Give another container of the same shapes: equal structure, other numbers."""

    def make(container: Container) -> Container:
        name = {"Tracks": "frame_s", "Tokens": "frame_s", "Energies": "start_s", "Views": "time_s"}.get(
            type(container).__name__, "end_s"
        )
        if isinstance(container, Boxes):
            return dataclasses.replace(container, x=container.x + 1.0)
        if isinstance(container, Catalog):
            return dataclasses.replace(container, duration_s=container.duration_s + 1.0)
        if isinstance(container, Shards):
            videos = tuple(dataclasses.replace(video, frame_s=video.frame_s - 0.001) for video in container.tracks)
            return dataclasses.replace(container, tracks=videos)
        return dataclasses.replace(container, **{name: getattr(container, name) - 0.001})

    return make


@pytest.fixture
def reachable() -> Iterator[Path]:
    """Give a folder that other users can enter, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    for name in ("open", "closed"):
        (folder / name).mkdir()
    yield folder
    (folder / "closed").chmod(0o755)
    shutil.rmtree(folder)


# Has imported everything and started no thread. A child leaves the loop and ends as any program does. It tells through
# pipes, since limits of files hold for its output too.
FORKS = """
import json, os, sys
import google_crc32c, h5py, pyarrow.parquet, zarr
from lapsdata import formats
from lapsdata.plugins import registry
from lapsdata.testing.contracts import format_cases
from lapsdata.testing.samples import *

format_cases()
while line := sys.stdin.readline():
    script, *sys.argv = json.loads(line)
    pipes = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, (_, writing) in enumerate(pipes, 1):
            os.dup2(writing, number)
        exec(compile(script, "<forked>", "exec"), {"__name__": "__main__"})
        break
    for _, writing in pipes:
        os.close(writing)
    told = [os.fdopen(reading).read() for reading, _ in pipes]
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), *told]), flush=True)
"""


@pytest.fixture(scope="session")
def forked() -> Iterator[Forked]:
    """Run scripts, each in a process of its own, without importing anything anew, which takes longer than most."""
    words = [sys.executable, "-c", FORKS]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None

        def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
            argv = ["-c", *map(str, arguments)]
            print(json.dumps([script, *argv]), file=parent.stdin, flush=True)
            return subprocess.CompletedProcess(argv, *json.loads(parent.stdout.readline()))

        yield run
        parent.stdin.close()
