"""Hardware profiles: TOML files, one per amplifier, read with importlib.resources.

Importing the package itself loads the standard library only; import the module you need.
"""

__all__: list[str] = []
