"""The head of the simulated participant: signals from attended-target markers."""
