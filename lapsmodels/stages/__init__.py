"""Stages of the pipeline: each takes files of one kind and leaves files of the next."""
