"""Problems tell what, where, expected, got, do; errors carry all of them, in order, through pickles and processes."""

from __future__ import annotations

import copy
import importlib.util
import json
import linecache
import pickle
import warnings
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata import errors
from lapsdata.errors import LapsError, LapsWarning, Problem, Problems, SchemaError, whole_number

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from lapsdata.errors import Severity

FAMILY: tuple[tuple[type[LapsError], tuple[type[BaseException], ...]], ...] = (
    (errors.SchemaError, (LapsError, ValueError)),
    (errors.LengthMismatchError, (SchemaError, ValueError)),
    (errors.CorruptDataError, (LapsError,)),
    (errors.UnknownFormatError, (LapsError, LookupError)),
    (errors.AmbiguousFormatError, (LapsError, LookupError)),
    (errors.FormatTooNewError, (LapsError,)),
    (errors.MissingExtraError, (LapsError, ImportError)),
    (errors.StorageError, (LapsError,)),
    (errors.PluginError, (LapsError,)),
)
KINDS = (LapsError, *(kind for kind, _ in FAMILY))

texts = st.text(st.characters(codec="utf-8"), max_size=20)
severities = st.sampled_from(["error", "warning", "info"])
problems = st.builds(
    Problem, code=texts.filter(bool), where=texts, message=texts, fix=st.none() | texts, severity=severities
)


def numbered(count: int, severity: Severity = "error") -> list[Problem]:
    return [Problem("empty", f"row {i:03d}", "expected a value, got nothing", severity=severity) for i in range(count)]


class TestProblem:
    def test_text_says_where_what_fix_and_code(self) -> None:
        problem = Problem("wrong-shape", "clip.h5: tracks", "expected (W, 2), got (3,)", "drop column 2")
        assert str(problem) == "clip.h5: tracks: expected (W, 2), got (3,); drop column 2 [wrong-shape]"

    def test_text_without_place_and_fix_has_no_stray_marks(self) -> None:
        assert str(Problem("empty", "", "expected rows, got none")) == "expected rows, got none [empty]"

    @pytest.mark.parametrize(("where", "whole"), [("vis", "clip.h5: vis"), ("", "clip.h5")])
    def test_within_puts_the_outer_place_first(self, where: str, whole: str) -> None:
        inner = Problem("empty", where, "expected rows, got none", "give some", "warning")
        outer = inner.within("clip.h5")
        assert outer.where == whole
        assert (outer.code, outer.message, outer.fix, outer.severity) == (
            "empty",
            inner.message,
            "give some",
            "warning",
        )
        assert inner.where == where

    def test_within_nests(self) -> None:
        problem = Problem("empty", "vis", "expected rows").within("root").within("clip.h5")
        assert problem.where == "clip.h5: root: vis"

    @given(problems)
    def test_json_form_rebuilds_the_problem(self, problem: Problem) -> None:
        document = json.loads(json.dumps(problem.as_json()))
        assert Problem(**document) == problem
        assert list(document) == ["code", "where", "message", "fix", "severity"]

    def test_problem_cannot_be_changed(self) -> None:
        with pytest.raises(AttributeError, match="cannot assign to field 'code'"):
            Problem("empty", "", "").code = "full"  # type: ignore[misc]


class TestLapsError:
    @pytest.mark.parametrize(("kind", "parents"), FAMILY, ids=lambda item: getattr(item, "__name__", ""))
    def test_family_and_builtin(self, kind: type[LapsError], parents: tuple[type[BaseException], ...]) -> None:
        for parent in parents:
            with pytest.raises(parent, match=r"expected a value \[empty\]"):
                raise kind(Problem("empty", "", "expected a value"))

    def test_every_error_of_the_module_belongs_to_the_family(self) -> None:
        named = {getattr(errors, name) for name in errors.__all__ if name.endswith("Error")}
        assert named == set(KINDS)
        assert not issubclass(LapsError, ValueError)

    def test_one_problem_is_one_line(self) -> None:
        assert str(LapsError(Problem("empty", "a", "b"))) == "a: b [empty]"

    def test_problems_are_sorted_by_severity_then_place(self) -> None:
        info = Problem("a", "1", "m", severity="info")
        warning = Problem("a", "0", "m", severity="warning")
        later, sooner = Problem("a", "9", "m"), Problem("z", "2", "m")
        twin = Problem("b", "9", "m")
        error = LapsError(info, twin, later, warning, sooner)
        assert error.problems == (sooner, later, twin, warning, info)
        assert str(error).splitlines() == ["5 problems:", *(f"  {p}" for p in error.problems)]

    @pytest.mark.parametrize(("count", "tail"), [(20, None), (21, "  ... and 1 more"), (500, "  ... and 480 more")])
    def test_twenty_are_shown_and_the_rest_counted(self, count: int, tail: str | None) -> None:
        lines = str(LapsError(*reversed(numbered(count)))).splitlines()
        assert lines[0] == f"{count} problems:"
        assert lines[1:21] == [f"  {problem}" for problem in numbered(20)]
        assert lines[21:] == ([] if tail is None else [tail])

    def test_an_error_without_a_problem_is_a_mistake_of_the_programmer(self) -> None:
        with pytest.raises(TypeError, match="SchemaError needs at least one Problem"):
            SchemaError()

    @pytest.mark.parametrize("kind", KINDS)
    def test_within_keeps_the_class(self, kind: type[LapsError]) -> None:
        moved = kind(*numbered(2)).within("clip.h5")
        assert type(moved) is kind
        assert [p.where for p in moved.problems] == ["clip.h5: row 000", "clip.h5: row 001"]

    @pytest.mark.parametrize("kind", KINDS)
    def test_pickles_and_copies_are_whole(self, kind: type[LapsError]) -> None:
        error = kind(*reversed(numbered(25)))
        error.add_note("seen in worker 3")
        for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(again) is kind
            assert again.problems == error.problems
            assert str(again) == str(error)
            assert again.__notes__ == ["seen in worker 3"]

    @given(st.lists(problems, min_size=1, max_size=30))
    def test_nothing_is_lost(self, given_problems: list[Problem]) -> None:
        error = LapsError(*given_problems)
        assert sorted(map(repr, error.problems)) == sorted(map(repr, given_problems))


