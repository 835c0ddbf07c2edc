"""What is taken for a video, what it is called, and that nothing is chosen or left out without a word."""

from __future__ import annotations

import gc
import hashlib
import http.server
import os
import socket
import threading
import zipfile
from typing import TYPE_CHECKING, Self

import fsspec
import pytest

from lapsdata.errors import LapsError, SchemaError, StorageError, UnknownFormatError
from lapsdata.provenance import path_digest
from lapsdata.video._bytes import name_of, open_bytes
from lapsdata.video.sources import VIDEO_SUFFIXES, doubled_names, find_videos, source_bytes, source_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with videos, other files, hidden ones, folders below, and two folders of images."""
    for name in (
        "b.mp4", "a.MKV", "notes.txt", "cover.png", ".hidden.mp4", "day1/clip.mp4", "day1/deep/clip.avi",
        "day2/clip.mp4", ".cache/clip.mp4", "shots/0001.png", "shots/0002.png", "day2/stills/1.jpg",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def names(*sources: Path | str, **options: object) -> list[str]:
    return [item.name for item in find_videos(sources, **options)]  # type: ignore[arg-type]  # each test names its own


def test_a_folder_gives_its_videos_by_name(tree: Path) -> None:
    found = find_videos(tree)
    assert [tuple(item) for item in found] == [("a", tree / "a.MKV"), ("b", tree / "b.mp4")]
    assert (found.unmatched, found.beyond_limit) == (0, 0)


def test_below_a_folder_names_tell_the_way(tree: Path) -> None:
    expected = ["a", "b", "day1__clip", "day1__deep__clip", "day2__clip", "day2__stills", "shots"]
    assert names(tree, recursive=True) == expected
    # No name depends on which other files are there.
    (tree / "b.mp4").unlink()
    (tree / "day2" / "clip.mp4").unlink()
    assert names(tree, recursive=True) == ["a", "day1__clip", "day1__deep__clip", "day2__stills", "shots"]


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_each_suffix_is_known_in_both_cases(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"low{suffix}").touch()
    (tmp_path / f"up{suffix.upper()}").touch()
    assert names(tmp_path) == ["low", "up"]


def test_a_file_that_is_named_may_have_any_suffix(tree: Path) -> None:
    assert names(tree / "notes.txt", str(tree / ".hidden.mp4")) == [".hidden", "notes"]


def test_a_folder_of_images_is_one_item(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [tuple(item) for item in find_videos(tree / "shots")] == [("shots", tree / "shots")]
    (tree / "shots").rename(tree / "shots.v2")
    assert names(tree / "shots.v2") == names(f"{tree}/sh*") == ["shots.v2"]
    monkeypatch.chdir(tree / "shots.v2")
    assert names(".") == ["shots.v2"]


def test_the_folder_that_one_is_in(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "day1")
    assert names(".") == ["clip"]
    assert names("..") == ["a", "b"]


def test_globs(tree: Path) -> None:
    assert names(f"{tree}/*.mp4") == ["b"]
    assert names(f"{tree}/**/deep/*.avi") == ["clip"]
    assert names(f"{tree}/[ab].*") == ["a", "b"]
    assert names(f"{tree}/sh*") == ["shots"]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    for name in ("take[1].mp4", "take1.mp4"):
        (tmp_path / name).touch()
    assert names(tmp_path / "take[1].mp4") == ["take[1]"]


def test_one_place_named_in_many_ways_is_one_item(tree: Path) -> None:
    (tree / "link.mp4").symlink_to(tree / "b.mp4")
    assert names(tree / "b.mp4", f"{tree}/./b.mp4", f"{tree}/b.*", tree / "link.mp4") == ["b"]


def test_links_that_lead_back_are_followed_once(tree: Path) -> None:
    expected = names(tree, recursive=True)
    for folder in (tree, tree / "day1", tree / "day1" / "deep", tree / "day2"):
        for name in ("zz1", "zz2", "zz3"):
            (folder / name).symlink_to(tree)
    assert names(tree, recursive=True) == expected


def test_match_and_limit_are_counted(tree: Path) -> None:
    found = find_videos(tree, recursive=True, match="*clip")
    assert [item.name for item in found] == ["day1__clip", "day1__deep__clip", "day2__clip"]
    assert (found.unmatched, found.beyond_limit) == (4, 0)
    found = find_videos(tree, recursive=True, match="clip", limit=2)
    assert [item.name for item in found] == ["day1__clip", "day1__deep__clip"]
    assert (found.unmatched, found.beyond_limit) == (4, 1)
    assert repr(found).endswith("unmatched=4, beyond_limit=1)")


def test_two_of_one_name_are_kept_or_left_out_together(tree: Path) -> None:
    (tree / "b.mov").touch()
    both = (tree / "b.mov", tree / "b.mp4")
    found = find_videos(tree)
    assert [item.name for item in found] == ["a", "b", "b"]
    assert doubled_names(found) == {"b": both}
    for limit, left in ((1, 2), (2, 0)):
        found = find_videos(tree, limit=limit)
        assert (len(found), found.beyond_limit, doubled_names(found)) == (3 - left, left, {} if left else {"b": both})
    found = find_videos(tree, match="a")
    assert ([item.name for item in found], found.unmatched) == (["a"], 2)
    # What a name means does not depend on the choice: both are "x__c", and the pattern fits the stem of one.
    (tree / "x").mkdir()
    for name in ("x/c.mp4", "x__c.mp4"):
        (tree / name).touch()
    found = find_videos(tree, recursive=True, match="c")
    assert [item.path for item in found] == [tree / "x" / "c.mp4", tree / "x__c.mp4"]


def test_a_limit_counts_names_in_their_order(tree: Path) -> None:
    assert names(tree, recursive=True, limit=3) == ["a", "b", "day1__clip"]


def test_everything_that_is_not_there_is_told_at_once(tree: Path) -> None:
    (tree / "none").mkdir()
    with pytest.raises(StorageError, match="2 problems") as missing:
        find_videos([tree / "b.mp4", tree / "one.mp4", tree / "two.mp4"])
    assert [problem.where for problem in missing.value.problems] == [str(tree / "one.mp4"), str(tree / "two.mp4")]
    with pytest.raises(UnknownFormatError, match=r"none: expected videos, found none; .*search the folders below"):
        find_videos(tree / "none")
    with pytest.raises(UnknownFormatError, match=r"none: expected videos, found none; check the path \["):
        find_videos(tree / "none", recursive=True)
    with pytest.raises(UnknownFormatError, match=r"q\*\.mp4: expected videos, found none; check the path \["):
        find_videos(f"{tree}/q*.mp4")
    with pytest.raises(LapsError, match="2 problems") as both:
        find_videos([tree / "one.mp4", tree / "none"])
    assert {problem.code for problem in both.value.problems} == {"not-found", "no-videos"}


def test_a_pattern_that_leaves_nothing_names_what_there_was(tree: Path) -> None:
    with pytest.raises(UnknownFormatError, match=r"match 'S2_\*': .* got none of 2: a, b \["):
        find_videos(tree, match="S2_*")
    with pytest.raises(
        UnknownFormatError, match=r"got none of 7: a, b, day1__clip, day1__deep__clip, day2__clip \.\.\."
    ):
        find_videos(tree, match="S2_*", recursive=True)


def test_a_pipe_is_refused_where_it_is_named_and_listed_where_it_lies(tree: Path) -> None:
    os.mkfifo(tree / "pipe.mp4")
    with pytest.raises(StorageError, match=r"pipe\.mp4: expected a file or folder, got a pipe, socket or device"):
        find_videos(tree / "pipe.mp4")
    with pytest.raises(StorageError, match="-: expected a file, got the standard input"):
        find_videos("-")
    assert names(tree) == ["a", "b", "pipe"]


@pytest.mark.parametrize(("sources", "options"), [([], {}), (["x"], {"limit": 0}), (["x"], {"limit": -1})])
def test_nothing_asked_for(sources: list[str], options: dict[str, int]) -> None:
    with pytest.raises(SchemaError, match="expected at least"):
        find_videos(sources, **options)  # type: ignore[arg-type]  # limit alone


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("videos/clip.mp4", "clip"),
        ("clip.one.mp4", "clip.one"),
        ("what?.mp4", "what?"),
        ("https://host/videos/clip.mp4", "clip"),
        ("https://host/clip.mp4?token=a/b.c&x=1", "clip"),
        ("s3://bucket/day/clip.v2.mkv", "clip.v2"),
        ("zip://inside/clip.mp4::https://host/all.zip", "clip"),
        ("simplecache::s3://bucket/clip.mp4", "clip"),
        ("simplecache::zip://clip.mp4::s3://bucket/all.zip", "clip"),
    ],
)
def test_names(source: str, name: str) -> None:
    assert name_of(source) == name


def test_urls_are_listed_without_being_opened() -> None:
    url = "https://127.0.0.1:1/clip.mp4?token=a*b"
    assert [tuple(item) for item in find_videos(url)] == [("clip", url)]
    with pytest.raises(UnknownFormatError, match=r"no pattern in a chain of URLs, got one; name each file"):
        find_videos("zip://*.mp4::s3://bucket/all.zip")


def test_globs_of_urls(tree: Path) -> None:
    found = find_videos(f"file://{tree}/day*/clip.mp4".replace("day*", "day1*"))
    assert [tuple(item) for item in found] == [("clip", f"file://{tree}/day1/clip.mp4")]
    with pytest.raises(UnknownFormatError, match=r"memory://no/\*\.mp4: expected videos, found none"):
        find_videos("memory://no/*.mp4")
    with pytest.raises(StorageError, match="Protocol not known: what"):
        find_videos("what://bucket/*.mp4")


def test_the_digest_is_that_of_the_bytes_wherever_they_are(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    expected = f"sha256:{hashlib.sha256(content).hexdigest()}"
    (tmp_path / "clip.mp4").write_bytes(content)
    system = fsspec.filesystem("memory")
    system.pipe_file("/digest/clip.mp4", content)
    try:
        places = (
            tmp_path / "clip.mp4",
            f"{tmp_path}/clip.mp4",
            f"file://{tmp_path}/clip.mp4",
            "memory://digest/clip.mp4",
        )
        assert {source_digest(place) for place in places} == {expected}
        assert {source_bytes(place) for place in places} == {3_000_000}
    finally:
        system.rm("/digest", recursive=True)
    assert source_digest(tmp_path) == path_digest(tmp_path)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "note.txt").write_bytes(b"abc")
    assert source_bytes(tmp_path) == 3_000_003
    for missing in (tmp_path / "gone.mp4", "memory://digest/gone.mp4"):
        with pytest.raises(StorageError, match=r"gone\.mp4: cannot open: no such file"):
            source_bytes(missing)


def test_a_url_that_stops_to_give_bytes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def read(self, _: int) -> bytes:
            raise ConnectionError("the line went dead")

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("lapsdata.video.sources.open_bytes", lambda _: Broken())
    with pytest.raises(StorageError, match=r"s3://b/clip\.mp4: cannot read: the line went dead; check the URL"):
        source_digest("s3://b/clip.mp4")
    with pytest.raises(StorageError, match=r"gone\.mp4: expected a file or folder, got nothing"):
        source_digest("gone.mp4")


def test_a_file_in_an_archive_outlives_the_call_that_opened_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("clip.mp4", bytes(range(256)) * 100)
    with open_bytes(f"zip://clip.mp4::file://{tmp_path}/all.zip") as file:
        gc.collect()
        file.seek(1000)
        assert file.read(3) == bytes([232, 233, 234])


class _Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the number that stands in the path."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/").partition(".")[0]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answers() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, r"the server answers 401 Unauthorized; ask for the right to read it \[no-permission\]"),
        (403, r"the server answers 403 Forbidden; ask for the right to read it \[no-permission\]"),
        (404, r"no such file; check the URL \[not-found\]"),
        (410, r"no such file; check the URL \[not-found\]"),
        (500, r"the server answers 500 Internal Server Error; check the URL, or try again later \[unreadable-url\]"),
        (503, r"the server answers 503 Service Unavailable; check the URL, or try again later \[unreadable-url\]"),
    ],
)
def test_what_a_server_answers_is_told(answers: str, status: int, told: str) -> None:
    with pytest.raises(StorageError, match=rf"/{status}\.mp4: cannot open: {told}"):
        source_digest(f"{answers}/{status}.mp4")


def test_a_server_that_does_not_answer_is_not_a_missing_file(answers: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = r"cannot open: no answer of the server: connection refused; check the URL, and that its server runs"
    with pytest.raises(StorageError, match=rf"{told} \[unreachable\]"):
        source_digest(f"http://127.0.0.1:{port}/clip.mp4")
    with pytest.raises(StorageError, match=r"no answer of the server: .*SSL.*\[unreachable\]"):
        source_digest(f"{answers.replace('http', 'https')}/200.mp4")


def test_sources_that_give_nothing_are_listed_where_others_give_something(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    wrong = [str(tmp_path / "nothing.mp4"), str(tmp_path / "*.mkv")]
    found = find_videos([tmp_path / "a.mp4", *wrong], lost="list")
    assert [item.name for item in found] == ["a"]
    assert {source: [problem.code for problem in problems] for source, problems in found.lost.items()} == {
        wrong[0]: ["not-found"],
        wrong[1]: ["no-videos"],
    }
    for sources, lost in (([tmp_path / "a.mp4", *wrong], "raise"), (wrong, "list")):
        with pytest.raises(LapsError, match=r"(?s)nothing.mp4.*\*.mkv|\*.mkv.*nothing.mp4"):
            find_videos(sources, lost=lost)  # type: ignore[arg-type]
