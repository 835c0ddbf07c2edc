"""Files of OPV2V that are damaged, or made to do harm: each is told by its name, and none stops the others."""

from __future__ import annotations

import math
import shutil
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lapsdata.adapters.opv2v.faults import faults_of_opv2v
from lapsdata.adapters.opv2v.frame_facts import FrameFacts, read_facts, spelled_facts
from lapsdata.adapters.opv2v.metadata_cache import cache_file, read_cache, write_cache
from lapsdata.adapters.opv2v.pictures import png_size, read_depth
from lapsdata.adapters.opv2v.point_cloud import PointCloud, read_pcd
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.adapters.opv2v.scanning import scan_opv2v
from lapsdata.adapters.opv2v.vehicles import Vehicles, merge_vehicles, vehicles_of
from lapsdata.adapters.opv2v.yaml_text import load_yaml, plain_number
from lapsdata.containers import Views
from lapsdata.errors import CorruptDataError, LapsError, Problem, SchemaError
from lapsdata.storage.seal import StoredArray
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v

if TYPE_CHECKING:
    from collections.abc import Callable

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000"), (69, 71), size=(16, 12), beams=(2, 8))
FOLDER = Path("train") / SCENE.name
CAR: dict[str, Any] = {
    "location": [1, 2, 0],
    "angle": [0, 0, 0],
    "center": [0, 0, 1],
    "extent": [2, 1, 1],
    "speed": 10.0,
}
NUMPY = "!!python/object/apply:numpy.core.multiarray"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("opv2v") / "root"
    write_opv2v(root, [SCENE])
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "root"))


def codes(root: Path) -> list[tuple[str, str]]:
    return [(one.code, one.where.removeprefix(f"{root / FOLDER}/").partition(":")[0]) for one in faults_of_opv2v(root)]


def ours(call: Callable[[], Any]) -> Any:
    """Return what a call gives, or the problems that it raises; whatever else it raises fails the test."""
    try:
        return call()
    except LapsError as error:
        return error.problems


def all_told(found: Any, where: str) -> bool:
    """Say whether these are problems, each of them of a place."""
    return isinstance(found, tuple) and all(isinstance(one, Problem) and where in one.where for one in found)


# --- yaml -----------------------------------------------------------------------------------------------------------

