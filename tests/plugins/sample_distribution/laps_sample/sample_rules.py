"""A family of rules of one rule."""

PLUGIN = ("sample-rule",)
