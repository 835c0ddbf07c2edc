"""Where the videos of data sets lie, and which of them are in a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


# --- names ------------------------------------------------------------------------------------------------------

persons = st.integers(3, 54).map("P{:02}".format)
foods = st.sampled_from(["cereals", "coffee", "friedegg", "juice", "milk", "pancake", "salat", "sandwich", "tea"])


@given(persons, st.sampled_from(["cam", "webcam"]), st.integers(1, 9), foods)
def test_a_camera_has_a_folder_of_its_own(person: str, camera: str, number: int, food: str) -> None:
    rest = f"{person}_{food}"
    name = f"{person}_{camera}{number:02}_{rest}"
    assert DATA_SETS["breakfast"].places(name) == (name, f"{person}/{camera}{number:02}/{rest}")


@given(persons, st.integers(1, 9), foods)
def test_the_eyes_of_a_stereo_camera_are_told_by_their_channel(person: str, number: int, food: str) -> None:
    """Labels count them from 1, files from 0."""
    rest = f"{person}_{food}"
    name = f"{person}_stereo{number:02}_{rest}"
    assert DATA_SETS["breakfast"].places(name)[2:] == (f"{person}/stereo/{rest}_ch{number - 1}",)


@pytest.mark.parametrize("name", ["tea", "P03_tea", "p03_cam01_P03_tea", "P03_CAM01_tea", "P03cam01tea", "P_cam01_tea"])
def test_other_names_have_one_place(name: str) -> None:
    assert {one: each.places(name) for one, each in DATA_SETS.items()} == dict.fromkeys(DATA_SETS, (name,))


def test_other_data_sets_know_no_cameras() -> None:
    for name in ("gtea", "50salads"):
        assert DATA_SETS[name].places("P03_cam01_P03_tea") == ("P03_cam01_P03_tea",)


def test_the_first_of_its_places_is_a_video(tmp_path: Path) -> None:
    """Copies of one video in several places are no doubt: the order of the places decides."""
    name = "P23_stereo01_P23_tea"
    places = (
        f"Videos/{name}.avi", "Videos/P23/stereo01/P23_tea.avi", "Videos/P23/stereo/P23_tea_ch0.mp4",
        f"videos/{name}.avi", "P23/stereo/P23_tea_ch0.avi",
    )  # fmt: skip
    touch(tmp_path, *places)
    for place in places:
        (item,) = find_split_videos(DATA_SETS["breakfast"], tmp_path, [name])
        assert item.path.samefile(tmp_path / place)
        (tmp_path / place).unlink()
    with pytest.raises(StorageError, match=r"_P23_tea or P23/stereo01/P23_tea or P23/stereo/P23_tea_ch0 in"):
        find_split_videos(DATA_SETS["breakfast"], tmp_path, [name])


def test_both_eyes_have_their_own_file(tmp_path: Path) -> None:
    touch(tmp_path, "P23/stereo/P23_tea_ch0.avi", "P23/stereo/P23_tea_ch1.avi")
    names = ["P23_stereo02_P23_tea", "P23_stereo01_P23_tea"]
    found = find_split_videos(DATA_SETS["breakfast"], tmp_path, names)
    assert [(item.name, item.path.stem[-3:]) for item in found] == [(names[0], "ch1"), (names[1], "ch0")]


@given(st.permutations(["a", "b", "c", "d"]), st.integers(1, 4))
def test_videos_come_in_the_order_of_their_names(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], count: int
) -> None:
    root = tmp_path_factory.getbasetemp() / "ordered"
    touch(root, *(f"{name}.mp4" for name in "abcd"))
    found = find_split_videos(DATA_SETS["gtea"], root, names[:count])
    assert [item.name for item in found] == names[:count]


def test_what_is_near_is_not_it(tmp_path: Path) -> None:
    touch(
        tmp_path, "Videos/S1_Tea_C1.txt", "Videos/S1_Tea_C10.mp4", "Videos/s1_tea_c1.mp4", "Videos/more/S1_Tea_C1.mp4"
    )
    with pytest.raises(StorageError, match=r"S1_Tea_C1: expected its video, S1_Tea_C1 in .*Videos or .* got none"):
        find_split_videos(DATA_SETS["gtea"], tmp_path, ["S1_Tea_C1"])


def test_missing_ones_are_told_before_doubled_ones(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp4", "a.avi")
    with pytest.raises(StorageError, match=r"b: expected its video"):
        find_split_videos(DATA_SETS["gtea"], tmp_path, ["a", "b"])


# --- lists of splits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["train", "test"])
def test_half_a_split_is_none(tmp_path: Path, part: str) -> None:
    write_made_up_labels(tmp_path)
    (tmp_path / "splits" / f"{part}.split1.bundle").unlink()
    with pytest.raises(StorageError, match=rf"expected {part}\.split1\.bundle in splits, got t\w+\.split1\.b"):
        find_split(tmp_path, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"test\.split1\.bundle: expected a video per line, got none"),
        ("#bundle\n\n", r"expected a video per line, got none"),
        ("a.txt\nb.txt\na\n", r"expected each video once, got 'a' again \[doubled-video\]"),
    ],
)
def test_a_list_of_no_videos_is_told(tmp_path: Path, text: str, message: str) -> None:
    write_made_up_labels(tmp_path)
    (tmp_path / "splits" / "test.split1.bundle").write_text(text)
    with pytest.raises(SchemaError, match=message):
        find_split(tmp_path, 1)


def test_lists_of_other_makers_name_the_same_videos(tmp_path: Path) -> None:
    write_made_up_labels(tmp_path)
    usual = find_split(tmp_path, 1)
    for bundle in (tmp_path / "splits").iterdir():
        lines = bundle.read_text().splitlines()
        bundle.write_text("#bundle\r\n" + "".join(f"./data/groundTruth/{line}\r\n" for line in lines))
    assert find_split(tmp_path, 1) == usual


def test_a_folder_without_splits_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"in splits, got no such files; name the folder with splits/"):
        find_split(tmp_path, 1)
