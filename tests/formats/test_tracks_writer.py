"""Tracks written window by window: the bytes of writing them whole, in flat memory; wrong use is told by name."""

from __future__ import annotations

import gc
import itertools
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata import formats
from lapsdata.containers import Tracks
from lapsdata.errors import LapsWarning, LengthMismatchError, SchemaError, StorageError, UnknownFormatError
from lapsdata.storage import sealed_zarr_writer
from lapsdata.testing import strategies
from lapsdata.testing.contracts import content_of, format_cases
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.formats import TracksWriter

    Place = Callable[[str], Path]

STREAMED = {name: case for name, case in format_cases().items() if case.format.record == "tracks"}
SUFFIX = {"hdf5": ".h5", "zarr": ".zarr"}
LOSSY: list[dict[str, Any]] = [{"profile": "compact"}, {"profile": "compact", "round_px": 0.25}]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Give a fresh path at each call; one folder for all draws, since fixtures live as long as the test."""
    folder, number = tmp_path_factory.mktemp("writer"), itertools.count()
    return lambda suffix: folder / f"item-{next(number)}{suffix}"


def open_for(path: Path, tracks: Tracks, **options: Any) -> TracksWriter:
    header = tracks.header
    points = {view: facts.points for view, facts in header.views.items()}
    announced = {"windows": len(tracks), "horizon": header.horizon, "confidence": header.confidence}
    return formats.tracks_writer(path, views=points, **announced, **options)


def some(tracks: Tracks, view: str, first: int, last: int) -> tuple[NDArray[Any], ...]:
    arrays = [tracks.tracks, tracks.vis, *([] if tracks.confidence is None else [tracks.confidence])]
    return tuple(by_view[view][first:last] for by_view in arrays)


def append_in(writer: TracksWriter, tracks: Tracks, batches: Iterator[tuple[str, int]]) -> None:
    """Append in any order of views and any batches; whatever is left at the end, view by view."""
    at = dict.fromkeys(tracks.tracks, 0)
    for view, count in itertools.chain(batches, [(view, len(tracks)) for view in at]):
        last = min(len(tracks), at[view] + count)
        if last > at[view]:
            writer.append(view, *some(tracks, view, at[view], last))
            at[view] = last


def finish(writer: TracksWriter, tracks: Tracks) -> formats.WriteReport:
    return writer.finish(tracks.header, tracks.start_index, tracks.frame_s, tracks.source_index)


def do(writer: TracksWriter, *steps: Callable[[TracksWriter], object]) -> None:
    """Take the steps inside of the writer's `with`."""
    with writer:
        for step in steps:
            step(writer)


def add(tracks: Tracks, first: int, last: int, view: str = "default") -> Callable[[TracksWriter], object]:
    return lambda writer: writer.append(view, *some(tracks, view, first, last))


def end(tracks: Tracks) -> Callable[[TracksWriter], object]:
    return lambda writer: finish(writer, tracks)


def stop(error: BaseException) -> Callable[[TracksWriter], object]:
    def step(_: TracksWriter) -> None:
        raise error

    return step


