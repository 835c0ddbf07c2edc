"""The test suite that every format must pass; plug-in authors inherit it.

In a test module of the plug-in::

    class TestFormat(FormatContract):
        format = PLUGIN

        def examples(self):
            return (make_small(), make_large())

pytest then collects every `test_` method below for that format.
"""

from __future__ import annotations

import abc
import errno
import inspect
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.containers import Tracks
from lapsdata.errors import LapsError, MissingExtraError, PluginError, Problem, SchemaError, StorageError
from lapsdata.plugins import registry
from lapsdata.testing import samples

try:
    import pytest
except ImportError as error:
    raise MissingExtraError(
        Problem("missing-extra", "lapsdata.testing.contracts", "expected pytest, got no such package",
                "pip install 'lapsdata[test]'")
    ) from error  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from types import ModuleType

    from hypothesis.strategies import SearchStrategy
    from numpy.typing import NDArray

    from lapsdata.containers import Container
    from lapsdata.formats import Format, TracksWriter, WriteReport

__all__ = ["FormatCase", "FormatContract", "content_of", "format_cases", "sample_of", "strategy_of"]

# What `write` of our formats takes: by the words that it knows, the sets of options that lose nothing.
_VARIANTS: dict[frozenset[str], dict[str, dict[str, Any]]] = {
    frozenset(): {"": {}},
    frozenset({"samples_per_shard"}): {"": {}, "-small": {"samples_per_shard": 2}},
    frozenset({"profile"}): {"-raw": {}, "-compact": {"profile": "compact"}},
    frozenset({"profile", "round_px"}): {"-raw": {}, "-compact": {"profile": "compact", "round_px": "none"}},
    frozenset({"profile", "round_px", "chunking"}): {
        "-raw": {},
        "-windows": {"chunking": "windows"},
        "-compact": {"profile": "compact", "round_px": "none"},
    },
}
_FLIPS = 24


class FormatCase(NamedTuple):
    """A format, options of its `write` that lose nothing, and a small container to write."""

    format: Format[Any]
    options: dict[str, Any]
    container: Container

    def write(self, path: Path, container: Container | None = None, *, overwrite: bool = False) -> WriteReport:
        """Write the container, or another one of the same kind."""
        return self.format.write(
            path, self.container if container is None else container, overwrite=overwrite, **self.options
        )


def format_cases() -> dict[str, FormatCase]:
    """Return every format of this library with every profile, by a name for test ids.

    A new module in `lapsdata/formats` is among them without being listed anywhere.

    Raises
    ------
    PluginError
        A format cannot be loaded, has no sample, or takes options that are not known here.

    Examples
    --------
    >>> format_cases()["tracks_zarr-compact"].options["profile"]
    'compact'
    """
    return {
        f"{name}{ending}": FormatCase(plugin, options, sample_of(plugin.record))
        for name, plugin in _our_formats().items()
        for ending, options in _variants(plugin).items()
    }


def sample_of(record: str, **options: Any) -> Container:  # noqa: ANN401 - each sample states its own
    """Return the small container that `lapsdata.testing.samples.sample_<record>` makes.

    Raises
    ------
    PluginError
        There is no such function.

    Examples
    --------
    >>> len(sample_of("energies", steps=2))
    4
    """
    container: Container = _named(samples, f"sample_{record}")(**options)
    return container


def strategy_of(record: str) -> SearchStrategy[Container]:
    """Return the hypothesis strategy `lapsdata.testing.strategies.<record>`.

    Raises
    ------
    PluginError
        There is no such function.

    Examples
    --------
    >>> strategy_of("boxes")
    boxes()
    """
    from lapsdata.testing import strategies

    drawn: SearchStrategy[Container] = _named(strategies, record)()
    return drawn


def content_of(path: Path) -> dict[str, bytes]:
    """Return the bytes of a file, or of every file in a folder, by name relative to `path`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> note = pathlib.Path(tempfile.mkdtemp()) / "note.txt"
    >>> _ = note.write_bytes(b"abc")
    >>> content_of(note)
    {'': b'abc'}
    >>> content_of(note.parent)
    {'note.txt': b'abc'}
    """
    if path.is_file():
        return {"": path.read_bytes()}
    return {item.relative_to(path).as_posix(): item.read_bytes() for item in sorted(path.rglob("*")) if item.is_file()}


