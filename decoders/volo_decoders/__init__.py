"""Floor 1 of Volo: filters, windows, features, decoders and the online pipeline.

Importing the package itself loads the standard library only; import the module you need.
"""

__all__: list[str] = []
