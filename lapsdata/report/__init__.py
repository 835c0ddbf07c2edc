"""Pictures of what is in a file: contact sheets of videos, drawn tracks, and the PNG files that hold them.

All pictures are uint8 (H, W, 3) RGB arrays; a position (x, y) in pixels means the centre of column x, row y.
"""

from __future__ import annotations

from lapsdata.report.box_overlays import overlay_boxes
from lapsdata.report.contact_sheets import contact_sheet
from lapsdata.report.drawn_boxes import draw_boxes
from lapsdata.report.drawn_tracks import draw_tracks, spread_windows
from lapsdata.report.layered_boxes import box_layers
from lapsdata.report.png import write_png
from lapsdata.report.trails import draw_trails

__all__ = [
    "box_layers",
    "contact_sheet",
    "draw_boxes",
    "draw_tracks",
    "draw_trails",
    "overlay_boxes",
    "spread_windows",
    "write_png",
]
