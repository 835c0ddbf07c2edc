"""Ten times as many windows take no more memory."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.formats import tracks_writer
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from pathlib import Path

HORIZON, POINTS, SHORT, LONG = 16, 400, 300, 1500

# Peak memory of a process that has converted one file, in MiB.
PEAK = """
import resource, sys, pathlib
from lapsdata._convert._options import ConvertOptions
from lapsdata._convert._sources import find_sources
from lapsdata._convert._work import ConvertWork
from lapsdata._convert._writing import convert_item
from lapsdata.execution.manifest import Found, Job, WorkItem
from lapsdata.provenance import parent

source, target, to = map(pathlib.Path, sys.argv[1:])
work = ConvertWork(find_sources(source).items, (parent("converted", source),), ConvertOptions(to=str(to)), "tracks")
convert_item(Job(WorkItem("clip", target, "sha256:00", work), Found("missing")), lambda windows: None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def long_file(path: Path, windows: int) -> None:
    """Write tracks that are all alike, without ever holding them."""
    clip = sample_tracks(windows=1, horizon=HORIZON, points=POINTS)
    positions, vis = clip.tracks["default"], clip.vis["default"]
    frames = np.arange(windows - 1 + HORIZON) / 10
    with tracks_writer(path, views={"default": POINTS}, windows=windows, horizon=HORIZON) as writer:
        for _ in range(windows // 100):
            writer.append("default", np.repeat(positions, 100, axis=0), np.repeat(vis, 100, axis=0))
        writer.finish(clip.header, np.arange(windows), frames)


@pytest.mark.parametrize(("to", "ending"), [("tracks_zarr", "zarr"), ("shards_webdataset", "shards")])
def test_memory_does_not_grow_with_the_windows(to: str, ending: str, tmp_path: Path) -> None:
    peaks = []
    for windows in (SHORT, LONG):
        source = tmp_path / f"{windows}.h5"
        long_file(source, windows)
        words: list[str | Path] = [sys.executable, "-c", PEAK, source, tmp_path / f"{windows}.{ending}", to]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    payload = (LONG - SHORT) * HORIZON * POINTS * 9 / 2**20
    assert payload > 60
    assert peaks[1] - peaks[0] < 25
