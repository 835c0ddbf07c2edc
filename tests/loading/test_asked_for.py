"""What may be asked of windows: numbers, options and paths that only look right are refused before they are used."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import lapsdata
from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.formats.shards_webdataset import ShardsWriter
from lapsdata.loading import Mixture, open_stream, open_windows
from lapsdata.loading._named_paths import named_paths
from lapsdata.provenance import provenance
from lapsdata.storage.ids import checked_id
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable

MASK = np.array([False, False, True, True, False, False])
ROWS = {
    "a mask": (MASK, "got bool; a mask: numpy.flatnonzero"),
    "a list that is a mask": (MASK.tolist(), "got bool"),
    "fractions": ([0.9, 3.7], "got float64"),
    "texts": (["3"], "got <U1"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    lapsdata.write(tmp_path / "a.h5", sample_tracks(windows=6))
    return tmp_path / "a.h5"


@pytest.fixture
def shards(file: Path) -> Path:
    place = file.parent / "a.shards"
    with ShardsWriter(place) as out:
        out.add(lapsdata.read(file, lapsdata.Tracks))
        out.finish(provenance(parameters={}))
    return place


@pytest.mark.parametrize("what", ROWS)
class TestIds:
    def test_of_windows(self, what: str, file: Path) -> None:
        ids, told = ROWS[what]
        windows = open_windows(file)
        for ask in (windows.gather, windows.subset(ids=[5, 4, 3]).gather, open_windows(file, offsets=(-1, 0)).gather):
            with pytest.raises(SchemaError, match=rf"ids: expected whole numbers, {told}"):
                ask(ids)
        with pytest.raises(SchemaError, match=rf"ids: expected whole numbers, {told}"):
            windows.subset(ids=ids)
        with pytest.raises(SchemaError, match=rf"ids: expected whole numbers, {told}"):
            windows[ids]

    def test_of_a_mixture(self, what: str, file: Path) -> None:
        ids, told = ROWS[what]
        mixture = Mixture({"a": open_windows(file), "b": open_windows(file)})
        with pytest.raises(SchemaError, match=rf"ids: expected whole numbers, {told}"):
            mixture.gather(ids)

    def test_of_a_stream(self, what: str, shards: Path) -> None:
        ids, told = ROWS[what]
        with pytest.raises(SchemaError, match=rf"ids: expected whole numbers, {told}"):
            open_stream(shards).gather(ids)

    def test_one_by_one(self, what: str, file: Path) -> None:
        ids, told = ROWS[what]
        one = np.asarray(ids)[0]
        windows = open_windows(file)
        for ask in (windows.locate, windows.__getitem__):
            with pytest.raises(SchemaError, match=rf"ids: expected whole numbers, {told}"):
                ask(one)


class TestKindsOfIds:
    @pytest.mark.parametrize("kind", [list, tuple, np.array, lambda ids: np.array(ids, np.uint8)])
    def test_what_holds_whole_numbers_may_be_given(self, kind: Callable[[list[int]], Any], file: Path) -> None:
        windows = open_windows(file)
        assert np.array_equal(windows.gather(kind([4, 1]))["start_s"], [0.4, 0.1])
        assert windows.subset(ids=kind([4, 1])).locate(np.int32(0)).window == 4
        assert windows[kind([4, 1])]["start_s"].tolist() == [0.4, 0.1]

    def test_tensors_too(self, file: Path) -> None:
        windows = open_windows(file)
        assert windows[torch.tensor([4, 1])]["start_s"].tolist() == [0.4, 0.1]
        assert windows[torch.tensor(3)]["start_s"].item() == pytest.approx(0.3)

    @pytest.mark.parametrize("ids", [3, [[1, 2]], slice(1, 3)], ids=str)
    def test_several_along_one_axis(self, ids: Any, file: Path) -> None:
        with pytest.raises((LengthMismatchError, SchemaError), match=r"expected one axis of ids, got shape"):
            open_windows(file).subset(ids=ids)

    @pytest.mark.parametrize("number", [[3], np.zeros((1, 1), int)], ids=str)
    def test_one_number_is_not_a_list(self, number: Any) -> None:
        with pytest.raises(LengthMismatchError, match="id: expected one number, got shape"):
            checked_id(number)


OPTIONS: dict[str, tuple[Any, str]] = {
    "threads": (0, "expected a whole number from 1 on, got 0"),
    "open_files": (0, "expected a whole number from 1 on, got 0"),
    "offsets": (2, "expected a list of whole numbers, got 2"),
    "transform": (3, "expected a function of a batch, got 3"),
    "lost": ("x", "expected one of"),
    "stale": ("x", "expected one of"),
    "remote": (3, "expected a lapsdata.loading.RemoteReader, got 3"),
    "views": ("default", "expected a list of names, got 'default'"),
}


class TestOptions:
    @pytest.mark.parametrize("name", OPTIONS)
    def test_that_mean_nothing_are_refused(self, name: str, file: Path) -> None:
        value, told = OPTIONS[name]
        with pytest.raises(SchemaError, match=rf"{name}: {told}"):
            open_windows(file, **{name: value})

    @pytest.mark.parametrize("value", ["2", 1.5, True, -1, None])
    def test_counts_are_whole_numbers(self, value: Any, file: Path) -> None:
        with pytest.raises(SchemaError, match="threads: expected a whole number from 1 on, got"):
            open_windows(file, threads=value)

    def test_counts_of_numpy_are_counts(self, file: Path) -> None:
        options: dict[str, Any] = {"threads": np.int64(2), "open_files": np.int32(1), "offsets": np.array([0, 1])}
        batch = open_windows(file, **options).gather([1, 2])
        assert batch["start_s"].tolist() == [[0.1, 0.2], [0.2, 0.3]]

    def test_stale_is_said_of_a_catalog(self, file: Path) -> None:
        with pytest.raises(SchemaError, match="stale: expected nothing where no catalog is opened, got 'reopen'"):
            open_windows(file, stale="reopen")

    def test_one_field_is_given_as_a_list(self, file: Path) -> None:
        with pytest.raises(SchemaError, match=r"fields: expected a list of names, got 'tracks'"):
            open_windows(file).gather([0], fields="tracks")


class TestPaths:
    @pytest.mark.parametrize("path", [None, 3, b"a.h5", [b"a.h5"], ["a.h5", None]], ids=str)
    def test_what_is_no_path_is_refused(self, path: Any) -> None:
        with pytest.raises(SchemaError, match="path: expected a path or URL, or a list of these, got"):
            open_windows(path)

    def test_a_url_that_was_made_a_path_is_told(self) -> None:
        with pytest.raises(SchemaError, match=r"expected a URL as text, got 'https:/host/a.shards'.*give it as str"):
            named_paths(Path("https://host/a.shards"))
        assert named_paths("https://host/a.shards") == ["https://host/a.shards"]

    def test_files_are_found_from_another_folder_too(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(file.parent)
        windows = open_windows("a.h5")
        sent = pickle.loads(pickle.dumps(windows))
        (file.parent / "elsewhere").mkdir()
        monkeypatch.chdir(file.parent / "elsewhere")
        for one in (windows, sent):
            assert one.gather([2])["start_s"] == [0.2]
            one.close()

    def test_a_file_that_is_named_twice_is_noted(self, file: Path) -> None:
        windows = open_windows([file, file.parent / "a.h5"])
        assert len(windows) == 12
        assert any("named more than once" in note and "a.h5" in note for note in windows.notes)
        assert not open_windows(file).notes
