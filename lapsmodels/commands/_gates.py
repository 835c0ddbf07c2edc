"""The parameters of a gate on the command line: they are nothing without the option that switches it on."""

from __future__ import annotations

from typing import Any

import typer

__all__ = ["gate_parameters"]


def gate_parameters(switch: str, on: float | None, **given: float | None) -> dict[str, Any]:
    """Return the parameters that were given, by the names of their fields.

    Raises
    ------
    typer.BadParameter
        Some were, and the gate is off: they would have no effect.

    Examples
    --------
    >>> gate_parameters("--gate-speed", 0.02, gate_share=0.1), gate_parameters("--gate-speed", None, gate_share=None)
    ({'gate_share': 0.1}, {})
    """
    found = {name: value for name, value in given.items() if value is not None}
    if found and on is None:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in found)
        raise typer.BadParameter(f"only with {switch}", param_hint=options)
    return found
