"""Floor 2 of Volo: trial machines, stimuli as data, speller and controller logic.

Importing the package itself loads the standard library only; import the module you need.
"""

__all__: list[str] = []
