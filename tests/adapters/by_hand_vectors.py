"""Small data sets whose vectors are any numbers: hands that turn, arms, grippers; written with pyarrow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.spatial.transform import Rotation

from lapsdata.testing.episode_sets import write_lerobot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LENGTHS = (4, 6, 3)
ROWS = sum(LENGTHS)
STARTS = np.repeat(np.cumsum((0, *LENGTHS[:-1])), LENGTHS)
"""Of each row, the first one of its episode."""


def write_vectors(
    root: Path,
    columns: Mapping[str, NDArray[Any]],
    *,
    version: str = "v2.1",
    names: Mapping[str, Any] | None = None,
    modality: Mapping[str, Any] | None = None,
    fixed: bool = True,
    lengths: Sequence[int] = LENGTHS,
    videos: bool = False,
) -> Path:
    """Write a set with these columns (rows of all episodes, C), in lists of a fixed size or not."""
    write_lerobot(root, version=version, lengths=lengths, videos=videos)
    for path in (root / "data").rglob("*.parquet"):
        table = pq.read_table(path)
        rows = table.column("index").to_numpy()
        for name, values in columns.items():
            flat = pa.array(values[rows].reshape(-1))
            wide = values.shape[1]
            offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * wide)
            column = pa.FixedSizeListArray.from_arrays(flat, wide) if fixed else pa.ListArray.from_arrays(offsets, flat)
            at = table.schema.get_field_index(name)
            table = table.append_column(name, column) if at < 0 else table.set_column(at, name, column)
        noted = {"info": {"features": {name: {"length": one.shape[1]} for name, one in columns.items()}}}
        table = table.replace_schema_metadata({b"huggingface": json.dumps(noted).encode(), b"mine": b"kept"})
        pq.write_table(table, path)
    info = json.loads((root / "meta/info.json").read_text())
    for name, values in columns.items():
        said = (names or {}).get(name)
        info["features"][name] = {"dtype": str(values.dtype), "shape": [values.shape[1]], "names": said}
    (root / "meta/info.json").write_text(json.dumps(info))
    if modality is not None:
        (root / "meta/modality.json").write_text(json.dumps(modality))
    return root


def stored(root: Path, name: str) -> NDArray[Any]:
    """Return the rows of a column of all episodes, in order of `index`."""
    tables = pa.concat_tables([pq.read_table(path) for path in sorted((root / "data").rglob("*.parquet"))])
    rows = tables.sort_by("index").column(name)
    return np.array(rows.to_pylist(), rows.type.value_type.to_pandas_dtype())


def features_of(root: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((root / "meta/info.json").read_text())["features"]
    return told


def parts_of(root: Path, name: str = "action") -> list[dict[str, Any]]:
    """Return what a set says of parts of a column."""
    told: list[dict[str, Any]] = features_of(root)[name].get("info", {}).get("lapsdata", {}).get("parts", [])
    return told


def hands(seed: int, rows: int = ROWS) -> Rotation:
    """Return rotations within a third of a turn, so that every form of them is unique."""
    return Rotation.from_rotvec(np.random.default_rng(seed).uniform(-1, 1, (rows, 3)))


def spelled(rotations: Rotation, form: str) -> NDArray[np.float64]:
    """Return rotations as numbers, by SciPy and by the definitions of PyTorch3D."""
    xyzw, matrix = rotations.as_quat(canonical=True), rotations.as_matrix()
    return {
        "quaternion": xyzw[:, [3, 0, 1, 2]],
        "quaternion_xyzw": xyzw,
        "axis_angle": rotations.as_rotvec(),
        "rotation_6d": matrix[:, :2].reshape(-1, 6),
        "matrix": matrix.reshape(-1, 9),
        "euler_angles_rpy": rotations.as_euler("XYZ"),
    }[form]
