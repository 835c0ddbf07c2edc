"""Records: strict, frozen, every fault named at once, versions that are refused or set aside by name."""

from __future__ import annotations

import copy
import json
import math
import pickle
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lapsdata.errors import FormatTooNewError, LapsWarning, SchemaError
from lapsdata.provenance import provenance
from lapsdata.schema import (
    RECORDS,
    BoxesHeader,
    BoxSequence,
    EnergiesHeader,
    EnergyRow,
    FrameRange,
    Header,
    Provenance,
    Record,
    Run,
    SegmentedVideo,
    Size,
    SourceVideo,
    Tokenizer,
    TokensHeader,
    Tool,
    TracksHeader,
    TracksView,
    canonical_json,
)
from lapsdata.testing import strategies

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.containers import Container
    from lapsdata.timebase import FrameRate

HEADERS = tuple(name for name, record in RECORDS.items() if issubclass(record, Header))


def edited(text: str, **changes: Any) -> str:
    return json.dumps({**json.loads(text), **changes})


def faults(error: SchemaError) -> set[tuple[str, str]]:
    return {(problem.code, problem.where) for problem in error.problems}


class TestFaults:
    def test_unknown_key_suggests_the_nearest_name(self, valid: dict[str, dict[str, str]]) -> None:
        text = edited(valid["tracks.v1"]["minimal"], horizn=3)
        with pytest.raises(
            SchemaError, match=r"clip\.h5: horizn: expected a known key, got 'horizn'; did you mean 'hor"
        ):
            TracksHeader.parse(text, "clip.h5")

    @pytest.mark.parametrize(
        ("record", "document", "hint"),
        [
            (TracksView, {"size": {"widht": 3}}, "size.widht: expected a known key, got 'widht'; did you mean 'width'"),
            (TracksHeader, {"views": {"size": {"points": 1, "grdi": 0}}}, "views.size.grdi: .*; did you mean 'grid'"),
            (TracksHeader, {"provenance": {"producr": "me"}}, "provenance.producr: .*; did you mean 'producer'"),
            (SourceVideo, {"size": {"heigth": 3}}, "size.heigth: .*; did you mean 'height'"),
            (
                BoxesHeader,
                {"sequences": [{"annotated": [{"strat": 0}]}]},
                "annotated.0.strat: .*; did you mean 'start'",
            ),
            (TracksHeader, {"qqq": 1}, "qqq: .*; own keys begin with 'x-'"),
        ],
    )
    def test_hints_come_from_the_record_where_the_key_stands(
        self, record: type[Header], document: dict[str, Any], hint: str
    ) -> None:
        with pytest.raises(SchemaError, match=hint):
            record.parse(json.dumps(document))

    def test_all_faults_of_a_document_are_named_at_once(self, valid: dict[str, dict[str, str]]) -> None:
        document = json.loads(valid["tracks.v1"]["minimal"])
        del document["stride"]
        document["horizon"] = 0
        document["rate"] = 29.97
        document["colour"] = "red"
        document["views"]["default"]["points"] = "400"
        document["views"]["default"]["size"]["deep"] = 1
        document["views"]["default"]["grid"]["order"] = "spiral"
        document["provenance"]["code_digest"] = "sha256:0"
        with pytest.raises(SchemaError, match="8 problems:") as caught:
            TracksHeader.parse(json.dumps(document), "h")
        assert faults(caught.value) == {
            ("missing-key", "h: stride"),
            ("wrong-value", "h: horizon"),
            ("wrong-value", "h: rate"),
            ("unknown-key", "h: colour"),
            ("wrong-value", "h: views.default.points"),
            ("unknown-key", "h: views.default.size.deep"),
            ("wrong-value", "h: views.default.grid.order"),
            ("wrong-value", "h: provenance.code_digest"),
        }

    def test_a_bad_member_is_told_once_and_not_as_an_empty_list(self) -> None:
        with pytest.raises(SchemaError, match=r"levels\.0: expected greater than or equal to 2, got 1") as caught:
            Tokenizer(name="t", version="1", levels=(1,), codes=2)
        assert len(caught.value.problems) == 1

    @pytest.mark.parametrize("wrong", ["16", 16.0, True, None, [16], 16.5, {"x-a": 16}])
    def test_only_a_whole_number_is_a_whole_number(self, wrong: object) -> None:
        with pytest.raises(SchemaError, match="width: expected a valid integer, got"):
            Size.parse(json.dumps({"width": wrong, "height": 9}))
        with pytest.raises(SchemaError, match="width: expected a valid integer, got"):
            Size(**{"width": wrong, "height": 9})  # type: ignore[arg-type]  # the refusal is the test

    @pytest.mark.parametrize("wrong", ["0.5", True, None, [0.5]])
    def test_only_a_number_is_a_number(self, wrong: object) -> None:
        with pytest.raises(SchemaError, match="end_s: expected a valid number, got"):
            SegmentedVideo.parse(json.dumps({"name": "a", "end_s": wrong}))

    def test_whole_seconds_may_be_written_without_a_point(self) -> None:
        video = SegmentedVideo.parse('{"name": "a", "end_s": 4}')
        assert video.end_s == 4.0
        assert isinstance(video.end_s, float)

    @pytest.mark.parametrize("name", ["a/b", "a\\b", ".a", "..", "a\nb", "a\x00", "a\n", "\x1f", "/"])
    def test_names_are_never_paths(self, name: str) -> None:
        message = "name: expected a name without slashes, control characters and a dot in front, got"
        with pytest.raises(SchemaError, match=message):
            SourceVideo(name=name)
        with pytest.raises(SchemaError, match=message):
            SourceVideo.parse(json.dumps({"name": name}))

    @pytest.mark.parametrize(
        ("name", "message"), [("", "at least 1 characters"), ("x" * 201, "at most 200 characters")]
    )
    def test_names_have_a_length(self, name: str, message: str) -> None:
        with pytest.raises(SchemaError, match=f"name: expected {message}, got"):
            SourceVideo(name=name)

    def test_numbers_end_where_readers_of_json_disagree(self) -> None:
        assert Size(width=2**53 - 1, height=1).width == 2**53 - 1
        with pytest.raises(SchemaError, match=f"width: expected less than or equal to {2**53 - 1}"):
            Size(width=2**53, height=1)

    @pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
    def test_not_finite_is_refused_everywhere(self, wrong: float) -> None:
        with pytest.raises(SchemaError, match="end_s: expected a finite number"):
            SegmentedVideo(name="a", end_s=wrong)
        with pytest.raises(SchemaError, match=r"parameters\.gain.*: expected a finite number"):
            Provenance(producer="p", version="1", code_digest="sha256:" + "0" * 64, parameters={"gain": wrong})
        with pytest.raises(SchemaError, match=r"x-gain.*: expected a finite number"):
            Size(width=1, height=1, **{"x-gain": wrong})

    def test_a_long_value_is_shortened_in_the_message(self) -> None:
        with pytest.raises(SchemaError, match=r"'(a{56})\.\.\. \[wrong-value\]$"):
            SourceVideo(name="n", digest="a" * 500)


