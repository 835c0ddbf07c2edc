"""Pictures of what is in a file: contact sheets of videos, drawn tracks, and the PNG files that hold them.

All pictures are uint8 (H, W, 3) RGB arrays; a position (x, y) in pixels means the centre of column x, row y.
"""

from __future__ import annotations

from lapsdata.report.contact_sheets import contact_sheet
from lapsdata.report.drawn_tracks import draw_tracks, spread_windows
from lapsdata.report.png import write_png
from lapsdata.report.trails import draw_trails

__all__ = ["contact_sheet", "draw_tracks", "draw_trails", "spread_windows", "write_png"]
