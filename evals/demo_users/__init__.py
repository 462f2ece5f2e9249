"""Invented people whose interactions ship with the package, one JSON file a person."""
