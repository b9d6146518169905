"""What protects the person in front of the screen: screening, limits, and a judge of flicker."""
