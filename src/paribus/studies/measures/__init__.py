"""Measures: what studies look at beyond the figures of a run. Each is a function of a run that gives figures."""
