"""Recipes: files that are read as they are meant, all that is wrong at once, one spelling that comes back."""

from __future__ import annotations

import json
import re
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import Field, model_validator

from lapsdata.errors import FormatTooNewError, LapsError, LapsWarning, PluginError, SchemaError, StorageError
from lapsdata.plugins import Registry, registry
from lapsdata.schema import Recipe, StageChoice
from lapsdata.schema.base import Count, Positive, Rate, Record
from lapsdata.stages import Stage
from lapsdata.stages.recipe import (
    ORDER,
    find_stage,
    known_stages,
    load_recipe,
    parameters_of,
    recipe_for,
    recipe_yaml,
    resolve,
    with_settings,
)
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.video.sources import find_videos
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable


class TrackLike(Record):
    """Has what is advised on, and is told its tracker."""

    tracker: str
    """Not for recipes."""
    rate: Rate | None = None
    """Frames per second;
    null keeps those of the source."""
    horizon: Annotated[int, Field(ge=2)] = 16
    """Frames per window."""
    stride: Positive = 4
    """Frames from one to the next."""
    points: Count = 400
    """How many."""
    levels: tuple[int, ...] = (8, 6)
    """Two or more."""


class Speed(Record):
    """One of two kinds that share a parameter."""

    gate: Annotated[float, Field(ge=0)] | None = None
    """Values below it do not count."""
    camera: Literal["keep", "median"] = "keep"
    """What of the camera."""


class Tokens(Record):
    """The other one."""

    gate: Annotated[float, Field(ge=0)] | None = None
    """Values below it do not count."""
    latents: Literal["quantized", "prequant"] = "quantized"
    """Which."""
    low: float = 0.0
    """From here."""
    high: float = 1.0
    """To here."""

    @model_validator(mode="after")
    def _rises(self) -> Tokens:
        if self.low > self.high:
            raise ValueError(f"expected low up to high, got {self.low} and {self.high}")
        return self


class Given(Record):
    """Cannot do without."""

    value: float
    """The threshold."""


