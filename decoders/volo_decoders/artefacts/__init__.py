"""Artefacts while they happen.

`gate` tells samples that are not brain, `eog` takes the eyes out, `derivations` are spatial references. All are stages,
named in a chain like any other; the common average is in `pipeline.stages`.
"""
