"""Digests of code and files: recomputed by other means, moved by every change, the same wherever they lie."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata.errors import LapsWarning, SchemaError, StorageError
from lapsdata.provenance import (
    CodeDigestWarning,
    code_digest,
    installed_package,
    parent,
    path_digest,
    provenance,
    warn_of_other_code,
)
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lapsdata.schema import Provenance

PACKAGE = Path(lapsdata.__file__).parent


def recomputed(folder: Path, pattern: str) -> str:
    """Return the digest of a folder by the words of its documentation, all at once and in memory."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob(pattern) if path.is_file())
    lines = [f"{name}\0{hashlib.sha256((folder / name).read_bytes()).hexdigest()}\n" for name in names]
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Return a function that lays a copy of the package somewhere else, importable as `copied`."""

    def lay(*, where: str = "site") -> Path:
        site = tmp_path / where
        ignored = shutil.ignore_patterns("__pycache__", "*.tmp")
        target: Path = shutil.copytree(PACKAGE, site / "copied", ignore=ignored)
        monkeypatch.setattr(sys, "path", [str(site), *[p for p in sys.path if "site" not in Path(p).parts]])
        importlib.invalidate_caches()
        code_digest.cache_clear()
        return target

    yield lay
    code_digest.cache_clear()


class Entry:
    """A path of another library."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


class TestCodeDigest:
    def test_equals_an_independent_recomputation(self) -> None:
        code_digest.cache_clear()
        assert code_digest("lapsdata") == recomputed(PACKAGE, "*.py")

    def test_the_models_have_their_own(self) -> None:
        assert code_digest("lapsmodels") != code_digest("lapsdata")

    def test_is_the_same_wherever_the_code_lies(self, copied: Callable[..., Path]) -> None:
        lay = copied
        folder = lay(where="wheel")
        assert code_digest("copied") == recomputed(folder, "*.py") == recomputed(PACKAGE, "*.py")

    @pytest.mark.parametrize(
        "change",
        [
            lambda folder: (folder / "errors.py").write_bytes((folder / "errors.py").read_bytes() + b"#"),
            lambda folder: (folder / "new.py").write_text(""),
            lambda folder: (folder / "errors.py").rename(folder / "faults.py"),
            lambda folder: (folder / "schema" / "run.py").unlink(),
            lambda folder: (folder / "schema" / "run.py").rename(folder / "run.py"),
        ],
        ids=["a byte", "a new file", "another name", "a file less", "another place"],
    )
    def test_moves_with_every_change_of_code(
        self, change: Callable[[Path], object], copied: Callable[..., Path]
    ) -> None:
        folder = copied()
        before = code_digest("copied")
        change(folder)
        assert code_digest("copied") == before, "looked at once per process"
        code_digest.cache_clear()
        assert code_digest("copied") != before

    def test_caches_notes_and_times_do_not_count(self, copied: Callable[..., Path]) -> None:
        folder = copied()
        before = code_digest("copied")
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "errors.py").write_text("stale")
        (folder / "notes.md").write_text("notes")
        os.utime(folder / "errors.py", (0, 0))
        code_digest.cache_clear()
        assert code_digest("copied") == before

    @pytest.mark.parametrize("name", ["no_such_package", "no_such_package.inner", "json.no_such", "errno", ""])
    def test_what_has_no_files_is_named(self, name: str) -> None:
        with pytest.raises(StorageError, match=f"^{name}.*expected an importable package with files, got none"):
            code_digest(name)

    def test_an_installed_package_is_described(self) -> None:
        package = installed_package("lapsmodels")
        assert (package.name, package.version) == ("lapsmodels", lapsdata.__version__)
        assert package.code_digest == code_digest("lapsmodels")


class TestPathDigest:
    @pytest.mark.parametrize("content", [b"", b"abc", bytes(range(256)) * 5000 + b"end"], ids=["none", "few", "blocks"])
    def test_of_a_file_is_the_sha256_of_its_bytes(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(content)
        assert path_digest(tmp_path / "file") == "sha256:" + hashlib.sha256(content).hexdigest()

    @given(
        st.dictionaries(st.sampled_from(["a", "b", "a.b", "c/a", "c/B", "c.d/0"]), st.binary(max_size=9), min_size=1)
    )
    @settings(max_examples=30)
    def test_of_a_folder_is_that_of_its_names_and_bytes(self, files: dict[str, bytes]) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for place, content in files.items():
                (folder / place).parent.mkdir(exist_ok=True)
                (folder / place).write_bytes(content)
            assert path_digest(folder) == recomputed(folder, "*")

    def test_of_a_folder_takes_names_and_bytes(self, tmp_path: Path) -> None:
        for name, content in {"b/0": b"x", "a": b"", "b.zarr/c/0.1": b"y", ".zgroup": b"{}"}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        before = path_digest(tmp_path)
        assert before == recomputed(tmp_path, "*")
        (tmp_path / "a").rename(tmp_path / "c")
        assert path_digest(tmp_path) != before

    def test_does_not_confuse_where_one_file_ends(self, tmp_path: Path) -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        for folder, files in ((one, {"a": b"xy", "b": b""}), (other, {"a": b"x", "b": b"y"})):
            folder.mkdir()
            for name, content in files.items():
                (folder / name).write_bytes(content)
        assert path_digest(one) != path_digest(other)

    def test_names_need_not_be_utf8(self, tmp_path: Path) -> None:
        (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"1")
        first = path_digest(tmp_path)
        (tmp_path / os.fsdecode(b"caf\xe9")).rename(tmp_path / os.fsdecode(b"caf\xe8"))
        assert path_digest(tmp_path) != first

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match=r"absent: expected a file or folder, got nothing; check the path"):
            path_digest(tmp_path / "absent")

    def test_a_path_through_a_file_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(StorageError, match=r"expected bytes to take the digest of, got: Not a directory"):
            path_digest(tmp_path / "file" / "inner")


