"""The consistency lab: whether a persona holds, measured in many ways."""
