"""Tools for the tests of this library and of its plug-ins: rendered scenes, strategies, contracts."""