class TestParents:
    def test_a_parent_has_no_path(self, tmp_path: Path) -> None:
        (tmp_path / "clip.mp4").write_bytes(b"abc")
        described = parent("video", tmp_path / "clip.mp4")
        assert described.as_json() == {
            "role": "video",
            "name": "clip.mp4",
            "digest": "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        }

    def test_a_name_that_headers_refuse_is_told(self, tmp_path: Path) -> None:
        (tmp_path / ".hidden").write_bytes(b"")
        with pytest.raises(SchemaError, match=r"^Parent: name: expected a name without slashes, .* got '\.hidden'"):
            parent("video", tmp_path / ".hidden")

    def test_provenance_names_code_parameters_and_parents(self, tmp_path: Path) -> None:
        (tmp_path / "clip.mp4").write_bytes(b"abc")
        parents = [parent("video", tmp_path / "clip.mp4")]
        made = provenance(parameters={"points": 400}, parents=iter(parents))
        assert (made.producer, made.version) == ("lapsdata", lapsdata.__version__)
        assert made.code_digest == code_digest("lapsdata")
        assert (made.parameters, made.parents) == ({"points": 400}, tuple(parents))

    def test_provenance_is_the_same_each_time(self) -> None:
        assert provenance(parameters={"a": 1}).to_bytes() == provenance(parameters={"a": 1}).to_bytes()

    def test_an_uninstalled_package_brings_its_version(self, copied: Callable[..., Path]) -> None:
        copied()
        assert provenance("copied", version="7").version == "7"
        with pytest.raises(StorageError, match=r"^copied: expected the name of an installed .*; give version=\.\.\."):
            provenance("copied")

    @pytest.mark.parametrize("version", [None, "1"])
    @pytest.mark.parametrize("producer", ["nonexistent", "", "no.such.thing"])
    def test_a_producer_that_is_not_there_is_named(self, producer: str, version: str | None) -> None:
        with pytest.raises(StorageError, match=r"expected an importable package with files, got none \[not-found\]"):
            provenance(producer, version=version)

    def test_no_version_is_not_taken_for_none_given(self) -> None:
        with pytest.raises(SchemaError, match="version: expected at least 1 characters, got ''"):
            provenance(version="")

    def test_paths_may_be_text(self, tmp_path: Path) -> None:
        (tmp_path / "clip.mp4").write_bytes(b"abc")
        for place in (tmp_path, tmp_path / "clip.mp4"):
            assert path_digest(str(place)) == path_digest(place)
            assert parent("video", os.fspath(place)) == parent("video", place)
            assert parent("video", Entry(place)) == parent("video", place)


class TestWarning:
    def other(self, producer: str) -> Provenance:
        return sample_provenance().model_copy(update={"producer": producer, "version": "0.0.9"})

    @pytest.mark.parametrize("producer", ["lapsdata", "lapsmodels"])
    def test_another_state_of_our_code_is_named(self, producer: str) -> None:
        here = code_digest(producer)[7:19]
        message = (
            rf"^clip\.h5: written by {producer} 0\.0\.9 with code 0{{12}}, "
            rf"read by {lapsdata.__version__} with code {here}$"
        )
        with pytest.warns(CodeDigestWarning, match=message) as seen:
            warn_of_other_code(self.other(producer), "clip.h5")
        assert [item.filename for item in seen] == [__file__]
        assert issubclass(CodeDigestWarning, LapsWarning)

    @pytest.mark.parametrize("found", [provenance(), provenance("lapsmodels")], ids=["data", "models"])
    def test_the_same_code_is_silent(self, found: Provenance) -> None:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            warn_of_other_code(found, "clip.h5")
        assert seen == []

    @pytest.mark.parametrize("producer", ["amplify", "lapsdata2", "Lapsdata"])
    def test_foreign_producers_cannot_be_compared(self, producer: str) -> None:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            warn_of_other_code(self.other(producer), "clip.h5")
        assert seen == []

    def test_readers_warn(self, tmp_path: Path) -> None:
        from lapsdata import read, write
        from lapsdata.testing.samples import sample_tracks

        path = tmp_path / "clip.tracks.h5"
        write(path, sample_tracks(provenance=self.other("lapsdata")))
        with pytest.warns(CodeDigestWarning, match=r"clip\.tracks\.h5: written by lapsdata 0\.0\.9") as seen:
            read(path)
        assert [item.filename for item in seen] == [__file__], "the line to look at is the caller's"
