"""Sources of signals: each module one kind, its driver imported when it is opened."""
