"""The arms that an evaluation compares, and what is left out of ours."""