TRACK = Stage(
    "track",
    "Follows points.",
    "dense_flow",
    lambda: {"dense_flow": TrackLike, "lucas_kanade": TrackLike},
    lambda kind: {"tracker": kind},
)
ENERGIES = Stage("energies", "Measures.", "velocity", lambda: {"velocity": Speed, "tokens": Tokens})
GIVEN = Stage("threshold", "Cuts.", "given", lambda: {"given": Given})
OTHERS = Stage("anneal", "Is of another distribution.", "slow", lambda: {"slow": Speed})


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let there be these stages alone, and exceptions in place of those that cannot be imported."""

    def those(*found: Stage, **broken: Exception) -> None:
        one: Registry[Stage] = Registry("stages")
        claim = registry("formats")._claims()["tracks_hdf5"][0]._replace(distribution="laps-others")
        names = {stage.name for stage in found} | broken.keys()
        points = {name: claim._replace(point=EntryPoint(name, f"their.{name}:PLUGIN", "")) for name in names}
        one._found = {name: [points[name]] for name in sorted(names)}
        one._objects = {stage.name: stage for stage in found}
        one._broken = dict(broken)
        monkeypatch.setattr("lapsdata.stages._recipe_stages.registry", lambda kind: one)

    return those


@pytest.fixture
def usual(stages: Callable[..., None]) -> None:
    stages(OTHERS, ENERGIES, TRACK)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str | bytes, name: str = "recipe.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def one_of(**params: Any) -> Recipe:
    return Recipe(stages={"energies": StageChoice(params=params)})


def faults(error: LapsError) -> dict[str, str]:
    return {problem.where: problem.code for problem in error.problems}


class TestLoading:
    def test_a_short_file_by_hand(self, written: Callable[..., Path]) -> None:
        path = written("# mine\nstages:\n  track:\n    kind: lucas_kanade\n    params: {points: 100, rate: '10'}\n")
        choice = StageChoice(kind="lucas_kanade", params={"points": 100, "rate": "10"})
        assert load_recipe(path) == Recipe(stages={"track": choice})
        assert load_recipe(str(path)) == load_recipe(path)

    @pytest.mark.parametrize("name", ["recipe.yaml", "recipe.yml", "recipe.json", "recipe.txt", "recipe"])
    def test_json_is_read_under_any_name(self, written: Callable[..., Path], name: str) -> None:
        # Tabs are no YAML.
        path = written('{\n\t"stages": {\n\t\t"track": {"params": {"points": 1e2}}}\n}', name)
        assert load_recipe(path).stages["track"].params == {"points": 100.0}

    def test_yaml_may_begin_as_json_does(self, written: Callable[..., Path]) -> None:
        assert load_recipe(written("{stages: {track: {kind: dense_flow}}}")).stages["track"].kind == "dense_flow"

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("no", "no"),
            ("Yes", "Yes"),
            ("on", "on"),
            ("OFF", "OFF"),
            ("y", "y"),
            ("true", True),
            ("False", False),
            ("null", None),
            ("~", None),
            ("", None),
            ("'null'", "null"),
            ('""', ""),
            ("1e-3", 0.001),
            ("1E3", 1000.0),
            ("-1.5e+2", -150.0),
            ("1.", 1.0),
            (".5", 0.5),
            ("+7", 7),
            ("010", 10),
            ("0x10", 16),
            ("0o17", 15),
            ("1_000", "1_000"),
            ("12:30", "12:30"),
            ("2026-01-31", "2026-01-31"),
            ("30000/1001", "30000/1001"),
            ("1.2.3", "1.2.3"),
            ("e5", "e5"),
            ("=", "="),
            ("<<", "<<"),
            ("[1, no, 2e0]", [1, "no", 2.0]),
            ("{a: {b: ~}}", {"a": {"b": None}}),
            ("|\n        two\n        lines\n", "two\nlines\n"),
            ('"\\u00e9\\n"', "é\n"),
            ("é😀", "é😀"),
        ],
    )
    def test_a_value_is_what_yaml_1_2_says(self, written: Callable[..., Path], text: str, value: object) -> None:
        (found,) = load_recipe(written(f"stages:\n  s:\n    params:\n      k: {text}\n")).stages["s"].params.values()
        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize(
        "text", ["stages:", "stages: # none\n", "format_version: 1.0\nstages: {}", "\ufeffstages:"]
    )
    def test_a_recipe_may_say_nothing(self, written: Callable[..., Path], text: str) -> None:
        assert load_recipe(written(text)) == Recipe()

    def test_what_has_only_comments_under_it_is_empty(self, written: Callable[..., Path]) -> None:
        text = "stages:\n  a:\n    # kind: x\n  b:\n    params:\n      # points: 3\n  c:\n    kind:\n"
        assert load_recipe(written(text)).stages == {"a": StageChoice(), "b": StageChoice(), "c": StageChoice()}

    @pytest.mark.parametrize("text", ["stages: null", "stages:\n  a: ~", "stages: {a: {params: null}}"])
    def test_a_null_that_is_written_is_no_mapping(self, written: Callable[..., Path], text: str) -> None:
        with pytest.raises(SchemaError, match="got None"):
            load_recipe(written(text))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: 1\nb: 2\na: 3", r"line 3, column 1: expected each key once, got 'a' again, as in line 1; keep one \["),
            ("s: {a: 1, b: {c: 1, 'c': 2}}", r"line 1, column 21: expected each key once, got 'c' again"),
            (
                "stages:\n\ttrack:\n",
                r"line 2, column 1: .*'\\t'.*; indent with spaces: YAML takes no tabs",
            ),
            ("stages: {\n", r"line 2, column 1: expected YAML, got unreadable text \(expected the node content"),
            ("a: b: c", r"line 1, column 5: .*mapping values are not allowed here\); check the quotes, colons and"),
            (
                "a: &x [1]\nb: *x",
                r"line 1, column 4: expected no anchors, got &x; remove it, or put the text in",
            ),
            ("a: *x", r"line 1, column 4: expected a value, got the alias \*x; write the value out \[alias\]"),
            (
                "a: !!python/object:os.system x",
                r"column 4: expected no tags, got !!python/object:os\.system; remove",
            ),
            ("!!map {}", r"line 1, column 1: expected no tags, got !!map"),
            ("!a b: 1", r"line 1, column 1: expected no tags, got !a"),
            ("1: a", r"line 1, column 1: expected a key that is text, got '1'; put it in quotes \[wrong-key\]"),
            ("true: a", r"expected a key that is text, got 'true'"),
            ("? ~\n: a", r"expected a key that is text, got '~'"),
            ("? [a]\n: b", r"line 1, column 3: expected a key that is text, got a list or mapping"),
            ("a: .inf", r"line 1, column 4: expected a finite number, got \.inf; quote it if it is a text"),
            ("a: -.INF", r"expected a finite number, got -\.INF"),
            ("a: .nan", r"expected a finite number, got \.nan"),
            ("a: 1e999", r"expected a finite number, got 1e999"),
            ("a: " + "9" * 5000, r"line 1, column 4: expected a number, got 5000 digits"),
            ('a: "\\ud800"', r"line 1, column 4: expected text that UTF-8 can spell"),
            ('a: "\\UFFFFFFFF"', r"expected YAML, got unreadable text"),
            ("a: \x07", r"line 1, column 4: expected text, got the character #x0007; remove it, or write its number"),
            ("a: 1\nb: 2\nc: \0", r"line 3, column 4: expected text, got the character #x0000"),
            ("a: 1\n---\nb: 2", r"line 2, column 1: expected one document, got a second; remove the `---`"),
            ("", r"expected a recipe, got nothing; write `stages:` first \[empty\]"),
            ("# only a comment", r"expected a recipe, got nothing"),
            ("- a", r"expected a mapping with the key 'stages', got a list"),
            ("track", r"expected a mapping with the key 'stages', got 'track'"),
            ("[" * 300 + "]" * 300, r"line 1, column 201: expected at most 200 levels, got more"),
            ("track: {}", r"track: expected a known key, got 'track'; put it below `stages:` \[unknown-key\]"),
            (
                "stages: {track: {points: 3}}",
                r"stages\.track\.points: .*; put it below `params:`, if it is a param",
            ),
            ("stages: {track: {parms: {}}}", r"stages\.track\.parms: .*; did you mean 'params'\?"),
            ("stages: {../x: {}}", r"expected a name without slashes"),
            ("colour: red", r"colour: expected a known key, got 'colour'; own keys begin with 'x-'"),
        ],
    )
    def test_a_fault_of_a_file_is_told_with_its_place(
        self, written: Callable[..., Path], text: str, message: str
    ) -> None:
        path = written(text)
        with pytest.raises(SchemaError, match=f"^{re.escape(str(path))}: .*{message}"):
            load_recipe(path)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"stages": {"a": {}, "a": {}}}', "expected each key once, got twice: a"),
            ('{"stages": ', "expected one JSON object in UTF-8, got unreadable text"),
            ("stages: {}", "expected one JSON object in UTF-8, got unreadable text"),
            ("[]", "expected one JSON object, got list"),
            ('{"stages": {"a": {"params": {"b": NaN}}}}', "NaN is not JSON"),
        ],
    )
    def test_a_name_may_promise_json(self, written: Callable[..., Path], text: str, message: str) -> None:
        with pytest.raises(SchemaError, match=message):
            load_recipe(written(text, "recipe.json"))

    def test_a_newer_version_is_refused_with_or_without_quotes(self, written: Callable[..., Path]) -> None:
        for version in ("1.10", '"1.10"', "2.0"):
            with pytest.raises(FormatTooNewError, match=rf"written in recipe format {version.strip(chr(34))}, this"):
                load_recipe(written(f"format_version: {version}\nnew: 3"))

    def test_no_growth_from_a_few_aliases(self, written: Callable[..., Path]) -> None:
        lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
        with pytest.raises(SchemaError, match=r"line 1, column 5: expected no anchors, got &a0"):
            load_recipe(written("\n".join(lines)))

    def test_what_is_no_file_of_text(self, written: Callable[..., Path], tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="cannot open: no such file or folder"):
            load_recipe(tmp_path / "none.yaml")
        with pytest.raises(StorageError, match="expected a recipe, got a folder; name a file"):
            load_recipe(tmp_path)
        with pytest.raises(SchemaError, match=r"expected text in UTF-8, got other bytes \(first at 3\)"):
            load_recipe(written(b"a: \xff"))
        with pytest.raises(SchemaError, match="expected text in UTF-8"):
            load_recipe(written("stages:".encode("utf-16")))
        with pytest.raises(SchemaError, match="expected a recipe of at most 256 KiB, got a larger file"):
            load_recipe(written(b"#" * (1 << 18) + b"#"))

    @given(st.binary(max_size=60) | st.text(" \t\n\r:-?[]{},&*!|>'\"%@`#ab1.e~<=\\xu\0\ufeff\x85", max_size=60))
    @settings(max_examples=800, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @example('"\\U00110000"')
    @example("%YAML " + "1" * 5000 + ".1\n---\na")
    @example("!<%ff> a")
    @example("? " * 200)
    def test_whatever_a_file_holds_there_is_a_recipe_or_an_error_of_ours(
        self, written: Callable[..., Path], content: bytes | str
    ) -> None:
        for name in ("recipe.yaml", "recipe.json"):
            try:
                found = load_recipe(written(content, name))
            except LapsError as error:
                told = error.problems
            else:
                assert isinstance(found, Recipe)
                told = ()
            assert all(problem.where and problem.message for problem in told)


class TestSettings:
    @pytest.mark.parametrize(
        ("setting", "params"),
        [
            ("track.points=100", {"points": 100}),
            ("track.levels=[1, 2]", {"levels": [1, 2]}),
            ("track.rate=10", {"rate": "10"}),
            ("track.rate=30000/1001", {"rate": "30000/1001"}),
            ('track.rate="10"', {"rate": "10"}),
            ("track.rate=null", {"rate": None}),
            ("track.rate=a=b", {"rate": "a=b"}),
            ("track.points=NaN", {"points": "NaN"}),
            ("track.points=1e999", {"points": "1e999"}),
            ("track.points=", {"points": ""}),
            ("track.points=true", {"points": True}),
        ],
    )
    def test_a_value_is_json_or_a_text(self, usual: None, setting: str, params: dict[str, Any]) -> None:
        changed = with_settings(Recipe(), [setting])
        assert changed == Recipe(stages={"track": StageChoice(params=params)})

    def test_what_is_not_set_stays(self, usual: None) -> None:
        before = Recipe(
            stages={
                "track": StageChoice(params={"points": 3, "horizon": 8}, **{"x-why": "small"}),
                "energies": StageChoice(kind="tokens"),
            },
            **{"x-week": 3},  # type: ignore[arg-type]  # an own key
        )
        after = with_settings(before, ["track.points=4", "track.kind=lucas_kanade"])
        assert after.stages["track"].as_json() == {
            "kind": "lucas_kanade",
            "params": {"points": 4, "horizon": 8},
            "x-why": "small",
        }
        assert after.stages["energies"] == before.stages["energies"]
        assert after.as_json()["x-week"] == 3
        assert before.stages["track"].params["points"] == 3
        assert with_settings(before, []) == before

    def test_a_kind_holds_for_settings_before_it(self, usual: None) -> None:
        changed = with_settings(Recipe(), ["energies.latents=prequant", "energies.kind=tokens"])
        assert changed.stages["energies"] == StageChoice(kind="tokens", params={"latents": "prequant"})

    def test_a_stage_of_another_distribution_can_be_told(self, usual: None) -> None:
        assert with_settings(Recipe(), ["anneal.gate=1"]).stages["anneal"].params == {"gate": 1}

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ("trakc.points=1", r"^trakc: expected one of track, energies, anneal, got 'trakc'; did you mean 'track'\?"),
            ("track.pionts=1", r"^track\.pionts: expected one of rate, .*, got 'pionts'; did you mean 'points'\?"),
            ("track.tracker=x", r"^track\.tracker: expected one of rate, .*, got 'tracker'"),
            ("track.kind=dense_flw", r"^track\.kind: expected one of dense_flow, lucas_kanade, .*'dense_flow'\?"),
            ("track.kind=", r"^track\.kind: expected one of dense_flow, lucas_kanade, got ''"),
            (
                "energies.latents=x",
                r"^energies\.latents: .*; it is a parameter of energies\.kind tokens \[unknown-key\]",
            ),
            (
                "track=lucas_kanade",
                r"^track: expected STAGE\.KEY=VALUE, got 'track=lucas_kanade'; write it as in track",
            ),
            ("track.points", r"^track\.points: expected STAGE\.KEY=VALUE"),
            ("=1", r"^=1: expected STAGE\.KEY=VALUE"),
            (".points=1", r"^\.points: expected STAGE\.KEY=VALUE"),
            ("track.=1", r"^track\.: expected STAGE\.KEY=VALUE"),
            ("", r"expected STAGE\.KEY=VALUE, got ''"),
            ('track.points={"a": 1, "a": 2}', r"^track\.points: expected each key once"),
            ("track.points=\udcff", r"^track: expected values that JSON in UTF-8 can hold"),
        ],
    )
    def test_a_fault_is_told_with_the_nearest_name(self, usual: None, setting: str, message: str) -> None:
        with pytest.raises(SchemaError, match=message):
            with_settings(Recipe(), [setting])

    def test_every_fault_is_told_at_once(self, usual: None) -> None:
        wrong = ["track", "trakc.a=1", "track.pionts=1", "energies.kind=token", "track.points=1", "track.points=2"]
        with pytest.raises(SchemaError, match="5 problems") as caught:
            with_settings(Recipe(), wrong)
        assert faults(caught.value) == {
            "track": "wrong-setting",
            "trakc": "unknown-stage",
            "track.pionts": "unknown-key",
            "energies.kind": "unknown-kind",
            "track.points": "wrong-setting",
        }

    def test_a_stage_that_is_broken_is_named(self, stages: Callable[..., None]) -> None:
        stages(TRACK, energies=ImportError("no such thing"))
        with pytest.raises(PluginError, match=r"energies: .* cannot be imported: ImportError: no such thing"):
            with_settings(Recipe(), ["energies.gate=1"])
        assert with_settings(Recipe(), ["track.points=1"]).stages["track"].params == {"points": 1}


class TestResolving:
    def test_everything_is_filled_in(self, usual: None) -> None:
        found = resolve(Recipe())
        assert found.stages == ("track", "energies", "anneal")
        assert found.kind("track") == "dense_flow"
        assert found.options("track") == TrackLike(tracker="dense_flow")
        assert found.recipe().stages["track"].as_json() == {
            "kind": "dense_flow",
            "params": {"rate": None, "horizon": 16, "stride": 4, "points": 400, "levels": [8, 6]},
        }
        assert set(found.recipe().stages) == {"track", "energies", "anneal"}

    def test_what_is_told_is_taken(self, usual: None) -> None:
        params: dict[str, Any] = {"rate": "30000/1001", "levels": [2]}
        found = resolve(Recipe(stages={"track": StageChoice(kind="lucas_kanade", params=params)}))
        options = found.options("track")
        assert options == TrackLike(tracker="lucas_kanade", rate=FrameRate(30000, 1001), levels=(2,))

    def test_the_whole_recipe_gives_the_same_again(self, usual: None) -> None:
        given = Recipe(
            stages={"energies": StageChoice(kind="tokens", params={"gate": 1}, **{"x-a": [1]})},
            **{"x-b": {"c": None}},  # type: ignore[arg-type]  # an own key
        )
        once = resolve(given)
        again = resolve(once.recipe())
        assert again.recipe().to_bytes() == once.recipe().to_bytes()
        assert {name: again.options(name) for name in again.stages} == {
            name: once.options(name) for name in once.stages
        }
        whole = once.recipe().as_json()
        assert whole["x-b"] == {"c": None}
        assert whole["stages"]["energies"]["x-a"] == [1]  # type: ignore[call-overload,index]  # JSON

    def test_every_fault_of_every_stage_is_told_at_once(self, usual: None) -> None:
        wrong = Recipe(
            stages={
                "trakc": StageChoice(),
                "track": StageChoice(params={"pionts": 3, "horizon": 1, "levels": [1, "2"], "rate": 10}),
                "energies": StageChoice(kind="tokns", params={"gate": -1}),
                "anneal": StageChoice(params={"gate": "0.5", "latents": "prequant", "camera": "median "}),
            }
        )
        with pytest.raises(SchemaError, match="9 problems") as caught:
            resolve(wrong)
        told = {problem.where: str(problem) for problem in caught.value.problems}
        expected = {
            "trakc": r"expected one of track, energies, anneal, got 'trakc'; did you mean 'track'\? \[unknown-stage\]",
            "track.pionts": r"expected one of rate, .*, levels, got 'pionts'; did you mean 'points'\? \[unknown-key\]",
            "track.horizon": r"expected greater than or equal to 2, got 1 \[wrong-value\]",
            "track.levels.1": r"expected a valid integer, got '2' \[wrong-value\]",
            "track.rate": r"expected a fraction as text .*, got 10; it is a text: write \"10\" in quotes \[",
            "energies.kind": r"expected one of velocity, tokens, got 'tokns'; did you mean 'tokens'\? \[unknown-kind\]",
            "anneal.gate": r"expected a valid number, got '0\.5'; it is a number: write 0\.5 without quotes",
            "anneal.latents": r"expected one of gate, camera, got 'latents'.* \[unknown-key\]",
            "anneal.camera": r"expected 'keep' or 'median', got 'median ' \[wrong-value\]",
        }
        assert told.keys() == expected.keys()
        for place, words in expected.items():
            assert re.search(rf"^{re.escape(place)}: {words}", told[place]), told[place]

    def test_a_change_of_kind_drops_no_parameter(self, usual: None) -> None:
        changed = with_settings(one_of(camera="median", gate=2), ["energies.kind=tokens"])
        message = (
            r"^energies\.camera: expected one of .*; it is a parameter of energies\.kind velocity \[unknown-key\]$"
        )
        with pytest.raises(SchemaError, match=message):
            resolve(changed)

    @pytest.mark.parametrize("value", ["inf", "nan", "1e999", "x", "", "1_0", " "])
    def test_no_number_is_advised_that_is_none(self, usual: None, value: str) -> None:
        with pytest.raises(
            SchemaError, match=rf"^energies\.gate: expected a valid number, got '{value}' \[wrong-value\]$"
        ):
            resolve(one_of(gate=value))

    def test_relations_of_parameters_are_told_of_the_stage(self, usual: None) -> None:
        recipe = Recipe(stages={"energies": StageChoice(kind="tokens", params={"low": 2})})
        with pytest.raises(SchemaError, match=r"^energies: expected low up to high, got 2\.0 and 1\.0"):
            resolve(recipe)

    def test_a_parameter_that_must_be_given_is_asked_for(self, stages: Callable[..., None]) -> None:
        stages(GIVEN)
        message = r"^threshold\.value: expected a value, got nothing; add the key 'value' \[missing-key\]$"
        with pytest.raises(SchemaError, match=message):
            resolve(Recipe())
        given = with_settings(Recipe(), ["threshold.value=3"])
        assert resolve(given).options("threshold") == Given(value=3.0)

    def test_an_unknown_stage_is_told_with_the_nearest(self, usual: None) -> None:
        found = resolve(Recipe())
        for ask in (found.kind, found.options):
            with pytest.raises(
                SchemaError, match=r"^energy: expected one of .*, got 'energy'; did you mean 'energies'"
            ):
                ask("energy")

    def test_without_any_stage_there_is_nothing_to_run(self, stages: Callable[..., None]) -> None:
        stages()
        assert resolve(Recipe()).recipe() == Recipe()
        with pytest.raises(SchemaError, match=r"^track: expected one of \(no stage\), got 'track' \[unknown-stage\]"):
            resolve(Recipe(stages={"track": StageChoice()}))


class TestBroken:
    def test_a_stage_of_the_main_job_is_an_error(self, stages: Callable[..., None]) -> None:
        stages(ENERGIES, track=ImportError("no torch"))
        with pytest.raises(PluginError, match=r"lapsdata\.stages: track: .*ImportError: no torch"):
            resolve(Recipe())

    def test_another_is_a_warning_unless_the_recipe_names_it(self, stages: Callable[..., None]) -> None:
        stages(ENERGIES, anneal=ImportError("no torch"))
        with pytest.warns(LapsWarning, match=r"anneal: .*ImportError: no torch"):
            assert resolve(Recipe()).stages == ("energies",)
        with pytest.raises(PluginError, match=r"anneal: .*ImportError: no torch"):
            resolve(Recipe(stages={"anneal": StageChoice()}))

    def test_it_does_not_hide_what_else_is_wrong(self, stages: Callable[..., None]) -> None:
        stages(ENERGIES, track=ImportError("no torch"))
        with pytest.raises(LapsError, match="2 problems") as caught:
            resolve(one_of(gaet=1))
        assert type(caught.value) is LapsError
        assert {problem.code for problem in caught.value.problems} == {"broken-plugin", "unknown-key"}

    def test_it_is_left_out_of_the_list_with_a_warning(self, stages: Callable[..., None]) -> None:
        stages(OTHERS, ENERGIES, track=ImportError("no torch"))
        with pytest.warns(LapsWarning, match=r"track: .*ImportError: no torch"):
            assert list(known_stages()) == ["energies", "anneal"]

    def test_its_recipe_can_still_be_spelled(self, stages: Callable[..., None]) -> None:
        stages(track=ImportError("no torch"))
        recipe = Recipe(stages={"track": StageChoice(params={"b": 1, "a": 2})})
        assert recipe_yaml(recipe).splitlines()[-3:] == ["    params:", "      a: 2", "      b: 1"]


def test_stages_come_in_the_order_of_the_main_job(usual: None) -> None:
    assert ORDER == ("track", "train", "encode", "energies", "threshold", "segment", "evaluate", "report")
    assert known_stages() == {"track": TRACK, "energies": ENERGIES, "anneal": OTHERS}
    assert find_stage("track") is TRACK


def test_parameters_have_a_meaning_and_a_default(stages: Callable[..., None]) -> None:
    assert [(one.name, one.default) for one in parameters_of(TRACK, "dense_flow")] == [
        ("rate", None),
        ("horizon", 16),
        ("stride", 4),
        ("points", 400),
        ("levels", [8, 6]),
    ]
    rate, *_ = parameters_of(TRACK, "dense_flow")
    assert rate.meaning == "Frames per second; null keeps those of the source."
    assert parameters_of(ENERGIES, "velocity")[1].meaning == "What of the camera. One of keep, median."
    assert parameters_of(GIVEN, "given") == (("value", "The threshold.", True, None),)
    with pytest.raises(SchemaError, match=r"energies\.kind: .*did you mean 'tokens'"):
        parameters_of(ENERGIES, "tokns")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(
        [*"~=-?:", "no", "Yes", "1e3", "null", "0x10", "", "a\nb\n", " x ", "<<", "#a", "a: b", "- a", "a #b", "12:30",
         "2026-01-31", ".5", "1.", "+1", "&a", "*a", "!a", "%a", "@a", "`a", "|", ">", "[", "{}", "a,b", "'", '"', "\\",
         "\t", "\x07", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\U0010ffff", "k" * 3000, "é😀", "---", "..."]
    ),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text() | st.sampled_from(["k" * 3000, "y", "1", "<<", "kind"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
NAMES = st.sampled_from(["track", "energies", "nobody's", "1", "no", "a b", "\uffff" * 200]) | st.from_regex(
    r"\A[^/\\\x00-\x1f.\ud800-\udfff][^/\\\x00-\x1f\ud800-\udfff]{0,20}\Z"
)
RECIPES = st.builds(
    lambda stages, own: Recipe(
        stages={name: StageChoice(kind=kind, params=params, **extra) for name, (kind, params, extra) in stages.items()},
        **own,
    ),
    st.dictionaries(
        NAMES,
        st.tuples(
            st.none() | NAMES,
            st.dictionaries(st.text() | st.sampled_from(["points", "gate"]), JSON, max_size=3),
            st.dictionaries(st.sampled_from(["x-a", "x-b-2"]), JSON, max_size=1),
        ),
        max_size=3,
    ),
    st.dictionaries(st.just("x-own"), JSON),
)


class TestSpelling:
    @given(RECIPES, st.booleans())
    @settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_every_recipe_comes_back(
        self, written: Callable[..., Path], usual: None, recipe: Recipe, comments: bool
    ) -> None:
        text = recipe_yaml(recipe, comments)
        again = load_recipe(written(text))
        assert again == recipe
        assert again.to_bytes() == recipe.to_bytes(), "1 is not 1.0 and not true"
        assert recipe_yaml(again, comments) == text
        # Whoever reads YAML as it was before 1.2 reads the same.
        assert Recipe.parse(json.dumps(yaml.safe_load(text))).to_bytes() == recipe.to_bytes()

    def test_equal_recipes_have_equal_text(self, usual: None) -> None:
        def recipe(*names: str) -> Recipe:
            return Recipe(stages={name: StageChoice(params={key: {key: 1} for key in names}) for name in names})

        assert recipe_yaml(recipe("a", "track", "energies")) == recipe_yaml(recipe("energies", "a", "track"))

    def test_stages_and_parameters_come_in_their_order(self, usual: None) -> None:
        recipe = Recipe(
            stages={
                "zero": StageChoice(),
                "energies": StageChoice(),
                "track": StageChoice(params={"points": 1, "rate": None, "odd": 2, "horizon": 3, "also": 4}),
            }
        )
        words = re.findall(r"^ +(\w+):", recipe_yaml(recipe, comments=False), re.MULTILINE)
        assert words == ["track", "params", "rate", "horizon", "points", "also", "odd", "energies", "zero"]

    def test_comments_are_what_the_stage_says(self, usual: None) -> None:
        assert recipe_yaml(Recipe(stages={"energies": StageChoice(kind="tokens", params={"latents": "no"})})) == (
            "format: lapsdata.recipe\n"
            'format_version: "1.0"\n'
            "stages:\n"
            "  # Measures. Kinds: velocity, tokens.\n"
            "  energies:\n"
            "    kind: tokens\n"
            "    params:\n"
            "      # Which. One of quantized, prequant.\n"
            '      latents: "no"\n'
        )
        plain = recipe_yaml(one_of(gate=1.0), comments=False)
        assert "#" not in plain

    def test_comments_keep_to_100_columns_and_are_comments_whatever_they_say(
        self, stages: Callable[..., None], written: Callable[..., Path]
    ) -> None:
        fields = {"key": (int, Field(3, description="a: b\n---\r\x85\u2028 \x07\x1b[31m\ufffe " + "long-word " * 60))}
        from pydantic import create_model

        odd = create_model("odd", __base__=Record, **fields)  # type: ignore[call-overload]  # made of a mapping
        stages(Stage("odd", "Two\nlines", "one", lambda: {"one": odd}))
        recipe = resolve(Recipe()).recipe()
        text = recipe_yaml(recipe)
        assert max(map(len, text.splitlines())) == 100
        assert load_recipe(written(text)) == recipe
        assert yaml.safe_load(text)["stages"]["odd"] == {"kind": "one", "params": {"key": 3}}


def write_frames(path: Path, frames: int, *, rate: int = 10, size: tuple[int, int] = (64, 48)) -> None:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    write_video(path, [picture] * frames, np.arange(frames) / rate)


class TestAdvice:
    @pytest.fixture(autouse=True)
    def _stages(self, usual: None) -> None:
        pass

    def test_nothing_is_set_where_nothing_must_be(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            write_frames(tmp_path / f"{name}.mp4", 20)
        advice = recipe_for(find_videos(tmp_path))
        assert advice.recipe == Recipe()
        assert advice.problems == ()
        assert advice.facts == {
            "videos": "2",
            "sizes": "64x48",
            "rates": "10",
            "duration": "4 s",
            "shortest": "a, 2 s, 20 frames",
        }
        assert advice.text().splitlines()[5:] == [
            "# Nothing has to differ from the defaults, which `lapsdata recipe show` spells out.",
            "format: lapsdata.recipe",
            'format_version: "1.0"',
            "stages: {}",
        ]

    def test_scenes_of_two_rates_are_brought_to_the_lower(self, tmp_path: Path, written: Callable[..., Path]) -> None:
        for rate in (10, 20):
            scene = render_scene(5, SceneConfig(rate=FrameRate(rate), actions=1))
            scene.write_video(tmp_path / f"{rate}.mp4")
        looked: list[int] = []
        advice = recipe_for(find_videos(tmp_path), looked=looked.append)
        assert looked == [1, 1]
        assert advice.recipe == Recipe(stages={"track": StageChoice(params={"rate": "10"})})
        assert advice.facts["rates"] == "10 (1), 20 (1)"
        assert (
            "      # The rates differ; energies need steps of equal length in all videos. This is the" in advice.text()
        )
        assert load_recipe(written(advice.text())) == advice.recipe
        assert resolve(advice.recipe).options("track") == TrackLike(tracker="dense_flow", rate=FrameRate(10))

    def test_a_fraction_stays_one(self, tmp_path: Path) -> None:
        for rate in (FrameRate(30000, 1001), FrameRate(30)):
            scene = render_scene(5, SceneConfig(rate=rate, actions=1, size=(64, 64)))
            scene.write_video(tmp_path / f"{rate.numerator}.mp4")
        advice = recipe_for(find_videos(tmp_path))
        assert advice.recipe.stages["track"].params == {"rate": "30000/1001"}
        assert advice.facts["rates"] == "30 (1), 30000/1001 = 29.97 (1)"

    def test_a_rate_that_varies_becomes_a_constant_one_just_below(self, tmp_path: Path) -> None:
        render_scene(5, SceneConfig(vfr=True, actions=1, size=(64, 64))).write_video(tmp_path / "a.mp4")
        advice = recipe_for(find_videos(tmp_path))
        rate = FrameRate.parse(str(advice.recipe.stages["track"].params["rate"]))
        assert FrameRate(18) < rate < FrameRate(21)
        assert rate.denominator == 1
        assert "# Its rate varies; energies need steps of equal length. This is just below its mean." in advice.text()
        write_frames(tmp_path / "b.mp4", 40, rate=30)
        advice = recipe_for(find_videos(tmp_path))
        assert advice.recipe.stages["track"].params == {"rate": str(rate)}
        assert "# Some rates vary; energies need" in advice.text()

    def test_a_slow_rate_that_varies_is_one_frame_in_so_many_seconds(self, tmp_path: Path) -> None:
        picture = np.zeros((48, 64, 3), np.uint8)
        times = np.cumsum(np.tile([2.0, 3.0, 3.5], 7))
        write_video(tmp_path / "a.mp4", [picture] * len(times), times)
        assert recipe_for(find_videos(tmp_path)).recipe.stages["track"].params == {"rate": "1/3"}

    def test_windows_fit_into_the_shortest_video(self, tmp_path: Path) -> None:
        for name, frames in {"short": 9, "long": 40}.items():
            write_frames(tmp_path / f"{name}.mp4", frames)
        advice = recipe_for(find_videos(tmp_path))
        assert advice.recipe.stages["track"].params == {"horizon": 9}
        assert "# The video short has no more frames; leave it out for windows of 16, the default." in advice.text()

    @pytest.mark.parametrize(("frames", "stride"), [(2, 1), (3, 1), (4, 2), (5, 3), (6, None)])
    def test_no_step_lies_between_short_windows(self, tmp_path: Path, frames: int, stride: int | None) -> None:
        write_frames(tmp_path / "short.mp4", frames)
        params = recipe_for(find_videos(tmp_path)).recipe.stages["track"].params
        assert params == {"horizon": frames} | ({} if stride is None else {"stride": stride})

    def test_frames_are_counted_at_the_rate_that_is_advised(self, tmp_path: Path) -> None:
        write_frames(tmp_path / "quick.mp4", 24, rate=20)
        write_frames(tmp_path / "slow.mp4", 40, rate=10)
        advice = recipe_for(find_videos(tmp_path))
        assert advice.recipe.stages["track"].params == {"rate": "10", "horizon": 12}
        assert "# The video quick has no more frames at this rate; leave it out" in advice.text()

    def test_a_video_of_one_frame_is_named_and_left_out(self, tmp_path: Path) -> None:
        write_frames(tmp_path / "one.mp4", 1)
        write_frames(tmp_path / "other.mp4", 20)
        advice = recipe_for(find_videos(tmp_path))
        assert advice.recipe == Recipe()
        assert [(one.code, one.where, one.severity) for one in advice.problems] == [
            ("too-short", str(tmp_path / "one.mp4"), "warning")
        ]
        assert (advice.facts["videos"], advice.facts["left out"]) == ("1", "1")
        assert recipe_for(find_videos(tmp_path / "one.mp4")).facts["shortest"].endswith(", 1 frame")

    def test_a_broken_video_is_named_and_the_others_are_looked_at(self, tmp_path: Path) -> None:
        write_frames(tmp_path / "good.mp4", 12)
        (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
        found = find_videos([tmp_path, tmp_path / "nowhere.mp4", tmp_path / "none*"], lost="list")
        advice = recipe_for(found)
        assert {Path(problem.where).name for problem in advice.problems} == {"broken.mp4", "nowhere.mp4", "none*"}
        assert {problem.severity for problem in advice.problems} == {"warning"}
        assert advice.recipe.stages["track"].params == {"horizon": 12}
        assert "# left out: 3" in advice.text()

    def test_nothing_but_broken_videos_is_an_error(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / f"{name}.mp4").write_bytes(b"no video" * 100)
        with pytest.raises(LapsError, match="2 problems") as caught:
            recipe_for(find_videos(tmp_path))
        assert {problem.severity for problem in caught.value.problems} == {"error"}

    def test_folders_of_images_have_the_rate_that_is_given(self, tmp_path: Path) -> None:
        import cv2

        (tmp_path / "images").mkdir()
        for number in range(20):
            cv2.imwrite(str(tmp_path / "images" / f"{number:04d}.png"), np.zeros((48, 64, 3), np.uint8))
        write_frames(tmp_path / "clip.mp4", 40, rate=10)
        found = find_videos([tmp_path / "images", tmp_path / "clip.mp4"])
        advice = recipe_for(found, FrameRate(5))
        assert advice.recipe.stages["track"].params == {"rate": "5"}
        without = recipe_for(found)
        assert [(one.code, one.severity) for one in without.problems] == [("no-times", "warning")]
        unused = recipe_for(find_videos(tmp_path / "clip.mp4"), FrameRate(5))
        assert [(one.code, one.where) for one in unused.problems] == [("unused", "--fps")]
        assert unused.recipe == Recipe()

    def test_two_videos_of_one_name_are_told(self, tmp_path: Path) -> None:
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir()
            write_frames(tmp_path / folder / "clip.mp4", 20)
        (problem,) = recipe_for(find_videos([tmp_path / "one", tmp_path / "two"])).problems
        assert (problem.code, problem.where, problem.severity) == ("doubled-name", "clip", "warning")

    def test_what_a_file_is_called_stays_in_its_comment(self, tmp_path: Path, written: Callable[..., Path]) -> None:
        write_frames(tmp_path / "a\nstages: {track: 3}.mp4", 9)
        advice = recipe_for(find_videos(tmp_path))
        assert load_recipe(written(advice.text())) == advice.recipe

    def test_what_the_stage_would_refuse_is_not_written(self, tmp_path: Path, stages: Callable[..., None]) -> None:
        class Bare(Record):
            horizon: Annotated[int, Field(ge=12)] = 16
            """No rate, and no short windows."""

        stages(Stage("track", "Follows.", "bare", lambda: {"bare": Bare}))
        write_frames(tmp_path / "a.mp4", 9, rate=10)
        write_frames(tmp_path / "b.mp4", 30, rate=20)
        assert recipe_for(find_videos(tmp_path)).recipe == Recipe()

    def test_without_the_stage_there_is_no_advice(self, tmp_path: Path, stages: Callable[..., None]) -> None:
        stages(ENERGIES, track=ImportError("no numba"))
        write_frames(tmp_path / "a.mp4", 9)
        with pytest.raises(PluginError, match="no numba"):
            recipe_for(find_videos(tmp_path))


def test_a_recipe_as_json_says_the_same(usual: None, written: Callable[..., Path]) -> None:
    whole = resolve(Recipe()).recipe()
    assert load_recipe(written(json.dumps(whole.as_json()), "whole.json")) == whole
    assert load_recipe(written(recipe_yaml(whole))) == whole
