"""YAML of others, read safely: numbers with exponents are numbers, and of all Python tags only NumPy's are decoded.

PyYAML reads "1e-5" as text, as YAML 1.1 wants an exponent with a sign behind a point, while the programs that write
these files mean a number. Files that were dumped from NumPy hold its scalars and arrays as calls of Python functions;
their numbers are taken from the nodes, and nothing is called.
"""

from __future__ import annotations

import base64
import functools
import math
import re
import reprlib
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    import yaml

__all__ = ["brief", "load_yaml", "plain_number"]

_EXPONENT = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)[eE][-+]?[0-9]+\Z")
_APPLY = "tag:yaml.org,2002:python/object/apply:"
_BINARY = "tag:yaml.org,2002:binary"
# libyaml calls itself for each level, and ends the process where there are some ten thousands.
_LEVELS = 100
_DEEP = re.compile(rb"[ \-?:]{%d}" % _LEVELS)
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]")
# NumPy 2 calls its inner package by another name.
_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")


def load_yaml(data: bytes, where: str) -> Any:  # noqa: ANN401 - any YAML
    r"""Return what one document of YAML says; NumPy's scalars and arrays as plain numbers and lists of them.

    Parameters
    ----------
    data : bytes
    where : str
        File, for messages.

    Raises
    ------
    SchemaError
        Not YAML (`broken-yaml`), a tag that is none of YAML's own nor NumPy's (`unknown-tag`), or a key that stands
        twice (`key-twice`); each with its line.

    Examples
    --------
    >>> load_yaml(b"speed: 1e-5\nlist: [1, 2.5e3]\n", "000069.yaml")
    {'speed': 1e-05, 'list': [1, 2500.0]}
    >>> load_yaml(b"a: !!python/object/apply:os.system ['true']\n", "000069.yaml")
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: 000069.yaml: line 1: ... got !!python/object/apply:os.system; ... [unknown-tag]
    """
    import yaml

    try:
        _expect_levels(data)
        loader = _loader()(data)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except SchemaError as error:
        raise error.within(where) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = where if mark is None else f"{where}: line {mark.line + 1}"
        told = getattr(error, "problem", None) or str(error).replace("\n", " ")
        raise SchemaError(Problem("broken-yaml", at, f"expected YAML, got: {told}", "copy the file again")) from None
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        # PyYAML lets through what int(), float() and dates raise of a value that is not what its tag says.
        told = "too many levels" if isinstance(error, RecursionError) else f"a value that cannot be read ({error})"
        raise SchemaError(Problem("broken-yaml", where, f"expected YAML, got: {told}", "copy the file again")) from None


