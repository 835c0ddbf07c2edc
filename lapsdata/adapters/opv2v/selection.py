"""Which agents a set is made of: a rule that is recorded, and gives equal sets on every machine."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.schema import AgentSelection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.errors import Severity

__all__ = ["FewAgents", "few_agents", "select_agents", "selections_of"]

_ONE = re.compile(r"(?:(?P<split>[A-Za-z_]+)=)?(?P<count>[1-9]\d{0,3})(?::drawn(?:@(?P<seed>\d{1,9}))?)?", re.ASCII)

_SHOWN = 3


@dataclass(slots=True)
class FewAgents:
    """How many agents the frames of a split have, where a rule asks for some.

    Parameters
    ----------
    wanted : int
        Agents of a set.
    scenes : dict of list of int
        How many recorded each frame, by scenario.

    Examples
    --------
    >>> FewAgents(3, {"2021_08_22_21_41_24": [2, 3, 2]}).lost
    2
    """

    wanted: int
    scenes: dict[str, list[int]] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Frames that have too few."""
        return sum(count < self.wanted for counts in self.scenes.values() for count in counts)


def few_agents(splits: Mapping[str, FewAgents], where: str) -> list[Problem]:
    """Say which splits have sets with too few agents, and how many agents there are in which scenes.

    Parameters
    ----------
    splits : mapping of FewAgents
        By split.
    where : str
        The root, for messages.

    Returns
    -------
    list of Problem
        A warning of each split that loses all of its sets, and an info of each that loses some.

    Examples
    --------
    >>> (note,) = few_agents({"train": FewAgents(7, {"2021_08_22_21_41_24": [3, 3]})}, "root")
    >>> print(note.message)
    7 agents are asked for, and 2 of 2 sets of train have fewer: 2021_08_22_21_41_24 has 3
    >>> note.fix
    '--agents train=3 keeps all of them'
    """
    notes = []
    for split, few in splits.items():
        if not few.lost:
            continue
        counts = [count for one in few.scenes.values() for count in one]
        scenes = {name: one for name, one in few.scenes.items() if min(one) < few.wanted}
        told = [f"{name} has {_between(one)}" for name, one in list(scenes.items())[:_SHOWN]]
        more = f" and {len(scenes) - _SHOWN} more scenes" if len(scenes) > _SHOWN else ""
        message = f"{few.wanted} agents are asked for, and {few.lost} of {len(counts)} sets of {split} have fewer: "
        fix = f"--agents {split}={min(counts)} keeps all of them"
        if few.lost == len(counts) and max(counts) > min(counts):
            fix += f", {split}={max(counts)} those with the most"
        severity: Severity = "warning" if few.lost == len(counts) else "info"
        notes.append(Problem("too-few-agents", where, f"{message}{', '.join(told)}{more}", fix, severity))
    return notes


def _between(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def select_agents(
    agents: Sequence[str], selection: AgentSelection, scenario: str, frame: int
) -> tuple[str, ...] | None:
    """Return the agents of a set; None where there are too few.

    Parameters
    ----------
    agents : sequence of str
        Those that recorded the frame, in the order of `agent_order`, the ego first.
    selection : AgentSelection
    scenario : str
    frame : int

    Examples
    --------
    >>> select_agents(["1000", "641", "-1"], AgentSelection(count=2), "2021_08_22_21_41_24", 69)
    ('1000', '641')
    >>> select_agents(["1000"], AgentSelection(count=2), "2021_08_22_21_41_24", 69) is None
    True
    """
    if selection.count is None:
        return tuple(agents)
    if len(agents) < selection.count:
        return None
    others = list(range(1, len(agents)))[: selection.count - 1]
    if selection.pick == "drawn":
        text = f"{selection.seed}/{scenario}/{frame}".encode("utf-8", "surrogateescape")
        random = np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:8], "big"))
        others = sorted((1 + random.permutation(len(agents) - 1)[: selection.count - 1]).tolist())
    return (agents[0], *(agents[place] for place in others))


def selections_of(text: str) -> dict[str, AgentSelection]:
    """Return the selections that a text says, by split; under "" that of all other splits.

    Parameters
    ----------
    text : str
        `2`, or `train=2,validate=4`; behind a number `:drawn` or `:drawn@SEED` for agents that are drawn.

    Raises
    ------
    SchemaError
        It is spelled in another way (`wrong-value`).

    Examples
    --------
    >>> {split: (one.count, one.pick) for split, one in selections_of("train=2:drawn@7,validate=4").items()}
    {'train': (2, 'drawn'), 'validate': (4, 'first')}
    """
    found = {}
    for part in text.split(","):
        match = _ONE.fullmatch(part.strip())
        if match is None or (match["split"] or "") in found:
            message = f"expected 2, or train=2,validate=4:drawn@SEED, each split once, got {text!r}"
            raise SchemaError(Problem("wrong-value", "agents", message))
        drawn = ":" in part
        selection = AgentSelection(
            count=int(match["count"]), pick="drawn" if drawn else "first", seed=int(match["seed"] or 0)
        )
        found[match["split"] or ""] = selection
    return found
