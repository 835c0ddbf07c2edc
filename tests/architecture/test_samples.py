"""Formats have files that must be readable for ever, records examples that are right and wrong, adapters samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lapsdata.plugins import registry
from lapsdata.schema import RECORDS

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = [entry.name for entry in registry("formats").entries() if entry.distribution == "lapsdata"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_golden_files_of_version_1(root: Path, name: str) -> None:
    assert list((root / "tests" / "golden" / name / "v1").iterdir())


ADAPTERS = [entry.name for entry in registry("adapters").entries() if entry.distribution == "lapsdata"]


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_adapter_has_samples_and_knows_them(root: Path, name: str) -> None:
    samples = root / "tests" / "samples" / name
    assert registry("adapters").load(name).recognises(samples) is not None or any(
        registry("adapters").load(name).recognises(one) is not None for one in samples.iterdir()
    )


@pytest.mark.parametrize("kind", ["valid", "invalid"])
@pytest.mark.parametrize("record", RECORDS)
def test_every_record_has_examples(root: Path, record: str, kind: str) -> None:
    assert list((root / "schemas" / "examples" / record / kind).glob("*.json"))


def test_no_golden_file_and_no_example_is_left_without_its_subject(root: Path) -> None:
    assert {path.name for path in (root / "tests" / "golden").iterdir()} <= set(FORMATS)
    assert {path.name for path in (root / "tests" / "samples").iterdir()} <= set(ADAPTERS)
    assert {path.name for path in (root / "schemas" / "examples").iterdir()} <= set(RECORDS)