HOSTILE = {
    "an integer of more digits than Python reads": "a: " + "1" * 5000,
    "a date that is none": "a: 2021-13-45",
    "a tag of integers on a word": "a: !!int abc",
    "a tag of floats on a word": "a: !!float abc",
    "a tag of booleans on a word": "a: !!bool maybe",
    "a tag of times on a word": "a: !!timestamp abc",
    "hexadecimal without digits": "a: 0x_",
    "a set that is a word": "a: !!set 5",
    "a scalar of NumPy without a type": f"a: {NUMPY}.scalar [{{args: [], state: []}}, !!binary aa==]",
    "an array of NumPy whose shape is a word": (
        f"a: {NUMPY}._reconstruct {{state: [1, [x], {{args: [f8], state: [3, '<']}}, false, !!binary AAAA]}}"
    ),
    "an array of NumPy with too few bytes": (
        f"a: {NUMPY}._reconstruct {{state: [1, [9], {{args: [f8], state: [3, '<']}}, false, !!binary AAAA]}}"
    ),
    "levels without end": "a: " + "[" * 200_000 + "]" * 200_000,
    "levels without an end at all": "a: " + "[" * 101,
    "lists in lists by dashes": "- " * 101 + "1",
    "mappings in mappings by their indentation": "".join(f"{' ' * level}a:\n" for level in range(101)),
    "questions in questions": "? " * 101 + "1",
    "a list as a key": "? [1]\n: 2",
    "a merge of a number": "<<: 5",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_yaml_that_breaks_its_reader_is_told_by_its_file(name: str) -> None:
    with pytest.raises(SchemaError, match=r"x.yaml: .*\[(broken-yaml|unknown-tag)\]"):
        load_yaml(HOSTILE[name].encode(), "x.yaml")


@pytest.mark.parametrize("levels", [1, 99])
def test_some_levels_are_as_good_as_none(levels: int) -> None:
    value: Any = 5
    for _ in range(levels):
        value = [value]
    for flow in (True, False):
        assert load_yaml(yaml.safe_dump({"a": value}, default_flow_style=flow).encode(), "x") == {"a": value}
    # Many lists, none of them deep.
    assert load_yaml(b"a: [" + b"[1, 2], " * 500 + b"]", "x") == {"a": [[1, 2]] * 500}


@pytest.mark.parametrize("name", ["a date that is none", "a tag of booleans on a word", "a set that is a word"])
def test_one_such_frame_is_left_out_and_the_others_are_read(root: Path, name: str) -> None:
    (root / FOLDER / "641" / "000071.yaml").write_text(HOSTILE[name])
    assert codes(root) == [("broken-yaml", "641/000071.yaml")]
    adapted = read_opv2v(root, cache=None)
    assert isinstance(adapted.container, Views)
    assert adapted.container.set_stop.tolist() == [8, 12]
    assert [note.code for note in adapted.notes] == ["broken-yaml"]


def test_a_list_that_holds_itself_is_no_list_of_numbers() -> None:
    with pytest.raises(SchemaError, match=r"lidar_pose: expected 6 finite numbers, got \[\[\[\[\.\.\.\]\]\]\]"):
        read_facts(b"lidar_pose: &a [*a]", "x.yaml")


@pytest.mark.parametrize("number", ["1" * 400, "-" + "9" * 400, "0x" + "f" * 6000])
def test_a_pose_beyond_all_floats_is_told(number: str) -> None:
    text = f"lidar_pose: [{number}, 2, 3, 4, 5, 6]"
    with pytest.raises(SchemaError, match=r"x.yaml: lidar_pose: expected 6 finite numbers.*\[wrong-value\]"):
        read_facts(text.encode(), "x.yaml")
    block = "camera0:\n  cords:\n" + f"  - {number}\n" * 6
    assert spelled_facts(f"{block}lidar_pose:\n{'- 1.0' * 6}".encode()) is None


def test_lists_that_name_one_another_are_told_at_once() -> None:
    """Thirty lists, each of ten times the one before: to spell them out takes longer than anybody lives."""
    lists = ["a0: &a0 [1, 2]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    text = "\n".join([*lists, "lidar_pose: *a29", "camera0: {cords: *a28, intrinsic: *a29}"])
    with pytest.raises(SchemaError, match=r"(?s)3 problems:.*lidar_pose: expected 6 finite numbers, got \[\[\["):
        read_facts(text.encode(), "x.yaml")
    with pytest.raises(SchemaError, match=r"vehicles: expected vehicles by their numbers, got \[\[\["):
        vehicles_of(load_yaml((text + "\nvehicles: *a29").encode(), "x.yaml"), "x.yaml")


@settings(max_examples=80, deadline=None)
@given(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)
def test_only_finite_numbers_are_numbers(value: Any) -> None:
    found = plain_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        assert found is None
    else:
        assert (found, type(found)) == (float(value), float)
    assert plain_number(10**400) is None


@settings(max_examples=120, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet="ab:-[]{}!&*? \n\"'|>%@`0123456789.eE_~<", max_size=60))
def test_any_bytes_are_a_document_or_an_error_of_ours(data: bytes | str) -> None:
    content = data if isinstance(data, bytes) else data.encode()
    ours(lambda: load_yaml(content, "x.yaml"))
    facts = ours(lambda: read_facts(content, "x.yaml"))
    assert isinstance(facts, FrameFacts) or all_told(facts, "x.yaml")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_any_changed_byte_of_a_frame_gives_facts_or_an_error_of_ours(place: int, value: int) -> None:
    content = bytearray(yaml.safe_dump(SCENE.told("641", 69)).encode())
    content[place % len(content)] = value
    facts = ours(lambda: read_facts(bytes(content), "x.yaml"))
    if not isinstance(facts, FrameFacts):
        assert all_told(facts, "x.yaml")
        return
    assert len(facts.numbers) == 6 + 31 * len(facts.cameras)
    found = ours(lambda: vehicles_of(load_yaml(bytes(content), "x.yaml"), "x.yaml"))
    assert np.isfinite(found.box2world).all() if isinstance(found, Vehicles) else all_told(found, "x.yaml")


def test_a_yaml_of_more_than_a_block_is_read_whole(root: Path) -> None:
    """The last lines are those of the LiDAR: they stand behind the first million of bytes."""
    path = root / FOLDER / "641" / "000071.yaml"
    document = yaml.safe_load(path.read_text())
    last = yaml.safe_dump({"lidar_pose": [9.0, 8.0, 7.0, 0.0, 0.0, 0.0]}, default_flow_style=False)
    del document["lidar_pose"]
    filled = "plan_text: " + "a" * 1_300_000 + "\n"
    del document["plan_trajectory"]
    path.write_text(yaml.safe_dump(document) + filled + last)
    scan = scan_opv2v(root)
    assert scan.refused == ()
    number = next(place for place, folder in enumerate(scan.folders) if folder.agent == "641")
    assert scan.facts[number, "000071"].numbers[:3] == (9.0, 8.0, 7.0)


# --- vehicles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ([CAR], r"vehicles: expected vehicles by their numbers, got \[\{'angle'.*\[wrong-value\]"),
        (5, "vehicles: expected vehicles by their numbers, got 5"),
        ("", "vehicles: expected vehicles by their numbers, got '';"),
        ({1.5: CAR}, "vehicles: expected whole numbers as names, got 1.5"),
        ({True: CAR}, "vehicles: expected whole numbers as names, got True"),
        ({10**30: CAR}, "vehicles: expected whole numbers as names, got 1000000000"),
        ({16**6000: CAR}, "vehicles: expected whole numbers as names, got a number of more digits than can be told"),
        ({"7.0": CAR}, "vehicles: expected whole numbers as names, got '7.0'"),
        ({7: CAR, "7": CAR}, r"vehicles: expected each vehicle once, got 7 again.*\[vehicle-twice\]"),
        ({7: {**CAR, "location": [10**400, 0, 0]}}, "vehicles: 7: location: expected 3 finite numbers, got"),
        ({7: {**CAR, "extent": [True, 1, 1]}}, "vehicles: 7: extent: expected 3 finite numbers, got"),
        ({7: {**CAR, "angle": [0, 0, math.nan]}}, "vehicles: 7: angle: expected 3 finite numbers, got"),
        ({7: {**CAR, "center": [0, 0]}}, "vehicles: 7: center: expected 3 finite numbers, got"),
        ({7: {**CAR, "speed": "fast"}}, "vehicles: 7: speed: expected a finite number, got 'fast'"),
        ({7: {**CAR, "speed": 10**400}}, "vehicles: 7: speed: expected a finite number, got 1000"),
    ],
)
def test_vehicles_that_are_none_are_told(told: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=f"x.yaml: {message}"):
        vehicles_of({"vehicles": told}, "x.yaml")


