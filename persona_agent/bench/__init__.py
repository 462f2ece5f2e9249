"""Benchmarks: what the system costs in time and memory, as ratios within one run."""
