"""The yaml of OPV2V: numbers with exponents, NumPy's tags, faults by line, and a quick way that says the same."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.adapters.opv2v import frame_facts
from lapsdata.adapters.opv2v.frame_facts import FrameFacts, read_facts, spelled_facts
from lapsdata.adapters.opv2v.metadata_cache import cache_file, read_cache, usual_cache, write_cache
from lapsdata.adapters.opv2v.vehicles import merge_vehicles, vehicles_of
from lapsdata.adapters.opv2v.yaml_text import load_yaml
from lapsdata.errors import SchemaError
from lapsdata.testing.opv2v_scenes import Opv2vScene

if TYPE_CHECKING:
    from pathlib import Path

SCENE = Opv2vScene("train", "s", ("641", "1000", "-1"), (69,), size=(80, 60))
BY_HAND = """\
camera0:
  cords:
  - 1.5
  - -2.0
  - 1
  - 0.25
  - 9.0e+1
  - 1e-5
  extrinsic:
  - - 1.0
    - 0.0
    - 0.0
    - 2.5
  - - 0.0
    - 1.0
    - 0.0
    - 0.0
  - - 0.0
    - 0.0
    - 1.0
    - -1e-3
  - - 0.0
    - 0.0
    - 0.0
    - 1.0
  intrinsic:
  - - 335.6399
    - 0.0
    - 400.0
  - - 0.0
    - 335.6399
    - 300.0
  - - 0.0
    - 0.0
    - 1.0
