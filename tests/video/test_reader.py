"""Every frame is the one that was asked for: held against plain decoding, in any order, for every kind of file."""

from __future__ import annotations

import random
import weakref
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.video import _decoding
from lapsdata.video.probe import probe
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.video.frame import Frame


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the packets that are fed to a decoder."""
    fed = [0]
    plain = _decoding._Run._decode

    def counted(run: Any, packet: Any) -> Any:
        fed[0] += packet is not None
        return plain(run, packet)

    monkeypatch.setattr(_decoding._Run, "_decode", counted)
    return fed


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the containers that are opened to be decoded."""
    times = [0]
    plain = _decoding.open_container

    def counted(*args: Any, **options: Any) -> Any:
        times[0] += 1
        return plain(*args, **options)

    monkeypatch.setattr(_decoding, "open_container", counted)
    return times


def packets_in(path: Path) -> int:
    """Count what FFmpeg gives by itself."""
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


def same(one: Frame, other: Frame) -> bool:
    return one.index == other.index and one.time_s == other.time_s and np.array_equal(one.image, other.image)


def test_reading_in_order_equals_plain_decoding(
    any_kind: str, video: Callable[[str], Path], read_plainly: Callable[[Path], Any]
) -> None:
    path = video(any_kind)
    plain = read_plainly(path)
    with open_video(path) as reader:
        frames = list(reader.frames())
    assert [frame.index for frame in frames] == list(range(40))
    assert [frame.time_s for frame in frames] == [float(pts * plain.clock) for pts in plain.decoded_pts]
    for frame, image in zip(frames, plain.images, strict=True):
        np.testing.assert_array_equal(frame.image, image)
        assert frame.image.flags.c_contiguous
        assert frame.image.flags.writeable


def test_a_frame_read_anywhere_equals_the_one_read_in_order(any_kind: str, video: Callable[[str], Path]) -> None:
    with open_video(video(any_kind)) as reader:
        in_order = list(reader.frames())
        wanted = random.Random(any_kind).choices(range(40), k=40)
        assert all(same(reader.at_index(index), in_order[index]) for index in wanted)
        backwards = [reader.at_index(index) for index in reversed(range(40))]
        assert all(same(*pair) for pair in zip(reversed(backwards), in_order, strict=True))
        some = sorted(wanted)
        assert all(same(frame, in_order[index]) for index, frame in zip(some, reader.frames(some), strict=True))


@settings(max_examples=25)
@given(data=st.data())
def test_any_structure_read_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, write: Callable[..., Path], draw: Callable[..., Any], data: st.DataObject
) -> None:
    """Codec, distance of keyframes, B-frames, times and order of reading are drawn."""
    count = data.draw(st.integers(1, 24), "frames")
    codec = data.draw(st.sampled_from(["h264.mp4", "h264.mkv", "mpeg4.mp4", "hevc.mp4", "mpeg2.ts"]), "codec")
    options = {"g": str(data.draw(st.integers(1, 12), "gop")), "bf": str(data.draw(st.integers(0, 4), "b-frames"))}
    if codec == "hevc.mp4":
        # Without threads of its own, so that one draw makes one file.
        alone = "pools=none:frame-threads=1"
        options = {"x265-params": f"log-level=0:{alone}:keyint={options['g']}:bframes={options['bf']}:open-gop=1"}
    ticks: list[int] | None = None
    if codec != "mpeg2.ts":
        gaps = data.draw(st.lists(st.integers(20, 400), min_size=count, max_size=count), "gaps in ms")
        ticks = np.cumsum(gaps).tolist()
    suffix = codec.rpartition(".")[2]
    path = write(
        tmp_path_factory.mktemp("any") / f"clip.{suffix}", codec, draw(count, 64, 32), ticks=ticks, options=options,
        clock=None if ticks is None else Fraction(1, 1000),
    )  # fmt: skip
    with open_video(path) as reader:
        in_order = list(reader.frames())
        assert len(in_order) == count
        if ticks is not None:
            assert [frame.time_s for frame in in_order] == [tick / 1000 for tick in ticks]
        wanted = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=20), "order")
        for index, frame in zip(wanted, reader.read(wanted), strict=True):
            assert same(frame, in_order[index])
        for index in wanted:
            assert same(reader.at_index(index), in_order[index])


