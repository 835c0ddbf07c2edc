"""Sources whose samples are other ones in another epoch: they are told which it is, and a run goes on as it began."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.loading import Loader, Mixture
from lapsdata.loading.quarantine import Quarantine
from lapsdata.loading.source import gather_at
from lapsdata.testing.numbers import Numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Turning(Numbers):
    """Numbers whose rows are moved by a thousand for each epoch; some cannot be read in some epochs."""

    by_epoch = True
    bad: frozenset[tuple[int, int]] = frozenset()

    def gather(self, ids: Any, *, epochs: NDArray[np.int64] | None = None, **options: Any) -> Any:
        ids = np.asarray(ids)
        told = np.zeros(len(ids), np.int64) if epochs is None else epochs
        assert told.shape == ids.shape
        wrong = sorted(self.bad & set(zip(ids.tolist(), told.tolist(), strict=True)))
        if wrong:
            raise CorruptDataError(Problem("undecodable-frame", f"row {wrong[0]}", "cannot be decoded"))
        batch = super().gather(ids, **options)
        batch["row"][:, 0] += 1000 * told
        return batch


def told(batch: Any) -> list[Any]:
    return [batch["id"].tolist(), batch["row"][:, 0].tolist()]


def test_a_source_is_told_the_epochs_only_where_it_wants_them() -> None:
    ids, epochs = np.array([2, 0]), np.array([1, 3])
    assert gather_at(Turning(3), ids, epochs)["row"][:, 0].tolist() == [1002, 3000]
    assert gather_at(Numbers(3), ids, epochs)["row"][:, 0].tolist() == [2, 0]


@pytest.mark.parametrize("steps", [None, 2])
def test_each_sample_is_of_the_epoch_that_it_is_drawn_in(steps: int | None) -> None:
    loader = Loader(Turning(10), batch_size=4, shuffle="global", epochs=5, steps_per_epoch=steps, workers=0)
    seen = []
    for batch in loader:
        ids, rows = (batch[name][batch["valid"]].astype(int) for name in ("id", "row"))
        seen += [(one, row // 1000, row % 1000) for one, row in zip(ids.tolist(), rows[:, 0].tolist(), strict=True)]
    assert all(one == row for one, _, row in seen)
    epochs = [epoch for _, epoch, _ in seen]
    assert epochs == [at // 10 for at in range(len(seen))]


def test_a_resumed_run_sees_what_it_would_have_seen() -> None:
    def make(**options: Any) -> Loader:
        return Loader(Turning(10), global_batch_size=4, shuffle="global", epochs=4, **({"workers": 0} | options))

    whole = [told(batch) for batch in make()]
    first = make(workers=2)
    iterator = iter(first)
    begun = [told(next(iterator)) for _ in range(5)]
    state = json.loads(json.dumps(first.state_dict()))
    first.close()
    later = make()
    later.load_state_dict(state)
    assert begun + [told(batch) for batch in later] == whole
    ranks = [make(rank=rank, world_size=2) for rank in range(2)]
    shared = [[np.stack(pair, 1).reshape(-1).tolist() for pair in zip(told(one), told(other), strict=True)]
              for one, other in zip(*ranks, strict=True)]  # fmt: skip
    assert shared == whole


def test_a_mixture_hands_epochs_on() -> None:
    mixture = Mixture({"still": Numbers(4), "turning": Turning(4)})
    assert mixture.by_epoch
    assert not Mixture({"still": Numbers(4)}).by_epoch
    got = mixture.gather(np.array([7, 1, 4]), epochs=np.array([2, 2, 5]))
    assert got["row"][:, 0].tolist() == [2003, 1, 5000]
    assert mixture.gather(np.array([7]))["row"][0, 0] == 3
    for epoch, batch in enumerate(Loader(mixture, batch_size=8, epochs=3, workers=0)):
        rows = batch["row"][:, 0]
        assert (rows[batch["source"] == 1] // 1000 == epoch).all()
        assert (rows[batch["source"] == 0] < 1000).all()


class TestDamage:
    def source(self) -> Turning:
        found = Turning(8)
        found.bad = frozenset({(3, 1), (5, 1), (5, 2)})
        return found

    def test_what_is_damaged_in_one_epoch_is_delivered_in_another(self) -> None:
        quarantine = Quarantine(self.source(), seed=0, audit=None)
        ids = np.arange(8)
        delivered = [
            quarantine.gather(ids, epochs=np.full(8, epoch), fields=["number", "row"], out=None)[0].tolist()
            for epoch in (1, 0, 2)
        ]
        assert [at for at in range(8) if delivered[0][at] != at] == [3, 5]
        assert delivered[1] == list(range(8))
        assert [at for at in range(8) if delivered[2][at] != at] == [5]
        assert set(quarantine.damaged) == {3, 5}
        assert quarantine.replaced == 3

    def test_a_run_that_begins_later_replaces_the_same(self) -> None:
        """What earlier epochs have met decides nothing."""

        def make() -> Loader:
            return Loader(self.source(), batch_size=4, shuffle="global", epochs=3, unreadable="quarantine", workers=0)

        loader = make()
        whole, state = [], None
        for at, batch in enumerate(loader):
            whole.append(told(batch))
            if at == 3:
                state = loader.state_dict()
        assert state is not None
        later = make()
        later.load_state_dict(state)
        assert [told(batch) for batch in later] == whole[4:]
        assert loader.replaced == 3
