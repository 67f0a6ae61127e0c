"""Data: where images and boxes come from, what is checked about them, and how they reach a detector."""
