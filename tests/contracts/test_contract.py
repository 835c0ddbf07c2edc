"""The contract itself fails formats that break a promise; a suite that passes everything would prove nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.containers import Energies
from lapsdata.errors import CorruptDataError, LapsError
from lapsdata.formats import Format, TracksWriter, WriteReport, energies_jsonl, tracks_hdf5
from lapsdata.testing.contracts import FormatContract
from lapsdata.testing.samples import sample_energies, sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers import Container

GOOD = energies_jsonl.PLUGIN


def without_last_row(energies: Energies) -> Energies:
    arrays = {name: array[:-1] for name, array in energies.arrays()}
    return Energies(energies.header, **arrays)


def loses_a_row(path: Path, container: Energies, *, overwrite: bool = False) -> WriteReport:
    return GOOD.write(path, without_last_row(container), overwrite=overwrite)


def reports_too_little(path: Path, container: Energies, *, overwrite: bool = False) -> WriteReport:
    return dataclasses.replace(GOOD.write(path, container, overwrite=overwrite), nbytes=1)


def writes_in_place(path: Path, container: Energies, *, overwrite: bool = False) -> WriteReport:
    report = GOOD.write(path.with_name("aside"), container)
    path.write_bytes(path.with_name("aside").read_bytes())
    path.with_name("aside").unlink()
    return dataclasses.replace(report, path=path)


def tears_the_old_first(path: Path, container: Energies, *, overwrite: bool = False) -> WriteReport:
    if overwrite:
        path.write_bytes(b"a part")
    return GOOD.write(path, container, overwrite=overwrite)


def adds_noise(path: Path, container: Energies, *, overwrite: bool = False) -> WriteReport:
    note = float(np.random.default_rng().random())
    header = container.header.model_copy(update={"hop_s": note})
    return GOOD.write(path, dataclasses.replace(container, header=header), overwrite=overwrite)


def takes_anything(path: Path, container: Energies, *, overwrite: bool = False) -> WriteReport:
    return GOOD.write(path, container if isinstance(container, Energies) else sample_energies(), overwrite=overwrite)


def reads_what_is_left(path: Path, *, verify: str = "first") -> Energies:
    """Repair silently what was cut: the fault that the contract is there to find."""
    try:
        return GOOD.read(path, verify=verify)
    except CorruptDataError:
        return without_last_row(sample_energies())


def reads_without_looking(path: Path, *, verify: str = "first") -> Energies:
    return GOOD.read(path, verify="never")


def ignores_verify(path: Path, *, verify: str = "first") -> Energies:
    return GOOD.read(path)


def lays_windows_out_otherwise(path: Path, **announced: Any) -> TracksWriter:
    return tracks_hdf5.writer(path, chunking="windows", **announced)


BROKEN: dict[str, dict[str, Callable[..., Any]]] = {
    "test_round_trip": {"write": loses_a_row},
    "test_report_says_what_was_written": {"write": reports_too_little},
    "test_refuses_what_exists": {"write": writes_in_place},
    "test_failed_write_leaves_the_old": {"write": tears_the_old_first},
    "test_equal_inputs_give_equal_bytes": {"write": adds_noise},
    "test_wrong_container_is_refused": {"write": takes_anything},
    "test_cut_files_are_errors": {"read": reads_what_is_left},
    "test_flipped_bits_are_errors_or_harmless": {"read": reads_without_looking},
    "test_recognises_no_other_file": {"recognises": lambda path: True},
    "test_recognises_its_own_files": {"recognises": lambda path: path.suffix == ".jsonl"},
    "test_unknown_verify_is_refused": {"read": ignores_verify},
    "test_absent_file_is_a_storage_error": {"read": lambda path, verify="first": sample_energies()},
    "test_name_is_the_registry_name": {},
    "test_header_alone_is_the_header": {"read_header": lambda path: sample_tracks().header},
    "test_windows_one_by_one_give_the_same_bytes": {"writer": lays_windows_out_otherwise},
}

# A promise that a format of energies cannot break is broken by one of tracks.
OF_TRACKS = {"test_header_alone_is_the_header", "test_windows_one_by_one_give_the_same_bytes"}


def contract_of(plugin: Format[Any]) -> FormatContract:
    class Suite(FormatContract):
        format = plugin

        def examples(self) -> tuple[Container, ...]:
            return (sample_tracks(stride=2),) if plugin.record == "tracks" else (sample_energies(),)

    return Suite()


def call(suite: FormatContract, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments: dict[str, Any] = {"tmp_path": tmp_path, "monkeypatch": monkeypatch}
    function = getattr(FormatContract, name)
    names = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    getattr(suite, name)(**{key: arguments[key] for key in names})


def test_every_promise_has_a_format_that_breaks_it() -> None:
    assert set(BROKEN) == {name for name in dir(FormatContract) if name.startswith("test_")}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_contract_fails_a_bad_format(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    good: Format[Any] = tracks_hdf5.PLUGIN if name in OF_TRACKS else GOOD
    call(contract_of(good), name, tmp_path / "good", monkeypatch)
    bad = dataclasses.replace(good, **BROKEN[name])
    with pytest.raises((AssertionError, LapsError, pytest.fail.Exception), match=r"."):
        call(contract_of(bad), name, tmp_path / "bad", monkeypatch)


def test_a_lost_row_is_told_in_full(tmp_path: Path) -> None:
    bad = dataclasses.replace(GOOD, write=loses_a_row)
    with pytest.raises(AssertionError, match=r"wrote Energies\(.*rows: 12 .*\) with \{\}, read Energies\(.*rows: 11 "):
        contract_of(bad).test_round_trip(tmp_path)


def test_a_suite_without_examples_cannot_pass() -> None:
    class Empty(FormatContract):
        format = GOOD

    with pytest.raises(TypeError, match="examples"):
        Empty()
