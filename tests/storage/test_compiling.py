"""Compiled loops: the same as the plain function, kept where a folder may be written, said where not."""

from __future__ import annotations

from typing import Any

import numba
import pytest

from lapsdata import compiling
from lapsdata.compiling import compile_loop
from lapsdata.errors import LapsWarning, MissingExtraError
from lapsdata.storage._libraries import add_symbol


def twice(number: int) -> int:
    return 2 * number


def test_a_compiled_loop_gives_what_the_plain_one_gives() -> None:
    made: Any = compile_loop(twice, cache=False)
    assert made(21) == 42
    assert made.py_func is twice


def test_options_reach_the_compiler() -> None:
    made: Any = compile_loop(twice, cache=False, nogil=True)
    assert made.targetoptions["nogil"] is True


@pytest.fixture
def no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Numba find no folder that may be written."""
    plain = numba.njit

    def njit(*function: Any, **options: Any) -> Any:
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'twice': no locator available")
        return plain(*function, **options)  # Numba compiles loops of its own on the way

    monkeypatch.setattr(numba, "njit", njit)
    monkeypatch.setattr(compiling, "_told", set())


@pytest.mark.usefixtures("no_folder")
def test_without_a_folder_for_it_a_loop_works_and_says_so_once() -> None:
    def several() -> int:
        compile_loop(twice)
        return compile_loop(twice)(4)

    with pytest.warns(LapsWarning, match=r"compiled code cannot be kept \(cannot cache .*set NUMBA_CACHE_DIR") as told:
        assert several() == 8
    assert len(told) == 1


def test_a_package_without_its_c_function_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"holds the C function nothing_like_it.*--only-binary :all: math"):
        add_symbol("test_nothing", "math", "nothing_like_it")


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"a build of no-such-package .*\[missing-symbol\]"):
        add_symbol("test_nothing", "no_such_package.inner", "f")


def test_a_package_in_plain_python_is_named() -> None:
    with pytest.raises(MissingExtraError, match=r"\[missing-symbol\]"):
        add_symbol("test_nothing", "numcodecs.abc", "f")
