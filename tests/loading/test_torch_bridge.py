"""The way to torch: shared on the CPU, and for a CUDA device in the right order on the right streams."""

from __future__ import annotations

import gc
import subprocess
import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from lapsdata.errors import MissingExtraError, SchemaError
from lapsdata.loading.ledger_check import check_ledgers
from lapsdata.loading.loader import Loader
from lapsdata.loading.torch_bridge import TorchBridge, joined_group, shared_array
from lapsdata.testing.numbers import Numbers

if TYPE_CHECKING:
    from pathlib import Path


def test_tensors_share_the_memory_of_the_arrays() -> None:
    array = np.zeros((2, 3), np.float32)
    sent = TorchBridge().send({"a": array, "words": ["x"]})
    array[1] = 5
    assert sent["a"].tolist() == [[0, 0, 0], [5, 5, 5]]
    assert sent["words"] == ["x"]


def test_an_array_keeps_the_memory_of_its_tensor() -> None:
    array = shared_array(torch.arange(1000, dtype=torch.int64), np.dtype(np.int64))
    gc.collect()
    torch.zeros(1000, dtype=torch.int64)
    assert np.array_equal(array, np.arange(1000))
    assert array.flags.writeable
    assert shared_array(torch.zeros(0, 3), np.dtype("f4")).shape == (0, 3)


@pytest.mark.parametrize("options", [{"to": "torch"}, {"device": "cpu"}, {"to": "torch", "workers": 0}])
def test_a_loader_gives_tensors(options: dict[str, Any]) -> None:
    batches = list(Loader(Numbers(10), batch_size=4, **options))
    assert all(isinstance(value, torch.Tensor) for batch in batches for value in batch.values())
    assert torch.cat([batch["number"] for batch in batches]).tolist() == [*range(10), 0, 1]
    assert batches[0]["valid"].dtype == torch.bool
    assert batches[0]["id"].dtype == torch.int64
    assert batches[0]["row"].dtype == torch.float32


def test_a_tensor_that_is_held_never_changes() -> None:
    held = [batch["row"][0] for batch in Loader(Numbers(400), batch_size=2, to="torch")]
    assert [row.tolist() for row in held] == [[i, i + 1, i + 2] for i in range(0, 400, 2)]


@pytest.mark.parametrize(
    ("device", "message"), [("gpu0", "expected a device of torch, got 'gpu0'"), ("cuda", "expected a CUDA device")]
)
def test_a_device_that_is_not_there_is_refused(device: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SchemaError, match=f"device: {message}"):
        next(iter(Loader(Numbers(4), batch_size=2, device=device)))


def test_pinned_memory_needs_a_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SchemaError, match="expected a CUDA device for device=None, pin_memory=True, got none"):
        TorchBridge(pin_memory=True)


def test_without_torch_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="to: expected torch, got no such package; pip install torch"):
        TorchBridge()


def test_a_process_group_is_found_only_where_one_was_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    assert joined_group() is None
    group = types.SimpleNamespace(
        is_available=lambda: True, is_initialized=lambda: True, get_rank=lambda: 3, get_world_size=lambda: 5
    )
    monkeypatch.setitem(sys.modules, "torch.distributed", group)
    assert joined_group() == (3, 5)
    plan = Loader(Numbers(100), global_batch_size=10).plan()
    assert (plan.rank, plan.world_size, plan.batch_size, plan.told_by) == (3, 5, 2, "torch.distributed")


