"""Verbs of the command that need a model; each joins `lapsdata` by an entry point."""
