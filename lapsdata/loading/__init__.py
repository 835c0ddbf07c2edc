"""Feeding models: sources of batches, the order of an epoch, and the loader that keeps both."""

from lapsdata.loading.source import Batch, BatchSource, BatchSpec, FieldSpec

__all__ = ["Batch", "BatchSource", "BatchSpec", "FieldSpec"]