class TestProblems:
    def test_places_are_completed(self) -> None:
        found = Problems("clip.h5")
        found.add("empty", "vis", "expected rows", "give some", "warning")
        found.extend([Problem("empty", "", "expected rows")])
        assert [p.where for p in found] == ["clip.h5: vis", "clip.h5"]
        assert len(found) == 2

    def test_without_a_place_problems_stay_as_they_are(self) -> None:
        found = Problems()
        given_problems = numbered(2)
        found.extend(given_problems)
        assert list(found) == given_problems

    def test_nothing_noted_raises_nothing(self) -> None:
        found = Problems("clip.h5")
        found.raise_as(SchemaError)
        assert list(found) == []

    def test_warnings_alone_raise_nothing(self) -> None:
        found = Problems()
        found.extend([*numbered(3, "warning"), *numbered(3, "info")])
        found.raise_as(SchemaError)
        assert len(found) == 6

    def test_all_errors_are_raised_at_once_without_the_warnings(self) -> None:
        found = Problems()
        found.extend([*numbered(3, "warning"), *numbered(2)])
        with pytest.raises(errors.CorruptDataError, match="2 problems:") as caught:
            found.raise_as(errors.CorruptDataError)
        assert caught.value.problems == tuple(numbered(2))


@given(text=st.text(max_size=30))
def test_what_is_shown_is_one_line_and_visible_text_stays(text: str) -> None:
    safe = errors.shown(text)
    assert len(safe.splitlines()) <= 1
    assert safe.encode().decode() == safe, "no lone surrogate is left"
    assert errors.shown(safe) == safe
    if text.isprintable():
        assert safe == text


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[31mb", "a\x9bb", "a\u2028b", "a\u202eb", "a\udcffb"])
def test_a_name_cannot_break_what_errors_and_warnings_say(text: str) -> None:
    safe = errors.shown(text)
    assert safe != text
    problem = Problem("not-found", f"{text}.mp4", f"expected a file, got {text}", f"look for {text}")
    whole = f"{safe}.mp4: expected a file, got {safe}; look for {safe} [not-found]"
    assert (str(problem), str(LapsError(problem))) == (whole, whole)
    assert problem.as_json()["where"] == f"{text}.mp4"
    with pytest.warns(LapsWarning, match="odd") as seen:
        errors.warn(f"{text}.mp4: odd")
    assert str(seen[0].message) == f"{safe}.mp4: odd"


@pytest.fixture(params=["lapsdata.deep", "lapsmodels.deep"])
def of_this_package(tmp_path: Path, request: pytest.FixtureRequest) -> ModuleType:
    """Return a module that counts as a part of the distribution, and warns for its callers at some depth."""
    source = tmp_path / "deep.py"
    source.write_text(
        "from lapsdata.errors import warn\n"
        "def say(depth, *kind):\n"
        "    say(depth - 1, *kind) if depth else warn('clip.h5: odd', *kind)\n"
    )
    spec = importlib.util.spec_from_file_location(request.param, source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class OddWarning(LapsWarning):
    """A kind of its own."""


@pytest.mark.parametrize("depth", [0, 1, 7])
def test_a_warning_points_at_the_caller_of_the_library(of_this_package: ModuleType, depth: int) -> None:
    with pytest.warns(LapsWarning, match=r"^clip\.h5: odd$") as seen:
        of_this_package.say(depth)
    (found,) = seen
    assert (found.filename, found.category) == (__file__, LapsWarning)
    assert linecache.getline(__file__, found.lineno).strip() == "of_this_package.say(depth)"
    with pytest.warns(OddWarning, match="odd") as seen:
        of_this_package.say(depth, OddWarning)
    assert [item.filename for item in seen] == [__file__]


@pytest.mark.parametrize("package", ["lapsdata_plugin", "lapsmodels_plugin", "laps"])
def test_a_name_that_only_begins_alike_is_outside(package: str) -> None:
    names: dict[str, Any] = {"__name__": package, "warn": errors.warn}
    exec(compile("def say(): warn('odd')", "plugin.py", "exec"), names)  # noqa: S102 - a module of another name
    with pytest.warns(LapsWarning, match="odd") as seen:
        names["say"]()
    assert [item.filename for item in seen] == ["plugin.py"]


def test_a_tensor_of_booleans_is_no_whole_number() -> None:
    import torch

    assert [whole_number(torch.tensor(value)) for value in (True, 8, 8.0)] == [None, 8, None]


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (16, 16), (-1, -1), (2**80, 2**80), (np.int64(5), 5), (np.uint8(255), 255), (np.array(7), 7),
        (16.0, None), (True, None), (False, None), (np.True_, None), ("16", None), (None, None), (np.float64(2), None),
        (np.array([1, 2]), None), ([1], None), (Fraction(4, 2), None),
    ],
)  # fmt: skip
def test_integers_of_any_library_are_whole_numbers(value: object, whole: int | None) -> None:
    found = whole_number(value)
    assert found == whole
    assert found is None or type(found) is int


def test_warning_is_a_user_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        warnings.warn("clip.h5: two keys are ignored", LapsWarning, stacklevel=1)
    with pytest.warns(LapsWarning, match=r"clip\.h5"):
        warnings.warn("clip.h5: two keys are ignored", LapsWarning, stacklevel=1)
