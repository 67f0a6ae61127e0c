"""A few layers with in_channels, out_channels and stride; importing this room registers them by name."""

from dense_det.blocks import (  # noqa: F401
    bottleneck,
    factorised,
    inception,
    inverted_residual,
    nas_cell,
    osa,
    plain_dense,
    residual,
    separable,
    shuffle,
    two_way_dense,
)
