"""Label Studio: rectangles on images, one task for each, and tracks on videos; in percent of the image.

    [{"id": 1, "data": {"image": "/data/local-files/?d=train/A/img1/000001.jpg"},
      "annotations": [{"result": [
          {"id": "track_7", "type": "rectanglelabels", "original_width": 1280, "original_height": 720,
           "value": {"x": 10.5, "y": 20, "width": 8, "height": 12, "rotation": 0, "rectanglelabels": ["player"]}}]}]}]

The id of a region is unique in its task and says nothing of other tasks, unless a program wrote it.
"""

from __future__ import annotations

from lapsdata.adapters._adapter import Adapter, Writer
from lapsdata.adapters.label_studio.reading import read, recognises
from lapsdata.adapters.label_studio.writing import write

__all__ = ["PLUGIN", "read", "write"]

PLUGIN = Adapter(
    "label_studio",
    "Rectangles and video tracks of Label Studio",
    recognises,
    read,
    takes=frozenset({"rate", "size", "classes", "annotations", "number_by"}),
    writer=Writer("boxes", write, frozenset({"size", "rate", "prefix"}), names=("label-studio",)),
)
