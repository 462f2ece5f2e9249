"""From result files to one page."""
