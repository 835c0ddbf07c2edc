"""Damaged samples are named, replaced by others that anybody would choose, and written down."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata.errors import CorruptDataError, Problem, SchemaError, StorageError
from lapsdata.loading.loader import Loader
from lapsdata.loading.quarantine import Quarantine
from lapsdata.loading.windows import open_windows
from lapsdata.testing.numbers import Numbers
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from pathlib import Path


class Damaged(Numbers):
    """Numbers of which some cannot be read."""

    bad: frozenset[int] = frozenset()

    def gather(self, ids: Any, **options: Any) -> Any:
        wrong = sorted(self.bad & set(np.asarray(ids).tolist()))
        if wrong:
            raise CorruptDataError(Problem("payload-checksum", f"numbers: row {wrong[0]}", "expected 1, got 2"))
        return super().gather(ids, **options)


def damaged(length: int, *bad: int) -> Damaged:
    source = Damaged(length)
    source.bad = frozenset(bad)
    return source


def epoch_of(loader: Loader) -> list[int]:
    return [int(number) for batch in loader for number in batch["id"][batch["valid"]]]


def test_by_default_a_damaged_sample_is_an_error() -> None:
    with (
        Loader(damaged(20, 7), batch_size=4, shuffle="global") as loader,
        pytest.raises(CorruptDataError, match="numbers: row 7"),
    ):
        epoch_of(loader)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_rest_of_the_epoch_is_as_it_would_be(tmp_path: Path, workers: int) -> None:
    bad, audit = {3, 11, 12}, tmp_path / "audit.jsonl"
    with Loader(Numbers(40), batch_size=8, shuffle="global", seed=5) as whole:
        order = epoch_of(whole)
    options: dict[str, Any] = {"batch_size": 8, "shuffle": "global", "seed": 5, "workers": workers}
    with Loader(damaged(40, *bad), unreadable="quarantine", audit=audit, **options) as loader:
        got = epoch_of(loader)
        assert loader.replaced == 3
        assert set(loader.damaged) == bad
    assert [new for new, old in zip(got, order, strict=True) if old not in bad] == [n for n in order if n not in bad]
    assert not bad & set(got)
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    assert {line["id"] for line in lines} == bad
    told = {line["id"]: line["replacement"] for line in lines}
    assert [told[old] for old in order if old in bad] == [
        new for new, old in zip(got, order, strict=True) if old in bad
    ]
    assert all(line["epoch"] == 0 and "expected 1, got 2" in line["problem"] for line in lines)


def test_another_batch_size_chooses_the_same_replacements() -> None:
    def replacements(batch: int) -> list[int]:
        source = damaged(30, 1, 2, 29)
        with Loader(source, batch_size=batch, shuffle="global", seed=1, unreadable="quarantine", workers=0) as loader:
            return epoch_of(loader) + epoch_of(loader)

    assert replacements(3) == replacements(10) == replacements(30)


def test_each_epoch_has_replacements_of_its_own() -> None:
    source = damaged(1000, 5)
    with Loader(source, batch_size=1000, unreadable="quarantine", workers=0) as loader:
        assert len({epoch_of(loader)[5] for _ in range(6)}) > 1


def test_data_that_are_damaged_everywhere_end_the_loop() -> None:
    quarantine = Quarantine(damaged(6, *range(6)), seed=0, audit=None)
    with pytest.raises(CorruptDataError, match="expected a sample that can be read in place of"):
        quarantine.gather(np.array([2]), epochs=np.zeros(1, np.int64), fields=["number"], out=None)


def test_what_is_no_single_sample_stays_an_error() -> None:
    class Together(Numbers):
        def gather(self, ids: Any, **options: Any) -> Any:
            if len(ids) > 1:
                raise CorruptDataError(Problem("index-damaged", "numbers", "expected an index, got none"))
            return super().gather(ids, **options)

    quarantine = Quarantine(Together(6), seed=0, audit=None)
    with pytest.raises(CorruptDataError, match="expected an index, got none"):
        quarantine.gather(np.arange(3), epochs=np.zeros(3, np.int64), fields=["number"], out=None)


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"unreadable: expected one of \('raise', 'quarantine'\), got 'skip'"):
        Loader(Numbers(3), batch_size=1, unreadable="skip")  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="audit: expected unreadable='quarantine' for an audit log"):
        Loader(Numbers(3), batch_size=1, audit=tmp_path / "log")


def test_an_audit_log_that_cannot_be_written_ends_the_loop(tmp_path: Path) -> None:
    source, log = damaged(4, 1), tmp_path / "nowhere" / "log"
    with (
        Loader(source, batch_size=4, unreadable="quarantine", audit=log) as loader,
        pytest.raises(StorageError, match="no such file or folder"),
    ):
        epoch_of(loader)


def test_a_flipped_bit_of_a_real_file_is_quarantined(tmp_path: Path) -> None:
    tracks, path = sample_tracks(windows=30), tmp_path / "clip.h5"
    lapsdata.write(path, tracks)
    content = bytearray(path.read_bytes())
    at = content.find(tracks.tracks["default"][17].tobytes())
    content[at + 5] ^= 16
    path.write_bytes(content)
    windows = open_windows(path)
    with Loader(windows, batch_size=8, shuffle="global", unreadable="quarantine") as loader:
        for batch in loader:
            np.testing.assert_array_equal(batch["tracks"], tracks.tracks["default"][batch["id"]])
        assert list(loader.damaged) == [17]
        assert "row 17" in loader.damaged[17]


class MetTogether(Damaged):
    """Numbers whose damage several threads meet at once: none goes on before each has had its error."""

    def __init__(self, length: int, threads: int) -> None:
        super().__init__(length)
        self._all, self._met = threading.Barrier(threads), threading.local()
        self._one, self._listed = threading.Lock(), threading.Event()
        self._first = True

    def gather(self, ids: Any, **options: Any) -> Any:
        try:
            return super().gather(ids, **options)
        except CorruptDataError:
            if not getattr(self._met, "yet", False):
                self._met.yet = True
                self._all.wait(10)
                with self._one:
                    first, self._first = self._first, False
                if not first:
                    assert self._listed.wait(10)
            raise


def test_two_batches_that_meet_the_same_damage_at_once_are_both_delivered() -> None:
    """What the quicker thread has listed is damage to the slower one as well."""
    source = MetTogether(8, threads=2)
    source.bad = frozenset({3})
    quarantine = Quarantine(source, seed=0, audit=None)
    listed: dict[int, str] = quarantine.damaged
    got: list[Any] = []

    def one() -> None:
        ids = np.array([3, 5])
        try:
            got.append(quarantine.gather(ids, epochs=np.zeros(2, np.int64), fields=["number"], out=None)[0].tolist())
        except CorruptDataError as error:
            got.append(error)
        source._listed.set()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert set(listed) == {3}
    assert len(got) == 2
    assert got[0] == got[1]
    assert 3 not in got[0]