def test_vehicles_may_be_named_in_quotes_and_lack_a_speed() -> None:
    found = vehicles_of({"vehicles": {"641": CAR, -3: {**CAR, "speed": None}, 9: {**CAR, "speed": 0}}}, "x.yaml")
    assert found.number.tolist() == [-3, 9, 641]
    np.testing.assert_array_equal(found.speed, [np.nan, 0.0, 10.0])
    assert vehicles_of({"vehicles": None}, "x.yaml").number.tolist() == []
    assert vehicles_of({}, "x.yaml").box2world.shape == (0, 4, 4)


def test_vehicles_that_are_none_are_among_the_faults_of_a_root(root: Path) -> None:
    path = root / FOLDER / "1000" / "000069.yaml"
    document = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**document, "vehicles": [CAR]}))
    assert codes(root) == [("wrong-value", "1000/000069.yaml")]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sets(st.integers(0, 5))), max_size=4))
def test_each_vehicle_is_merged_once_and_knows_who_saw_it(seen: list[tuple[str, set[int]]]) -> None:
    each = [(agent, vehicles_of({"vehicles": dict.fromkeys(numbers, CAR)}, "x")) for agent, numbers in seen]
    merged = merge_vehicles(each)
    every = sorted(set().union(*(numbers for _, numbers in seen)))
    assert merged.vehicles.number.tolist() == every
    for number, agents in zip(every, merged.seen_by, strict=True):
        assert list(agents) == [agent for agent, numbers in seen if number in numbers]
    assert merged.unlike == ()


