"""Detectors that are trained, measured and shipped by one command: the list, its rows, the table, the folders."""
