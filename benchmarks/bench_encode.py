"""How fast tracks become tokens, beside the model alone: reading, verifying and writing are to cost next to nothing.

    python benchmarks/bench_encode.py [ROUNDS]

Folders of files of windows of (16, 400, 2), raw Zarr, encoded by `encode_files`; beside it, the model's own encoder on
velocities that are ready in memory, in the same batches. Like stands beside like, in rounds of all ways one after the
other, medians of the ratios of one round:

- one process, whose model has one thread: beside the model on one thread. Reading and writing have the other core.
- two processes on two halves of the files: beside two processes with the model alone. Nothing is left for reading.
- the model alone in one process with two threads is told as well.

The processes are there and have loaded everything; they begin together, and the last one ends the round.

The promise: at least 0.9 of the windows per second of the model alone. Why it cannot always be kept stands in
`processor_us_per_window`: what the parts of the work take, each by itself. One process cannot have more than
`one_process_allows`, the model's processor time beside all that of the thread that it works in, however fast the other
threads are, and two processes on two cores not more than `two_processes_allow`, the model's share of all parts, even if
nobody ever waited for anything.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from machine import hardware, versions

import lapsdata
from lapsdata import formats
from lapsdata.loading.track_blocks import TrackBlocks
from lapsdata.provenance import parent
from lapsdata.schema import SourceVideo
from lapsdata.testing.samples import sample_provenance, sample_tracks
from lapsmodels.stages.encode import VideoEncoder
from lapsmodels.stages.encode_many import encode_files
from lapsmodels.tokenizer.checkpoint import TokenizerHeader, load_tokenizer, save_tokenizer, weights_digest
from lapsmodels.tokenizer.config import PRESETS
from lapsmodels.tokenizer.model import MotionTokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from lapsmodels.tokenizer.checkpoint import Checkpoint

RESULT = Path(__file__).with_name("results") / "encode.json"
FILES, WINDOWS = {"small": 8, "amplify": 4}, {"small": 1024, "amplify": 96}
BATCH, PROMISE = 64, 0.9


def made(preset: str, folder: Path) -> list[Path]:
    """Write a tokenizer and files of tracks."""
    model = MotionTokenizer(PRESETS[preset]).eval()
    header = TokenizerHeader(
        provenance=sample_provenance(), config=model.config, views=("default",), weights=weights_digest(b"")
    )
    save_tokenizer(folder / "tokenizer", model, header)
    files = [folder / f"clip_{number}.zarr" for number in range(FILES[preset])]
    for number, path in enumerate(files):
        video = SourceVideo(name=path.stem)
        lapsdata.write(path, sample_tracks(windows=WINDOWS[preset], horizon=16, points=400, seed=number, video=video))
    return files


def opened(path: Path, checkpoint: Checkpoint) -> tuple[TrackBlocks, VideoEncoder]:
    index = formats.recognise(path).index
    assert index is not None
    blocks = TrackBlocks(path, index(path))
    return blocks, VideoEncoder(blocks.header, blocks.start_index, blocks.frame_s, checkpoint)


def ready(path: Path, checkpoint: Checkpoint) -> list[torch.Tensor]:
    """Return the velocities of a file, batch by batch."""
    blocks, video = opened(path, checkpoint)
    with blocks:
        return [
            video.encoder.prepare(*blocks.read(first, min(first + BATCH, len(video)), ["default"])).velocities
            for first in range(0, len(video), BATCH)
        ]


def model_alone(model: MotionTokenizer, batches: list[torch.Tensor], files: int) -> None:
    with torch.no_grad():
        for _ in range(files):
            for batch in batches:
                model.encode(batch)


def encoded(files: list[Path], tokenizer: Path, out: Path) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        report = encode_files(files, tokenizer, out)
    assert report.counts["made"] == len(files), report.problems


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that went by, and those that this thread had a processor."""
    begun, own = time.perf_counter(), time.thread_time()
    work()
    return time.perf_counter() - begun, time.thread_time() - own


def serve(channel: Connection, folder: Path, files: list[Path], own: Path) -> None:
    """Do one half of the work when told to, in a process that has everything loaded."""
    torch.set_num_threads(1)
    checkpoint = load_tokenizer(folder / "tokenizer")
    model, batches = checkpoint.model, ready(files[0], checkpoint)
    while (word := channel.recv()) is not None:
        if word == "model":
            model_alone(model, batches, len(files))
        else:
            encoded(files, folder / "tokenizer", own)
        channel.send(word)
        if word == "encode":
            shutil.rmtree(own)


