"""The online pipeline: stages, windows, decoding and stopping."""
