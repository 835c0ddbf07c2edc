"""Values that lie in other files, and values that were never written: told and counted, never read in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from lapsdata.errors import CorruptDataError, StorageError
from lapsdata.storage.hdf5_file import Hdf5File


def source(path: Path, start: int) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(start, start + 4)


def virtual(path: Path, *files: str, name: str = "x") -> None:
    layout = h5py.VirtualLayout((4 * len(files),), "i8")
    for index, file in enumerate(files):
        layout[4 * index : 4 * index + 4] = h5py.VirtualSource(file, name, (4,))
    with h5py.File(path, "w") as made:
        made.create_virtual_dataset("v", layout, fillvalue=-1)
        if "." in files:
            made[name] = np.arange(4)


def test_a_virtual_dataset_is_read_where_all_its_sources_are(tmp_path: Path) -> None:
    source(tmp_path / "a.h5", 0)
    source(tmp_path / "b.h5", 4)
    virtual(tmp_path / "v.h5", "a.h5", str(tmp_path / "b.h5"), "/moved/from/b.h5", ".")
    with Hdf5File(tmp_path / "v.h5") as file:
        assert file.describe("v").problem is None
        for _ in range(2):
            assert file.read("v").tolist() == [*range(8), *range(4, 8), *range(4)]
        assert file.describe("v").layout == "virtual"


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (("a.h5", "gone.h5"), "of gone.h5: x;"),
        (("gone.h5",), "of gone.h5: x;"),
        (("a.h5", "empty.h5"), "of empty.h5: x;"),
        (("a.h5", "group.h5"), "of group.h5: x;"),
        (("a.h5", "text.h5"), "of text.h5: x;"),
        (tuple(f"{n}.h5" for n in range(9)), "of 0.h5: x, 1.h5: x, 2.h5: x and 6 more;"),
    ],
)
def test_a_virtual_dataset_without_a_source_is_refused(tmp_path: Path, files: tuple[str, ...], named: str) -> None:
    source(tmp_path / "a.h5", 0)
    h5py.File(tmp_path / "empty.h5", "w").close()
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "group.h5", "w") as file:
        file.create_group("x")
    virtual(tmp_path / "v.h5", *files)
    if files[-1] not in ("group.h5", "text.h5"):
        with h5py.File(tmp_path / "v.h5") as plain:
            assert plain["v"][-1] == -1, "h5py fills in without a word"
    with Hdf5File(tmp_path / "v.h5") as opened:
        with pytest.raises(StorageError, match=r"v\.h5: v: .*\[missing-source\]") as refused:
            opened.read("v")
        assert named in str(refused.value)
        problem = opened.describe("v").problem
        assert problem is not None
        assert problem.code == "missing-source"


def test_a_source_that_lacks_its_own_source_and_a_circle_are_refused(tmp_path: Path) -> None:
    virtual(tmp_path / "b.h5", "gone.h5")
    virtual(tmp_path / "a.h5", "b.h5", name="v")
    virtual(tmp_path / "one.h5", "two.h5", name="v")
    virtual(tmp_path / "two.h5", "one.h5", name="v")
    for name in ("a", "one"):
        with Hdf5File(tmp_path / f"{name}.h5") as file, pytest.raises(StorageError, match=r"\[missing-source\]"):
            file.read("v")


def test_sources_are_looked_for_where_libhdf5_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to the file, the working folder and the folders of the variable; libhdf5 itself is the oracle."""
    (tmp_path / "real").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "prefix").mkdir()
    source(tmp_path / "real" / "a.h5", 0)
    source(tmp_path / "elsewhere" / "b.h5", 4)
    source(tmp_path / "prefix" / "c.h5", 8)
    virtual(tmp_path / "real" / "v.h5", "a.h5", "b.h5", "c.h5")
    link = tmp_path / "link.h5"
    link.symlink_to(tmp_path / "real" / "v.h5")
    monkeypatch.chdir(tmp_path / "elsewhere")
    with Hdf5File(link) as file, pytest.raises(StorageError, match=r"of c\.h5: x;"):
        file.read("v")
    script = (
        "import h5py, sys; from lapsdata.storage.hdf5_file import Hdf5File\n"
        "assert Hdf5File(sys.argv[1]).read('v').tolist() == h5py.File(sys.argv[1])['v'][...].tolist() == [*range(12)]"
    )
    for prefix in (str(tmp_path / "prefix"), f"/nowhere:{tmp_path}/prefix", "${ORIGIN}/prefix"):
        variables = {**os.environ, "HDF5_VDS_PREFIX": prefix}
        subprocess.run([sys.executable, "-c", script, link], env=variables, check=True)