class TestEqualBytes:
    @pytest.mark.parametrize("name", sorted(STREAMED))
    @given(data=st.data())
    @settings(max_examples=12)
    def test_in_any_batches_and_any_order_of_views(self, name: str, place: Place, data: st.DataObject) -> None:
        case = STREAMED[name]
        tracks = data.draw(strategies.tracks())
        batch = st.tuples(st.sampled_from(sorted(tracks.tracks)), st.integers(1, 4))
        options = data.draw(st.sampled_from([case.options, *(LOSSY if "compact" in name else [])]))
        whole, parts = place(SUFFIX[case.format.store]), place(SUFFIX[case.format.store])
        expected = formats.write(whole, tracks, **options)
        with open_for(parts, tracks, **options) as writer:
            append_in(writer, tracks, iter(data.draw(st.lists(batch, max_size=6))))
            report = finish(writer, tracks)
        assert content_of(parts) == content_of(whole)
        assert (report.nbytes, report.largest_error_px) == (expected.nbytes, expected.largest_error_px)
        assert (report.path, report.format, report.notes) == (parts, case.format.name, expected.notes)

    @pytest.mark.parametrize("batch", [1, 6, 16, 17])
    @pytest.mark.parametrize("name", sorted(STREAMED))
    def test_over_several_shards(self, name: str, batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """33 windows: two shards, and one window in a third."""
        monkeypatch.setattr(sealed_zarr_writer, "SHARD_WINDOWS", 16)
        case = STREAMED[name]
        tracks = sample_tracks(windows=33, horizon=1, points=2, views=("front", "wrist"), confidence=batch == 1)
        formats.write(tmp_path / "whole", tracks, format=case.format.name, **case.options)
        batches = ((view, batch) for _ in range(33) for view in ("wrist", "front"))
        with open_for(tmp_path / "parts", tracks, format=case.format.name, **case.options) as writer:
            append_in(writer, tracks, batches)
            finish(writer, tracks)
        assert content_of(tmp_path / "parts") == content_of(tmp_path / "whole")
        assert case.format.read(tmp_path / "parts").equals(tracks)

    @pytest.mark.parametrize("name", sorted(STREAMED))
    def test_of_arrays_that_lie_otherwise_in_memory(self, name: str, tmp_path: Path) -> None:
        case = STREAMED[name]
        tracks = sample_tracks(windows=6, confidence=True)
        case.write(tmp_path / "whole", tracks)
        with open_for(tmp_path / "parts", tracks, format=case.format.name, **case.options) as writer:
            for first in range(0, 6, 2):
                windows = some(tracks, "default", first, first + 2)
                doubled = (np.asfortranarray(np.repeat(array, 2, axis=1))[:, ::2] for array in windows)
                writer.append("default", *doubled)
            finish(writer, tracks)
        assert content_of(tmp_path / "parts") == content_of(tmp_path / "whole")

    @pytest.mark.parametrize("name", sorted(STREAMED))
    def test_what_was_appended_may_change_afterwards(self, name: str, tmp_path: Path) -> None:
        """A tracker fills one buffer again and again; held windows must not be views of it."""
        case = STREAMED[name]
        tracks = sample_tracks(windows=5, confidence=True)
        case.write(tmp_path / "whole", tracks)
        buffers = [np.empty_like(array) for array in some(tracks, "default", 0, 1)]
        with open_for(tmp_path / "parts", tracks, format=case.format.name, **case.options) as writer:
            for number in range(5):
                for buffer, array in zip(buffers, some(tracks, "default", number, number + 1), strict=True):
                    buffer[...] = array
                writer.append("default", *buffers)
            finish(writer, tracks)
        assert content_of(tmp_path / "parts") == content_of(tmp_path / "whole")


class TestRounding:
    @pytest.mark.parametrize("store", ["hdf5", "zarr"])
    def test_the_largest_error_is_that_of_all_batches(self, store: str, tmp_path: Path) -> None:
        tracks = sample_tracks(windows=4)
        positions = np.zeros_like(tracks.tracks["default"])
        positions[1, 0, 0] = 0.005, 0.0
        with open_for(tmp_path / f"x{SUFFIX[store]}", tracks, profile="compact") as writer:
            for number in range(4):
                vis = tracks.vis["default"][number : number + 1]
                writer.append("default", positions[number : number + 1], vis)
            report = finish(writer, tracks)
        assert report.largest_error_px == pytest.approx(0.005, abs=1e-9)

    @pytest.mark.parametrize("store", ["hdf5", "zarr"])
    def test_confidence_is_rounded_to_what_float32_holds(self, store: str, tmp_path: Path) -> None:
        tracks = sample_tracks(windows=4, points=50, confidence=True)
        path = tmp_path / f"x{SUFFIX[store]}"
        formats.write(path, tracks, profile="compact")
        back = formats.read(path, Tracks)
        assert tracks.confidence is not None
        assert back.confidence is not None
        steps = back.confidence["default"].astype(np.float64) * 256
        assert np.array_equal(steps, np.round(tracks.confidence["default"].astype(np.float64) * 256))
        assert steps.min() >= 0
        assert steps.max() <= 256


class TestWrongUse:
    @pytest.fixture(params=sorted(SUFFIX))
    def path(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
        """Give a place to write to in each store; nothing may be left in its folder, whatever the test does."""
        yield tmp_path / f"clip{SUFFIX[request.param]}"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t, v: (t.astype(np.float64), v), r"default/tracks: expected float32, got float64"),
            (lambda t, v: (t, v.astype(np.float32)), r"default/vis: expected bool, got float32"),
            (lambda t, v: (t.tolist(), v), r"default/tracks: expected float32 \(W, 4, 5, 2\) array, got list"),
            (lambda t, v: (t[:, :3], v[:, :3]), r"default/tracks: expected shape \(W, 4, 5, 2\), got \(2, 3, 5, 2\)"),
            (lambda t, v: (t[:, :, :4], v), r"default/tracks: expected shape \(W, 4, 5, 2\), got \(2, 4, 4, 2\)"),
            (lambda t, v: (t[0], v[0]), r"default/tracks: expected shape \(W, 4, 5, 2\), got \(4, 5, 2\)"),
            (lambda t, v: (np.where(v[..., None], np.nan, t).astype(np.float32), v), r"NaN at visible points"),
            (lambda t, v: (np.where(v[..., None], np.inf, t).astype(np.float32), v), r"expected no infinity"),
            (lambda t, v: (t[:0], v[:0]), r"default/tracks: expected at least one window, got none"),
            (lambda t, v: (t, v, v * np.float32(1)), r"default/confidence: expected none, as announced, got some"),
        ],
    )
    def test_windows_at_fault_are_named(self, path: Path, change: Callable[..., Any], message: str) -> None:
        tracks = sample_tracks(windows=3)
        windows = change(*some(tracks, "default", 1, 3))
        with pytest.raises(SchemaError, match=rf"clip\.\w+: windows from 1: .*{message}"):
            do(open_for(path, tracks), add(tracks, 0, 1), lambda writer: writer.append("default", *windows))

    def test_all_faults_of_a_batch_at_once(self, path: Path) -> None:
        tracks = sample_tracks(windows=3, confidence=True)
        positions, vis, confidence = some(tracks, "default", 0, 2)
        windows = (positions.astype(np.float64), vis[:1], confidence + 1)
        with pytest.raises(SchemaError, match=r"3 problems") as caught:
            do(open_for(path, tracks), lambda writer: writer.append("default", *windows))
        assert {(problem.code, problem.where.rpartition(": ")[2]) for problem in caught.value.problems} == {
            ("wrong-dtype", "default/tracks"),
            ("length-mismatch", "default/vis"),
            ("wrong-value", "default/confidence"),
        }

    def test_not_as_many_of_one_as_of_the_other(self, path: Path) -> None:
        tracks = sample_tracks(windows=3)
        positions, vis = some(tracks, "default", 0, 2)
        with pytest.raises(LengthMismatchError, match=r"vis: expected W = 2 as in default/tracks, got 1"):
            do(open_for(path, tracks), lambda writer: writer.append("default", positions, vis[:1]))

    def test_too_many_windows(self, path: Path) -> None:
        tracks = sample_tracks(windows=3)
        message = r"windows from 2: default/tracks: expected 3 windows in all, got 4 \[length-mismatch\]"
        with pytest.raises(LengthMismatchError, match=message):
            do(open_for(path, tracks), add(tracks, 0, 2), add(tracks, 0, 2))

    def test_too_few_windows_of_each_view_are_told(self, path: Path) -> None:
        tracks = sample_tracks(windows=3, views=("front", "wrist"))
        message = r"2 problems:\n.*front/tracks: expected W = 3 as in the plan, got 1.*\n.*wrist/tracks: .* got 0 "
        with pytest.raises(LengthMismatchError, match=message):
            do(open_for(path, tracks), add(tracks, 0, 1, "front"), end(tracks))

    def test_a_view_that_was_not_announced(self, path: Path) -> None:
        tracks = sample_tracks(windows=3)
        with pytest.raises(SchemaError, match=r"expected one of the views \['default'\], got 'left'"):
            do(open_for(path, tracks), lambda writer: writer.append("left", *some(tracks, "default", 0, 1)))

    def test_confidence_that_is_missing(self, path: Path) -> None:
        tracks = sample_tracks(windows=3, confidence=True)
        with pytest.raises(SchemaError, match=r"default/confidence: expected some, as announced, got none"):
            do(open_for(path, tracks), lambda writer: writer.append("default", *some(tracks, "default", 0, 3)[:2]))

    def test_a_header_that_was_not_announced(self, path: Path) -> None:
        tracks = sample_tracks(windows=3)
        other = sample_tracks(windows=3, horizon=2, points=6, views=("left",), confidence=True)
        with pytest.raises(SchemaError, match=r"problems") as caught:
            do(open_for(path, tracks), add(tracks, 0, 3), end(other))
        told = {problem.where.rpartition(": ")[2]: problem.message for problem in caught.value.problems}
        views = "expected the views with their points as announced, {'default': 5}, got {'left': 6}"
        assert told["header.views"] == views
        assert told["header.horizon"] == "expected 4 as announced, got 2"
        assert told["header.confidence"] == "expected False as announced, got True"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"start_index": np.arange(2)}, r"start_index: expected W = 3 as in the plan, got 2"),
            ({"start_index": np.array([0, 2, 1])}, r"start_index: expected rising starts"),
            ({"frame_s": np.zeros(6)}, r"frame_s: expected rising seconds"),
            ({"frame_s": np.arange(6.0)}, r"frame_s: expected frame k within"),
            ({"frame_s": np.arange(9) / 10}, r"header.uncovered_frames: expected 3 by the arrays, got 0"),
            ({"source_index": np.arange(6)}, r"source_index: header says not resampled, got one"),
            ({"header": {}}, r"expected a TracksHeader, got dict"),
        ],
    )
    def test_what_a_container_refuses_is_refused(self, path: Path, change: dict[str, Any], message: str) -> None:
        tracks = sample_tracks(windows=3)
        given = {"header": tracks.header, "start_index": tracks.start_index, "frame_s": tracks.frame_s, **change}
        with pytest.raises(SchemaError, match=message):
            do(open_for(path, tracks), add(tracks, 0, 3), lambda writer: writer.finish(**given))

    @pytest.mark.parametrize(
        ("plan", "message"),
        [
            ({"views": {}}, r"views: expected at least 1 items, got \{\}"),
            ({"views": ["default"]}, r"views: expected"),
            ({"views": {"a/b": 5}}, r"views\.a/b.*: expected text of the form"),
            ({"views": {"default": 0}}, r"views\.default: expected .*, got 0"),
            ({"views": {"default": 5.0}}, r"views\.default: expected a valid integer, got 5\.0"),
            ({"windows": 0}, r"windows: expected .*, got 0"),
            ({"windows": True}, r"windows: expected a valid integer, got True"),
            ({"horizon": "4"}, r"horizon: expected a valid integer, got '4'"),
            ({"confidence": 1}, r"confidence: expected a valid boolean, got 1"),
            ({"profile": "small"}, r"profile: expected one of"),
            ({"round_px": 0.5}, r"round_px: expected none with profile 'raw'"),
        ],
    )
    def test_a_plan_at_fault_is_refused_before_anything_is_made(
        self, path: Path, plan: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(SchemaError, match=message):
            formats.tracks_writer(path, **{"views": {"default": 5}, "windows": 3, "horizon": 4, **plan})

    def test_integers_of_any_library_are_taken(self, path: Path) -> None:
        tracks = sample_tracks(windows=2)
        views = {"default": np.int64(5)}
        writer = formats.tracks_writer(path, views=views, windows=np.int32(2), horizon=np.uint8(4))
        with pytest.raises(ZeroDivisionError, match="by the tracker"):
            do(writer, add(tracks, 0, 2), stop(ZeroDivisionError("by the tracker")))

    def test_leaving_without_finishing_is_told(self, path: Path) -> None:
        tracks = sample_tracks(windows=3, views=("front", "wrist"))
        message = r"clip\.\w+: nothing was written: .* after 2 of 3 windows of front, 0 of 3 windows of wrist"
        with pytest.warns(LapsWarning, match=message), open_for(path, tracks) as writer:
            writer.append("front", *some(tracks, "front", 0, 2))

    def test_a_writer_that_is_dropped_cleans_up(self, path: Path) -> None:
        tracks = sample_tracks(windows=3)
        writer = open_for(path, tracks).__enter__()
        writer.append("default", *some(tracks, "default", 0, 2))
        del writer
        gc.collect()
        assert not list(path.parent.iterdir())

    def test_a_writer_that_was_not_entered(self, path: Path) -> None:
        tracks = sample_tracks(windows=3)
        with pytest.raises(SchemaError, match=r"expected a writer that is open.* not entered by `with`; open another"):
            open_for(path, tracks).append("default", *some(tracks, "default", 0, 2))
        with pytest.raises(SchemaError, match=r"not entered by `with`.*\[writer-closed\]"):
            finish(open_for(path, tracks), tracks)

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match=r"no/clip.h5: cannot write: no such file or folder"):
            open_for(tmp_path / "no" / "clip.h5", sample_tracks()).__enter__()


