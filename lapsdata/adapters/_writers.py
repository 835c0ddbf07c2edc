"""What writes files of others, by the names that `--to` knows: adapters, and projects that are written only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.adapters._wai import WRITER as WAI
from lapsdata.plugins import registry

if TYPE_CHECKING:
    from lapsdata.adapters._adapter import Writer

__all__ = ["writers"]

_ONLY_WRITTEN = (WAI,)


def writers() -> dict[str, Writer]:
    """Return what writes files of others, by the names that `--to` knows.

    Examples
    --------
    >>> writers()["lerobot-3.0"].record, writers()["wai"].record
    ('episodes', 'views')
    """
    found: dict[str, Writer] = {name: writer for writer in _ONLY_WRITTEN for name in writer.names}
    for adapter_name, adapter in registry("adapters").load_all().items():
        writer: Writer | None = getattr(adapter, "writer", None)
        if writer is not None:
            found |= dict.fromkeys(writer.names or (adapter_name,), writer)
    return found
