"""Evaluation: data sets, arms, metrics, results, and the demo."""