class TestCalling:
    """Records made in Python speak like records that were read."""

    def test_every_fault_is_a_schema_error(self) -> None:
        with pytest.raises(SchemaError, match="5 problems:") as caught:
            Size(width=0, heigth=3, **{"note": 1, "x-a": math.nan})  # type: ignore[call-arg]  # the refusal is the test
        assert faults(caught.value) == {
            ("wrong-value", "Size: width"),
            ("missing-key", "Size: height"),
            ("unknown-key", "Size: heigth"),
            ("unknown-key", "Size: note"),
            ("wrong-value", "Size: x-a.float"),
        }

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (Path("x"), r"parameters\.p: expected a JSON value, got PosixPath\('x'\)"),
            ({"deep": {1, 2}}, r"parameters\.p\..*deep: expected a JSON value, got \{1, 2\}"),
            (math.nan, r"parameters\.p.*: expected a finite number, got nan"),
            ("\ud800", r"parameters: expected text that UTF-8 can spell, got \{'p': '\\ud800'\}"),
            ({"\udfff": 1}, r"parameters: expected text that UTF-8 can spell"),
        ],
    )
    def test_parameters_that_no_header_can_hold(self, value: object, message: str) -> None:
        with pytest.raises(SchemaError, match=message):
            Tool(name="t", version="1", parameters={"p": value})  # type: ignore[dict-item]
        with pytest.raises(SchemaError, match=message):
            provenance(parameters={"p": value})  # type: ignore[dict-item]

    @pytest.mark.parametrize(
        "make",
        [
            lambda half: SourceVideo(name=half),
            lambda half: Tool(name="t", version=half),
            lambda half: Size(width=1, height=1, **{"x-a": [half]}),
            lambda half: Size(width=1, height=1, **{"x-a": {half: 1}}),
            lambda half: BoxSequence(
                name="a", length=1, size=Size(width=1, height=1), annotated=(), images=half + ".jpg"
            ),
            lambda half: Run(
                command=("lapsdata", half), packages=(), repository=None, python="3", started_utc="2026-01-01T00:00:00Z"
            ),
        ],
    )
    @pytest.mark.parametrize("half", ["a\ud800", "\udfff", "\udc00\ud800"])
    def test_half_of_a_surrogate_pair_is_refused_by_the_key(self, make: Callable[[str], Record], half: str) -> None:
        with pytest.raises(SchemaError, match=r": [a-z-]+(\.1)?: expected text that UTF-8 can spell, got"):
            make(half)

    def test_a_fault_inside_of_a_nested_record_names_its_way(self) -> None:
        with pytest.raises(SchemaError, match=r"^SourceVideo: size\.width: expected a valid integer, got '3'"):
            SourceVideo(name="a", size={"width": "3", "height": 1})  # type: ignore[arg-type]

    def test_a_relation_that_is_broken_is_a_schema_error_too(self) -> None:
        with pytest.raises(SchemaError, match=r"^FrameRange: expected start < stop"):
            FrameRange(start=3, stop=2)

    def test_fields_may_have_any_name(self) -> None:
        with pytest.raises(SchemaError, match="3 problems") as caught:
            Size(width=1, height=1, cls=1, self=2, where=3)  # type: ignore[call-arg]
        assert {problem.code for problem in caught.value.problems} == {"unknown-key"}

    def test_copies_and_pickles_are_records(self, valid: dict[str, dict[str, str]]) -> None:
        header = TracksHeader.parse(valid["tracks.v1"]["full"])
        for again in (pickle.loads(pickle.dumps(header)), copy.copy(header), copy.deepcopy(header)):
            assert type(again) is TracksHeader
            assert again == header

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"width": 0}, "here: width: expected greater than or equal to 1, got 0"),
            ({"width": "3"}, "here: width: expected a valid integer, got '3'"),
            ({"width": math.nan}, "here: width: expected a valid integer, got nan"),
            ({"colour": 1}, "here: colour: expected a known key, got 'colour'"),
            ({"width": object()}, r"here: expected values that JSON in UTF-8 can hold, got others \(.*object"),
            ({"x-a": "\ud800"}, "here: expected values that JSON in UTF-8 can hold, got others .*surrogates"),
            ({"width": np.int64(3)}, r"here: expected values that JSON in UTF-8 can hold, got others \(.*int64"),
            ({"x-a": Path("a")}, r"here: expected values that JSON in UTF-8 can hold, got others \(.*PosixPath"),
            ({"x-a": math.inf}, "here: x-a: expected finite numbers, got inf"),
        ],
    )
    def test_a_copy_that_pydantic_did_not_check_can_be_checked(self, change: dict[str, object], message: str) -> None:
        copied = Size(width=1, height=1).model_copy(update=change)
        with pytest.raises(SchemaError, match=message):
            copied.checked("here")

    @pytest.mark.parametrize("wrong", [math.nan, math.inf])
    def test_a_number_that_is_none_does_not_become_null(self, wrong: float, valid: dict[str, dict[str, str]]) -> None:
        copied = EnergiesHeader.parse(valid["energies.v1"]["minimal"]).model_copy(update={"hop_s": wrong})
        with pytest.raises(SchemaError, match="hop_s: expected a finite number"):
            copied.checked()

    def test_all_faults_of_a_copy_are_named_at_once(self, valid: dict[str, dict[str, str]]) -> None:
        header = TracksHeader.parse(valid["tracks.v1"]["full"])
        video = header.video.model_copy(update={"name": "../a", "rate": 29.97})
        copied = header.model_copy(update={"video": video, "horizon": -1, "policies": {"clip": "many"}})
        with pytest.raises(SchemaError, match="4 problems") as caught:
            copied.checked()
        assert faults(caught.value) == {
            ("wrong-value", f"TracksHeader: {key}") for key in ("video.name", "video.rate", "horizon", "policies.clip")
        }

    @pytest.mark.parametrize("name", sorted(RECORDS))
    def test_what_was_checked_stays_as_it_is(self, name: str, valid: dict[str, dict[str, str]]) -> None:
        for text in valid[name].values():
            record = RECORDS[name].parse(text)
            assert record.checked() == record
            assert record.checked().to_bytes() == record.to_bytes()


