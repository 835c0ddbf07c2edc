"""Small modules, short functions, and habits that the linter cannot see."""

from __future__ import annotations

import ast
import functools
import re
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(path)))


def lines(paths: tuple[Path, ...]) -> list[int]:
    return [len(path.read_text(encoding="utf-8").splitlines()) for path in paths]


def faults(paths: tuple[Path, ...], wrong: type[ast.AST] | tuple[type[ast.AST], ...]) -> Iterator[tuple[str, ast.AST]]:
    for path in paths:
        for node in nodes(path):
            if isinstance(node, wrong):
                yield f"{path}:{getattr(node, 'lineno', 0)}", node


def test_no_module_is_longer_than_600_lines(modules: tuple[Path, ...]) -> None:
    assert [f"{path}: {length}" for path, length in zip(modules, lines(modules), strict=True) if length > 600] == []


def test_the_median_module_is_short(modules: tuple[Path, ...], record_property: Callable[[str, object], None]) -> None:
    lengths = [length for path, length in zip(modules, lines(modules), strict=True) if path.name != "__init__.py"]
    median = statistics.median(lengths)
    record_property("median module, lines", median)
    assert median <= 200


def test_nine_functions_in_ten_have_at_most_40_lines(modules: tuple[Path, ...]) -> None:
    lengths = sorted(
        node.end_lineno - node.lineno + 1
        for path in modules
        for node in nodes(path)
        if isinstance(node, Function) and node.end_lineno is not None
    )
    assert lengths[int(0.9 * len(lengths))] <= 40


def test_no_assert_and_no_bare_except_in_the_packages(modules: tuple[Path, ...]) -> None:
    found = [
        place
        for place, node in faults(modules, (ast.Assert, ast.ExceptHandler))
        if isinstance(node, ast.Assert) or node.type is None
    ]
    assert not found, "\n".join(found)


def test_only_the_console_writes_to_the_standard_streams(modules: tuple[Path, ...]) -> None:
    found = []
    for place, node in faults(modules, (ast.Call, ast.Attribute)):
        printed = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "pprint"}
        stream = isinstance(node, ast.Attribute) and ast.unparse(node) in {"sys.stdout", "sys.stderr"}
        asked = stream and place.partition(":")[0].endswith(("console.py", "cli/main.py"))
        if printed or (stream and not asked):
            found.append(place)
    assert not found, "\n".join(found)


def test_every_broad_except_says_why(modules: tuple[Path, ...]) -> None:
    found = []
    for path in modules:
        source = path.read_text(encoding="utf-8").splitlines()
        for node in nodes(path):
            if isinstance(node, ast.ExceptHandler) and node.type is not None:
                line = source[node.lineno - 1]
                caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                broad = not {ast.unparse(kind) for kind in caught}.isdisjoint({"Exception", "BaseException"})
                reraised = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                if broad and not reraised and not re.search(r"# noqa: BLE001\W+\w+", line):
                    found.append(f"{path}:{node.lineno}")
    assert not found, "\n".join(found)


def test_every_exemption_from_a_tool_names_its_rule(modules: tuple[Path, ...], test_modules: tuple[Path, ...]) -> None:
    unnamed = re.compile(r"#\s*(noqa(?!: [A-Z]+[0-9]+)|type:\s*ignore(?!\[))")
    found = [
        f"{path}:{number}"
        for path in (*modules, *test_modules)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if unnamed.search(line) and path != Path(__file__)
    ]
    assert not found, "\n".join(found)


def test_nothing_is_left_for_later(modules: tuple[Path, ...]) -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK|NotImplementedError)\b")
    found = [
        f"{path}:{number}"
        for path in modules
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert not found, "\n".join(found)


def test_every_expected_error_names_its_text(test_modules: tuple[Path, ...]) -> None:
    found = [
        place
        for place, node in faults(test_modules, ast.Call)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"pytest.raises", "pytest.warns"}
        and not any(keyword.arg == "match" for keyword in node.keywords)
    ]
    assert not found, "\n".join(found)


def checks_something(node: ast.AST, checkers: set[str]) -> bool:
    """Look for an assertion, an expected error, or a call of something that fails by itself."""
    for inner in ast.walk(node):
        if isinstance(inner, (ast.Assert, ast.Raise)):
            return True
        if isinstance(inner, ast.Call):
            name = ast.unparse(inner.func)
            strict = any(keyword.arg == "check" and ast.unparse(keyword.value) == "True" for keyword in inner.keywords)
            last = name.rpartition(".")[2]
            if strict or last in {"raises", "warns", "fail", "prepare"} or last.startswith("assert_"):
                return True
            if name in checkers:
                return True
    return False


def test_every_test_can_fail(test_modules: tuple[Path, ...]) -> None:
    found = []
    for path in test_modules:
        functions = [node for node in nodes(path) if isinstance(node, Function)]
        checkers: set[str] = set()
        # Again and again, for helpers that call helpers.
        while more := {node.name for node in functions if checks_something(node, checkers)} - checkers:
            checkers |= more
        fixtures = {node.name for node in functions if "fixture" in "".join(map(ast.unparse, node.decorator_list))}
        tests = {node.name for node in functions if node.name.startswith("test_")} - fixtures
        found += [f"{path}: {name}" for name in sorted(tests - checkers)]
    assert not found, "\n".join(found)


def code_lines(path: Path) -> int:
    """Count the lines that hold code: no blank lines, comments or docstrings (whose examples are tests as well)."""
    silent: set[int] = set()
    texts: set[int] = set()
    for node in nodes(path):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            silent.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, (ast.Constant, ast.JoinedStr)) and node.end_lineno != node.lineno:
            texts.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    told = {
        number
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (line.strip() and not line.lstrip().startswith("#")) or number in texts
    }
    return len(told - silent)


def test_there_is_more_test_than_code(modules: tuple[Path, ...], test_modules: tuple[Path, ...]) -> None:
    assert sum(map(code_lines, test_modules)) >= 1.2 * sum(map(code_lines, modules))


def test_tests_stand_where_their_subject_stands(root: Path) -> None:
    rooms = {
        path.name.removesuffix(".py").lstrip("_")
        for package in ("lapsdata", "lapsmodels")
        for path in (root / package).iterdir()
    }
    others = {"architecture", "contracts", "properties", "faults", "real", "samples", "golden", "lapsmodels"}
    folders = {path.name for path in (root / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= rooms | others
