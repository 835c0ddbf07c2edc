"""The stages of the main job: each a function from files to a file, which its verb and `lapsdata run` both call.

A stage is one public module here, or in `lapsmodels.stages`; its attribute `PLUGIN` says what a recipe may tell it.
Stages of other distributions join by the entry point `lapsdata.stages`.
"""

from lapsdata.stages._output import Output, settle, standing
from lapsdata.stages._stage import Stage

__all__ = ["Output", "Stage", "settle", "standing"]
