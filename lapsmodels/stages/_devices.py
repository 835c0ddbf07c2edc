"""Where windows are encoded."""

from __future__ import annotations

from typing import Literal

from lapsdata.errors import Problem, SchemaError

__all__ = ["devices"]


def devices(device: Literal["cpu", "cuda"]) -> list[str]:
    """Return the places that take files in turns.

    Raises
    ------
    SchemaError
        GPUs are asked for, and there are none.
    """
    if device == "cpu":
        return ["cpu"]
    import torch

    if not torch.cuda.is_available():
        message = "expected a GPU that torch can use, got none"
        raise SchemaError(Problem("no-gpu", "device", message, "encode on the processor: device cpu"))
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
