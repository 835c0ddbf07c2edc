"""The schema tests share the examples that ship beside the schemas, and a judge that knows nothing of pydantic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from lapsdata.schema import RECORDS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def schemas(root: Path) -> Path:
    """Return the folder of the exported schemas."""
    return root / "schemas"


@pytest.fixture(scope="session")
def judges(schemas: Path) -> dict[str, Draft202012Validator]:
    """Return a JSON Schema validator for each record, built from the exported file alone."""
    return {name: Draft202012Validator(json.loads((schemas / f"{name}.json").read_text("utf-8"))) for name in RECORDS}


@pytest.fixture(scope="session")
def valid(schemas: Path) -> dict[str, dict[str, str]]:
    """Return the text of each valid example, by record and name."""
    return {
        record: {
            path.stem: path.read_text("utf-8")
            for path in sorted((schemas / "examples" / record / "valid").glob("*.json"))
        }
        for record in RECORDS
    }
