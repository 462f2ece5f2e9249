"""PAHF: people whose preferences switch on the way."""
