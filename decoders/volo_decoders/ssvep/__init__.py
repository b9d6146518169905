"""Decoders of steady-state visual evoked potentials.

Without calibration: `cca`, `fbcca`, and `transfer_cca`, which learns from recorded participants. With calibration and
stimuli locked to the windows: `extended_cca`, `ms_cca`, `trca`, `trca_variants`, `tdca`. Below them, `filterbank`:
sub-bands; `references`: sines and cosines; `targets`: labels and frequencies; `spatial`: filters; `averages`: what
decoders of class averages share.
"""
