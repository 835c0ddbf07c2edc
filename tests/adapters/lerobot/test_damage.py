"""Samples of each version whose words or bytes were changed: an error of ours, or episodes and statistics that hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.adapters import find_adapter
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.stats import read_stats
from lapsdata.containers import Episodes
from lapsdata.errors import LapsError, SchemaError
from lapsdata.testing.episode_sets import CAMERA, episode_rows, write_lerobot

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[2] / "samples" / "lerobot"
VERSIONS = ("v20", "v21", "v30")
ODD = st.sampled_from([None, True, -1, 0, 2, 10**30, 1.5, "", "a\n", "{}", "{x}", [], [None], [[1], 2], {}, {"a": []}])


def files(endings: tuple[str, ...]) -> list[str]:
    every = sorted(path.relative_to(SAMPLES) for path in SAMPLES.rglob("*"))
    return [str(path) for path in every if path.suffix in endings]


def damaged(file: str, folder: Path, change: Callable[[bytes], bytes]) -> Path:
    """Return a copy of a sample with one file changed."""
    version = Path(file).parts[0]
    root = folder / version
    shutil.copytree(SAMPLES / version, root)
    (folder / file).write_bytes(change((SAMPLES / file).read_bytes()))
    return root


def expect_whole(root: Path) -> None:
    """Expect problems that name a file of the data set, or what keeps the contract."""
    error = None
    try:
        found = read_set(root)
        stats, _ = read_stats(found)
    except LapsError as caught:
        error = caught
    if error is not None:
        assert all("expected" in one.message or "cannot" in one.message for one in error.problems)
        return
    assert isinstance(found.episodes, Episodes)
    assert all(note.severity in ("warning", "info") for note in found.notes)
    assert set(stats) <= {one.name for one in (*found.episodes.header.features, *found.episodes.header.cameras)}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_sample_is_known_and_read_without_a_word(version: str) -> None:
    adapter = find_adapter(SAMPLES / version)
    assert adapter is not None
    found = adapter[0].read(SAMPLES / version)
    assert (found.notes, found.container.rows.tolist()) == ((), [2, 3])  # type: ignore[attr-defined]
    assert read_set(SAMPLES / version, strict=True).version == f"{version[:2]}.{version[2]}"
    assert sum(len(row.columns["index"]) for row in episode_rows((2, 3))) == 5


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        keys = value if isinstance(value, dict) else range(len(value))
        return [place for key in keys for place in ((*here, key), *places(value[key], (*here, key)))]
    return []


@pytest.mark.parametrize("file", files((".json", ".jsonl")))
@settings(max_examples=15)
@given(data=st.data())
def test_words_that_were_changed(file: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    def change(whole: bytes) -> bytes:
        lines = whole.decode().splitlines() if file.endswith("jsonl") else [whole.decode()]
        at = data.draw(st.integers(0, len(lines) - 1))
        document = json.loads(lines[at])
        *outer, last = data.draw(st.sampled_from(places(document)))
        holder = document
        for part in outer:
            holder = holder[part]
        if data.draw(st.booleans()):
            del holder[last]
        else:
            holder[last] = data.draw(ODD)
        lines[at] = json.dumps(document)
        return "\n".join(lines).encode()

    expect_whole(damaged(file, tmp_path_factory.mktemp("words"), change))


@pytest.mark.parametrize("file", files((".json", ".jsonl", ".parquet")))
@settings(max_examples=15)
@given(data=st.data())
def test_bytes_that_were_changed(file: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    def change(whole: bytes) -> bytes:
        at = data.draw(st.integers(0, len(whole) - 1))
        flipped = whole[:at] + bytes([whole[at] ^ 1 << data.draw(st.integers(0, 7))]) + whole[at + 1 :]
        return data.draw(st.sampled_from([whole[:at], flipped]))

    expect_whole(damaged(file, tmp_path_factory.mktemp("bytes"), change))


@pytest.mark.parametrize("name", [CAMERA, "action"])
@pytest.mark.parametrize("key", ["info", "video_info"])
def test_a_description_that_is_no_object_is_an_error(name: str, key: str, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    path = root / "meta/info.json"
    info = json.loads(path.read_text())
    info["features"][name][key] = "h264"
    path.write_text(json.dumps(info))
    with pytest.raises(SchemaError, match=f"features: {name}: expected an object as {key}, got 'h264'"):
        read_set(root)


def test_json_that_is_too_deep_is_an_error(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    (root / "meta/info.json").write_text("[" * 100_000)
    with pytest.raises(SchemaError, match=r"expected JSON, got: maximum recursion depth.*not-json"):
        read_set(root)