def test_sorted_requests_decode_each_group_once(video: Callable[[str], Path], decoded: list[int]) -> None:
    with open_video(video("mpeg4.mp4")) as reader:
        keys = reader.facts.keyframes
        assert len(keys) == 4
        wanted = random.Random(1).sample(range(40), 40)
        reader.read(wanted)
        # The decoder holds one frame back, so that a packet is fed beyond each jump.
        assert decoded[0] <= 40 + len(keys)


def test_a_far_frame_is_reached_by_its_keyframe_and_a_near_one_without(
    video: Callable[[str], Path], decoded: list[int]
) -> None:
    with open_video(video("av1.mp4")) as reader:
        assert reader.facts.keyframes.tolist() == [0, 10, 20, 30]
        assert [frame.index for frame in reader.frames([0, 32])] == [0, 32]
        assert decoded[0] <= 8
        decoded[0] = 0
        assert [frame.index for frame in reader.frames([7, 12])] == [7, 12]
        assert decoded[0] <= 8 + 3


def test_what_a_decoder_holds_back_is_not_thrown_away_for_a_keyframe_that_is_near(
    tmp_path: Path, write: Callable[..., Path], decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is held back, three frames between are reason enough to jump; with B-frames they are not."""
    jumps = [0]
    plain = _decoding._Run.seek

    def counted(run: Any, key: int) -> bool:
        jumps[0] += 1
        return plain(run, key)

    monkeypatch.setattr(_decoding._Run, "seek", counted)
    for codec, wanted, expected, most in (("av1.mp4", [0, 4, 8], 2, 3), ("h264.mp4", [8, 12], 1, 15)):
        path = write(tmp_path / codec, codec, options={"g": "2"} if codec == "av1.mp4" else {"bf": "3", "g": "12"})
        with open_video(path) as reader:
            # The shared container has to be brought to its start.
            next(reader.frames())
            decoded[0] = jumps[0] = 0
            assert [frame.index for frame in reader.frames(wanted)] == wanted
            assert (jumps[0] == expected) == (codec == "av1.mp4")
            assert decoded[0] <= most


def test_indices_may_repeat_and_are_integers_of_any_library(video: Callable[[str], Path]) -> None:
    with open_video(video("h264.mp4")) as reader:
        frames = list(reader.frames(np.array([3, 3, 9], np.int32)))
        assert [frame.index for frame in frames] == [3, 3, 9]
        assert type(frames[0].index) is int
        assert same(frames[0], frames[1])
        # Each may be written to without harm to the other.
        frames[0].image[:] = 0
        assert frames[1].image.any()
        twice = reader.read([5, 5])
        twice[0].image[:] = 0
        assert twice[1].image.any()


def test_wrong_indices_are_named(video: Callable[[str], Path]) -> None:
    with open_video(video("h264.mp4")) as reader:
        with pytest.raises(
            SchemaError, match=r"indices: expected rising indices, got 4 after 5; sort them, or use read"
        ):
            list(reader.frames([1, 5, 4]))
        for wrong in (-1, 40):
            with pytest.raises(IndexError, match=rf"h264.mp4: frame: expected 0 to 39, got {wrong}"):
                reader.at_index(wrong)
        with pytest.raises(SchemaError, match=r"index: expected an integer, got 1\.5"):
            reader.read([1.5])  # type: ignore[list-item]  # the test


def test_wrong_words_are_named(video: Callable[[str], Path]) -> None:
    with pytest.raises(SchemaError, match="pixels: expected one of 'rgb', 'rgb_quick', 'gray', got 'bgr'"):
        open_video(video("h264.mp4"), pixels="bgr")  # type: ignore[arg-type]  # the test
    with pytest.raises(SchemaError, match="times: expected 'packets' or 'decoded', got 'guess'"):
        open_video(video("h264.mp4"), times="guess")  # type: ignore[arg-type]  # the test


def test_at_time_gives_the_nearest_frame_or_none(tmp_path: Path, draw: Callable[..., Any]) -> None:
    write_video(tmp_path / "clip.mp4", draw(4), [1.0, 1.1, 1.5, 1.6])
    with open_video(tmp_path / "clip.mp4") as reader:
        assert [reader.at_time(t).index for t in (1.0, 1.1, 1.5, 1.6)] == [0, 1, 2, 3]
        assert reader.at_time(1.1004).index == 1
        assert reader.at_time(1.3, tolerance_s=0.2).index == 1
        assert reader.at_time(0.0, tolerance_s=1.0).index == 0
        assert reader.at_time(9.0, tolerance_s=8.0).index == 3
        message = r"clip.mp4: t_s: expected a frame within 0.001 s of 1.400000 s, the nearest is frame 2 at 1.500000 s"
        with pytest.raises(SchemaError, match=message):
            reader.at_time(1.4)
        for wrong in (float("nan"), float("inf"), -float("inf")):
            with pytest.raises(SchemaError, match=r"clip.mp4: t_s: expected finite seconds, got -?(nan|inf)"):
                reader.at_time(wrong, tolerance_s=1e9)
            with pytest.raises(SchemaError, match=r"clip.mp4: tolerance_s: expected finite seconds, got -?(nan|inf)"):
                reader.at_time(1.0, tolerance_s=wrong)


@pytest.mark.parametrize("wrong", [None, 3, b"clip.mp4", ["clip.mp4"]])
def test_what_is_no_path_is_told(wrong: Any) -> None:
    for opener in (open_video, probe):
        with pytest.raises(SchemaError, match=r"source: expected a path or URL, got \w+ .*no-path"):
            opener(wrong)


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=12, unique=True), st.floats(-1.0, 3.0))
@settings(max_examples=20)
def test_at_time_equals_a_search_of_all_times(
    tmp_path_factory: pytest.TempPathFactory, draw: Callable[..., Any], ticks: list[int], t_s: float
) -> None:
    times = np.sort(ticks) / 1000
    path = tmp_path_factory.mktemp("at") / "clip.mp4"
    write_video(path, draw(len(times), 32, 32), times)
    with open_video(path) as reader:
        found = reader.at_time(t_s, tolerance_s=10.0)
    assert abs(found.time_s - t_s) == pytest.approx(np.abs(times - t_s).min(), abs=1e-9)


def test_frames_are_not_kept(video: Callable[[str], Path]) -> None:
    alive: list[weakref.ref[Any]] = []
    most = 0
    with open_video(video("h264.mp4")) as reader:
        for frame in reader.frames():
            alive.append(weakref.ref(frame.image))
            del frame
            most = max(most, sum(ref() is not None for ref in alive))
    assert most <= 1


def test_a_reader_reads_again_after_it_was_closed(video: Callable[[str], Path]) -> None:
    reader = open_video(video("h264.mp4"))
    before = reader.at_index(7)
    reader.close()
    assert same(reader.at_index(7), before)
    reader.close()
    reader.close()


def test_a_file_that_has_gone_is_named(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path / "clip.mp4")
    with open_video(path) as reader:
        next(reader.frames())
        path.unlink()
        with pytest.raises(StorageError, match=r"clip.mp4: cannot open: no such file or folder"):
            reader.at_index(0)


class TestFirstRead:
    """It goes on with the container that told the facts, brought back to its start."""

    def test_nothing_is_opened_twice(self, any_kind: str, video: Callable[[str], Path], opened: list[int]) -> None:
        path = video(any_kind)
        with open_video(path) as reader:
            in_order = list(reader.frames())
            # FFmpeg finds no start of a transport stream by its time; then it is opened again.
            assert opened[0] == (1 if path.suffix == ".ts" else 0)
            opened[0] = 0
            again = list(reader.frames())
            assert opened[0] == 1
        assert len(in_order) == 40
        assert all(same(*pair) for pair in zip(in_order, again, strict=True))

    def test_it_may_be_anywhere(self, any_kind: str, video: Callable[[str], Path]) -> None:
        with open_video(video(any_kind)) as reader:
            in_order = list(reader.frames())
        for index in (39, 27, 12, 5):
            with open_video(video(any_kind)) as reader:
                assert same(reader.at_index(index), in_order[index])
                assert same(reader.at_index(3), in_order[3])

    def test_iterators_that_begin_together_do_not_share_it(
        self, video: Callable[[str], Path], opened: list[int]
    ) -> None:
        with open_video(video("h264.mp4")) as reader:
            one, other = reader.frames(), reader.frames()
            assert [(next(one).index, next(other).index, reader.at_index(k).index) for k in range(40)] == [
                (k, k, k) for k in range(40)
            ]
        assert opened[0] == 2

    def test_turns_instead_of_times_want_a_start_that_is_beyond_doubt(
        self, video: Callable[[str], Path], opened: list[int]
    ) -> None:
        with open_video(video("h264.mp4"), times="decoded") as reader:
            assert len(list(reader.frames())) == 40
            assert opened[0] == 1

    def test_it_reads_what_the_facts_were_read_from(self, tmp_path: Path, write: Callable[..., Path]) -> None:
        path = write(tmp_path / "clip.mp4")
        with open_video(path) as true:
            expected = list(true.frames())
        with open_video(path) as reader:
            write(tmp_path / "other.mp4", "mpeg4.mp4").replace(path)
            assert all(same(*pair) for pair in zip(reader.frames(), expected, strict=True))

    def test_a_start_behind_hidden_packets_is_not_taken_for_the_start(
        self, tmp_path: Path, write: Callable[..., Path], rewrite: Callable[..., Path]
    ) -> None:
        """The first packet that is shown is a keyframe in name only, and needs the hidden ones."""
        whole = write(tmp_path / "whole.mp4", "refresh.mkv")

        def earlier(_: int, packet: Any) -> Any:
            packet.pts -= 11 * 512
            packet.dts -= 11 * 512
            return packet

        path = rewrite(whole, tmp_path / "edit.mp4", earlier)
        with open_video(whole) as all_frames, open_video(path) as reader:
            assert (reader.facts.frames, reader.facts.keyframes[0]) == (29, 1)
            for index in (1, 4, 0, 28):
                np.testing.assert_array_equal(reader.at_index(index).image, all_frames.at_index(index + 11).image)


def test_len_is_the_number_of_frames(video: Callable[[str], Path]) -> None:
    with open_video(video("h264.mp4")) as reader:
        assert len(reader) == reader.facts.frames == 40


class TestEdits:
    """Packets that are not to be shown, and frames without a keyframe before them."""

    def test_a_hidden_start_is_decoded_and_not_shown(
        self, tmp_path: Path, video: Callable[[str], Path], rewrite: Callable[..., Path]
    ) -> None:
        def earlier(_: int, packet: Any) -> Any:
            packet.pts -= 5 * 512
            packet.dts -= 5 * 512
            return packet

        whole = video("h264.mp4")
        path = rewrite(whole, tmp_path / "edit.mp4", earlier)
        with open_video(whole) as all_frames, open_video(path) as reader:
            assert (reader.facts.frames, reader.facts.start_s) == (35, 0.0)
            # The first keyframe is hidden; the frames that it serves are there all the same.
            assert reader.facts.keyframes.tolist() == [7, 19, 31]
            for given, shown in zip(list(all_frames.frames())[5:], reader.frames(), strict=True):
                np.testing.assert_array_equal(given.image, shown.image)
            assert np.array_equal(reader.at_index(3).image, all_frames.at_index(8).image)

    @pytest.mark.parametrize("name", ["h264.mkv", "h264.ts", "mpeg4.mp4"])
    def test_frames_before_the_first_keyframe_are_errors_and_the_others_are_exact(
        self, tmp_path: Path, name: str, video: Callable[[str], Path], rewrite: Callable[..., Path]
    ) -> None:
        whole = video(name)
        suffix = ".mkv" if name == "mpeg4.mp4" else whole.suffix
        path = rewrite(whole, tmp_path / f"late{suffix}", lambda number, packet: packet if number >= 5 else None)
        with open_video(whole) as all_frames, open_video(path) as reader:
            first = int(reader.facts.keyframes[0])
            assert first > 0
            message = rf"late{suffix}: frame {{}} at .* s: cannot be decoded: there is no keyframe before it"
            for index in (0, first - 1):
                with pytest.raises(CorruptDataError, match=message.format(index)):
                    reader.at_index(index)
            with pytest.raises(CorruptDataError, match=message.format(0)):
                next(reader.frames())
            left_out = len(all_frames) - len(reader)
            for index in (first, len(reader) - 1, first + 3):
                np.testing.assert_array_equal(reader.at_index(index).image, all_frames.at_index(index + left_out).image)

    # The last frame is a keyframe and ends with the edit; a B-frame is stored behind it.
    GAPS = (20, 20, 20, 20, 20, 20, 20, 20, 80, 20, 40, 20, 20)

    @pytest.fixture
    def trailing(self, tmp_path: Path, write: Callable[..., Path], draw: Callable[..., Any]) -> Path:
        options = {"x265-params": "log-level=0:keyint=2:bframes=1:open-gop=1"}
        path = write(
            tmp_path / "clip.mp4", "hevc.mp4", draw(13, 64, 32), ticks=np.cumsum(self.GAPS).tolist(), options=options,
            clock=Fraction(1, 1000),
        )  # fmt: skip
        assert packets_in(path) == 12
        return path

    def test_a_frame_that_ffmpeg_leaves_out_before_the_last_one_is_read(
        self, trailing: Path, tmp_path: Path, write: Callable[..., Path], draw: Callable[..., Any]
    ) -> None:
        # Matroska has no edits: the same stream, whole.
        plain = write(
            tmp_path / "clip.mkv", "hevc.mp4", draw(13, 64, 32), ticks=np.cumsum(self.GAPS).tolist(),
            options={"x265-params": "log-level=0:keyint=2:bframes=1:open-gop=1"}, clock=Fraction(1, 1000),
        )  # fmt: skip
        assert packets_in(plain) == 13
        with open_video(trailing) as reader, open_video(plain) as expected:
            assert [round(1000 * t) for t in reader.facts.frame_s] == np.cumsum(self.GAPS).tolist()
            wanted = random.Random(3).choices(range(13), k=40)
            for index in [*range(13), *wanted]:
                np.testing.assert_array_equal(reader.at_index(index).image, expected.at_index(index).image)

    def test_a_last_frame_that_ffmpeg_leaves_out_is_read(
        self, tmp_path: Path, write: Callable[..., Path], draw: Callable[..., Any]
    ) -> None:
        """The gap before the last frame but one is shorter than that of its packet to the next."""
        times = np.cumsum([20, 20, 20, 20, 20, 20, 20, 20, 20, 120, 60, 20])
        path = write(
            tmp_path / "clip.mp4", "mpeg4.mp4", draw(12, 64, 32), ticks=times.tolist(), options={"g": "1", "bf": "1"},
            clock=Fraction(1, 1000),
        )  # fmt: skip
        assert packets_in(path) == 11
        with open_video(path) as reader:
            assert [round(1000 * frame.time_s) for frame in reader.frames()] == times.tolist()
            assert reader.at_time(0.38).index == 11

    def test_a_lost_frame_beside_a_start_that_is_cut_off_is_an_error(self, trailing: Path) -> None:
        stored = trailing.read_bytes()
        # Of the second entry: length in milliseconds, then start in ticks; both move by one frame.
        at = stored.index(b"elst") + 24
        length, start = (int.from_bytes(stored[at + k : at + k + 4], "big") for k in (0, 4))
        changed = (length - 20).to_bytes(4, "big") + (start + 320).to_bytes(4, "big")
        trailing.write_bytes(stored[:at] + changed + stored[at + 8 :])
        message = r"clip.mp4: frames of its edit that FFmpeg leaves out: 1, the first at 0.300000 s; encode it again"
        with pytest.raises(CorruptDataError, match=message):
            probe(trailing)
        with pytest.raises(CorruptDataError, match=message):
            open_video(trailing)

    def test_an_end_that_is_cut_off_on_purpose_is_no_error(
        self, tmp_path: Path, write: Callable[..., Path], draw: Callable[..., Any]
    ) -> None:
        path = write(tmp_path / "clip.mp4", "h264.mp4", draw(24), options={"g": "6", "bf": "2"})
        stored = path.read_bytes()
        at = stored.index(b"elst") + 12
        length = int.from_bytes(stored[at : at + 4], "big")
        path.write_bytes(stored[:at] + (length // 2).to_bytes(4, "big") + stored[at + 4 :])
        with av.open(str(path)) as container:
            assert container.streams.video[0].frames == 24
        with open_video(path) as reader:
            assert 12 <= len(reader) < 24
            assert len(list(reader.frames())) == len(reader)


class TestDecodedTimes:
    """AVI numbers packets: with B-frames, the number of a packet is not the time of its picture."""

    def test_b_frames_in_avi_want_the_option_and_are_then_in_order(
        self, tmp_path: Path, write: Callable[..., Path], read_plainly: Callable[[Path], Any]
    ) -> None:
        path = write(tmp_path / "clip.avi", "h264.mp4")
        with open_video(path) as reader:
            message = (
                r"clip.avi: frame 1 at 0.080000 s: cannot be decoded: the decoder gave the picture of 0.160000 s "
                r"instead; "
                r'AVI numbers packets and not frames: open it with times="decoded"'
            )
            with pytest.raises(CorruptDataError, match=message):
                list(reader.frames())
        images = read_plainly(path).images
        with open_video(path, times="decoded") as reader:
            for given, image in zip(reader.frames(), images, strict=True):
                np.testing.assert_array_equal(given.image, image)
                assert given.time_s - reader.facts.start_s == pytest.approx(given.index / 25)
            for index in (30, 2, 2, 17, 39, 0):
                np.testing.assert_array_equal(reader.at_index(index).image, images[index])

    def test_packed_b_frames(self, tmp_path: Path, video: Callable[[str], Path], rewrite: Callable[..., Path]) -> None:
        """DivX put a B-frame behind its reference in one packet, and an empty placeholder later."""
        import av

        source = video("bframes.avi")
        with av.open(str(source)) as container:
            given = [bytes(packet) for packet in container.demux(video=0) if packet.size]
        b_frame = [data[data.rfind(b"\0\0\1\xb6") + 4] >> 6 == 2 for data in given]
        packed: list[bytes] = []
        at = 0
        while at < len(given):
            end = at + 1
            while end < len(given) and b_frame[end]:
                end += 1
            packed.append(b"".join(given[at : at + 2]) if end > at + 1 else given[at])
            packed += [*given[at + 2 : end], *([b"\0\0\1\xb6\x5f"] if end > at + 1 else [])]
            at = end
        assert len(packed) == 40
        # DivX names itself, with a p for packed, before its first picture.
        head, mark, rest = packed[0].partition(b"\0\0\1\xb6")
        packed[0] = head[: head.rfind(b"\0\0\1\xb2")] + b"\0\0\1\xb2DivX503b1393p" + mark + rest

        def replaced(number: int, packet: Any) -> Any:
            made = av.Packet(packed[number])
            made.pts = made.dts = number
            made.time_base, made.is_keyframe = packet.time_base, packet.is_keyframe
            return made

        path = rewrite(source, tmp_path / "packed.avi", replaced)
        with open_video(path) as reader:
            with pytest.raises(CorruptDataError, match='open it with times="decoded"'):
                list(reader.frames())
        with open_video(path, times="decoded") as reader, open_video(source) as true:
            for given_frame, other in zip(reader.frames(), true.frames(), strict=True):
                np.testing.assert_array_equal(given_frame.image, other.image)

    def test_it_changes_nothing_where_packets_are_frames(self, video: Callable[[str], Path]) -> None:
        with open_video(video("h264.mp4"), times="decoded") as one, open_video(video("h264.mp4")) as other:
            assert all(same(*pair) for pair in zip(one.frames(), other.frames(), strict=True))
