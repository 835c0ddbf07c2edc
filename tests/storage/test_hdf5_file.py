"""Opening, listing, describing: each fault has a name and never hides the good datasets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from lapsdata.errors import (
    CorruptDataError,
    MissingExtraError,
    SchemaError,
    StorageError,
    UnknownFormatError,
)
from lapsdata.storage.hdf5_file import Hdf5File


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A file as the tracks format writes it."""
    path = tmp_path / "clip.h5"
    with h5py.File(path, "w") as file:
        file["root/default/tracks"] = np.arange(48, dtype="f4").reshape(3, 2, 4, 2)
        file["root/default/vis"] = np.ones((3, 2, 4), "f4")
        file["header"] = np.bytes_(b'{"size": [480, 640]}')
        file["note"] = "ein Lächeln"
        file["names"] = np.array(["a", "bc"], dtype=h5py.string_dtype())
    return path


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=r"absent\.h5: cannot open: no such file or folder; check the path \[not-found\]"
    ):
        Hdf5File(tmp_path / "absent.h5")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"it is a folder; name a file \[wrong-kind\]"):
        Hdf5File(tmp_path)


def test_no_permission(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root reads every file, so that the refusal of the system is played."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StorageError, match=r"cannot open: no permission; .*no-permission"):
        Hdf5File(clip)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(StorageError, match=r"got a pipe, socket or device; .*\[wrong-kind\]"):
        Hdf5File(tmp_path / "pipe.h5")


@pytest.mark.parametrize("name", ["x" * 300, "circle"])
def test_a_name_that_leads_nowhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(StorageError, match=r"\[wrong-name\]"):
        Hdf5File(tmp_path / name)


@pytest.mark.parametrize("spare", [0, 1])
def test_too_many_open_files(clip: Path, spare: int) -> None:
    """With one to spare, the signature can be read and libhdf5 is refused."""
    script = """
import os, resource, sys
import h5py
from lapsdata.errors import StorageError
from lapsdata.storage.hdf5_file import Hdf5File
with Hdf5File(sys.argv[1]) as file:  # whatever opens files once has done so
    file.read("note")
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
if sys.argv[2] == "1":
    os.close(held.pop())
try:
    file = Hdf5File(sys.argv[1])
    file.describe("note")
except StorageError as error:
    print(error.problems[0].code)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(clip), str(spare)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ("" if spare else "too-many-files\n")


def test_libhdf5_refused_for_too_many_files_is_no_damage(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(24, "Unable to synchronously open file (unable to open file: errno = 24)")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(StorageError, match=r"too many files are open; .*\[too-many-files\]"):
        Hdf5File(clip)


def test_no_memory_is_no_damage(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("lapsdata.storage.hdf5_file.read_rung", refuse)
    with Hdf5File(clip) as file, pytest.raises(StorageError, match=r"in spans of rows; .*\[out-of-memory\]"):
        file.read("note")


def test_not_hdf5(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_text("version https://example.org/spec/v1\n" * 100)
    with pytest.raises(UnknownFormatError, match=r"expected the HDF5 signature, got none \[not-hdf5\]"):
        Hdf5File(tmp_path / "x.h5")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "x.h5").touch()
    with pytest.raises(CorruptDataError, match=r"got 0 bytes; .* \[empty-file\]"):
        Hdf5File(tmp_path / "x.h5")


@pytest.mark.parametrize("part", [0.02, 0.3, 0.9, 0.999])
def test_truncated(clip: Path, part: float) -> None:
    octets = clip.read_bytes()
    clip.write_bytes(octets[: int(len(octets) * part)])
    with pytest.raises(CorruptDataError, match=r"\[(truncated-file|unreadable-hdf5)\]"):
        Hdf5File(clip)


def test_flagged_as_open_for_writing(tmp_path: Path) -> None:
    script = (
        "import h5py, os, sys\n"
        "f = h5py.File(sys.argv[1], 'w', libver='latest'); f['x'] = [1.0]; f.flush(); os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "x.h5")], check=False)
    assert done.returncode == 9
    with pytest.raises(StorageError, match=r"flagged as open for writing.*h5clear -s .* \[open-for-write\]"):
        Hdf5File(tmp_path / "x.h5")


def test_locked_by_a_writer(clip: Path) -> None:
    script = "import h5py, sys; f = h5py.File(sys.argv[1], 'a'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(clip)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(StorageError, match=r"HDF5_USE_FILE_LOCKING.*\[locked-file\]"):
            Hdf5File(clip)
        writer.communicate("")


def test_a_damaged_superblock_is_named(clip: Path) -> None:
    octets = bytearray(clip.read_bytes())
    octets[8] = 77
    clip.write_bytes(octets)
    with pytest.raises(CorruptDataError, match=r"\[unreadable-hdf5\]"):
        Hdf5File(clip)


def test_reading_changes_no_byte(clip: Path) -> None:
    before = clip.read_bytes()
    with Hdf5File(clip) as file:
        for name in file.datasets():
            file.describe(name)
            file.read(name)
    assert clip.read_bytes() == before


def test_describe_tells_how_it_is_stored(clip: Path) -> None:
    with h5py.File(clip, "a") as file:
        file.create_dataset(
            "z", data=np.zeros((6, 4), ">i2"), chunks=(4, 4), compression="gzip", shuffle=True, fletcher32=True
        )
        offset = file["root/default/vis"].id.get_offset()
    with Hdf5File(clip) as file:
        plain, packed = file.describe("root/default/vis"), file.describe("/z")
        assert dict(file.rungs) == {}
    assert (plain.path, plain.shape, plain.type_class, plain.size) == ("/root/default/vis", (3, 2, 4), "float", 4)
    assert (plain.byte_order, plain.layout, plain.offset, plain.filters) == ("little", "contiguous", offset, ())
    assert (plain.rung, plain.problem) == ("h5py", None)
    assert [step.id for step in packed.filters] == [2, 1, 3]
    assert [step.name for step in packed.filters] == ["shuffle", "deflate", "fletcher32"]
    assert (packed.byte_order, packed.layout, packed.chunk_shape, packed.offset) == ("big", "chunked", (4, 4), None)
    assert packed.as_json()["filters"][0] == {"id": 2, "name": "shuffle"}


def test_text_comes_back_as_it_was_written(clip: Path) -> None:
    with Hdf5File(clip) as file:
        assert file.read("header")[()] == b'{"size": [480, 640]}'
        assert file.read("note")[()].decode() == "ein Lächeln"
        assert file.read("names").tolist() == [b"a", b"bc"]
        assert file.describe("header").type_class == "fixed-string"
        assert file.describe("note").type_class == "variable-string"


def test_compound_elements_are_what_h5py_makes_of_them(tmp_path: Path) -> None:
    values = np.array([(1.5, 2), (3.5, 4)], [("x", "f4"), ("y", "i4")])
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = values
    with Hdf5File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file.read("x"), values)
        assert (file.describe("x").type_class, file.describe("x").rung) == ("compound", "h5py")


@pytest.mark.parametrize("rows", [slice(0, 4), slice(-1, 2), slice(2, 1), slice(0, 3, 2)])
def test_rows_are_never_clamped(clip: Path, rows: slice) -> None:
    with Hdf5File(clip) as file, pytest.raises(IndexError, match="expected a span of rows within 0:3"):
        file.read("root/default/vis", rows)


def test_a_scalar_has_no_rows(clip: Path) -> None:
    with Hdf5File(clip) as file, pytest.raises(IndexError, match="expected a span of rows within 0:0"):
        file.read("header", slice(0, 0))


def test_open_ends_of_a_span(clip: Path) -> None:
    with Hdf5File(clip) as file:
        assert file.read("root/default/vis", slice(None, 2)).shape == (2, 2, 4)
        assert file.read("root/default/vis", slice(1, None)).shape == (2, 2, 4)
        assert file.read("root/default/vis", slice(3, 3)).shape == (0, 2, 4)


def test_a_missing_dataset_lists_what_is_there(clip: Path) -> None:
    with Hdf5File(clip) as file, pytest.raises(SchemaError, match=r"clip\.h5: trucks: .* the file holds /header, /n"):
        file.read("trucks")


def test_a_group_is_not_a_dataset(clip: Path) -> None:
    with Hdf5File(clip) as file, pytest.raises(SchemaError, match="expected a dataset, got a group"):
        file.read("root/default")


def test_a_null_data_space_is_named(clip: Path) -> None:
    with h5py.File(clip, "a") as file:
        file["nothing"] = h5py.Empty("f4")
    with Hdf5File(clip) as file:
        with pytest.raises(SchemaError, match=r"null data space, which holds no value \[null-dataspace\]"):
            file.read("nothing")
        problem = file.describe("nothing").problem
        assert problem is not None
        assert (problem.code, problem.severity) == ("null-dataspace", "info")


def test_references_are_named(clip: Path) -> None:
    with h5py.File(clip, "a") as file:
        file["refs"] = np.array([file["header"].ref], h5py.ref_dtype)
    with Hdf5File(clip) as file, pytest.raises(UnknownFormatError, match=r"refs: .* got references to other objects"):
        file.read("refs")


def test_links_and_cycles(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["far"] = np.arange(3)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["b/data"] = np.arange(4)
        file["b/again"] = file["b/data"]
        file["b/loop"] = file["b"]
        file["a_soft_group"] = h5py.SoftLink("/b")
        file["soft"] = h5py.SoftLink("/b/data")
        file["self"] = h5py.SoftLink("/self")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["outside"] = h5py.ExternalLink("other.h5", "/far")
        file["missing_file"] = h5py.ExternalLink("gone.h5", "/far")
        file["type"] = np.dtype("f4")
    with Hdf5File(tmp_path / "x.h5") as file:
        names = file.datasets()
        infos = {name: file.describe(name) for name in names}
        good = [name for name in names if infos[name].problem is None]
        np.testing.assert_array_equal(file.read("/soft"), np.arange(4))
        np.testing.assert_array_equal(file.read("/outside"), np.arange(3))
        np.testing.assert_array_equal(file.read("/a_soft_group/data"), np.arange(4))
        with pytest.raises(SchemaError, match=r"x\.h5: /dangling: .* which is not there; .* \[broken-link\]"):
            file.read("dangling")
    assert good == ["/b/again", "/b/data", "/outside", "/soft"]
    bad = {name: str(info.problem) for name, info in infos.items() if info.problem}
    assert set(bad) == {"/dangling", "/missing_file", "/self"}
    assert "got a soft link to '/nowhere', which is not there" in bad["/dangling"]
    assert "got a link to '/far' in 'gone.h5'" in bad["/missing_file"]


def test_a_name_that_is_not_utf8_is_read_like_any_other(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["good"] = np.arange(3)
        file.create_dataset(b"b\xffd", data=np.arange(3)).attrs["rate"] = 5
        file.create_group(b"deep\xfe")["in"] = np.arange(3)
        file.id.links.create_soft(b"soft\xff", b"/b\xffd")
    with Hdf5File(tmp_path / "x.h5") as file:
        assert file.datasets() == ("/b\udcffd", "/deep\udcfe/in", "/good", "/soft\udcff")
        for name in file.datasets():
            assert file.describe(name).problem is None
            assert file.read(name).tolist() == [0, 1, 2]
        assert file.attribute("/b\udcffd", "rate") == 5
        with pytest.raises(SchemaError, match="missing-dataset"):
            file.read("/c\udcffd")


def test_a_shape_that_nothing_fills_is_refused_and_its_rows_are_not(tmp_path: Path) -> None:
    """One flipped bit of a shape asks for 128 MiB here, and for any amount elsewhere."""
    with h5py.File(tmp_path / "x.h5", "w") as file:
        made = file.create_dataset("x", (1 << 20, 32), "f4", chunks=(1024, 32), fillvalue=2)
        made[:1024] = 1
        full = file.create_dataset("grown", (64, 1 << 18), "f4", chunks=(64, 1 << 12), compression="gzip")
        full[:, : 1 << 15] = 1
    with Hdf5File(tmp_path / "x.h5") as file:
        with pytest.raises(CorruptDataError, match=r"1023 of 1024 chunks never written; .* \[implausible-shape\]"):
            file.read("x")
        assert file.read("x", slice(1020, 1030)).mean() == np.float32(1.6)
        assert file.describe("x").problem is None
        assert file.read("grown").mean() == 1 / 8


def test_a_cycle_through_other_files_ends(tmp_path: Path) -> None:
    for name, following in (("a", "b"), ("b", "c"), ("c", "b")):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file[f"in_{name}"] = np.arange(2)
            file["next"] = h5py.ExternalLink(f"{following}.h5", "/")
    with Hdf5File(tmp_path / "a.h5") as file:
        assert file.datasets() == ("/in_a", "/next/in_b", "/next/next/in_c")
        assert file.read("/next/next/in_c").tolist() == [0, 1]


def test_a_missing_filter_names_what_to_install(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["good"] = np.arange(3)
        for name, code in (("zstd", 32015), ("private", 40000)):
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_chunk((4,))
            plist.set_filter(code, h5py.h5z.FLAG_OPTIONAL)
            space = h5py.h5s.create_simple((4,))
            made = h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F32LE, space, plist)
            made.write_direct_chunk((0,), b"whatever the filter made")
    with Hdf5File(tmp_path / "x.h5") as file:
        with pytest.raises(MissingExtraError, match=r"filter 32015 \(zstd\).*lapsdata\[hdf5plugin\]"):
            file.read("zstd")
        with pytest.raises(UnknownFormatError, match=r"filter 40000 \(unregistered\).* ask the writer"):
            file.read("private")
        assert file.read("good").tolist() == [0, 1, 2]


def test_attributes(clip: Path) -> None:
    with h5py.File(clip, "a") as file:
        owner = file["root/default/vis"]
        owner.attrs["rate"] = np.float32(29.97)
        owner.attrs["size"] = np.array([480, 640], ">i4")
        owner.attrs["name"] = "Käse"
        owner.attrs["tag"] = np.bytes_(b"v1")
        owner.attrs["ok"] = True
        owner.attrs["none"] = h5py.Empty("f4")
        owner.attrs["ref"] = file["note"].ref
    with Hdf5File(clip) as file:
        vis = "root/default/vis"
        assert file.attribute(vis, "rate") == np.float32(29.97)
        assert file.attribute(vis, "size").tolist() == [480, 640]
        assert file.attribute(vis, "size").dtype == np.dtype("=i4")
        assert file.attribute(vis, "name") == "Käse"
        assert file.attribute(vis, "tag") == b"v1"
        assert file.attribute(vis, "ok") == np.True_
        with pytest.raises(SchemaError, match="attribute 'fps': expected it, got none"):
            file.attribute(vis, "fps")
        with pytest.raises(SchemaError, match="attribute 'x': expected it, got none"):
            file.attribute("no/such/object", "x")
        with pytest.raises(SchemaError, match="attribute 'none': expected a value, got a null data space"):
            file.attribute(vis, "none")
        with pytest.raises(UnknownFormatError, match="got references to other objects"):
            file.attribute(vis, "ref")


def test_importing_the_reader_does_not_import_h5py() -> None:
    rooms = "lapsdata.storage.hdf5_file, lapsdata.checks.doctor, lapsdata._inspect"
    script = f"import sys, {rooms}; print({{'h5py', 'torch', 'av'}} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout == "set()\n"