# --- frames, pictures and points ------------------------------------------------------------------------------------


def test_two_yaml_files_of_one_frame_are_told_and_one_is_taken(root: Path) -> None:
    place = root / FOLDER / "641"
    other = yaml.safe_load((place / "000071.yaml").read_text())
    other["camera0"]["cords"][0] += 100
    (place / "71.yaml").write_text(yaml.safe_dump(other))
    (problem,) = (one for one in faults_of_opv2v(root) if one.code == "frame-twice")
    assert (problem.severity, problem.where) == ("error", str(place / "71.yaml"))
    assert problem.message == "expected one yaml of frame 71, got '000071.yaml', '71.yaml'"
    assert problem.fix == "delete what is not of it; 000071.yaml is taken"
    adapted = read_opv2v(root, cache=None)
    assert isinstance(adapted.container, Views)
    assert adapted.container.set_stop.tolist() == [8, 16]
    assert adapted.container.header.policies == {"second_yaml_of_a_frame": 1}
    assert [(one.code, one.message) for one in adapted.notes] == [
        ("sets-left-out", "left out: 1 second yaml of a frame")
    ]
    mount = SCENE.camera_pose("641", 71, 0)
    assert adapted.container.cam2world[12, 2, 3] == pytest.approx(mount[0])


def resized(content: bytes, width: int, height: int, *, checked: bool) -> bytes:
    head = b"IHDR" + struct.pack(">II", width, height) + content[24:29]
    return content[:12] + head + (struct.pack(">I", zlib.crc32(head)) if checked else content[29:33]) + content[33:]


@pytest.mark.parametrize(("width", "height"), [(0, 12), (16, 0), (0, 0)])
@pytest.mark.parametrize("checked", [True, False])
def test_a_picture_without_pixels_is_told_and_its_views_are_of_the_others(
    root: Path, width: int, height: int, checked: bool
) -> None:
    path = root / FOLDER / "1000" / "000069_camera0.png"
    path.write_bytes(resized(path.read_bytes(), width, height, checked=checked))
    with pytest.raises(CorruptDataError, match=rf"got {width} x {height} that has not.*\[not-png\]"):
        png_size(path)
    assert codes(root) == [("not-png", "1000/000069_camera0.png")]
    adapted = read_opv2v(root, cache=None)
    assert isinstance(adapted.container, Views)
    assert str(adapted.container.camera_model(0).size.frame) == "16x12"


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 32), bit=st.integers(0, 7))
def test_any_flipped_bit_before_the_pixels_is_seen_without_reading_them(made: Path, place: int, bit: int) -> None:
    content = bytearray((made / FOLDER / "1000" / "000069_camera0.png").read_bytes())
    content[place] ^= 1 << bit
    path = made.parent / "flipped.png"
    path.write_bytes(content)
    if 8 <= place < 12:
        # How long the first chunk is: always 13, and nobody asks.
        assert png_size(path) == (16, 12)
        return
    with pytest.raises(CorruptDataError, match=r"flipped.png: .*\[not-png\]"):
        png_size(path)


HEAD = "FIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F {}\nPOINTS {}\nDATA ascii\n"


@pytest.mark.parametrize(
    ("kind", "value", "red"),
    [
        ("U", "16711680", 1.0),
        ("U", "4294967295", 1.0),
        ("I", "-1", 1.0),
        # Opaque, red 128: with a sign, as some write it.
        ("I", str(0xFF800000 - 2**32), 128 / 255),
        ("I", "8388608", 128 / 255),
    ],
)
def test_colours_as_whole_numbers(tmp_path: Path, kind: str, value: str, red: float) -> None:
    (tmp_path / "a.pcd").write_text(HEAD.format(kind, 1) + f"1 2 3 {value}\n")
    cloud = read_pcd(tmp_path / "a.pcd")
    assert cloud.intensity is not None
    assert cloud.intensity.tolist() == pytest.approx([red])


