"""Speech from the scalp: envelopes reconstructed from EEG, and which of two talkers is attended."""
