"""Readers of public data sets, by the layout of their folders."""
