"""Recording: append-only XDF files that are whole at any moment; reading, verifying and repairing them."""

__all__: list[str] = []
