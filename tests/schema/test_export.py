"""The exported schemas are those of this release, and drift in any direction is told."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from lapsdata.schema import RECORDS, Header, check_schemas, export_schemas

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def copy(schemas: Path, tmp_path: Path) -> Path:
    """Return a copy of the exported schemas that a test may damage."""
    return shutil.copytree(schemas, tmp_path / "schemas")


def test_goldens_have_not_drifted(schemas: Path) -> None:
    assert check_schemas(schemas) == []


def test_export_writes_the_goldens_and_leaves_the_examples(copy: Path, schemas: Path) -> None:
    for path in copy.glob("*.json"):
        path.unlink()
    written = export_schemas(copy)
    assert sorted(path.name for path in written) == sorted([*(f"{name}.json" for name in RECORDS), "index.json"])
    for path in written:
        assert path.read_bytes() == (schemas / path.name).read_bytes()
    assert (copy / "examples" / "tracks.v1" / "valid" / "minimal.json").is_file()


def test_a_changed_schema_is_drift(copy: Path) -> None:
    path = copy / "tracks.v1.json"
    path.write_text(path.read_text("utf-8").replace('"minimum": 0', '"minimum": 1', 1), "utf-8")
    (problem,) = check_schemas(copy)
    assert (problem.code, problem.where) == ("schema-drift", "tracks.v1.json")
    assert problem.fix is not None
    assert "lapsdata schema export" in problem.fix
    assert "CHANGELOG" in problem.fix


@pytest.mark.parametrize("name", ["index.json", "run.v1.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert [(p.code, p.where) for p in check_schemas(copy)] == [("schema-missing", name)]


def test_a_superfluous_file_is_named(copy: Path) -> None:
    (copy / "tracks.v0.json").write_text("{}")
    (problem,) = check_schemas(copy)
    assert (problem.code, problem.where) == ("schema-unknown", "tracks.v0.json")


def test_all_drift_is_told_at_once(copy: Path) -> None:
    (copy / "run.v1.json").unlink()
    (copy / "boxes.v1.json").write_text("{}")
    (copy / "other.json").write_text("{}")
    assert {p.code for p in check_schemas(copy)} == {"schema-missing", "schema-drift", "schema-unknown"}


def test_an_absent_folder_is_one_problem_and_an_empty_one_lacks_every_file(tmp_path: Path) -> None:
    assert [(p.code, p.where) for p in check_schemas(tmp_path / "nowhere")] == [
        ("not-found", str(tmp_path / "nowhere"))
    ]
    assert [p.code for p in check_schemas(tmp_path)] == ["schema-missing"] * (len(RECORDS) + 1)


def test_index_holds_version_status_and_true_digests(schemas: Path) -> None:
    index = json.loads((schemas / "index.json").read_text("utf-8"))
    assert set(index) == set(RECORDS)
    for name, entry in index.items():
        content = (schemas / f"{name}.json").read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["status"] == "current"
        assert f"{entry['record']}.v{entry['version']}" == name


@pytest.mark.parametrize("name", RECORDS)
def test_each_file_is_a_schema_of_its_own_that_says_which(schemas: Path, name: str) -> None:
    document = json.loads((schemas / f"{name}.json").read_text("utf-8"))
    Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"] == f"lapsdata:{name}"


@pytest.mark.parametrize("name", RECORDS)
def test_each_key_of_each_record_is_described(schemas: Path, name: str) -> None:
    document = json.loads((schemas / f"{name}.json").read_text("utf-8"))
    nested = [part for part in document.get("$defs", {}).values() if "properties" in part]
    for record in (document, *nested):
        assert record["description"].endswith((".", "`"))
        assert record["additionalProperties"] is False
        bare = [key for key, value in record["properties"].items() if not value.get("description")]
        assert bare == []


def test_headers_name_their_record_and_version() -> None:
    headers = {name: record for name, record in RECORDS.items() if issubclass(record, Header)}
    assert {f"{record.RECORD}.v{record.MAJOR}" for record in headers.values()} == set(headers)
    for record in headers.values():
        assert record.model_fields["format"].default == f"lapsdata.{record.RECORD}"
        assert record.model_fields["format_version"].default == f"{record.MAJOR}.{record.MINOR}"
