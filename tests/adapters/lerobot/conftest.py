"""What the tests of data sets of LeRobot change in them, as other programs write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Changed(Protocol):
    """See `changed_json`."""

    def __call__(self, path: Path, change: Callable[[Any], Any]) -> None: ...


@pytest.fixture
def changed_json() -> Changed:
    """Return what changes a file of JSON in place."""

    def of(path: Path, change: Callable[[Any], Any]) -> None:
        told = json.loads(path.read_text())
        change(told)
        path.write_text(json.dumps(told))

    return of


@pytest.fixture
def as_parquet() -> Callable[..., None]:
    """Return what turns a file of lines into tables, as pickcube has them: one, or several in chunks."""

    def of(lines: Path, *parts: slice) -> None:
        rows = [json.loads(line) for line in lines.read_text().splitlines()]
        lines.unlink()
        if not parts:
            pq.write_table(pa.Table.from_pylist(rows), lines.with_suffix(".parquet"))
        for number, part in enumerate(parts):
            path = lines.with_suffix("") / f"chunk-{number // 2:03d}" / f"file-{number % 2:03d}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(rows[part]), path)

    return of
