"""The envelope of a recipe: strict about itself, open to whatever stages there are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import FormatTooNewError, SchemaError
from lapsdata.schema import Recipe, StageChoice, canonical_json


def test_everything_has_a_default() -> None:
    assert Recipe.parse("{}") == Recipe() == Recipe(stages={})
    assert StageChoice() == StageChoice(kind=None, params={})


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"stage": {}}, "r: stage: expected a known key, got 'stage'; did you mean 'stages'"),
        ({"stages": {"track": {"parms": {}}}}, r"r: stages\.track\.parms: .*; did you mean 'params'"),
        ({"stages": {"track": {"kind": "a/b"}}}, r"r: stages\.track\.kind: expected a name without slashes"),
        ({"stages": {"track": {"params": []}}}, r"r: stages\.track\.params: expected an object, got \[\]"),
        ({"format": "lapsdata.run", "format_version": "2.0"}, "expected 'lapsdata.recipe', got 'lapsdata.run'"),
        ({"format_version": "0.9"}, r"format_version: expected '1\.0', got '0\.9'"),
        ({"format_version": 2.0}, r"format_version: expected '1\.0', got 2\.0"),
    ],
)
def test_a_fault_is_told_with_its_place(document: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Recipe.parse(json.dumps(document), "r")


@pytest.mark.parametrize("version", ["1.1", "1.10", "2.0", "999999999.0"])
def test_a_newer_version_is_refused_even_a_minor_one(version: str) -> None:
    message = (
        rf"^recipe: written in recipe format {version}, this release reads up to 1\.0; "
        r"install a newer release: pip install --upgrade lapsdata \[format-too-new\]$"
    )
    with pytest.raises(FormatTooNewError, match=message):
        Recipe.parse(json.dumps({"format_version": version, "what is new": 1}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"deep": ["\udfff"]}])
def test_parameters_are_what_a_file_can_hold(value: Any) -> None:
    with pytest.raises(SchemaError, match="expected"):
        StageChoice(params={"key": value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_any_json_is_a_parameter_and_comes_back(params: dict[str, Any]) -> None:
    recipe = Recipe(stages={"track": StageChoice(kind="any kind", params=params)})
    again = Recipe.parse(recipe.to_bytes())
    assert again == recipe
    assert canonical_json(again.stages["track"].params) == canonical_json(params)
