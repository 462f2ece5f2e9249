"""From files to data sets in which no query sees its future."""
