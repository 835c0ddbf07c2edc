"""Sets of views under threads, forks, damage and changed files: an error with its place, or what was written."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from lapsdata.errors import CorruptDataError, LapsError, SchemaError, StorageError
from lapsdata.formats import write
from lapsdata.loading import Loader, check_ledgers, open_view_sets
from tests.loading.views_by_hand import HEIGHT, WIDTH, depth_of, make_views

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.loading import ViewBatches, ViewDataset


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "scene.views.h5"
    write(path, make_views([3] * 8))
    return path


def flip(path: Path, view: int, layer: str = "depth") -> None:
    """Change one bit of the stored pixels of a view."""
    with h5py.File(path) as file:
        data = file[f"pixels/{WIDTH}x{HEIGHT}/{layer}"]
        offset = data.id.get_offset() + view * data[0].nbytes + 5
    with path.open("r+b") as raw:
        raw.seek(offset)
        byte = raw.read(1)[0]
        raw.seek(offset)
        raw.write(bytes([byte ^ 0x10]))


def test_a_damaged_row_is_named_by_its_file_and_others_are_read(stored: Path) -> None:
    flip(stored, 4)
    sets = open_view_sets(stored, views=3)
    with pytest.raises(CorruptDataError, match=r"scene\.views\.h5: pixels/4x3/depth.*4"):
        sets[1]
    assert np.array_equal(sets[0][2]["depthmap"], depth_of(2))
    # Only what is asked for is read: its pictures are whole.
    batches = sets.batches(3, shuffle=False)
    pictures = batches.gather([1], fields=["img"])["img"]
    assert pictures[0, :, 0, 0, 0].tolist() == [3, 4, 5]
    with pytest.raises(CorruptDataError, match="depth"):
        batches.gather([1])


def test_damaged_batches_are_replaced_only_where_that_is_asked_for_and_are_counted(stored: Path) -> None:
    flip(stored, 4)
    batches = open_view_sets(stored, views=3).batches(3, shuffle=False)
    strict = Loader(batches, batch_size=1, workers=0)
    with pytest.raises(CorruptDataError, match="depth"):
        list(strict)
    kept = Loader(batches, batch_size=1, workers=0, unreadable="quarantine")
    seen = [(int(batch["id"][0]), int(batch["set"][0, 0])) for batch in kept]
    assert len(seen) == 8
    assert kept.replaced == 1
    assert list(kept.damaged) == [1]
    assert all(one == number for one, number in seen)
    assert 1 not in {number for _, number in seen}


def test_a_file_that_is_gone_or_another_one_is_told(stored: Path, tmp_path: Path) -> None:
    sets = open_view_sets(stored, views=3)
    again = pickle.loads(pickle.dumps(sets))
    stored.rename(tmp_path / "moved.h5")
    with pytest.raises(StorageError, match=r"scene\.views\.h5"):
        again[0]
    write(stored, make_views([3] * 9, scale=2.0))
    with pytest.raises(LapsError, match=r"scene\.views\.h5"):
        pickle.loads(pickle.dumps(sets))[0]


def test_many_threads_get_what_one_gets(stored: Path) -> None:
    sets = open_view_sets(stored, views=[2, 3])
    alone = [sets.sample(number % 8, epoch=number // 8) for number in range(48)]
    other = open_view_sets(stored, views=[2, 3])
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda number: other.sample(number % 8, epoch=number // 8), range(48)))
    for one, two in zip(alone, together, strict=True):
        assert [view["instance"] for view in one] == [view["instance"] for view in two]
        assert all(np.array_equal(a["depthmap"], b["depthmap"]) for a, b in zip(one, two, strict=True))


def depth_sum(sets: ViewDataset, number: int) -> float:
    return float(sum(view["depthmap"].sum() for view in sets[number]))


@pytest.mark.parametrize("method", ["fork"])
def test_other_processes_get_what_this_one_gets(stored: Path, method: str) -> None:
    sets = open_view_sets(stored, views=3)
    wanted = [depth_sum(sets, number) for number in range(8)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.starmap(depth_sum, [(sets, number) for number in range(8)]) == wanted


def test_a_dataset_is_one_for_torch(stored: Path) -> None:
    from torch.utils.data import DataLoader

    sets = open_view_sets(stored, views=2, pick="first")
    found = list(DataLoader(sets, batch_size=2, collate_fn=list))  # type: ignore[arg-type]
    assert [len(batch) for batch in found] == [2, 2, 2, 2]
    # Its own collation makes of each view a dictionary of tensors.
    batch: Any = next(iter(DataLoader(sets, batch_size=3)))  # type: ignore[arg-type]
    assert batch[1]["img"].shape == (3, HEIGHT, WIDTH, 3)
    assert batch[0]["label"] == ["scene0/a0"] * 3
    assert batch[0]["depthmap"].dtype.is_floating_point


def test_ledgers_prove_that_every_batch_came_on_four_and_on_five_ranks(stored: Path, tmp_path: Path) -> None:
    sets = open_view_sets(stored, views=[2, 3])
    states: list[Any] = []
    for world, steps in ((4, 1), (5, 2)):
        after = []
        for rank in range(world):
            loader = Loader(
                sets.batches(4), batch_size=1, shuffle="global", epochs=None, steps_per_epoch=3, rank=rank,
                world_size=world, workers=0, fields=["set"], ledger=tmp_path / "ledger",
            )  # fmt: skip
            if states:
                loader.load_state_dict(states[0])
            for _, _ in zip(range(steps), loader, strict=False):
                pass
            after.append(json.loads(json.dumps(loader.state_dict())))
            loader.close()
        states = after
    report = check_ledgers([tmp_path / "ledger"])
    assert not [problem for problem in report.problems if problem.severity == "error"]


def test_a_state_is_refused_by_other_sets(stored: Path) -> None:
    def loader(**told: Any) -> Loader:
        batches: ViewBatches = open_view_sets(stored, **{"views": 3, **told}).batches(3)
        return Loader(batches, batch_size=1, shuffle="global", workers=0, rank=0, world_size=1)

    state = loader().state_dict()
    loader().load_state_dict(state)
    for other in ({"seed": 1}, {"views": 2}, {"pose_frame": "first_view"}):
        with pytest.raises(SchemaError, match=r"other-data|other-order"):
            loader(**other).load_state_dict(state)


def test_reads_do_not_grow_with_the_number_of_samples(stored: Path) -> None:
    sets = open_view_sets(stored, views=3)
    batches = sets.batches(6)
    loader = Loader(batches, batch_size=1, shuffle="global", epochs=None, steps_per_epoch=200, workers=2, prefetch=2)
    addresses = set()
    for number, batch in enumerate(loader):
        addresses.add(batch["img"].__array_interface__["data"][0])
        if number == 150:
            break
    loader.close()
    # A handful of buffers is filled again and again.
    assert len(addresses) <= 8