@contextlib.contextmanager
def two_processes(folder: Path, files: list[Path]) -> Iterator[Callable[[str], None]]:
    """Give what lets both do something, and returns when both have."""
    spawn = multiprocessing.get_context("spawn")
    ends = [spawn.Pipe() for _ in range(2)]
    half = len(files) // 2
    workers = [
        spawn.Process(target=serve, args=(ends[n][1], folder, files[n * half : (n + 1) * half], folder / f"half_{n}"))
        for n in range(2)
    ]
    for worker in workers:
        worker.start()

    def do(word: str) -> None:
        for end, _ in ends:
            end.send(word)
        for end, _ in ends:
            assert end.recv() == word

    try:
        yield do
    finally:
        for end, _ in ends:
            end.send(None)
        for worker in workers:
            worker.join()


def by_part(files: list[Path], folder: Path) -> dict[str, float]:
    """Return the processor time per window of each part, microseconds: one after the other, nothing beside them."""
    checkpoint = load_tokenizer(folder / "tokenizer")
    spent = dict.fromkeys(("digest of the tracks", "read and verify", "velocities", "model", "write"), 0.0)

    @contextlib.contextmanager
    def counted(part: str) -> Iterator[None]:
        begun = time.process_time()
        yield
        spent[part] += time.process_time() - begun

    for path in files:
        with counted("digest of the tracks"):
            parents = (parent("tracks", path),)
        with counted("read and verify"):
            blocks, video = opened(path, checkpoint)
        with blocks:
            for first in range(0, len(video), BATCH):
                with counted("read and verify"):
                    given = blocks.read(first, min(first + BATCH, len(video)), ["default"])
                with counted("velocities"):
                    prepared = video.encoder.prepare(*given)
                with counted("model"):
                    video.add(first, prepared)
        with counted("write"):
            formats.write(folder / "part.zarr", video.tokens(parents))
        shutil.rmtree(folder / "part.zarr")
    return {part: round(1e6 * seconds / len(files) / len(video), 1) for part, seconds in spent.items()}


def measure(preset: str, rounds: int, folder: Path) -> dict[str, Any]:
    files = made(preset, folder)
    windows = FILES[preset] * WINDOWS[preset]
    checkpoint = load_tokenizer(folder / "tokenizer")
    model, batches = checkpoint.model, ready(files[0], checkpoint)
    seconds: dict[str, list[tuple[float, float]]] = {}

    def note(way: str, work: Callable[[], object], threads: int = 1) -> None:
        torch.set_num_threads(threads)
        seconds.setdefault(way, []).append(timed(work))

    with two_processes(folder, files) as both:
        for number in range(rounds + 1):  # the first is for what is compiled and read into memory
            out = folder / f"tokens-{number}"
            note("model, one thread", lambda: model_alone(model, batches, len(files)))
            note("encode, one process", lambda out=out: encoded(files, folder / "tokenizer", out))
            shutil.rmtree(out)
            note("model, two threads", lambda: model_alone(model, batches, len(files)), threads=2)
            note("model, two processes", lambda: both("model"))
            note("encode, two processes", lambda: both("encode"))
    kept = {way: values[1:] for way, values in seconds.items()}

    def share(of: str, beside: str, clock: int = 0) -> float:
        return round(median(b[clock] / a[clock] for a, b in zip(kept[of], kept[beside], strict=True)), 3)

    torch.set_num_threads(1)
    parts = [by_part(files, folder) for _ in range(rounds)]
    processor = {part: round(median(one[part] for one in parts), 1) for part in parts[0]}
    return {
        "files": FILES[preset],
        "windows_per_file": WINDOWS[preset],
        "windows_per_s": {way: round(windows / median(s for s, _ in values), 1) for way, values in kept.items()},
        "share_of_model": {
            "one process, model on one thread": share("encode, one process", "model, one thread"),
            "two processes": share("encode, two processes", "model, two processes"),
        },
        "processor_us_per_window": processor,
        "one_process_allows": share("encode, one process", "model, one thread", clock=1),
        "two_processes_allow": round(processor["model"] / sum(processor.values()), 3),
    }


def main(rounds: int) -> None:
    # Others who work beside it take from the ways in unlike parts: figures of a busy machine say little.
    load, found = round(os.getloadavg()[0], 1), {}
    for preset in PRESETS:
        with tempfile.TemporaryDirectory() as root:
            found[preset] = measure(preset, rounds, Path(root))
    result = {
        "what": "windows per second from files of tracks to files of tokens, beside the model's encoder alone",
        "batch": BATCH,
        "rounds": rounds,
        "promise": PROMISE,
        "load_before": load,
        "presets": found,
        "versions": versions("torch", "numpy"),
        "hardware": hardware(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
