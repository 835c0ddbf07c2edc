"""Bytes on disk: readers of container files that never hide what they did, and the guards around them."""