GROUP = """
import json, sys
from pathlib import Path
import torch.distributed as distributed
from lapsdata.loading.loader import Loader
from lapsdata.testing.numbers import Numbers
meeting, folder, rank, size = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
state = folder / "state.json"
with Loader(Numbers(60), global_batch_size=12, shuffle="global", epochs=None, to="torch", ledger=folder) as loader:
    if state.exists():
        loader.load_state_dict(json.loads(state.read_text()))
    for step, batch in zip(range(3), loader):
        assert len(batch["id"]) == 12 // size
    assert loader.plan().told_by == "torch.distributed"
    distributed.barrier()
    if rank == 0:
        state.write_text(json.dumps(loader.state_dict()))
distributed.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no process groups")
def test_process_groups_of_changing_size_see_an_epoch_exactly_once(tmp_path: Path) -> None:
    """Three steps with two ranks, then three with one; an epoch has five, and rank 0 alone keeps the state."""
    ledgers = tmp_path / "ledgers"
    ledgers.mkdir()
    for size in (2, 1):
        meeting = tmp_path / f"meeting-{size}"
        start = [sys.executable, "-c", GROUP, str(meeting), str(ledgers)]
        commands = [[*start, str(rank), str(size)] for rank in range(size)]
        children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
        for child in children:
            _, told = child.communicate(timeout=120)
            assert child.returncode == 0, told
    report = check_ledgers([ledgers])
    assert [(problem.code, problem.where) for problem in report.problems] == [("unfinished", "epoch 1")]
    assert report.world_sizes == (2, 1)
    assert [(epoch.received, epoch.whole) for epoch in report.epochs] == [(60, True), (12, False)]


class FakeCuda:
    """What torch does for a CUDA device, as a list of what was asked of it; the copies themselves are made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.told: list[str] = []
        self.inside = False
        told = self.told

        class Stream:
            def __init__(self, device: Any) -> None:
                told.append(f"stream on {device}")

            def __enter__(self) -> None:
                told.append("enter side stream")

            def __exit__(self, *_: object) -> None:
                told.append("leave side stream")

        class Event:
            def record(self, stream: object) -> None:
                told.append("record event" if isinstance(stream, Stream) else "wrong stream")

            def synchronize(self) -> None:
                told.append("wait for event")

        def to(tensor: torch.Tensor, device: Any, *, non_blocking: bool) -> torch.Tensor:
            told.append(f"copy to {device}, non_blocking={non_blocking}")
            return tensor.clone()

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "Stream", Stream)
        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"user's stream on {device}")
        monkeypatch.setattr(torch.Tensor, "to", to)
        monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: told.append(f"record {stream}"))
        plain = torch.empty

        def empty(shape: Any, *, dtype: torch.dtype, pin_memory: bool) -> torch.Tensor:
            told.append(f"pinned={pin_memory}")
            return plain(shape, dtype=dtype)

        monkeypatch.setattr(torch, "empty", empty)


def test_a_copy_to_the_device_is_made_on_its_own_stream_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the device: what is asked of torch, and in which order."""
    fake = FakeCuda(monkeypatch)
    bridge = TorchBridge("cuda:1")
    buffer = bridge.empty((2, 3), np.dtype("f4"))
    buffer[...] = 4
    sent = bridge.send({"row": buffer})
    # The copy is over when `send` returns, so the pinned buffer may be filled again.
    buffer[...] = 9
    assert fake.told == [
        "stream on cuda:1",
        "pinned=True",
        "enter side stream",
        "copy to cuda:1, non_blocking=True",
        "record event",
        "leave side stream",
        "wait for event",
    ]
    assert bridge.receive(sent)["row"].tolist() == [[4, 4, 4], [4, 4, 4]]
    assert fake.told[7:] == ["record user's stream on cuda:1"]


def test_a_loader_for_a_device_pins_its_buffers_and_uses_them_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCuda(monkeypatch)
    with Loader(Numbers(400), batch_size=4, device="cuda", workers=2, prefetch=3, last="drop") as loader:
        found = [batch["number"].tolist() for batch in loader]
    assert found == [list(range(i, i + 4)) for i in range(0, 400, 4)]
    assert fake.told.count("stream on cuda") == 1
    # Two fields; a set for each thread, and one more at most.
    assert 2 <= fake.told.count("pinned=True") <= 6
    assert fake.told.count("copy to cuda, non_blocking=True") == 4 * 100
    assert fake.told.count("record user's stream on cuda") == 4 * 100


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_cuda_device_gets_what_was_loaded() -> None:
    with Loader(Numbers(4000), batch_size=64, device="cuda", shuffle="global", seed=1) as loader:
        for batch in loader:
            assert batch["row"].device.type == "cuda"
            assert torch.equal(batch["row"][:, 0].long(), batch["id"])