class FormatContract(abc.ABC):
    """What a format promises, as tests; see the module for how to inherit them.

    Parameters
    ----------
    format : Format
        The object that the entry point names.
    options : tuple of dict
        Sets of options of `write` to test with; only such that lose nothing.

    Examples
    --------
    >>> from lapsdata.formats.boxes_parquet import PLUGIN
    >>> class TestBoxes(FormatContract):
    ...     format = PLUGIN
    ...
    ...     def examples(self):
    ...         return (sample_of("boxes"),)
    >>> TestBoxes().test_name_is_the_registry_name()
    """

    format: Format[Any]
    options: tuple[dict[str, Any], ...] = ({},)

    @abc.abstractmethod
    def examples(self) -> tuple[Container, ...]:
        """Return containers that the format must keep: small and large, with and without what is optional."""

    def test_name_is_the_registry_name(self) -> None:
        """The format is found under its own name, `<record>_<store>`."""
        name = self.format.name
        _expect(name == f"{self.format.record}_{self.format.store}", f"name '{name}' is not <record>_<store>")
        _expect(registry("formats").load(name) is self.format, f"the registry finds another format under '{name}'")
        _expect(all(ending.startswith(".") for ending in self.format.suffixes), "suffixes begin with a dot")

    def test_round_trip(self, tmp_path: Path) -> None:
        """What is read equals what was written, whichever way the checksums are treated."""
        for container, options, target in self._cases(tmp_path):
            self._write(target, container, options)
            for verify in ("first", "always", "never"):
                back = self.format.read(target, verify=verify)
                _expect(container.equals(back), f"wrote {container!r} with {options}, read {back!r}")

    def test_report_says_what_was_written(self, tmp_path: Path) -> None:
        """The report names path, format and bytes on disk, and no error where nothing was rounded."""
        for container, options, target in self._cases(tmp_path):
            report = self._write(target, container, options)
            size = sum(len(part) for part in content_of(target).values())
            expected = (target, self.format.name, size, 0.0)
            got = (report.path, report.format, report.nbytes, report.largest_error_px)
            _expect(got == expected, f"expected the report {expected}, got {got}")

    def test_equal_inputs_give_equal_bytes(self, tmp_path: Path) -> None:
        """Writing twice gives the same files with the same bytes."""
        for container, options, target in self._cases(tmp_path):
            self._write(target, container, options)
            again = target.with_name("again" + target.name)
            self._write(again, container, options)
            first, second = content_of(target), content_of(again)
            differing = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
            _expect(not differing, f"two writes of one container differ in {differing or 'their bytes'}")

    def test_windows_one_by_one_give_the_same_bytes(self, tmp_path: Path) -> None:
        """A format that takes windows as they come (`writer`) makes the files that `write` makes."""
        for container, options, target in self._cases(tmp_path):
            if self.format.writer is not None and isinstance(container, Tracks):
                self._write(target, container, options)
                again = target.with_name("again" + target.name)
                _write_by_windows(self.format.writer, again, container, options)
                same = content_of(target) == content_of(again)
                _expect(same, "windows that were written one by one gave other bytes")

    def test_header_alone_is_the_header(self, tmp_path: Path) -> None:
        """A header that is read without the rest (`read_header`) is the one that was written."""
        for container, options, target in self._cases(tmp_path):
            if self.format.read_header is not None:
                self._write(target, container, options)
                header = self.format.read_header(target)
                _expect(header == container.header, f"wrote {container.header!r}, read {header!r}")

    def test_recognises_its_own_files(self, tmp_path: Path) -> None:
        """`recognises` says True for what `write` made, whatever its name."""
        for container, options, target in self._cases(tmp_path):
            self._write(target, container, options)
            renamed = target.rename(target.with_name(f"renamed-{target.stem}"))
            _expect(self.format.recognises(renamed), f"{self.format.name} does not recognise its own {renamed.name}")

    def test_recognises_no_other_file(self, tmp_path: Path) -> None:
        """`recognises` says False, and raises nothing, for the files of other formats and of nobody."""
        for path in _others(tmp_path, self.format.name):
            _expect(not self.format.recognises(path), f"{self.format.name} takes {path.name} for its own")
            with pytest.raises(LapsError, match=path.name):
                self.format.read(path)

    def test_refuses_what_exists(self, tmp_path: Path) -> None:
        """Without `overwrite` an existing file stays as it is; with it, it is replaced and nothing else remains."""
        for container, options, target in self._cases(tmp_path):
            self._write(target, container, options)
            before = content_of(target)
            with pytest.raises(StorageError, match="overwrite=True"):
                self._write(target, container, options)
            _expect(content_of(target) == before, "a refused write changed the file")
            self._write(target, container, options, overwrite=True)
            _expect(content_of(target) == before, "the same container, written over itself, gave other bytes")
            _expect(_names(target.parent) == [target.name], f"something else was left: {_names(target.parent)}")

    def test_failed_write_leaves_the_old(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A disk that fills up while writing costs nothing: the old file is whole, and no part of the new is left."""

        def full(handle: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        for container, options, target in self._cases(tmp_path):
            self._write(target, container, options)
            before = content_of(target)
            with monkeypatch.context() as patched:
                patched.setattr(os, "fsync", full)
                # Whoever does not wait for the disk does not notice that it is full, and fails this test.
                with pytest.raises(StorageError, match=r"disk-full"):
                    self._write(target, container, options, overwrite=True)
            _expect(content_of(target) == before, "a failed write changed the old file")
            _expect(_names(target.parent) == [target.name], f"parts were left: {_names(target.parent)}")

    def test_wrong_container_is_refused(self, tmp_path: Path) -> None:
        """A container of another kind is a SchemaError before anything is touched."""
        wrong = sample_of("boxes" if self.format.record != "boxes" else "tracks")
        target = tmp_path / f"wrong{self.format.suffixes[0]}"
        with pytest.raises(SchemaError, match=f"expected a {self.format.container.__name__}, got"):
            self.format.write(target, wrong)
        _expect(_names(tmp_path) == [], f"a refused write left {_names(tmp_path)}")

    def test_cut_files_are_errors(self, tmp_path: Path) -> None:
        """A file that was cut is an error; in a folder, a cut file is an error or not needed."""
        for container, options, target in self._cases(tmp_path):
            self._write(target, container, options)
            for name, content in content_of(target).items():
                part = target / name if name else target
                for length in sorted({0, 1, len(content) // 2, len(content) - 1}):
                    part.write_bytes(content[:length])
                    self._expect_error_or_equal(target, container, f"{name} cut to {length} bytes", strict=not name)
                part.write_bytes(content)

    def test_flipped_bits_are_errors_or_harmless(self, tmp_path: Path) -> None:
        """A flipped bit anywhere, in any file of a folder, is a LapsError or changes nothing that is read."""
        random = np.random.default_rng(0)
        for container, options, target in self._cases(tmp_path):
            self._write(target, container, options)
            whole = content_of(target)
            sizes = [len(content) for content in whole.values()]
            for place in random.integers(sum(sizes), size=_FLIPS).tolist():
                which = int(np.searchsorted(np.cumsum(sizes), place, side="right"))
                name, at, bit = list(whole)[which], place - sum(sizes[:which]), int(random.integers(8))
                damaged = bytearray(whole[name])
                damaged[at] ^= 1 << bit
                part = target / name if name else target
                part.write_bytes(damaged)
                self._expect_error_or_equal(target, container, f"{name} byte {at} bit {bit} flipped", strict=False)
                part.write_bytes(whole[name])

    def test_absent_file_is_a_storage_error(self, tmp_path: Path) -> None:
        """Reading a file that is not there says so."""
        with pytest.raises(StorageError, match="nothing-here"):
            self.format.read(tmp_path / "nothing-here")

    def test_unknown_verify_is_refused(self, tmp_path: Path) -> None:
        """`verify` takes the three words and no other."""
        for container, options, target in self._cases(tmp_path):
            self._write(target, container, options)
            with pytest.raises(SchemaError, match="'sometimes'"):
                self.format.read(target, verify="sometimes")

    def _cases(self, folder: Path) -> Iterator[tuple[Container, dict[str, Any], Path]]:
        """Yield every example with every set of options, each with a path in a folder of its own."""
        for i, container in enumerate(self.examples()):
            for k, options in enumerate(self.options):
                home = folder / f"case-{i}-{k}"
                home.mkdir()
                yield container, options, home / f"item{self.format.suffixes[0]}"

    def _write(
        self, path: Path, container: Container, options: dict[str, Any], *, overwrite: bool = False
    ) -> WriteReport:
        return self.format.write(path, container, overwrite=overwrite, **options)

    def _expect_error_or_equal(self, path: Path, container: Container, what: str, *, strict: bool) -> None:
        try:
            back = self.format.read(path)
        except LapsError:
            return
        _expect(not strict, f"{what}, and read without an error")
        _expect(container.equals(back), f"{what}, and read as something else")


def _our_formats() -> dict[str, Format[Any]]:
    found = registry("formats")
    return {entry.name: found.load(entry.name) for entry in found.entries() if entry.distribution == "lapsdata"}


def _variants(plugin: Format[Any]) -> dict[str, dict[str, Any]]:
    """Return the sets of options that lose nothing, by the ending of a test id."""
    every = inspect.signature(plugin.write).parameters.values()
    taken = {one.name for one in every if one.kind is one.KEYWORD_ONLY} - {"overwrite"}
    try:
        return _VARIANTS[frozenset(taken)]
    except KeyError:
        message = f"expected options of write that are known to the contract, got {', '.join(sorted(taken))}"
        fix = "name the sets that lose nothing in lapsdata.testing.contracts._VARIANTS"
        raise PluginError(Problem("unknown-options", f"lapsdata.formats: {plugin.name}", message, fix)) from None


def _write_by_windows(writer: Callable[..., TracksWriter], path: Path, tracks: Tracks, options: dict[str, Any]) -> None:
    header = tracks.header
    points = {view: facts.points for view, facts in header.views.items()}
    announced = {"windows": len(tracks), "horizon": header.horizon, "confidence": header.confidence}
    with writer(path, views=points, **announced, **options) as opened:
        for number in range(len(tracks)):
            for view in points:
                windows = (arrays[view][number : number + 1] for arrays in _by_view(tracks))
                opened.append(view, *windows)
        opened.finish(header, tracks.start_index, tracks.frame_s, tracks.source_index)


def _by_view(tracks: Tracks) -> list[Mapping[str, NDArray[Any]]]:
    by_view: list[Mapping[str, NDArray[Any]]] = [tracks.tracks, tracks.vis]
    return by_view if tracks.confidence is None else [*by_view, tracks.confidence]


def _named(module: ModuleType, name: str) -> Callable[..., Any]:
    made: Callable[..., Any] | None = getattr(module, name, None) if name in module.__all__ else None
    if made is None:
        message = f"expected a function {name}, got none: every record of a format has one"
        raise PluginError(Problem("no-examples", module.__name__, message, "add it, and its name to __all__"))
    return made


def _expect(good: bool, message: str) -> None:
    """Fail the test; this module is shipped, where pytest does not rewrite `assert`."""
    if not good:
        raise AssertionError(message)


def _names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def _others(folder: Path, name: str) -> Iterator[Path]:
    """Yield files and folders that are not of the format `name`."""
    for title, case in format_cases().items():
        if case.format.name != name:
            path = folder / f"other-{title}"
            case.write(path)
            yield path
    for title, content in {
        "text": b"no file of ours\n",
        "json": b'{"format": "other"}\n',
        "nested": b"[" * 100_000,
        "random": bytes(range(256)) * 16,
    }.items():
        path = folder / f"other-{title}"
        path.write_bytes(content)
        yield path
    (folder / "other-folder").mkdir()
    yield folder / "other-folder"
