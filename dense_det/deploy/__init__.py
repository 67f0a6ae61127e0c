"""A detector as one file: exported, checked against the model that it came from, and run without torch."""
