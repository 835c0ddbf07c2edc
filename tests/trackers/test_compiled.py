"""Hot loops are compiled once per machine, and once per process where nothing can be kept."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.errors import LapsWarning
from lapsmodels.trackers._compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = """
import numpy as np
from lapsmodels.trackers._compiled import compiled


@compiled
def total(values):
    total = np.float32(0)
    for value in values:
        total += value * value
    return total


@compiled
def share(values, of):
    return total(values) / of
"""
VALUES = np.linspace(-3, 3, 1001, dtype=np.float32)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Any]:
    """Return an importer of the source as a new module, as another process would."""
    (tmp_path / "hot.py").write_text(SOURCE)

    def again() -> Any:
        spec = importlib.util.spec_from_file_location("hot_loops_of_a_test", tmp_path / "hot.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    yield again
    sys.modules.pop("hot_loops_of_a_test", None)


def nowhere(name: str) -> dict[str, Any]:
    """Run the source without a file: there is no folder in which Numba could keep its code."""
    module: dict[str, Any] = {"__name__": name}
    exec(compile(SOURCE, f"<{name}>", "exec"), module)  # noqa: S102 - the source is above
    return module


def test_code_is_kept_for_the_next_process(fresh: Any) -> None:
    first = fresh()
    results = first.share(VALUES, np.float32(7)), first.share(VALUES, np.float32(0))
    assert sum(first.share.stats.cache_misses.values()) == 1
    second = fresh()
    assert second.share is not first.share
    assert (second.share(VALUES, np.float32(7)), second.share(VALUES, np.float32(0))) == results
    assert sum(second.share.stats.cache_hits.values()) == 1
    assert sum(second.share.stats.cache_misses.values()) == 0


def test_compiled_functions_compute_what_is_written(fresh: Any) -> None:
    module = fresh()
    expected = (VALUES.astype(np.float64) ** 2).sum()
    assert module.total(VALUES) == pytest.approx(expected, rel=1e-4)
    assert module.total.py_func(VALUES) == pytest.approx(expected, rel=1e-4)
    assert module.total.__doc__ == module.total.py_func.__doc__


def test_division_by_zero_is_infinity_as_in_numpy(fresh: Any) -> None:
    assert fresh().share(VALUES, np.float32(0)) == np.inf


def test_nan_keeps_its_meaning(fresh: Any) -> None:
    module = fresh()
    assert np.isnan(module.share(np.array([1, np.nan], np.float32), np.float32(1)))
    assert module.share(np.array([1, np.inf], np.float32), np.float32(1)) == np.inf


def test_where_nothing_can_be_kept_a_warning_says_so_once_per_file(fresh: Any) -> None:
    with pytest.warns(LapsWarning, match=r"^alone: compiled code cannot be kept \(.*\); set NUMBA_CACHE_DIR") as told:
        first = nowhere("alone")
    assert len(told) == 1
    with pytest.warns(LapsWarning, match=r"^other: compiled code cannot be kept") as told:
        nowhere("other")
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled(first["total"].py_func)
    kept = fresh()
    for values in (VALUES, VALUES[::3], VALUES[:0]):
        assert first["share"](values, np.float32(3)) == kept.share(values, np.float32(3))


def test_a_function_that_cannot_be_compiled_is_an_error_when_it_is_called(tmp_path: Path) -> None:
    import numba

    (tmp_path / "cold.py").write_text(SOURCE.replace("value * value", "value.nothing"))
    spec = importlib.util.spec_from_file_location("cold_loops_of_a_test", tmp_path / "cold.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(numba.TypingError, match="nothing"):
        module.total(VALUES)