class TestText:
    @pytest.mark.parametrize(
        ("data", "code", "message"),
        [
            (b'{"width": 1, "height": 2, "width": 3}', "duplicate-key", "expected each key once, got twice: width"),
            (b'{"width": 1, "height": 2, "x-a": {"b": 1, "b": 1}}', "duplicate-key", "got twice: b"),
            (b'{"width": NaN, "height": 2}', "not-json", "NaN is not JSON"),
            (b'{"width": 1, "height": 2, "x-a": -Infinity}', "not-json", "-Infinity is not JSON"),
            (b'{"width": 1, "height": 2, "x-a": 1e400}', "not-json", "1e400 does not fit into a float64"),
            (b'{"width": 1, "height": 2, "x-a": "\xe9"}', "not-json", "'utf-8' codec can't decode"),
            ('{"width": 1, "height": 2}'.encode("utf-16"), "not-json", "'utf-8' codec can't decode"),
            ('{"width": 1, "height": 2}'.encode("utf-8-sig"), "not-json", "BOM"),
            (b'{"width": 1, "height": 2, "x-a": "\\ud800"}', "not-json", "invalid JSON"),
            (b'{"width": 1, "height": 2', "not-json", "Expecting"),
            (b"", "not-json", "Expecting value"),
            (b"[1, 2]", "not-json", "expected one JSON object, got list"),
            (b'"width"', "not-json", "expected one JSON object, got str"),
            (b'{"width": 1, "height": 2} {}', "not-json", "Extra data"),
            (b'{"width": ' + b"9" * 5000 + b', "height": 2}', "not-json", "limit"),
        ],
        ids=lambda item: item.decode("latin-1")[:40] if isinstance(item, bytes) else None,
    )
    def test_what_is_not_one_object_of_unique_keys_in_utf8_is_named(self, data: bytes, code: str, message: str) -> None:
        with pytest.raises(SchemaError, match=f"(?i)^size.json: .*{message}") as caught:
            Size.parse(data, "size.json")
        assert {problem.code for problem in caught.value.problems} == {code}

    @pytest.mark.parametrize("depth", [300, 900, 1100, 5_000, 200_000])
    def test_deep_nesting_is_a_named_error_at_any_depth(self, depth: int) -> None:
        text = '{"width": 1, "height": 2, "x-a": ' + "[" * depth + "]" * depth + "}"
        with pytest.raises(SchemaError, match="recursion") as caught:
            Size.parse(text, "size.json")
        assert faults(caught.value) == {("not-json", "size.json")}

    def test_many_keys_take_no_quadratic_time(self) -> None:
        # A count of every key among all keys would take minutes, and run into the suite's time limit.
        text = json.dumps({"width": 1, "height": 2, **{f"x-{i}": i for i in range(200_000)}})
        assert Size.parse(text).as_json()["x-199999"] == 199_999

    def test_text_and_bytes_are_read_alike(self) -> None:
        text = '{"name": "Küche 左"}'
        assert SourceVideo.parse(text) == SourceVideo.parse(text.encode())

    @pytest.mark.parametrize(("where", "place"), [("", "Size"), ("clip.h5: header", "clip.h5: header")])
    def test_the_place_defaults_to_the_record(self, where: str, place: str) -> None:
        with pytest.raises(SchemaError, match=f"^{place}: height: expected a value, got nothing; add the key 'height'"):
            Size.parse('{"width": 1}', where)


