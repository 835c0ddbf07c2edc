"""Single files and folders of OPV2V: layout, pictures, depth, lenses and poses, each against its own formula."""

from __future__ import annotations

import math
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.adapters.opv2v.frame_facts import FrameFacts
from lapsdata.adapters.opv2v.layout import AgentFolder, agent_folders, agent_order, named_split, split_folders
from lapsdata.adapters.opv2v.pictures import picture_size, png_size, read_depth, read_png
from lapsdata.adapters.opv2v.poses import camera_models, lidar_to_camera, pose_problems
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.adapters.opv2v.scanning import scan_opv2v
from lapsdata.adapters.opv2v.selection import select_agents, selections_of
from lapsdata.containers import Views
from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.geometry import FrameSize, PinholeCamera, carla_poses
from lapsdata.schema import AgentSelection
from lapsdata.storage.listing import listing_digest
from lapsdata.testing._street import matrix_of
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v_yaml
from lapsdata.transforms.points_to_depth import points_to_depth

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = (0.0,) * 22 + (5.0, 0.0, 4.0, 0.0, 5.0, 3.0, 0.0, 0.0, 1.0)


def png_by_hand(
    width: int, height: int, rows: bytes, *, bits: int = 8, colours: int = 2, palette: bytes = b""
) -> bytes:
    """Spell a PNG, of 8-bit RGB if nothing else is said, without any library of pictures."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    wide = len(rows) // height
    lines = b"".join(b"\x00" + rows[wide * row : wide * (row + 1)] for row in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0))
    middle = (chunk(b"PLTE", palette) if palette else b"") + chunk(b"IDAT", zlib.compress(lines))
    return b"\x89PNG\r\n\x1a\n" + head + middle + chunk(b"IEND", b"")


def folder_of(path: Path, stems: tuple[str, ...] = ("000069",)) -> AgentFolder:
    files = frozenset(item.name for item in path.iterdir())
    return AgentFolder("train", "scene", "641", str(path), stems, files, 0)


def test_a_picture_by_hand_is_read_as_rgb(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_by_hand(2, 3, bytes(range(18))))
    assert png_size(path) == (2, 3)
    assert read_png(path).tolist() == np.arange(18).reshape(3, 2, 3).tolist()


@pytest.mark.parametrize("cut", [1, 12, 13, 30])
def test_a_picture_that_ends_early_is_an_error_however_it_is_read(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_by_hand(2, 3, bytes(range(18)))[:-cut])
    for read in (png_size, read_png):
        with pytest.raises(CorruptDataError, match=r"a.png: expected a PNG up to its last chunk.*\[cut-off\]"):
            read(path)


def test_a_picture_whose_pixels_are_damaged_is_an_error_or_seen(tmp_path: Path) -> None:
    content = bytearray(png_by_hand(2, 3, bytes(range(18))))
    content[content.index(b"IDAT") + 6] ^= 0xFF
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(CorruptDataError, match=r"\[not-decoded\]"):
        read_png(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("rgb", "metres"),
    [
        ((0, 0, 0), 0.0),
        ((1, 0, 0), 1000 / (256**3 - 1)),
        ((0, 1, 0), 256 * 1000 / (256**3 - 1)),
        ((0, 0, 1), 65536 * 1000 / (256**3 - 1)),
        ((10, 20, 30), (10 + 256 * 20 + 65536 * 30) * 1000 / (256**3 - 1)),
        ((255, 255, 255), -1.0),
        ((254, 255, 255), (256**3 - 2) * 1000 / (256**3 - 1)),
    ],
)
def test_depth_of_carla_is_its_formula_and_the_sky_is_below_0(
    tmp_path: Path, rgb: tuple[int, int, int], metres: float
) -> None:
    (tmp_path / "d.png").write_bytes(png_by_hand(1, 1, bytes(rgb)))
    depth = read_depth(tmp_path / "d.png")
    assert (depth.dtype, depth.shape) == (np.float32, (1, 1))
    assert depth[0, 0] == pytest.approx(metres, rel=1e-6)


@pytest.mark.parametrize(
    ("bits", "colours", "bytes_each", "told"),
    [
        (16, 0, 2, "16-bit gray: millimetres?"),
        (8, 0, 1, "8-bit gray: a picture of depth?"),
        (8, 3, 1, "8-bit palette: a picture of depth?"),
        (8, 4, 2, "8-bit gray with opacity: a picture of depth?"),
        (16, 2, 6, "16-bit RGB: a picture of depth?"),
        (16, 6, 8, "16-bit RGBA: a picture of depth?"),
    ],
)
def test_a_png_in_which_carla_has_no_code_is_refused_by_its_kind(
    tmp_path: Path, bits: int, colours: int, bytes_each: int, told: str
) -> None:
    path, palette = tmp_path / "d.png", bytes(range(192)) if colours == 3 else b""
    path.write_bytes(png_by_hand(2, 3, bytes(range(6 * bytes_each)), bits=bits, colours=colours, palette=palette))
    assert read_png(path).shape == (3, 2, 3), "as a picture it is one"
    with pytest.raises(CorruptDataError, match=r"d\.png: expected 8-bit RGB or RGBA.*\[wrong-depth\]") as error:
        read_depth(path)
    (problem,) = error.value.problems
    assert problem.message.endswith(f"in which CARLA codes depth, got {told}")
    assert str(problem.fix).startswith("write metres as .npy, or the code of CARLA")


def test_the_opacity_of_a_code_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "d.png"
    path.write_bytes(png_by_hand(3, 1, bytes([0, 0, 128, 255, 0, 0, 128, 7, 255, 255, 255, 0]), colours=6))
    assert read_depth(path).round(3).tolist() == [[500.0, 500.0, -1.0]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_depth_of_any_float_is_float32(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "d.npy", np.array([[0.0, 2.5], [1.25, 900.0]], dtype))
    depth = read_depth(tmp_path / "d.npy")
    assert depth.dtype == np.float32
    assert depth.tolist() == [[0.0, 2.5], [1.25, 900.0]]


def test_depth_that_was_cut_or_is_empty_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "d.npy"
    np.save(path, np.ones((4, 5), np.float32))
    content = path.read_bytes()
    for length in (0, 5, 60, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(CorruptDataError, match=r"d.npy: expected an array, got.*\[wrong-depth\]"):
            read_depth(path)
    with pytest.raises(StorageError, match="not-found"):
        read_depth(tmp_path / "other.npy")


def test_the_size_is_that_of_the_first_whole_picture(tmp_path: Path) -> None:
    stems = ("000069", "000071", "000073")
    assert picture_size(folder_of(tmp_path, stems), "camera0", NUMBERS) == (8, 6)
    (tmp_path / "000069_camera0.png").write_bytes(b"")
    (tmp_path / "000071_camera0.png").write_bytes(png_by_hand(2, 3, bytes(18)))
    (tmp_path / "000073_camera0.png").write_bytes(png_by_hand(1, 1, bytes(3)))
    assert picture_size(folder_of(tmp_path, stems), "camera0", NUMBERS) == (2, 3)
    assert picture_size(folder_of(tmp_path, stems), "camera1", NUMBERS) == (8, 6)


def test_frames_are_ordered_by_number_and_only_those_of_yaml(tmp_path: Path) -> None:
    place = tmp_path / "train" / "scene" / "7"
    place.mkdir(parents=True)
    names = ["10.yaml", "9.yaml", "000100.yaml", "000009_additional.yaml", "a.yaml", "11.yml", "12.pcd", "13.yaml.bak"]
    for name in names:
        (place / name).touch()
    (place / "14.yaml").mkdir()
    (tmp_path / "train" / "scene" / "data_protocol.yaml").touch()
    (tmp_path / "train" / "scene" / "map").mkdir()
    (tmp_path / "train" / ".hidden").mkdir()
    (tmp_path / "trainer").mkdir()
    (folder,) = agent_folders(tmp_path)
    assert (folder.split, folder.scenario, folder.agent) == ("train", "scene", "7")
    assert folder.stems == ("9", "10", "14", "000100")
    assert folder.frames == (9, 10, 14, 100)
    assert folder.additional == 1
    scan = scan_opv2v(tmp_path)
    assert "14.yaml" in " ".join(problem.where for problem in scan.refused)


def test_splits_are_those_of_the_documents_in_one_order(tmp_path: Path) -> None:
    for name in ("test_culvercity", "validate", "train", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "test").write_text("a file")
    assert list(split_folders(tmp_path)) == ["train", "validate", "test_culvercity"]
    assert named_split(tmp_path, "val") == "validate"
    assert named_split(tmp_path, "train") == "train"
    with pytest.raises(SchemaError, match=r"expected one of the splits train, validate, test_culvercity, got 'test'"):
        named_split(tmp_path, "test")


@settings(max_examples=40)
@given(st.sets(st.integers(-5, 5000), max_size=6))
def test_the_order_of_agents_is_that_of_texts_but_for_a_first_one_below_zero(numbers: set[int]) -> None:
    names = [str(number) for number in numbers]
    found = agent_order(names)
    assert sorted(found) == sorted(names)
    texts = sorted(names)
    if texts and texts[0].startswith("-"):
        assert list(found) == [*texts[1:], texts[0]]
    else:
        assert list(found) == texts


@settings(max_examples=60)
@given(st.integers(1, 7), st.integers(1, 7), st.sampled_from(["first", "drawn"]), st.integers(0, 99), st.integers(0, 9))
def test_a_selection_has_the_ego_and_no_agent_twice(there: int, count: int, pick: Any, frame: int, seed: int) -> None:
    agents = [str(100 + number) for number in range(there)]
    found = select_agents(agents, AgentSelection(count=count, pick=pick, seed=seed), "scene", frame)
    if there < count:
        assert found is None
        return
    assert found is not None
    assert (len(found), found[0], len(set(found))) == (count, agents[0], count)
    assert list(found) == sorted(found)
    if pick == "first":
        assert list(found) == agents[:count]


def test_selections_are_spelled_by_split() -> None:
    found = selections_of("2, validate=4:drawn , test=1:drawn@12")
    assert {name: (one.count, one.pick, one.seed) for name, one in found.items()} == {
        "": (2, "first", 0),
        "validate": (4, "drawn", 0),
        "test": (1, "drawn", 12),
    }


POSES = st.tuples(*[st.floats(-500, 500)] * 3, st.floats(-30, 30), st.floats(-180, 180), st.floats(-60, 60)).map(
    np.array
)


@settings(max_examples=60, deadline=None)
@given(POSES, POSES, st.tuples(*[st.floats(-50, 50)] * 3))
def test_points_go_from_the_lidar_to_the_camera_through_the_world(
    camera: Any, lidar: Any, point: tuple[float, float, float]
) -> None:
    own = np.linalg.inv(matrix_of(camera)) @ matrix_of(lidar) @ [*point, 1]
    found = lidar_to_camera(camera, np.full(16, np.nan), lidar, np.array([point]))
    np.testing.assert_allclose(found[0], [own[1], -own[2], own[0]], atol=1e-7)
    extrinsic = (np.linalg.inv(matrix_of(camera)) @ matrix_of(lidar)).ravel()
    through = lidar_to_camera(camera, extrinsic, np.full(6, np.nan), np.array([point]))
    np.testing.assert_allclose(through, found, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(POSES)
def test_a_pose_as_cam2world_looks_where_carla_looks(pose: Any) -> None:
    ours, theirs = carla_poses(pose), matrix_of(pose)
    for own, axis in ((ours[:3, 2], theirs[:3, 0]), (ours[:3, 0], theirs[:3, 1]), (ours[:3, 1], -theirs[:3, 2])):
        np.testing.assert_allclose(own, [axis[1], -axis[2], axis[0]], atol=1e-12)
    assert np.linalg.det(ours[:3, :3]) == pytest.approx(1)
    np.testing.assert_allclose(ours[:3, 3], [pose[1], -pose[2], pose[0]])


@settings(max_examples=40, deadline=None)
@given(POSES, POSES, st.sampled_from(["right", "inverted", "apart", "none"]))
def test_extrinsics_are_told_apart(camera: Any, lidar: Any, what: str) -> None:
    right = np.linalg.inv(matrix_of(camera)) @ matrix_of(lidar)
    told = {"right": right, "inverted": np.linalg.inv(right), "apart": right + 0.5, "none": right * np.nan}[what]
    symmetric = np.allclose(right, np.linalg.inv(right), atol=1e-2)
    codes = [one.code for one in pose_problems(camera[None], told.reshape(1, 16), lidar[None], ["a.png"])]
    expected = {
        "right": [],
        "none": ["missing-extrinsic"],
        "inverted": ["extrinsic-inverted"],
        "apart": ["extrinsic-apart"],
    }[what]
    assert codes == expected or (symmetric and what == "inverted")


def test_extrinsics_in_six_digits_are_right() -> None:
    camera, lidar = np.array([120.5, -33.25, 1.8, 0.3, 101.0, -0.4]), np.array([119.0, -33.0, 1.9, 0.2, 1.0, -0.3])
    right = np.linalg.inv(matrix_of(camera)) @ matrix_of(lidar)
    assert pose_problems(camera[None], right.round(6).reshape(1, 16), lidar[None], ["a.png"]) == []
    assert pose_problems(np.empty((0, 6)), np.empty((0, 16)), np.empty((0, 6)), []) == []


def test_each_lens_and_size_is_one_model() -> None:
    one, other = [5.0, 0, 4, 0, 5, 3, 0, 0, 1], [6.0, 0, 4, 0, 5, 3, 0, 0, 1]
    matrices = np.array([one, other, one, one])
    models, which, notes = camera_models(matrices, [(8, 6), (8, 6), (8, 6), (9, 6)], ["a", "b", "c", "d"], True)
    assert which.tolist() == [0, 1, 0, 2]
    assert [(model.size.width, model.depth) for model in models] == [(8, "z"), (8, "z"), (9, "z")]
    assert [model.lens.focal_px[0] for model in models if model.lens is not None] == [5.0, 6.0, 5.0]
    assert notes == []
    _, _, (note,) = camera_models(matrices[:1], [(16, 6)], ["a.png"], False)
    assert (note.code, note.where) == ("intrinsics-size", "a.png")
    assert "expected a picture of about 8 x 6 by its intrinsic, got 16x6 (1 views)" in note.message


POINTS = st.lists(st.tuples(*[st.floats(-4, 4)] * 2, st.floats(-2, 8)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(POINTS)
def test_depth_of_points_is_that_of_a_loop_over_them(points: list[tuple[float, float, float]]) -> None:
    camera = PinholeCamera(
        size=FrameSize(width=5, height=4), focal_px=(2.0, 3.0), centre_px=(1.75, 1.25), cam2world=np.eye(4)
    )
    expected = np.zeros((4, 5))
    for x, y, z in points:
        if z <= 0:
            continue
        u, v = 2 * (x / z) + 1.75, 3 * (y / z) + 1.25
        if not (math.isfinite(u) and math.isfinite(v)):
            continue
        column, row = math.floor(u + 0.5), math.floor(v + 0.5)
        if 0 <= column < 5 and 0 <= row < 4 and (expected[row, column] == 0 or z < expected[row, column]):
            expected[row, column] = z
    found = points_to_depth(np.array(points, np.float64).reshape(-1, 3), camera)
    np.testing.assert_allclose(found, expected.astype(np.float32), rtol=1e-6)


def test_a_listing_tells_names_sizes_and_times(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.npy").write_bytes(b"12345")
    first = listing_digest(tmp_path)
    assert listing_digest(tmp_path) == first
    (tmp_path / "run.json").write_text("each run writes it anew")
    assert listing_digest(tmp_path) == first
    before = (tmp_path / "a" / "one.npy").stat().st_mtime_ns
    (tmp_path / "a" / "one.npy").write_bytes(b"54321")
    os.utime(tmp_path / "a" / "one.npy", ns=(before, before + 1))
    assert listing_digest(tmp_path) != first
    os.utime(tmp_path / "a" / "one.npy", ns=(before + 1, before))
    assert listing_digest(tmp_path) == first
    (tmp_path / "a" / "one.npy").rename(tmp_path / "a" / "two.npy")
    second = listing_digest(tmp_path)
    (tmp_path / "a" / "two.npy").write_bytes(b"123")
    assert len({first, second, listing_digest(tmp_path)}) == 3
    with pytest.raises(StorageError, match="not-found"):
        listing_digest(tmp_path / "nothing")


def test_a_yaml_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    write_opv2v_yaml(tmp_path, [Opv2vScene("train", "scene", ("5", "6"), (2, 4))])
    lost = tmp_path / "train" / "scene" / "5" / "000004.yaml"
    lost.unlink()
    lost.symlink_to(tmp_path / "nowhere")
    scan = scan_opv2v(tmp_path)
    (problem,) = scan.refused
    assert (problem.code, problem.where, len(scan.facts)) == ("not-found", str(lost), 3)
    assert all(isinstance(facts, FrameFacts) for facts in scan.facts.values())
    adapted = read_opv2v(tmp_path, rate=10)
    assert isinstance(adapted.container, Views)
    assert adapted.container.time_s.tolist() == [0.2]
    assert adapted.container.header.policies == {"frames_without_ego": 1}
    assert str(adapted.rate_origin) == "as given"


def test_a_root_without_a_readable_frame_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "train" / "scene" / "5"
    place.mkdir(parents=True)
    (place / "000002.yaml").write_text("camera0: [")
    with pytest.raises(SchemaError, match=r"(?s)2 problems.*\[broken-yaml\]"):
        read_opv2v(tmp_path)
    (place / "000002.yaml").write_text("lidar_pose: [1, 2, 3, 4, 5, 6]\n")
    with pytest.raises(SchemaError, match=r"got none: 1 agents without cameras, 1 sets without cameras.*\[no-frames\]"):
        read_opv2v(tmp_path)


def test_several_agents_of_unlike_cameras_are_one_set(tmp_path: Path) -> None:
    """Any number of cameras, of any size: what the yaml tells is what there is."""
    write_opv2v_yaml(tmp_path, [Opv2vScene("test", "scene", ("5", "6"), (2,), size=(40, 30))])
    path = tmp_path / "test" / "scene" / "6" / "000002.yaml"
    text = path.read_text()
    path.write_text(text[: text.index("camera1:")] + text[text.index("ego_speed:") :])
    views = read_opv2v(tmp_path).container
    assert isinstance(views, Views)
    assert views.agent == ("5",) * 4 + ("6",)
    assert views.camera == ("camera0", "camera1", "camera2", "camera3", "camera0")