@pytest.mark.parametrize(
    ("kind", "value"), [("U", "-1"), ("U", "4294967296"), ("U", "nan"), ("U", "1.5"), ("I", "1e20"), ("I", "-3e9")]
)
def test_colours_that_are_no_32_bits_are_errors(tmp_path: Path, kind: str, value: str) -> None:
    (tmp_path / "a.pcd").write_text(HEAD.format(kind, 2) + f"1 2 3 0\n4 5 6 {value}\n")
    with pytest.raises(CorruptDataError, match=r"expected 32 bits as rgb, got .* in point 1 \(1 such\).*wrong-row"):
        read_pcd(tmp_path / "a.pcd")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_points_or_an_error_of_ours(made: Path, data: bytes, headed: bool) -> None:
    path = made.parent / "any.pcd"
    path.write_bytes(HEAD.format("F", 1).encode() + data if headed else data)
    cloud = ours(lambda: read_pcd(path))
    assert np.isfinite(cloud.points).all() if isinstance(cloud, PointCloud) else all_told(cloud, str(path))


@settings(max_examples=60, deadline=None)
@example(data=b"", ending=".npy", place=65)  # a header that Python's tokenizer refuses, not NumPy
@given(st.binary(max_size=200), st.sampled_from([".npy", ".png"]), st.integers(0, 300))
def test_any_bytes_are_depth_or_an_error_of_ours(made: Path, data: bytes, ending: str, place: int) -> None:
    path = made.parent / f"any{ending}"
    if ending == ".npy":
        np.save(path, np.ones((3, 4), np.float32))
        content = bytearray(path.read_bytes())
        content[place % len(content)] ^= 255
        path.write_bytes(bytes(content) if place % 2 else data)
    else:
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    depth = ours(lambda: read_depth(path))
    good = isinstance(depth, np.ndarray) and depth.ndim == 2 and bool(np.isfinite(depth).all())
    assert good or all_told(depth, str(path))


# --- the LiDAR's pose, and the cache --------------------------------------------------------------------------------


def test_a_pose_of_the_lidar_that_is_missing_is_told(root: Path) -> None:
    path = root / FOLDER / "641" / "000071.yaml"
    document = yaml.safe_load(path.read_text())
    del document["lidar_pose"]
    path.write_text(yaml.safe_dump(document))
    (problem,) = faults_of_opv2v(root)
    assert (problem.code, problem.severity) == ("missing-lidar-pose", "warning")
    assert problem.message == "4 of 16 views have no lidar_pose: nothing says whether their poses are right"
    (note,) = read_opv2v(root, cache=None).notes
    assert note == problem


@pytest.mark.parametrize("change", ["version", "format"])
def test_a_cache_of_another_kind_is_passed_over_and_made_anew(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lapsdata.adapters.opv2v import metadata_cache

    path, facts = cache_file(tmp_path, "root"), {b"0" * 32: FrameFacts((), (1.0,) * 6)}
    monkeypatch.setattr(metadata_cache, f"_{change.upper()}", "other")
    assert write_cache(path, facts) == []
    monkeypatch.undo()
    assert read_cache(path) == ({}, [])
    assert write_cache(path, facts) == []
    assert read_cache(path) == (facts, [])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("harm", [cut, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"x" * 999)])
