"""Addresses of images: which sequence and frame they are; and ids of any spelling."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters.label_studio.addresses import place_of
from lapsdata.adapters.label_studio.identities import numbered


@pytest.mark.parametrize(
    ("address", "folders", "inner", "name"),
    [
        ("/data/local-files/?d=train/A/img1/000001.jpg", ("train", "A"), "img1/", "000001.jpg"),
        ("/data/local-files?d=A/img1/000001.jpg", ("A",), "img1/", "000001.jpg"),
        ("/data/local-files/?token=x&d=A%2Fimg1%2F000001.jpg&y=1", ("A",), "img1/", "000001.jpg"),
        ("http://host:8080/data/local-files/?d=train%2FA%20b/img1/1.jpg", ("train", "A b"), "img1/", "1.jpg"),
        # A plus is a plus in a path.
        ("/data/local-files/?d=A+B/1.jpg", ("A+B",), "", "1.jpg"),
        ("/demo/frames/frame_000001.jpg", ("demo", "frames"), "", "frame_000001.jpg"),
        ("/data/upload/29/a5ef7e93-v_1Lw_c006_000001.jpg", ("v_1Lw_c006",), "", "v_1Lw_c006_000001.jpg"),
        ("/data/upload/29/000001.jpg", ("project_29",), "", "000001.jpg"),
        ("http://host/data/upload/29/a5ef7e93-task_copy.jpg?x=1", ("project_29",), "", "task_copy.jpg"),
        # Seven signs are no hash, and upper case is none either.
        ("/data/upload/3/a5ef7e9-7.jpg", ("a5ef7e9",), "", "a5ef7e9-7.jpg"),
        ("https://host/set/A/img1/000001.jpg?sig=9#top", ("host", "set", "A"), "img1/", "000001.jpg"),
        ("https://host/000001.jpg", ("host",), "", "000001.jpg"),
        ("s3://bucket/A/img1/000001.jpg", ("bucket", "A"), "img1/", "000001.jpg"),
        ("gs://bucket/A#2/000001.jpg", ("bucket", "A#2"), "", "000001.jpg"),
        (r"C:\sets\A\img1\000001.jpg", ("C:", "sets", "A"), "img1/", "000001.jpg"),
        (r"sets\A\000001.jpg", ("sets", "A"), "", "000001.jpg"),
        ("./A//000001.jpg ", ("A",), "", "000001.jpg"),
        ("000001.jpg", ("export",), "", "000001.jpg"),
        ("img1/000001.jpg", ("export",), "img1/", "000001.jpg"),
        ("/caf%C3%A9/1.jpg", ("café",), "", "1.jpg"),
    ],
)
def test_where_an_image_stands(address: str, folders: tuple[str, ...], inner: str, name: str) -> None:
    assert place_of(address, "export") == (folders, inner, name)


@pytest.mark.parametrize("address", ["", "  ", "/", "https://", "/data/local-files/?d="])
def test_an_address_of_nothing(address: str) -> None:
    assert place_of(address, "export") is None


WORD = st.text("abXY _-.+%#?&é0", min_size=1, max_size=8).filter(lambda text: text.strip(" .") == text != "img1")


@given(folders=st.lists(WORD, min_size=1, max_size=3), number=st.integers(0, 10**6), width=st.integers(1, 8))
def test_what_is_encoded_is_read_as_it_was(folders: list[str], number: int, width: int) -> None:
    path = "/".join([*folders, "img1", f"{number:0{width}d}.jpg"])
    for address in (f"/data/local-files/?d={quote(path)}", f"https://host/{quote(path)}", f"s3://b/{quote(path)}"):
        place = place_of(address, "export")
        assert place is not None
        assert place.folders[-len(folders) :] == tuple(folders)
        assert (place.inner, place.name) == ("img1/", f"{number:0{width}d}.jpg")


@pytest.mark.parametrize(
    ("identities", "numbers"),
    [
        ([["track_7", "track_3"]], [[7, 3]]),
        ([["track_007"], ["track_12", None]], [[7], [12, -1]]),
        ([["7", 12]], [[7, 12]]),
        # Two spellings of one number, two words, and no number at all: in order.
        ([["track_7", "track_07"]], [[1, 2]]),
        ([["track_7", "ball_7"]], [[1, 2]]),
        ([["track_7", "2DBmQYLmty", "track_7"]], [[1, 2, 1]]),
        ([["C7oHaRDVVC", None, "9GLz8g9skg"], ["9GLz8g9skg"]], [[1, -1, 2], [1]]),
        ([["track_1234567890123456789"]], [[1]]),
        ([[None]], [[-1]]),
        ([[]], [[]]),
        ([], []),
    ],
)
def test_ids_of_any_spelling_have_a_number(identities: list[list[Any]], numbers: list[list[int]]) -> None:
    assert [one.tolist() for one in numbered(identities)] == numbers


@given(st.lists(st.lists(st.one_of(st.none(), st.text(max_size=3), st.integers(0, 20)), max_size=6), max_size=3))
def test_a_number_is_of_one_identity(identities: list[list[Any]]) -> None:
    for several, numbers in zip(identities, numbered(identities), strict=True):
        assert numbers.dtype == np.int64
        assert [number == -1 for number in numbers.tolist()] == [one is None for one in several]
        for one, number in zip(several, numbers.tolist(), strict=True):
            for other, again in zip(several, numbers.tolist(), strict=True):
                assert (one == other) == (number == again)
