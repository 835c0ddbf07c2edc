"""Yaml files of frames, changed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def told(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change what a yaml says."""
    document = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(document))