def test_a_damaged_cache_costs_time_and_nothing_else(
    root: Path, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    first = scan_opv2v(root, cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    harm(file)
    again = scan_opv2v(root, cache=tmp_path / "cache")
    assert (again.parsed, again.facts) == (first.parsed, first.facts)
    assert [(one.code, one.severity) for one in again.notes] == [("cache-damaged", "warning")]
    assert scan_opv2v(root, cache=tmp_path / "cache").parsed == 0


HELD = FrameFacts(("camera0",), (1.0,) * 37)
TABLES: dict[str, tuple[str, Any]] = {
    "stops that do not rise": ("stop", np.array([37, 37, 111])),
    "stops that fall": ("stop", np.array([74, 37, 111])),
    "a stop beyond the numbers": ("stop", np.array([37, 74, 112])),
    "numbers that no row has": ("numbers", np.zeros(112)),
    "too few numbers": ("numbers", np.zeros(110)),
    "numbers of a table": ("numbers", np.zeros((111, 1))),
    "an unknown layout": ("layout", np.array([0, 1, 0])),
    "a layout below 0": ("layout", np.array([0, -1, 0])),
    "a row too few": ("layout", np.array([0, 0])),
    "a stop too many": ("stop", np.array([37, 74, 111, 148])),
    "digests of another kind": ("digest", np.zeros((3, 16), np.uint8)),
}


@pytest.mark.parametrize("fault", TABLES)
def test_a_table_of_a_cache_that_contradicts_itself_is_damage(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lapsdata.adapters.opv2v import metadata_cache

    path, facts = cache_file(tmp_path, "root"), {bytes([n]) * 32: HELD for n in range(3)}
    name, values = TABLES[fault]
    write: Any = metadata_cache.write_sealed_hdf5

    def write_other(path: Path, header: Any, small: Any, stored: dict[str, StoredArray], *rest: Any, **kw: Any) -> None:
        write(path, header, small, {**stored, name: StoredArray(values, small=True)}, *rest, **kw)

    monkeypatch.setattr(metadata_cache, "write_sealed_hdf5", write_other)
    assert write_cache(path, facts) == []
    monkeypatch.undo()
    found, (note,) = read_cache(path)
    assert (found, note.code, note.severity) == ({}, "cache-damaged", "warning")
    assert "made anew: expected a table whose rows tell their numbers one after the other" in note.message
    assert write_cache(path, facts) == []
    assert read_cache(path) == (facts, [])


def test_an_empty_cache_is_empty_and_locks_nothing(root: Path, tmp_path: Path) -> None:
    assert write_cache(tmp_path / "empty.h5", {}) == []
    assert read_cache(tmp_path / "empty.h5") == ({}, [])
    first = scan_opv2v(root, cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    assert write_cache(file, {}) == []
    again = scan_opv2v(root, cache=tmp_path / "cache")
    assert (again.facts, again.notes, again.parsed) == (first.facts, (), first.parsed)
    assert scan_opv2v(root, cache=tmp_path / "cache").parsed == 0


@pytest.mark.parametrize("lost", [1, 4])
def test_a_cache_keeps_what_it_knows_of_files_that_cannot_be_read_now(root: Path, tmp_path: Path, lost: int) -> None:
    scan_opv2v(root, cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache").iterdir()
    known, texts = read_cache(file)[0], {path: path.read_bytes() for path in sorted((root / FOLDER).rglob("0*.yaml"))}
    assert len(known) == len(texts) == 4
    for path in list(texts)[:lost]:
        path.write_bytes(b"")
    assert len(scan_opv2v(root, cache=tmp_path / "cache").refused) == lost
    assert read_cache(file) == (known, [])
    for path, text in texts.items():
        path.write_bytes(text)
    assert scan_opv2v(root, cache=tmp_path / "cache").parsed == 0


@pytest.mark.parametrize("ending", ["\n", "\n\n", "\r\n", " \t\n\n", "  "])
def test_blank_lines_behind_the_last_point_are_no_points(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "a.pcd"
    head, rows = HEAD.format("F", 2), "1 2 3 0\n4 5 6 0\n"
    path.write_bytes((head + rows + ending).encode())
    assert read_pcd(path).points.tolist() == [[1, 2, 3], [4, 5, 6]]
    path.write_bytes((head.replace("POINTS 2", "POINTS 0") + ending).encode())
    assert read_pcd(path).points.shape == (0, 3)
    for cut in ("1 2 3 0\n4 5 6 0", "1 2 3 0\n" + ending, "1 2 3 0\n\n4 5 6 0\n" + ending):
        path.write_bytes((head + cut).encode())
        with pytest.raises(CorruptDataError, match=r"\[(truncated|wrong-row)\]"):
            read_pcd(path)