class TestStates:
    @pytest.fixture(params=sorted(SUFFIX))
    def path(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        return tmp_path / f"clip{SUFFIX[request.param]}"

    def test_the_file_is_there_once_finish_returns(self, path: Path) -> None:
        tracks = sample_tracks()
        with open_for(path, tracks) as writer:
            writer.append("default", *some(tracks, "default", 0, 3))
            assert not path.exists()
            report = finish(writer, tracks)
            assert formats.read(path).equals(tracks)
            assert [item.name for item in path.parent.iterdir()] == [path.name]
        assert report.nbytes == sum(len(part) for part in content_of(path).values())

    def test_finished_is_finished(self, path: Path) -> None:
        tracks = sample_tracks()
        with open_for(path, tracks) as writer:
            writer.append("default", *some(tracks, "default", 0, 3))
            finish(writer, tracks)
            with pytest.raises(SchemaError, match=r"got one that is finished.*\[writer-closed\]"):
                writer.append("default", *some(tracks, "default", 0, 1))
            with pytest.raises(SchemaError, match=r"got one that is finished"):
                finish(writer, tracks)
        with pytest.raises(SchemaError, match=r"got one that is finished"), writer:
            pass
        assert formats.read(path).equals(tracks)

    def test_an_error_after_finishing_costs_nothing(self, path: Path) -> None:
        tracks = sample_tracks()
        with pytest.raises(ZeroDivisionError, match="later"):
            do(open_for(path, tracks), add(tracks, 0, 3), end(tracks), stop(ZeroDivisionError("later")))
        assert formats.read(path).equals(tracks)

    def test_what_was_refused_can_be_given_right(self, path: Path) -> None:
        """A refused batch or header was not written: the next one takes its place."""
        tracks = sample_tracks()
        with open_for(path, tracks) as writer:
            positions, vis = some(tracks, "default", 0, 3)
            with pytest.raises(SchemaError, match="expected float32"):
                writer.append("default", positions.astype(np.float64), vis)
            with pytest.raises(LengthMismatchError, match="expected 3 windows in all, got 6"):
                writer.append("default", np.repeat(positions, 2, axis=0), np.repeat(vis, 2, axis=0))
            writer.append("default", positions, vis)
            with pytest.raises(SchemaError, match="expected rising starts"):
                writer.finish(tracks.header, tracks.start_index[::-1].copy(), tracks.frame_s)
            finish(writer, tracks)
        assert formats.read(path).equals(tracks)

    def test_nothing_is_replaced_unasked(self, path: Path) -> None:
        old, new = sample_tracks(seed=1), sample_tracks(seed=2)
        formats.write(path, old)
        with pytest.raises(StorageError, match=r"expected a free name, got an existing one"):
            open_for(path, new).__enter__()
        with open_for(path, new, overwrite=True) as writer:
            writer.append("default", *some(new, "default", 0, 3))
            assert formats.read(path).equals(old)
            finish(writer, new)
        assert formats.read(path).equals(new)

    def test_what_appeared_meanwhile_is_not_replaced(self, path: Path) -> None:
        tracks, other = sample_tracks(seed=1), sample_tracks(seed=2)
        with pytest.raises(StorageError, match="existing one"):
            do(open_for(path, tracks), add(tracks, 0, 3), lambda _: formats.write(path, other), end(tracks))
        assert formats.read(path).equals(other)
        assert [item.name for item in path.parent.iterdir()] == [path.name]

    def test_an_interrupt_leaves_the_old(self, path: Path) -> None:
        old = sample_tracks(seed=1)
        formats.write(path, old)
        before = content_of(path)
        with pytest.raises(KeyboardInterrupt, match="now"):
            do(open_for(path, old, overwrite=True), add(old, 0, 2), stop(KeyboardInterrupt("now")))
        assert content_of(path) == before
        assert [item.name for item in path.parent.iterdir()] == [path.name]


class TestChoice:
    def test_the_ending_chooses_the_format(self, tmp_path: Path) -> None:
        with pytest.raises(
            UnknownFormatError, match=r"expected an ending for Tracks, got '\.avi'; formats: tracks_hdf5"
        ):
            open_for(tmp_path / "clip.avi", sample_tracks())

    def test_a_format_that_takes_no_windows(self, tmp_path: Path) -> None:
        message = r"expected a format that takes windows one by one \(tracks_hdf5, tracks_zarr\), got boxes_parquet"
        with pytest.raises(UnknownFormatError, match=message):
            open_for(tmp_path / "clip.h5", sample_tracks(), format="boxes_parquet")

    def test_options_reach_the_format(self, tmp_path: Path) -> None:
        tracks = sample_tracks()
        with open_for(tmp_path / "any.name", tracks, format="tracks_hdf5", chunking="windows") as writer:
            writer.append("default", *some(tracks, "default", 0, 3))
            finish(writer, tracks)
        formats.write(tmp_path / "whole.h5", tracks, chunking="windows")
        assert content_of(tmp_path / "any.name") == content_of(tmp_path / "whole.h5")


MEMORY = """
import json, resource, sys
import numpy as np
from lapsdata.formats import tracks_writer
from lapsdata.testing.samples import sample_tracks

path, options, count = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
header = sample_tracks(windows=1, horizon=16, points=400, confidence=True).header
positions = np.zeros((16, 16, 400, 2), np.float32)
vis, confidence = np.ones((16, 16, 400), bool), np.ones((16, 16, 400), np.float32)
with tracks_writer(path, views={"default": 400}, windows=count, horizon=16, confidence=True, **options) as writer:
    for first in range(0, count, 16):
        positions += 1
        writer.append("default", positions, vis, confidence)
    writer.finish(header, np.arange(count), np.arange(count + 15) / 10)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(STREAMED))
def test_memory_does_not_grow_with_the_number_of_windows(name: str, tmp_path: Path) -> None:
    case = STREAMED[name]
    peak = {}
    for count in (512, 3072):
        target = tmp_path / f"{count}{SUFFIX[case.format.store]}"
        command = [sys.executable, "-c", MEMORY, str(target), json.dumps(case.options), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        peak[count] = int(done.stdout)
    # 2560 windows more are 220 MB of arrays.
    assert peak[3072] - peak[512] < 25, f"peak memory in MB: {peak}"
