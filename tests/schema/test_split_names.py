"""One split has two names: whoever asks by either finds it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.schema.split_names import find_split, usual_split


@pytest.mark.parametrize(
    ("asked", "there", "found"),
    [
        ("val", ["train", "validate"], "validate"),
        ("validate", ["train", "val"], "val"),
        ("val", ["validate", "val"], "val"),
        ("validate", ["val", "validate"], "validate"),
        ("train", ["train"], "train"),
        ("test", ["test_culvercity"], None),
        ("Val", ["val", "validate"], None),
        ("val", [], None),
    ],
)
def test_a_split_is_found_by_its_own_name_or_its_other_one(asked: str, there: list[str], found: str | None) -> None:
    assert find_split(asked, there) == found
    # What is passed may be read once alone.
    assert find_split(asked, iter(there)) == found


@given(st.text(), st.lists(st.text()))
def test_no_other_name_means_anything_but_itself(asked: str, there: list[str]) -> None:
    if asked not in ("val", "validate"):
        assert find_split(asked, there) == (asked if asked in there else None)
        assert usual_split(asked) == asked
    assert usual_split(usual_split(asked)) == usual_split(asked)
