"""Which of how many processes this one is, and who says so."""

from __future__ import annotations

import os
from dataclasses import dataclass

from lapsdata.errors import Problem, SchemaError, whole_number
from lapsdata.loading.torch_bridge import joined_group

__all__ = ["Place", "find_place"]


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a process among those that share the samples.

    Parameters
    ----------
    rank : int
        From 0 to `world_size - 1`.
    world_size : int
    told_by : str
        `the caller`, `torch.distributed`, `RANK and WORLD_SIZE`, or `nobody` for a process that is alone.

    Raises
    ------
    SchemaError
        A rank that is not one of the world.

    Examples
    --------
    >>> Place(3, 8).rank
    3
    """

    rank: int
    world_size: int
    told_by: str = "the caller"

    def __post_init__(self) -> None:
        rank, size = whole_number(self.rank), whole_number(self.world_size)
        if rank is None or size is None or not 0 <= rank < size:
            message = f"expected a rank from 0 below the world size, got {self.rank!r} of {self.world_size!r}"
            raise SchemaError(Problem("wrong-value", "rank", f"{message} ({self.told_by} said so)"))
        object.__setattr__(self, "rank", rank)
        object.__setattr__(self, "world_size", size)


def find_place(rank: int | None = None, world_size: int | None = None) -> Place:
    """Return the place of this process: what is given, else what torch.distributed or the environment says.

    Raises
    ------
    SchemaError
        Only one of the two is given, or they are no rank and world size.

    Examples
    --------
    >>> find_place(0, 2)
    Place(rank=0, world_size=2, told_by='the caller')
    """
    if (rank is None) != (world_size is None):
        message = f"expected both rank and world_size or neither, got {rank!r} and {world_size!r}"
        raise SchemaError(Problem("wrong-value", "rank", message))
    if rank is not None and world_size is not None:
        return Place(rank, world_size)
    group = joined_group()
    if group is not None:
        return Place(*group, "torch.distributed")
    words = [os.environ.get(name) for name in ("RANK", "WORLD_SIZE")]
    if words == [None, None]:
        return Place(0, 1, "nobody")
    if not all(word is not None and word.isdecimal() for word in words):
        message = f"expected whole numbers in RANK and WORLD_SIZE, got {words}"
        raise SchemaError(Problem("wrong-value", "environment", message, "unset them, or give rank and world_size"))
    return Place(int(words[0] or 0), int(words[1] or 0), "RANK and WORLD_SIZE")
