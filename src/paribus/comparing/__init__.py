"""Comparing finished runs: variants, pairs, what their differences say, and the files and figure of it. No torch."""
