"""Decoders of motor imagery: where and in which band the sensorimotor rhythms are weaker or stronger."""
