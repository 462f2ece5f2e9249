"""The atlas: personas embedded, clustered, mapped, and a verdict on whether that means anything."""
