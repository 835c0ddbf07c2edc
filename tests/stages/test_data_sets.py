"""Where the videos of data sets lie, and which of them are in a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lapsdata.errors import AmbiguousFormatError, SchemaError, StorageError
from lapsdata.stages._data_sets import DATA_SETS, find_split, find_split_videos
from lapsdata.stages.recipe import resolve
from lapsdata.testing.made_up_labels import write_made_up_labels

if TYPE_CHECKING:
    from pathlib import Path


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize(
    ("data_set", "rate", "name", "place"),
    [
        ("gtea", "15", "S1_Cheese_C1", "Videos/S1_Cheese_C1.mp4"),
        ("gtea", "15", "S1_Cheese_C1", "videos/S1_Cheese_C1.avi"),
        ("gtea", "15", "S1_Cheese_C1", "S1_Cheese_C1.MP4"),
        ("50salads", "30", "rgb-01-1", "Videos/rgb-01-1.avi"),
        ("breakfast", "15", "P03_cam01_P03_cereals", "Videos/P03/cam01/P03_cereals.avi"),
        ("breakfast", "15", "P03_cam01_P03_cereals", "P03/cam01/P03_cereals.avi"),
        ("breakfast", "15", "P08_webcam01_P08_coffee", "P08/webcam01/P08_coffee.avi"),
        ("breakfast", "15", "P23_stereo01_P23_tea", "P23/stereo/P23_tea_ch0.avi"),
        ("breakfast", "15", "P23_stereo01_P23_tea", "P23/stereo01/P23_tea.avi"),
        ("breakfast", "15", "P03_cam01_P03_cereals", "Videos/P03_cam01_P03_cereals.mp4"),
    ],
)
def test_where_a_video_lies(data_set: str, rate: str, name: str, place: str, tmp_path: Path) -> None:
    touch(tmp_path, place)
    one = DATA_SETS[data_set]
    assert [(item.name, item.path) for item in find_split_videos(one, tmp_path, [name])] == [(name, tmp_path / place)]
    assert str(one.rate) == rate


def test_breakfast_of_real_names(real_data: Path) -> None:
    names = [path.name for path in (real_data / "breakfast_labels" / "groundTruth").iterdir()]
    assert {DATA_SETS["breakfast"].places(name)[1].count("/") for name in names} == {2}


def test_every_missing_video_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "Videos/b.mp4", "Videos/c.txt")
    with pytest.raises(StorageError, match=r"a: expected its video, a in .*got none") as error:
        find_split_videos(DATA_SETS["gtea"], tmp_path, ["a", "b", "c"])
    assert [problem.where for problem in error.value.problems] == ["a", "c"]


def test_two_videos_for_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "Videos/a.mp4", "Videos/a.avi")
    with pytest.raises(AmbiguousFormatError, match=r"a: expected one video, got a\.avi, a\.mp4"):
        find_split_videos(DATA_SETS["gtea"], tmp_path, ["a"])


def test_a_split_is_read_in_its_order(tmp_path: Path) -> None:
    write_made_up_labels(tmp_path, train=("b", "a"), test=("c",))
    assert find_split(tmp_path, 1) == (("b", "a"), ("c",))


def test_a_split_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    write_made_up_labels(tmp_path)
    message = r"expected train\.split7\.bundle and test\.split7\.bundle in splits, got test\.split1\.bundle, train\.spl"
    with pytest.raises(StorageError, match=message):
        find_split(tmp_path, 7)
    with pytest.raises(StorageError, match="no such file"):
        find_split(tmp_path / "nowhere", 1)


def test_a_video_that_is_learned_from_is_not_tested(tmp_path: Path) -> None:
    write_made_up_labels(tmp_path, train=("a", "b"), test=("b",))
    with pytest.raises(SchemaError, match="in one part of split 1, got 'b' in train and test"):
        find_split(tmp_path, 1)


@pytest.mark.parametrize("name", DATA_SETS)
def test_what_the_stages_are_told_is_known_to_them(name: str) -> None:
    chosen = resolve(DATA_SETS[name].recipe)
    assert chosen.options("track").as_json()["rate"] == "10"
    assert chosen.options("train").as_json()["epochs"] == 10
