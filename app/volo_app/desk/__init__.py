"""The operator's desk: one window with the signal, the controls and what is spelled, and its engine in a process.

Models know no Qt; only ``window``, ``panels``, ``theme`` and ``app`` import it.
"""