class TestCanonical:
    def test_spelling(self) -> None:
        assert canonical_json({"ü": 1, "b": [1.0, 1e300, None, True], "a": {"z": "", "y": {}}}) == (
            '{"a":{"y":{},"z":""},"b":[1.0,1e+300,null,true],"ü":1}'.encode()
        )

    @pytest.mark.parametrize("wrong", [math.nan, math.inf])
    def test_not_finite_is_refused(self, wrong: float) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical_json({"a": [wrong]})

    def test_half_a_surrogate_pair_is_refused(self) -> None:
        with pytest.raises(ValueError, match="surrogates not allowed"):
            canonical_json({"a": "\ud800"})

    def test_the_order_of_construction_does_not_matter(self) -> None:
        fields: dict[str, Any] = {"producer": "p", "version": "1", "code_digest": "sha256:" + "0" * 64}
        one = Provenance(**fields, parameters={"a": 1, "b": {"c": 1, "d": 2}}, **{"x-a": 1, "x-b": 2})
        other = Provenance(
            **{"x-b": 2, "x-a": 1}, parameters={"b": {"d": 2, "c": 1}, "a": 1}, **dict(reversed(fields.items()))
        )
        assert one == other
        assert one.to_bytes() == other.to_bytes()

    @given(
        st.one_of(
            strategies.tracks(max_windows=1, max_points=1),
            strategies.tokens(max_windows=1),
            strategies.energies(max_rows=1),
            strategies.segments(max_rows=1),
            strategies.boxes(max_rows=1),
        )
    )
    @settings(max_examples=60)
    def test_every_header_comes_back_from_its_bytes(self, container: Container) -> None:
        header = container.header
        again = type(header).parse(header.to_bytes())
        assert again == header
        assert again.to_bytes() == header.to_bytes()
        assert pickle.loads(pickle.dumps(header)) == header

    @given(strategies.rates())
    def test_rates_are_exact(self, rate: FrameRate) -> None:
        video = SourceVideo(name="a", rate=rate)
        assert video.as_json()["rate"] == str(rate)
        again = SourceVideo.parse(video.to_bytes())
        assert again.rate is not None
        assert again.rate.fraction == rate.fraction

    @pytest.mark.parametrize(("text", "kept"), [("60000/2002", "30000/1001"), ("25/1", "25"), ("10", "10")])
    def test_a_rate_has_one_spelling(self, text: str, kept: str) -> None:
        assert SourceVideo.parse(json.dumps({"name": "a", "rate": text})).as_json()["rate"] == kept

    @pytest.mark.parametrize("wrong", ["29.97", "30/0", "0", "030", " 30", "30\n", "٣٠", 30, 29.97, "", "1/1/1", "-30"])
    def test_other_rates_are_refused(self, wrong: object) -> None:
        with pytest.raises(SchemaError, match=r"rate: expected a fraction as text like '30000/1001', got"):
            SourceVideo.parse(json.dumps({"name": "a", "rate": wrong}))


