"""Floor 3 of Volo: the engine, session folders, outputs and the command line.

Importing the package itself loads the standard library only; import the module you need.
"""

__all__: list[str] = []
