"""Energies of LAPS: read under both of their names, with the time that only the user knows, and their faults told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lapsdata
from lapsdata._convert import convert
from lapsdata.adapters import find_adapter
from lapsdata.containers import Energies
from lapsdata.errors import AmbiguousFormatError, SchemaError, UnknownFormatError
from lapsdata.plugins import registry
from lapsdata.testing.samples import sample_energies

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "laps"
FIRST = SAMPLES / "S1_Tea_C1" / "stream_energy_quantized_token_diff_l2_mean.jsonl"
SECOND = SAMPLES / "S2_Tea_C1" / "energy_split1"
RAN: Any = {"rate": 10, "stride": 4}


@pytest.fixture(autouse=True)
def in_this_process(one_process: list[int]) -> list[int]:
    """Start no workers."""
    return one_process


def read(path: Path, **told: Any) -> tuple[Energies, dict[str, str]]:
    """Return the energies, and the notes by code."""
    container, notes, *_ = registry("adapters").load("laps").read(path, **told)
    return container, {note.code: str(note) for note in notes}


def written(folder: Path, *values: float | None, first: int = 0, **row: Any) -> Path:
    rows = [
        {"window": number, "energy": value, "source": "velocity", "mode": "l2_mean", **row}
        for number, value in enumerate(values, first)
    ]
    path = folder / "stream_energy_velocity_l2_mean.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_a_row_is_a_window_at_its_number_times_the_hop() -> None:
    energies, notes = read(FIRST, **RAN)
    header = energies.header
    assert (header.videos, header.per) == (("S1_Tea_C1",), "window")
    assert (header.source, header.mode) == ("quantized", "token_diff_l2_mean")
    assert (header.hop_s, header.support_s) == (0.4, 1.4)
    np.testing.assert_allclose(energies.start_s, np.arange(10) * 0.4)
    np.testing.assert_allclose(energies.end_s - energies.start_s, 1.4)
    np.testing.assert_array_equal(energies.energy, [0.0, 0.0, 7.25, 12.5, 11.875, 0.0, 9.0625, np.nan, 8.5, 3.75])
    assert header.policies == {"zero_energies": 3, "rows_without_energy": 1, "windows_without_row": 0}
    assert header.provenance.parents[0].name == FIRST.name
    assert set(notes) == {"zero-energies", "missing-energies", "length-unknown"}
    assert "3 of 10 energies are 0.0" in notes["zero-energies"]


@pytest.mark.parametrize("told", [{}, {"rate": 10}, {"stride": 4}])
def test_time_is_never_inferred(told: Any) -> None:
    """Regression: 10 per second were meant, and 7.5, 12.5, 15 or 30 were run; the file tells none of them."""
    with pytest.raises(SchemaError, match=r"got none: a row has the number of its window and no time.*give --rate and"):
        read(FIRST, **told)


def test_another_window_is_said() -> None:
    energies, _ = read(FIRST, rate="7.5", stride=2, horizon=16)
    assert energies.header.hop_s == pytest.approx(2 / 7.5)
    assert energies.header.support_s == pytest.approx(2.0)
    for name, value in (("stride", 0), ("horizon", 1)):
        with pytest.raises(SchemaError, match=f"{name}: expected an integer of at least"):
            read(FIRST, **(RAN | {name: value}))


def test_zeros_are_gated_where_that_is_said() -> None:
    energies, notes = read(FIRST, zeros="gated", **RAN)
    assert energies.state.tolist() == [1, 1, 0, 0, 0, 1, 0, 2, 0, 0]
    assert np.isnan(energies.energy[[0, 1, 5, 7]]).all()
    assert energies.header.policies["zero_energies"] == 3
    assert "taken for gated; --zeros measured" in notes["zero-energies"]


def test_numbers_that_are_left_out_are_gaps_in_time() -> None:
    energies, notes = read(SECOND, **RAN)
    assert energies.header.videos == ("S2_Tea_C1",)
    assert energies.index.tolist() == [0, 1, 3, 4]
    np.testing.assert_allclose(energies.start_s, [0, 0.4, 1.2, 1.6])
    assert "1 windows have no row" in notes["windows-left-out"]
    assert energies.header.policies["windows_without_row"] == 1


@pytest.mark.parametrize(
    ("duration_s", "fits"), [(5.1, True), (5.4, True), (5.05, True), (5.6, False), (20.0, False), (4.9, False)]
)
def test_rows_that_do_not_fit_the_length_are_told(duration_s: float, fits: bool) -> None:
    """Regression: 91 to 97 energies for about 155 windows, since the queue had dropped the rest."""
    _, notes = read(FIRST, duration_s=duration_s, **RAN)
    assert ("rows-do-not-fit" not in notes) == fits
    assert "length-unknown" not in notes
    if duration_s == 20.0:
        assert (
            "expected 47 windows of 20 s at 10 frames per second and a stride of 4, got 10 rows, which last 4.0 s"
            in (notes["rows-do-not-fit"])
        )


def test_a_folder_of_videos_is_one_container(tmp_path: Path) -> None:
    energies, _ = read(SAMPLES, **RAN)
    assert energies.header.videos == ("S1_Tea_C1", "S2_Tea_C1")
    assert np.bincount(energies.video_index).tolist() == [10, 4]
    with pytest.raises(SchemaError, match="expected no length beside 2 videos, got 5 s; name the file of one video"):
        read(SAMPLES, duration_s=5.0, **RAN)
    with pytest.raises(SchemaError, match=r"expected files stream_energy\*.jsonl or energy_split\*, .*, got none"):
        read(tmp_path, **RAN)
    shutil.copytree(SAMPLES, tmp_path / "split1")
    written(tmp_path / "split1" / "S2_Tea_C1", 1.0)
    with pytest.raises(SchemaError, match="got quantized token_diff_l2_mean, velocity l2_mean") as caught:
        read(tmp_path / "split1", **RAN)
    assert {problem.code for problem in caught.value.problems} == {"unlike-energies", "doubled-video"}


def test_a_link_of_the_other_name_is_the_same_file(tmp_path: Path) -> None:
    file = written(tmp_path, 1.0, 2.0)
    (tmp_path / "energy_split1").symlink_to(file)
    energies, _ = read(tmp_path, **RAN)
    assert energies.header.videos == (tmp_path.name,)
    assert len(energies) == 2
    file.rename(tmp_path / "other.jsonl")
    assert read(tmp_path / "other.jsonl", **RAN)[0].header.videos == ("other",)


def test_every_fault_of_the_rows_is_named_with_its_line(tmp_path: Path) -> None:
    good = written(tmp_path, 1.0, 2.0, 3.0).read_text()
    path = tmp_path / "stream_energy_velocity_l2_mean.jsonl"
    other = '{"window": 5, "energy": 1, "source": "quantized", "mode": "l2_mean"}\n'
    path.write_text(
        good + good + other + '{"window": "x", "energy": 1, "source": "velocity", "mode": "l2_mean"}\n{"win'
    )
    with pytest.raises(SchemaError, match="4 problems") as caught:
        read(path, **RAN)
    told = {problem.where.rpartition(": ")[2]: problem for problem in caught.value.problems}
    assert "expected windows that rise, got 0 after 2; a second run was appended" in str(told["line 4"])
    assert "it was cut: remove the line" in str(told["line 9"])
    assert "expected a window from 0 and a number, got 'x' and 1" in str(told["line 8"])
    assert any("got velocity l2_mean (line 1), quantized l2_mean (line 7)" in str(one) for one in told.values())
    path.write_text("")
    with pytest.raises(SchemaError, match="expected rows, got none"):
        read(path, **RAN)


def test_only_theirs_are_recognised(tmp_path: Path) -> None:
    for theirs in (FIRST, SECOND, SAMPLES, SAMPLES / "S2_Tea_C1"):
        found = find_adapter(theirs)
        assert found is not None
        assert (found[0].name, found[1]) == ("laps", "energies")
    lapsdata.write(tmp_path / "ours.jsonl", sample_energies())
    (tmp_path / "list.jsonl").write_text('[{"window": 0, "energy": 1.0, "source": "a", "mode": "b"}]\n')
    (tmp_path / "bytes").write_bytes(bytes(range(256)))
    for path in (tmp_path / "ours.jsonl", tmp_path / "list.jsonl", tmp_path / "bytes", tmp_path):
        assert find_adapter(path) is None


def test_what_two_adapters_know_is_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    one = registry("adapters").load("laps")
    monkeypatch.setattr(registry("adapters"), "load_all", lambda: {"laps": one, "twin": one})
    with pytest.raises(AmbiguousFormatError, match="got what laps, laps all know; name a file in it"):
        find_adapter(FIRST)


def test_convert_writes_energies_of_ours(tmp_path: Path) -> None:
    report = convert(SAMPLES, tmp_path / "split1.jsonl", rate=10, stride=4, zeros="gated")
    assert report.counts["made"] == 1
    assert {problem.code for problem in report.problems} >= {"zero-energies", "windows-left-out", "length-unknown"}
    stored = lapsdata.read(tmp_path / "split1.jsonl", Energies)
    expected, _ = read(SAMPLES, zeros="gated", **RAN)
    np.testing.assert_array_equal(stored.energy, expected.energy)
    np.testing.assert_array_equal(stored.start_s, expected.start_s)
    assert convert(SAMPLES, tmp_path / "split1.jsonl", rate=10, stride=4, zeros="gated").counts["kept"] == 1
    assert convert(SAMPLES, tmp_path / "split1.jsonl", rate=15, stride=4).counts["changed"] == 1


def test_what_convert_is_not_told_is_an_error(tmp_path: Path) -> None:
    refused = convert(FIRST, tmp_path / "out.jsonl").problems
    assert [problem.code for problem in refused] == ["no-times"]
    assert not (tmp_path / "out.jsonl").exists()
    lapsdata.write(tmp_path / "clip.jsonl", sample_energies())
    with pytest.raises(
        SchemaError, match=r"horizon: expected none with energies of ours .*, got one: only for energies and"
    ):
        convert(tmp_path / "clip.jsonl", tmp_path / "out.jsonl", horizon=15)
    (tmp_path / "notes.txt").write_text("none of anybody's")
    with pytest.raises(UnknownFormatError, match=r"notes\.txt"):
        convert(tmp_path / "notes.txt", tmp_path / "out.jsonl", rate=10)
