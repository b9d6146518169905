"""Judging decoders: spread over people, what guessing from the order of cues reaches, duplicate recordings."""
