"""Rows of energies files: read by column where they are spelled as we write them, by the record where not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers import Energies
from lapsdata.errors import LapsWarning, SchemaError
from lapsdata.formats import energies_jsonl
from lapsdata.schema.base import canonical_json
from lapsdata.schema.energies import EnergiesSeal, EnergyRow
from lapsdata.storage.seal import crc32c
from lapsdata.testing import strategies
from lapsdata.testing.samples import sample_energies

if TYPE_CHECKING:
    from pathlib import Path

ROW: dict[str, Any] = {
    "end_s": 0.1, "energy": 0.5, "start_s": 0.0, "state": "measured", "step": 0, "video": "clip_0",
}  # fmt: skip


def sealed(path: Path, *rows: bytes) -> Path:
    """Write a file as another program might: our header, its own rows, a seal that fits."""
    content = b"".join(line + b"\n" for line in (sample_energies().header.to_bytes(), *rows))
    seal = EnergiesSeal(rows=len(rows), crc32c=f"{crc32c(content):08x}")
    path.write_bytes(content + seal.to_bytes() + b"\n")
    return path


@given(strategies.energies())
def test_lines_are_the_canonical_json_of_the_records(energies: Energies) -> None:
    """The quick spelling by column is the spelling of the contract."""
    lines = list(energies_jsonl._lines(energies))
    assert lines[0] == energies.header.to_bytes() + b"\n"
    other = "window" if energies.header.per == "step" else "step"
    for line, row in zip(lines[1:], energies.rows(), strict=True):
        document = row.as_json()
        del document[other]
        assert line == canonical_json(document) + b"\n"


@given(strategies.energies())
def test_the_quick_reader_reads_every_line_that_we_write(energies: Energies) -> None:
    for line, row in zip(list(energies_jsonl._lines(energies))[1:], energies.rows(), strict=True):
        read = energies_jsonl._plain_row(line, energies.header.per)
        number = row.step if row.step is not None else row.window
        assert read == (row.video, number, row.start_s, row.end_s, row.energy, row.state)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**54),
    st.floats(),
    st.sampled_from(["measured", "gated", "missing", "clip_0", "x", [], {}]),
)


@given(st.dictionaries(st.sampled_from(sorted(ROW)), values, max_size=3))
def test_the_quick_reader_is_never_kinder_than_the_record(change: dict[str, Any]) -> None:
    line = json.dumps(ROW | change).encode()
    read = energies_jsonl._plain_row(line, "step")
    try:
        record = EnergyRow.parse(line)
    except SchemaError:
        assert read is None
    else:
        assert read in (
            None,
            (record.video, record.step, record.start_s, record.end_s, record.energy, record.state),
        )


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(ROW, indent=1).replace("\n", " ").encode(),
        json.dumps(dict(reversed(ROW.items()))).encode(),
        json.dumps(ROW | {"end_s": 1, "start_s": 0}).encode(),
        json.dumps(ROW | {"window": None}).encode(),
    ],
    ids=["spaces", "order", "whole seconds", "null window"],
)
def test_other_spellings_say_the_same(tmp_path: Path, line: bytes) -> None:
    energies = energies_jsonl.read(sealed(tmp_path / "e.jsonl", line))
    assert (energies.start_s.tolist(), energies.energy.tolist()) == ([0.0], [0.5])
    assert energies.end_s.tolist() in ([0.1], [1.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"energy": None}, r"line 3: expected an energy exactly where state is 'measured'"),
        ({"state": "gated"}, r"line 3: expected an energy exactly where state is 'measured'"),
        ({"energy": "0.5"}, r"line 3: energy: expected a valid number"),
        ({"video": "other"}, r"line 3: expected a step of a video of the header, got another row"),
        ({"step": None, "window": 0}, r"line 3: expected a step of a video of the header, got another row"),
        ({"end_s": 0.0}, r"line 3: expected start_s < end_s"),
        ({"speed": 1}, r"line 3: speed: expected a known key, got 'speed'"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = sealed(tmp_path / "e.jsonl", canonical_json(ROW), canonical_json({**ROW, **change}))
    with pytest.raises(SchemaError, match=message):
        energies_jsonl.read(path)


def test_all_wrong_rows_are_named_at_once(tmp_path: Path) -> None:
    bad = canonical_json({**ROW, "energy": None})
    with pytest.raises(SchemaError, match=r"3 problems:") as caught:
        energies_jsonl.read(sealed(tmp_path / "e.jsonl", bad, canonical_json(ROW), bad, bad))
    assert [p.where.rpartition("line ")[2] for p in caught.value.problems] == ["2", "4", "5"]


def test_own_keys_of_rows_are_not_lost_in_silence(tmp_path: Path) -> None:
    path = sealed(
        tmp_path / "e.jsonl",
        canonical_json({**ROW, "x-note": 1}),
        canonical_json(ROW | {"step": 1, "start_s": 0.1, "end_s": 0.2}),
    )
    with pytest.warns(LapsWarning, match=r"rows have own keys that Energies does not keep: x-note"):
        energies = energies_jsonl.read(path)
    assert energies.index.tolist() == [0, 1]


def test_a_hundred_thousand_rows_come_back(tmp_path: Path) -> None:
    header = sample_energies().header
    count = 100_000
    random = np.random.default_rng(0)
    state = random.integers(0, 3, count).astype(np.uint8)
    energies = Energies(
        header,
        np.sort(random.integers(0, 2, count)),
        np.arange(count),
        np.arange(count) / 30,
        np.arange(1, count + 1) / 30,
        np.where(state == 0, random.random(count), np.nan),
        state,
    )
    energies_jsonl.write(tmp_path / "e.jsonl", energies)
    assert energies_jsonl.read(tmp_path / "e.jsonl").equals(energies)
