"""PrefEval: preferences that were stated long ago."""
