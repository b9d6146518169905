"""Recording: append-only XDF files, their index, verification and repair."""
