"""Decoders of steady-state visual evoked potentials.

`fbcca`: without calibration, any window length. `trca`: with calibration, locked to the stimulus phase. Below them,
`filterbank`: sub-bands; `references`: what FBCCA compares with; `spatial`: the filters ETRCA finds; `scored`: what they
share.
"""