class TestFrozen:
    def test_no_field_of_a_header_can_be_changed(self, valid: dict[str, dict[str, str]]) -> None:
        header = TracksHeader.parse(valid["tracks.v1"]["full"])
        for name in ("horizon", "views", "x-new"):
            with pytest.raises(ValidationError, match="Instance is frozen"):
                setattr(header, name, 1)
        with pytest.raises(ValidationError, match="Instance is frozen"):
            del header.horizon
        with pytest.raises(ValidationError, match="Instance is frozen"):
            header.views["left"].size.width = 3  # type: ignore[misc]

    @pytest.mark.parametrize("key", ["x-", "x-A", "x_a", "X-a", "x-a-", "x--a", "x-ä", "note"])
    def test_own_keys_have_one_form(self, key: str) -> None:
        with pytest.raises(SchemaError, match=f"{key}: expected a known key"):
            Size(width=1, height=1, **{key: 1})

    def test_own_keys_are_kept(self) -> None:
        size = Size(width=1, height=1, **{"x-lens-2": {"k1": [0.5, None]}})
        assert Size.parse(size.to_bytes()).as_json() == {"height": 1, "width": 1, "x-lens-2": {"k1": [0.5, None]}}


class TestVersions:
    @pytest.mark.parametrize("name", HEADERS)
    @pytest.mark.parametrize("version", ["2.0", "2.7", "17.0", "999999999.0"])
    def test_a_newer_major_version_names_itself_and_what_to_install(
        self, name: str, version: str, valid: dict[str, dict[str, str]]
    ) -> None:
        # Its other keys may be anything: they are not looked at.
        text = edited(valid[name]["minimal"], format_version=version, provenance="by a future release")
        newest = rf"{RECORDS[name].MAJOR}\.{RECORDS[name].MINOR}"
        written = rf"old\.h5: written in {name[:-3]} format {version}"
        message = rf"{written}, this release reads up to {newest}; .*pip install --upg"
        with pytest.raises(FormatTooNewError, match=message) as caught:
            RECORDS[name].parse(text, "old.h5")
        assert [problem.code for problem in caught.value.problems] == ["format-too-new"]

    @pytest.mark.parametrize(
        "version", ["0.9", "1", "1.", "1.00", "v1.0", "²", "1.²", 1.0, None, "9" * 5000 + ".0", "1.0\n"]
    )
    def test_what_is_no_version_of_ours_is_refused(self, version: object, valid: dict[str, dict[str, str]]) -> None:
        with pytest.raises(SchemaError, match="format_version: expected") as caught:
            TracksHeader.parse(edited(valid["tracks.v1"]["minimal"], format_version=version))
        assert [problem.code for problem in caught.value.problems] == ["wrong-value"]

    @pytest.mark.parametrize("name", HEADERS)
    def test_a_header_of_another_format_is_named(self, name: str, valid: dict[str, dict[str, str]]) -> None:
        text = edited(valid[name]["minimal"], format="lapsdata.other")
        expected = f"expected a header of format 'lapsdata.{name[:-3]}', got 'lapsdata.other'"
        with pytest.raises(SchemaError, match=expected):
            RECORDS[name].parse(text)

    @pytest.mark.parametrize("name", HEADERS)
    def test_a_newer_minor_version_without_new_keys_reads_in_silence(
        self, name: str, valid: dict[str, dict[str, str]]
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            header = RECORDS[name].parse(edited(valid[name]["minimal"], format_version="1.3"))
        own = f"{header.MAJOR}.{header.MINOR}"
        assert header.as_json()["format_version"] == own, "what this release writes again is of its own version"

    @pytest.mark.parametrize("name", HEADERS)
    def test_an_older_minor_version_is_read_as_one_of_this_release(
        self, name: str, valid: dict[str, dict[str, str]]
    ) -> None:
        header = RECORDS[name].parse(edited(valid[name]["minimal"], format_version="1.0"))
        assert header == RECORDS[name].parse(
            edited(valid[name]["minimal"], format_version=f"{header.MAJOR}.{header.MINOR}")
        )
        assert type(header)(**{**dict(header), "format_version": "1.0"}) == header

    @pytest.mark.parametrize("name", HEADERS)
    def test_new_keys_of_a_newer_minor_version_are_kept_and_named(
        self, name: str, valid: dict[str, dict[str, str]]
    ) -> None:
        text = edited(valid[name]["minimal"], format_version="1.3", colour_space="bt709", lens={"k": [1]})
        message = r"^clip: format 1\.3 has keys that this release ignores: colour_space, lens$"
        with pytest.warns(LapsWarning, match=message) as seen:
            header = RECORDS[name].parse(text, "clip")
        assert len(seen) == 1
        assert seen[0].filename == __file__
        kept = header.as_json()
        assert (kept["x-newer-colour-space"], kept["x-newer-lens"]) == ("bt709", {"k": [1]})
        assert RECORDS[name].parse(header.to_bytes()) == header

    def test_new_keys_of_nested_records_are_kept_where_they_stand(self, valid: dict[str, dict[str, str]]) -> None:
        document = json.loads(valid["boxes.v1"]["full"])
        document |= {"format_version": "1.2", "weather": "rain"}
        document["sequences"][1]["size"]["depth"] = 3
        document["provenance"]["parents"][0]["url"] = "s3://bucket/clip.mp4"
        message = r"ignores: provenance\.parents\.0\.url, sequences\.1\.size\.depth, weather$"
        with pytest.warns(LapsWarning, match=message):
            header = BoxesHeader.parse(json.dumps(document))
        assert header.sequences[1].size.as_json() == {"width": 1920, "height": 1080, "x-newer-depth": 3}
        assert header.provenance.parents[0].as_json()["x-newer-url"] == "s3://bucket/clip.mp4"
        assert header.as_json()["x-newer-weather"] == "rain"

    @pytest.mark.parametrize(
        ("keys", "kept"),
        [
            (["a_b", "a-b", "A b"], {"x-newer-a-b", "x-newer-a-b-2", "x-newer-a-b-3"}),
            (["Ü"], {"x-newer-key"}),
            (["__"], {"x-newer-key"}),
            (["x-newer-a", "a"], {"x-newer-a", "x-newer-a-2"}),
            (["x_Y"], {"x-newer-x-y"}),
        ],
    )
    def test_no_new_key_takes_the_place_of_another(
        self, keys: list[str], kept: set[str], valid: dict[str, dict[str, str]]
    ) -> None:
        text = edited(valid["energies.v1"]["minimal"], format_version="1.1", **{key: key for key in keys})
        with pytest.warns(LapsWarning, match="has keys that this release ignores"):
            header = EnergiesHeader.parse(text)
        found = {key: value for key, value in header.as_json().items() if key.startswith("x-newer-")}
        assert set(found) == kept
        assert sorted(map(str, found.values())) == sorted(keys)

    def test_other_faults_of_a_newer_minor_version_say_what_to_install(self, valid: dict[str, dict[str, str]]) -> None:
        text = edited(valid["energies.v1"]["minimal"], format_version="1.2", per="segment", extra=1)
        message = (
            r"^e: per: expected 'step' or 'window', got 'segment'; it is of format 1\.2, install a newer release: "
            r"pip install --upgrade lapsdata \[wrong-value\]$"
        )
        with pytest.warns(LapsWarning, match="ignores: extra"), pytest.raises(SchemaError, match=message):
            EnergiesHeader.parse(text, "e")

    def test_unknown_keys_of_this_version_stay_errors(self, valid: dict[str, dict[str, str]]) -> None:
        with pytest.raises(SchemaError, match="colour: expected a known key"):
            EnergiesHeader.parse(edited(valid["energies.v1"]["minimal"], format_version="1.0", colour=1))


class TestRelations:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"state": "gated"}, "expected an energy exactly where state is 'measured'"),
            ({"energy": None}, "expected an energy exactly where state is 'measured'"),
            ({"window": 1}, "expected exactly one of 'step' and 'window'"),
            ({"step": None}, "expected exactly one of 'step' and 'window'"),
            ({"end_s": 0.0}, "expected start_s < end_s"),
        ],
    )
    def test_energy_rows(self, fields: dict[str, object], message: str) -> None:
        row: dict[str, Any] = {"video": "a", "step": 0, "start_s": 0.0, "end_s": 0.5, "energy": 0.0}
        row["state"] = "measured"
        assert EnergyRow(**row).energy == 0.0
        with pytest.raises(SchemaError, match=f"^EnergyRow: {message}"):
            EnergyRow(**{**row, **fields})

    @given(st.lists(st.integers(2, 9), min_size=1, max_size=4), st.integers(2, 7000))
    def test_codes_are_the_product_of_the_levels(self, levels: list[int], codes: int) -> None:
        true = math.prod(levels)
        assert Tokenizer(name="t", version="1", levels=tuple(levels), codes=true).codes == true
        if codes != true:
            with pytest.raises(SchemaError, match=f"expected codes = product of levels .* = {true}"):
                Tokenizer(name="t", version="1", levels=tuple(levels), codes=codes)

    def test_codes_per_window(self, valid: dict[str, dict[str, str]]) -> None:
        assert TokensHeader.parse(valid["tokens.v1"]["full"]).length == 2 * 15

    @pytest.mark.parametrize(("stride", "resampled", "bare"), [(1, False, True), (2, False, False), (1, True, False)])
    def test_row_is_source_frame(
        self, stride: int, resampled: bool, bare: bool, valid: dict[str, dict[str, str]]
    ) -> None:
        text = edited(valid["tracks.v1"]["minimal"], stride=stride, resampled=resampled)
        assert TracksHeader.parse(text).row_is_source_frame is bare
