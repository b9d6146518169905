"""Floor 0 of Volo: signal types, the clock, ring files, sources and recording.

Importing the package itself loads the standard library only; import the module you need.
"""

__all__: list[str] = []
