"""Decoders of steady-state visual evoked potentials."""