ego_speed: 12.5
lidar_pose:
- 1.0
- 2.0
- 3.0
- 4.0
- 5.0
- 6.0
"""
NUMBERS = (
    *(1.0, 2.0, 3.0, 4.0, 5.0, 6.0),
    *(1.5, -2.0, 1.0, 0.25, 90.0, 1e-5),
    *(1.0, 0.0, 0.0, 2.5, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1e-3, 0.0, 0.0, 0.0, 1.0),
    *(335.6399, 0.0, 400.0, 0.0, 335.6399, 300.0, 0.0, 0.0, 1.0),
)


def test_a_text_by_hand_is_read_quickly_and_as_yaml() -> None:
    expected = FrameFacts(("camera0",), NUMBERS)
    assert spelled_facts(BY_HAND.encode()) == expected
    commented = f"# a comment\n{BY_HAND}"
    assert spelled_facts(commented.encode()) is None
    assert read_facts(commented.encode(), "x.yaml") == expected


@pytest.mark.parametrize(
    "change",
    [
        ("camera0:", "camera0: &one"),
        ("- 1.5", "- '1.5'"),
        ("  - 1.5", "  - 01.5"),
        ("  - 1.5\n", "  -\n    1.5\n"),
        ("lidar_pose:", "---\nlidar_pose:"),
        ("- 6.0", "- 6.0\n- 7.0"),
        ("- 6.0", "- .inf"),
        ("ego_speed:", "camera1: 5\nego_speed:"),
        ("camera0:", "camera00:"),
        ("ego_speed: 12.5", "lidar_pose: 5"),
        ("    - 1.0\nego", "    - 1.0\n  more: 1\nego"),
    ],
)
def test_what_is_spelled_in_another_way_is_left_to_yaml(change: tuple[str, str]) -> None:
    assert spelled_facts(BY_HAND.replace(*change).encode()) is None


@pytest.mark.parametrize("agent", SCENE.agents)
def test_scenes_are_read_quickly_and_as_yaml_alike(agent: str) -> None:
    data = yaml.safe_dump(SCENE.told(agent, 69)).encode()
    quick = spelled_facts(data)
    assert quick is not None
    assert quick == frame_facts._told_facts(yaml.safe_load(data), "x")
    assert quick.cameras == ("camera0", "camera1", "camera2", "camera3")
    assert quick.numbers[:6] == tuple(SCENE.lidar_pose(agent, 69).tolist())
    assert quick.numbers[6 + 31 : 12 + 31] == tuple(SCENE.camera_pose(agent, 69, 1).tolist())


FLOATS = st.floats(-1e6, 1e6) | st.floats(-1e-6, 1e-6) | st.integers(-999, 999)


@settings(max_examples=40, deadline=None)
@given(st.lists(FLOATS, min_size=6, max_size=6), st.lists(FLOATS, min_size=25, max_size=25), st.booleans())
def test_any_numbers_are_read_quickly_and_as_yaml_alike(pose: list[Any], rest: list[Any], sort: bool) -> None:
    matrix = [rest[4 * row : 4 * row + 4] for row in range(4)]
    lens = [rest[16 + 3 * row : 19 + 3 * row] for row in range(3)]
    camera = {"cords": pose, "extrinsic": matrix, "intrinsic": lens}
    data = yaml.safe_dump({"camera0": camera, "lidar_pose": pose[::-1]}, sort_keys=sort).encode()
    expected = (*map(float, pose[::-1]), *map(float, pose), *map(float, rest))
    assert frame_facts._told_facts(load_yaml(data, "x"), "x").numbers == expected
    assert spelled_facts(data) in (None, FrameFacts(("camera0",), expected))


@settings(max_examples=60, deadline=None)
@given(st.floats(allow_nan=False))
def test_floats_come_back_however_they_are_spelled(value: float) -> None:
    spellings = [repr(value), f"{value:.17e}", f"{value:.17g}", f"{value!r}".replace("e-0", "e-")]
    if math.isfinite(value):
        assert [load_yaml(f"a: {text}".encode(), "x")["a"] for text in spellings] == [value] * len(spellings)
    assert load_yaml(yaml.safe_dump({"a": value}).encode(), "x") == {"a": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-5", 1e-5), ("1E5", 1e5), ("-2.5e3", -2500.0), ("+1.e2", 100.0), (".5e-1", 0.05), ("1e", "1e"), ("e5", "e5"),
     ("1e5x", "1e5x"), ("0x1f", 31), ("12", 12), ("1_0e2", 1000.0)],
)  # fmt: skip
def test_exponents_make_numbers_and_nothing_else_does(text: str, value: Any) -> None:
    found = load_yaml(f"a: {text}".encode(), "x")["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "value",
    [np.float64(1.5), np.float32(-2.5), np.int64(-7), np.uint8(200), np.bool_(True), np.array([1.0, 2.5, -1e-9]),
     np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.zeros((0, 3)),
     np.array([1, 2], ">i4")],
)  # fmt: skip
def test_numbers_of_numpy_are_decoded_without_calling_anything(value: Any) -> None:
    text = yaml.dump({"plain": 1, "value": value, "again": [value, value]})
    for spelled in (text, text.replace("numpy._core.multiarray", "numpy.core.multiarray")):
        found = load_yaml(spelled.encode(), "x")
        assert found == {"plain": 1, "value": value.tolist(), "again": [value.tolist()] * 2}


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("a: 1\nb: !!python/object/apply:os.system ['echo']", r"line 2: .*got !!python/object/apply:os.system"),
        ("a: !!python/name:os.system ''", "line 1: .*got !!python/name:os.system"),
        ("a: !!python/tuple [1, 2]", "line 1: .*got !!python/tuple"),
        ("a: !!python/object/new:object {}", "got !!python/object/new:object"),
        ("a: !own 5", "got !own"),
        ("a: !!python/object/apply:numpy.core.multiarray.scalar [1]", "expected a scalar or an array of numbers"),
        (
            "a: !!python/object/apply:numpy.core.multiarray._reconstruct {state: [1, 2]}",
            "expected a scalar or an array",
        ),
        (yaml.dump(np.array([None, {}], object)).replace("*", "x"), "expected a scalar or an array"),
    ],
)
def test_other_tags_are_errors_that_name_them(text: str, tag: str) -> None:
    with pytest.raises(SchemaError, match=rf"x.yaml: .*{tag}.*\[(unknown-tag|broken-yaml)\]"):
        load_yaml(text.encode(), "x.yaml")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: [1, 2\nb: 3\n", r"x.yaml: line 2: expected YAML, got: .*\[broken-yaml\]"),
        (b"a: 1\nb:\n  c: 2\n  c: 3\n", r"x.yaml: line 4: expected each key once, got 'c' again \[key-twice\]"),
        (b"a: \xff\n", r"x.yaml: expected YAML, got: .*\[broken-yaml\]"),
        (b"a: 1\n---\nb: 2\n", r"x.yaml: line 2: expected YAML.*\[broken-yaml\]"),
    ],
)
def test_what_is_no_yaml_is_told_by_line(data: bytes, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        load_yaml(data, "x.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the description of a frame, got NoneType"),
        ("speed: 5", r"expected camera0 or lidar_pose, got neither.*\[no-poses\]"),
        ("lidar_pose: [1, 2, 3]", r"lidar_pose: expected 6 finite numbers, got \[1, 2, 3\]"),
        ("lidar_pose: [1, 2, 3, 4, 5, .nan]", "lidar_pose: expected 6 finite numbers"),
        ("lidar_pose: [1, 2, 3, 4, 5, true]", "lidar_pose: expected 6 finite numbers"),
        ("camera1: {cords: [1, 2, 3, 4, 5, 6]}", "camera1: intrinsic: expected 3 x 3 finite numbers, got None"),
        ("camera1: 5", "2 problems:.*camera1: cords"),
        ("camera1: {cords: [[1], 2], intrinsic: [[1, 0], [0, 1]]}", "2 problems:"),
    ],
)
def test_frames_without_poses_are_refused(text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=f"(?s){message}"):
        read_facts(text.encode(), "x.yaml")


def test_cameras_are_in_the_order_of_their_numbers_and_may_lack_an_extrinsic() -> None:
    camera = {"cords": [1, 2, 3, 0, 0, 0], "intrinsic": [[5, 0, 4], [0, 5, 3], [0, 0, 1]]}
    facts = read_facts(yaml.safe_dump({"camera10": camera, "camera2": camera, "camera": 1}).encode(), "x")
    assert facts.cameras == ("camera2", "camera10")
    assert all(math.isnan(value) for value in (*facts.numbers[:6], *facts.numbers[12:28]))
    assert facts.numbers[28:37] == (5, 0, 4, 0, 5, 3, 0, 0, 1)


def test_vehicles_are_boxes_in_the_world() -> None:
    told = SCENE.told("-1", 69)
    found = vehicles_of(told, "x")
    assert found.number.tolist() == sorted(told["vehicles"])
    blocks = {block.vehicle: block for block in SCENE.street(69).blocks}
    for row, number in enumerate(found.number.tolist()):
        block = blocks[number]
        # The corner that is ahead, right and above, by the truth of the scene, with CARLA's axes made OpenCV's.
        corner = found.box2world[row] @ [*(found.half[row] * (1, -1, 1)), 1]
        x, y, z = corner[2], corner[0], -corner[1]
        assert SCENE.street(69).gaps(np.array([[x, y, z]]))[0] < 1e-6
        assert math.dist((x, y, z), block.pose[:3]) == pytest.approx(float(np.linalg.norm(block.half)))
        assert found.speed[row] > 10


def test_vehicles_of_several_agents_are_merged_by_number() -> None:
    told = [(agent, vehicles_of(SCENE.told(agent, 69), agent)) for agent in SCENE.agents]
    merged = merge_vehicles(told)
    assert merged.vehicles.number.tolist() == [641, 1000, 9000]
    assert dict(zip(merged.vehicles.number.tolist(), merged.seen_by, strict=True)) == {
        641: ("1000", "-1"),
        1000: ("641", "-1"),
        9000: ("641", "1000", "-1"),
    }
    assert merged.unlike == ()
    moved = np.array(told[1][1].box2world)
    moved[:, 2, 3] += 1
    unlike = merge_vehicles([told[2], ("1000", told[1][1]._replace(box2world=moved))]).unlike
    assert [one.where for one in unlike] == ["vehicle 641", "vehicle 9000"]
    assert "expected one place as agent -1 tells it, got 1.000 m and 0.00 degrees apart from agent 1000" in str(
        unlike[0]
    )


def test_vehicles_that_lack_numbers_are_told_together() -> None:
    with pytest.raises(SchemaError, match=r"(?s)9 problems:.*vehicles: 7: angle: expected 3 finite numbers, got None"):
        vehicles_of({"vehicles": {7: {"speed": 1}, "seven": 5}}, "x.yaml")
    assert vehicles_of({}, "x").number.tolist() == []


def test_a_cache_gives_back_what_it_was_given(tmp_path: Path) -> None:
    path = cache_file(tmp_path / "new", "root")
    facts = {bytes([n]) * 32: FrameFacts(("camera0",) * (n % 2), (float(n),) * (6 + 31 * (n % 2))) for n in range(5)}
    assert write_cache(path, facts) == []
    assert read_cache(path) == (facts, [])
    assert read_cache(tmp_path / "nothing") == ({}, [])
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    found, (note,) = read_cache(path)
    assert (found, note.code, note.severity) == ({}, "cache-damaged", "warning")


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (note,) = write_cache(cache_file(tmp_path / "file", "root"), {b"0" * 32: FrameFacts((), (0.0,) * 6)})
    assert (note.code, note.severity) == ("cache-not-written", "info")


def test_the_folder_of_caches_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LAPSDATA_CACHE", "off")
    assert usual_cache() is None
    monkeypatch.setenv("LAPSDATA_CACHE", str(tmp_path))
    assert usual_cache() == tmp_path
    monkeypatch.delenv("LAPSDATA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert usual_cache() == tmp_path / "x" / "lapsdata"
