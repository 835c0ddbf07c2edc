"""What is told of yaml files that are refused: one camera's matrix is the same in every file, and so is its fault."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lapsdata.errors import listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.errors import Problem

__all__ = ["counted_refusals"]

_OF_A_CAMERA = "wrong-intrinsic"


def counted_refusals(refused: Sequence[Problem]) -> tuple[Problem, ...]:
    """Return the problems with those of intrinsics as one, which counts them and names the first few.

    Parameters
    ----------
    refused : sequence of Problem
        Of yaml files, one by one.

    Examples
    --------
    >>> from lapsdata.errors import Problem
    >>> both = [Problem("wrong-intrinsic", f"{name}.yaml: camera0: intrinsic", "got [1]") for name in "ab"]
    >>> [one.message for one in counted_refusals(both)]
    ["got [1] (2 intrinsics: 'a.yaml: camera0', 'b.yaml: camera0')"]
    """
    alike = [one for one in refused if one.code == _OF_A_CAMERA]
    if len(alike) < 2:
        return tuple(refused)
    first = alike[0]
    # The first has its place in `where`; of the others the name of the file is enough in one folder.
    folder = first.where[: first.where.rfind("/", 0, first.where.find(": ")) + 1]
    named = listed(one.where.removeprefix(folder).removesuffix(": intrinsic") for one in alike)
    counted = replace(first, message=f"{first.message} ({len(alike)} intrinsics: {named})")
    return tuple(counted if one is first else one for one in refused if one is first or one.code != _OF_A_CAMERA)