def pattern(path: Path, name: bytes) -> None:
    whole = h5py.h5s.create_simple((4,), (h5py.h5s.UNLIMITED,))
    space = whole.copy()
    space.select_hyperslab((0,), (h5py.h5s.UNLIMITED,), (4,), (4,))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_virtual(space, name, b"x", h5py.h5s.create_simple((4,)))
    with h5py.File(path, "w", libver="latest") as file:
        h5py.h5d.create(file.id, b"v", h5py.h5t.STD_I64LE, whole, plist)


def test_a_pattern_of_sources_ends_at_the_first_that_is_not_there(tmp_path: Path) -> None:
    for index in range(3):
        source(tmp_path / f"part%{index}.h5", 4 * index)
    pattern(tmp_path / "v.h5", b"part%%%b.h5")
    with Hdf5File(tmp_path / "v.h5") as opened:
        assert opened.read("v").tolist() == [*range(12)]
    (tmp_path / "part%1.h5").unlink()
    with Hdf5File(tmp_path / "v.h5") as opened:
        assert opened.read("v").tolist() == [*range(4)]


def test_a_percent_sign_in_a_name_is_one(tmp_path: Path) -> None:
    source(tmp_path / "50%b.h5", 0)
    virtual(tmp_path / "v.h5", "50%%b.h5")
    with Hdf5File(tmp_path / "v.h5") as opened:
        assert opened.read("v").tolist() == [*range(4)]
    (tmp_path / "50%b.h5").unlink()
    with Hdf5File(tmp_path / "v.h5") as opened, pytest.raises(StorageError, match=r"of 50%b\.h5: x;"):
        opened.read("v")


def test_a_short_raw_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = np.arange(8)
    with h5py.File("x.h5", "w") as file:
        file.create_dataset("x", (8,), "i8", external=[("one.bin", 8, 32), ("two.bin", 0, 100)])
    Path("one.bin").write_bytes(bytes(8) + values[:4].tobytes())
    Path("two.bin").write_bytes(values[4:].tobytes())
    with Hdf5File("x.h5") as opened:
        assert opened.read("x").tolist() == values.tolist()
        Path("two.bin").write_bytes(values[4:6].tobytes())
        with pytest.raises(StorageError, match=r"of two\.bin \(16 of 32 bytes\); .*\[missing-source\]"):
            opened.read("x")
        Path("one.bin").unlink()
        with pytest.raises(StorageError, match=r"of one\.bin \(0 of 40 bytes\), two\.bin"):
            opened.read("x")


def test_what_was_never_written_is_counted(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        part = file.create_dataset("part", (8, 2), "f4", chunks=(1, 2), fillvalue=7)
        part[:5] = 1
        file.create_dataset("nothing", (3,), "i4", fillvalue=9)
        file.create_dataset("void", (0, 3), "i4")
        file["whole"] = np.arange(3)
    with Hdf5File(tmp_path / "x.h5") as opened:
        told = {
            name: (info.unwritten_chunks, info.chunks) for name in opened.datasets() if (info := opened.describe(name))
        }
        assert told == {"/part": (3, 8), "/nothing": (1, 1), "/void": (0, 0), "/whole": (0, 1)}
        assert opened.unwritten == {}, "describing is no reading"
        assert opened.read("nothing").tolist() == [9, 9, 9]
        assert opened.read("part")[:, 0].tolist() == [1] * 5 + [7] * 3
        opened.read("/part", slice(0, 1))
        opened.read("whole")
        assert opened.unwritten == {"/nothing": 1, "/part": 3}


def test_a_large_shape_without_any_storage_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (1 << 20, 1 << 20), "f4")
    with Hdf5File(tmp_path / "x.h5") as opened:
        with pytest.raises(CorruptDataError, match=r"1 of 1 chunks never written.*\[implausible-shape\]"):
            opened.read("x")
        assert opened.describe("x").problem is None
        assert not opened.read("x", slice(0, 2)).any()
