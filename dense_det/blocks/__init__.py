"""A few layers with in_channels, out_channels and stride; importing this room registers them by name."""

from dense_det.blocks import osa  # noqa: F401
