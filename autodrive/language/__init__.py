"""Plain English to steps that are grounded in tracked objects."""
