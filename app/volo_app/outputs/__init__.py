"""Outputs: where commands go."""
