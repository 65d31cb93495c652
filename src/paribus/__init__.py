"""Paribus: deep-learning experiments by config. Change one part, keep all else equal, see what it does."""

__version__ = "0.1.0"
