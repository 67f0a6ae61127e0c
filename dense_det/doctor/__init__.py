"""What on this machine would keep dense_det from working, and what mends it: `python -m dense_det.doctor`."""