def _expect_levels(data: bytes) -> None:
    """Refuse lists in lists without end, before they are made; most texts cannot have them, by their looks.

    Raises
    ------
    SchemaError
        More than a hundred levels (`broken-yaml`).
    """
    import yaml

    if data.count(b"[") + data.count(b"{") <= _LEVELS and _DEEP.search(data) is None:
        return
    level = 0
    for event in yaml.parse(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1
        if level > _LEVELS:
            message = f"expected YAML of at most {_LEVELS} levels, got more"
            mark = event.start_mark
            at = "" if mark is None else f"line {mark.line + 1}"
            raise SchemaError(Problem("broken-yaml", at, message, "copy the file again"))


def brief(value: Any) -> str:  # noqa: ANN401 - any YAML
    """Return how a value begins, for messages: lists that name one another, many times over, have no end in sight.

    Parameters
    ----------
    value : any
        As `load_yaml` returns it.

    Examples
    --------
    >>> brief([1, 2, 3]), brief(None), len(brief(list(range(1000)))) <= 60
    ('[1, 2, 3]', 'None', True)
    """
    short = reprlib.Repr()
    short.maxlevel, short.maxstring, short.maxlist = 3, 40, 16
    try:
        return short.repr(value)[:60]
    except ValueError:
        return "a number of more digits than can be told"


def plain_number(value: Any) -> float | None:  # noqa: ANN401 - any YAML
    """Return a finite number of a document as a float; None for everything else, a bool and a too large one included.

    Parameters
    ----------
    value : any
        As `load_yaml` returns it.

    Examples
    --------
    >>> [plain_number(value) for value in (2, -0.5, True, "2", 10**400, float("nan"))]
    [2.0, -0.5, None, None, None, None]
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


@functools.cache
def _loader() -> type[yaml.SafeLoader]:
    """Return the loader; with libyaml where PyYAML was built with it, which is ten times as fast."""
    import yaml

    base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc, valid-type]  # one of two that have the same methods
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            named: set[str] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    if key.value in named:
                        raise _problem("key-twice", key, f"expected each key once, got {key.value!r} again")
                    named.add(key.value)
            found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
            return found

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+.0123456789"))
    for module in _MODULES:
        Loader.add_constructor(f"{_APPLY}{module}.scalar", _scalar)
        Loader.add_constructor(f"{_APPLY}{module}._reconstruct", _array)
    Loader.add_constructor(None, _refuse)
    made: type[yaml.SafeLoader] = Loader
    return made


def _refuse(_: yaml.SafeLoader, node: yaml.Node) -> Any:  # noqa: ANN401 - never returns
    """Name a tag that is not decoded.

    Raises
    ------
    SchemaError
        Always.
    """
    tag = node.tag.replace("tag:yaml.org,2002:", "!!")
    message = f"expected YAML without tags but those of NumPy's scalars and arrays, got {tag}"
    raise _problem("unknown-tag", node, message, "nothing of it was run; write the file as plain YAML")


def _scalar(_: yaml.SafeLoader, node: yaml.Node) -> Any:  # noqa: ANN401 - a number
    """Return the number of `scalar(dtype, bytes)`."""
    parts = _sequence(node)
    if len(parts) != 2:
        raise _not_numpy(node)
    return _numbers(node, parts[0], parts[1], ()).item()


def _array(_: yaml.SafeLoader, node: yaml.Node) -> Any:  # noqa: ANN401 - lists of numbers
    """Return the numbers of an array, whose state is (version, shape, dtype, by column, bytes)."""
    state = _sequence(_member(node, "state"))
    if len(state) != 5:
        raise _not_numpy(node)
    shape = tuple(int(_text(one)) for one in _sequence(state[1]))
    by_column = _text(state[3]) in ("true", "True")
    values = _numbers(node, state[2], state[4], shape[::-1] if by_column else shape)
    return (values.T if by_column else values).tolist()


def _numbers(node: yaml.Node, dtype: yaml.Node, data: yaml.Node, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    kind = _text(_sequence(_member(dtype, "args"))[0])
    order = _text(_sequence(_member(dtype, "state"))[1])
    if _DTYPE.fullmatch(kind) is None or order not in "<>|=" or data.tag != _BINARY:
        raise _not_numpy(node)
    try:
        return np.frombuffer(base64.b64decode(_text(data)), np.dtype(order + kind)).reshape(shape)
    except ValueError:
        raise _not_numpy(node) from None


def _sequence(node: yaml.Node) -> list[yaml.Node]:
    """Return the members of a list or a tuple, which stands for a call too."""
    if not isinstance(node.value, list) or (node.value and isinstance(node.value[0], tuple)):
        raise _not_numpy(node)
    return node.value


def _member(node: yaml.Node, name: str) -> yaml.Node:
    pairs = node.value if isinstance(node.value, list) else []
    for pair in pairs:
        if isinstance(pair, tuple) and pair[0].value == name:
            found: yaml.Node = pair[1]
            return found
    raise _not_numpy(node)


def _text(node: yaml.Node) -> str:
    if not isinstance(node.value, str):
        raise _not_numpy(node)
    return node.value


def _not_numpy(node: yaml.Node) -> SchemaError:
    message = "expected a scalar or an array of numbers as NumPy writes them, got something else"
    return _problem("unknown-tag", node, message, "write the file as plain YAML")


def _problem(code: str, node: yaml.Node, message: str, fix: str | None = None) -> SchemaError:
    return SchemaError(Problem(code, f"line {node.start_mark.line + 1}", message, fix))
