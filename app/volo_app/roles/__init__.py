"""The processes of a run: the recorder is the parent, sources and engine are its children.

This package itself loads the standard library only.
"""
