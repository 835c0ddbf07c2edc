"""Files of other people: each adapter reads those of one project into containers, and asks for what they cannot say.

An adapter is one module of this package, `PLUGIN` in it an `Adapter`; that of another distribution is an entry point of
`lapsdata.adapters`. `lapsdata convert` reads through them whatever no format of ours knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata._first_use import on_first_use

if TYPE_CHECKING:
    from lapsdata.adapters._adapter import Adapted, Adapter, Writer, find_adapter, part_of_other, read_adapted
    from lapsdata.adapters._any_boxes import AnyBoxes, expect_boxes, read_boxes
    from lapsdata.adapters._any_views import AnyViews, expect_views
    from lapsdata.adapters._boxes_edit import BoxesEdit, edited_boxes
    from lapsdata.adapters._boxes_merged import merged_boxes
    from lapsdata.adapters._edits import EpisodesEdit
    from lapsdata.adapters._stated import Stated, StatedStats
    from lapsdata.adapters._wai import write_wai
    from lapsdata.adapters._writers import writers

__all__ = [
    "Adapted",
    "Adapter",
    "AnyBoxes",
    "AnyViews",
    "BoxesEdit",
    "EpisodesEdit",
    "Stated",
    "StatedStats",
    "Writer",
    "edited_boxes",
    "expect_boxes",
    "expect_views",
    "find_adapter",
    "merged_boxes",
    "part_of_other",
    "read_adapted",
    "read_boxes",
    "write_wai",
    "writers",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_first_use(__name__)
