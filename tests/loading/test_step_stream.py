"""Streams of robot steps: each step once, by whatever readers, and the same as by number."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata.errors import SchemaError
from lapsdata.loading import StepStream, step_stream
from lapsdata.testing.episode_sets import CAMERA, write_lerobot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lapsdata.loading import StepDataset

LENGTHS = (4, 9, 5, 7)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Several episodes in a video: the time in the file is not that in the episode.
    folder = tmp_path_factory.mktemp("stream") / "set"
    return write_lerobot(folder, version="v3.0", lengths=LENGTHS, videos=True)


@pytest.fixture
def steps(root: Path) -> Iterator[StepDataset]:
    found = lapsdata.open_steps(root, {CAMERA: [-0.1, 0], "action": [0, 0.1]})
    yield found
    found.close()


def index_of(sample: dict[str, Any]) -> int:
    return int(sample["index"])


def read(stream: StepStream, monkeypatch: pytest.MonkeyPatch, reader: int, readers: int) -> list[dict[str, Any]]:
    with monkeypatch.context() as patch:
        patch.setattr(step_stream, "_reader", lambda: step_stream._Reader(reader, readers))
        return list(stream)


@given(
    readers=st.integers(1, 9),
    buffer=st.integers(1, 40),
    block_rows=st.integers(1, 12),
    seed=st.integers(0, 99),
    episodes=st.lists(st.integers(0, 3), min_size=1, unique=True),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_stream_is_random_access_in_another_order(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    readers: int,
    buffer: int,
    block_rows: int,
    seed: int,
    episodes: list[int],
) -> None:
    steps = lapsdata.open_steps(root, {CAMERA: [-0.1, 0], "action": [0, 0.1]}, episodes=episodes)
    by_index = {index_of(sample): sample for sample in steps.__getitems__(range(len(steps)))}
    seen: Counter[int] = Counter()
    with_work = 0
    for reader in range(readers):
        stream = steps.stream(buffer=buffer, block_rows=block_rows, seed=seed)
        samples = read(stream, monkeypatch, reader, readers)
        with_work += bool(samples)
        for sample in samples:
            seen[index_of(sample)] += 1
            for name, value in by_index[index_of(sample)].items():
                assert value == sample[name] if name == "task" else torch.equal(value, sample[name]), name
    assert seen == Counter(by_index.keys())
    assert with_work == min(readers, len(stream.blocks(0)))
    steps.close()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_of_a_data_loader_share_the_steps(steps: StepDataset, workers: int) -> None:
    stream = steps.stream(buffer=8, block_rows=4, seed=5)
    loader = torch.utils.data.DataLoader(stream, batch_size=4, num_workers=workers)
    indices = [index for batch in loader for index in batch["index"].tolist()]
    assert sorted(indices) == list(range(sum(LENGTHS)))
    assert len(stream) == sum(LENGTHS)


def test_workers_take_the_epoch_that_is_set(steps: StepDataset) -> None:
    stream = steps.stream(buffer=8, block_rows=4, seed=5)
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=1)
    orders = []
    for epoch in (0, 1, 0):
        stream.epoch = epoch
        orders.append([index_of(sample) for sample in loader])
    assert orders[0] == orders[2] != orders[1]


def test_epochs_differ_and_come_again(steps: StepDataset) -> None:
    stream = steps.stream(buffer=6, seed=2)
    first, second = ([index_of(sample) for sample in stream] for _ in range(2))
    assert first != second
    assert sorted(first) == sorted(second)
    again = pickle.loads(pickle.dumps(stream))
    assert again.epoch == 2
    again.epoch = 1
    assert [index_of(sample) for sample in again] == second
    assert [index_of(sample) for sample in steps.stream(buffer=6, seed=3)] != first


def test_a_buffer_of_one_keeps_the_order_of_blocks(steps: StepDataset) -> None:
    stream = steps.stream(buffer=1, block_rows=3)
    order = [index for first, stop in stream.blocks(0) for index in range(first, stop)]
    # What waits in the buffer comes when the next one does.
    assert [index_of(sample) for sample in stream] == order
    spans = [(span.start, span.stop) for span in steps.episodes]
    assert all(any(a <= first < stop <= b for a, b in spans) for first, stop in stream.blocks(0))


def test_rows_are_mixed_beyond_their_block(steps: StepDataset) -> None:
    indices = np.array([index_of(sample) for sample in steps.stream(buffer=16, block_rows=4)])
    assert (np.abs(np.diff(indices)) > 1).sum() > len(indices) / 2


@pytest.mark.parametrize(("name", "least"), [("buffer", 1), ("block_rows", 1), ("seed", 0)])
@pytest.mark.parametrize("value", [-1, 1.5, "4"])
def test_numbers_that_cannot_be(steps: StepDataset, name: str, least: int, value: Any) -> None:
    with pytest.raises(SchemaError, match=rf"stream: {name}: expected a whole number from {least} on, got {value!r}"):
        steps.stream(**{name: value})
