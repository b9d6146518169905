"""What can be measured of a trial, how well it tells classes apart, and how to choose: no windows, no devices."""
