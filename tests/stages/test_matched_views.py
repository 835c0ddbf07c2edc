"""Which sets are reported, and what is opened as views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lapsdata import formats
from lapsdata.errors import CorruptDataError, SchemaError, StorageError, UnknownFormatError
from lapsdata.schema import CameraModel, PanoramaAngles, PinholeLens, Size
from lapsdata.stages._matched_views import camera_gap, chosen_sets, open_views
from lapsdata.testing.samples import sample_segments, sample_views

if TYPE_CHECKING:
    from pathlib import Path


def test_sets_come_in_the_order_that_is_asked_for() -> None:
    made = sample_views()
    assert chosen_sets(made, None, [1, 0], "views").frame.tolist() == [70, 69]
    assert chosen_sets(made, "validate", [0], "views").frame.tolist() == [70]
    assert chosen_sets(made, "train", [0], "views").frame.tolist() == [69]


def test_what_is_opened_is_named_as_what_it_was_made_from(tmp_path: Path) -> None:
    formats.write(tmp_path / "views.h5", sample_views())
    opened = open_views(tmp_path / "views.h5", "prediction")
    assert opened.views.equals(sample_views())
    assert [(one.role, one.name) for one in opened.parents] == [("prediction", "views.h5")]
    assert opened.notes == ()


def test_files_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    formats.write(tmp_path / "s.parquet", sample_segments())
    with pytest.raises(UnknownFormatError, match=r"s\.parquet: expected views, got segments; name a file with views"):
        open_views(tmp_path / "s.parquet", "truth")
    with pytest.raises(StorageError, match=r"nothing\.h5: cannot open: no such file"):
        open_views(tmp_path / "nothing.h5", "truth")


def test_files_of_views_in_a_folder_are_opened_as_one_and_each_is_a_parent(tmp_path: Path) -> None:
    for place, split in enumerate(("train", "validate")):
        formats.write(tmp_path / f"{split}.h5", sample_views().take([place]))
    (tmp_path / "notes.txt").write_text("mine")
    opened = open_views(tmp_path, "truth")
    assert opened.views.split == ("train", "validate")
    assert [(one.role, one.name) for one in opened.parents] == [("truth", "train.h5"), ("truth", "validate.h5")]
    assert [one.code for one in opened.notes] == ["passed-over"]
    assert chosen_sets(opened.views, "val", [0], "views").frame.tolist() == [70]
    with pytest.raises(SchemaError, match=r"expected nothing to be said of views of ours, got depth_root"):
        open_views(tmp_path, "truth", depth_root=tmp_path)


def test_of_a_file_no_pixel_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "views.h5"
    formats.write(path, sample_views())
    data, image = bytearray(path.read_bytes()), sample_views().read("image", 2).tobytes()
    data[data.index(image)] ^= 255
    path.write_bytes(bytes(data))
    views = chosen_sets(open_views(path, "truth").views, None, [0], "views")
    assert views.read("image", 0).shape == (3, 4, 3)
    with pytest.raises(CorruptDataError, match=r"views\.h5: .*image"):
        open_views(path, "truth").views.read("image", 2)


def seen_through(focal: tuple[float, float] = (400, 400), centre: tuple[float, float] = (399.5, 299.5)) -> CameraModel:
    return CameraModel(
        kind="pinhole", size=Size(width=800, height=600), lens=PinholeLens(focal_px=focal, centre_px=centre)
    )


def around(low: float = -45, high: float = 45, h_fov: float = 360, kind: Any = "equirectangular") -> CameraModel:
    angles = PanoramaAngles(h_fov_deg=h_fov, low_deg=low, high_deg=high)
    return CameraModel(kind=kind, size=Size(width=800, height=600), angles=angles)


@pytest.mark.parametrize(
    ("true", "found", "comparable", "told"),
    [
        (seen_through(), seen_through((800, 800)), False, "focal length 800 x 800 px, not 400 x 400 px: 2 times"),
        (
            seen_through((9, 8)),
            seen_through((9, 10)),
            False,
            "focal length 9 x 10 px, not 9 x 8 px: 1 x 1.25 times",
        ),
        (seen_through(), seen_through((380, 380)), False, "focal length 380 x 380 px, not 400 x 400 px: 0.95 times"),
        (seen_through(), seen_through((410, 410)), True, "focal length 410 x 410 px, not 400 x 400 px: 1.025 times"),
        (seen_through(), seen_through(centre=(409.5, 299.5)), True, "centre +10, +0 px off"),
        (seen_through(), seen_through(centre=(399.5, 249.5)), False, "centre +0, -50 px off"),
        (around(), around(-20, 20), False, "low_deg -20, not -45, high_deg 20, not 45"),
        (around(), around(h_fov=180), False, "h_fov_deg 180, not 360"),
        (around(), around(kind="cylinder"), False, "cylinder, not equirectangular"),
        (around(), seen_through(), False, "pinhole, not equirectangular"),
        (
            seen_through(),
            seen_through().model_copy(update={"size": Size(width=80, height=60)}),
            False,
            "80 x 60 px, not 800 x 600 px",
        ),
    ],
)
def test_cameras_that_look_elsewhere_are_told_with_both_numbers(
    true: CameraModel, found: CameraModel, comparable: bool, told: str
) -> None:
    assert camera_gap(true, found) == (comparable, told)


@pytest.mark.parametrize("model", [seen_through(), around()])
def test_cameras_that_differ_by_rounding_or_by_what_depth_is_along_are_one(model: CameraModel) -> None:
    assert camera_gap(model, model.model_copy(update={"depth": "ray"})) is None
    if model.lens is not None:
        assert camera_gap(model, seen_through((400.0001, 400), (399.5001, 299.5))) is None
    else:
        assert camera_gap(model, around(-45.00001, 45)) is None
