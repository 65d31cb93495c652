"""Sweeps: many runs that differ in what varies and in nothing else. Nothing here but jobs.py imports torch."""
