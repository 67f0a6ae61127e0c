"""The contract of a block, and the registry of blocks."""

from detectron2.layers import CNNBlockBase
from detectron2.utils.registry import Registry

from dense_det.layers.conv import LayerOptions
from dense_det.suggest import unknown

BLOCK_REGISTRY = Registry("BLOCK")
BLOCK_REGISTRY.__doc__ = """
Blocks by name: called as Block(in_channels, out_channels, stride=stride, options=options, **its own arguments).
"""


class Block(CNNBlockBase):
    """(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride); freeze() makes it a constant.

    Detectron2's contract under a short name: subclasses call `super().__init__(in_channels, out_channels, stride)`.
    """


def build_block(
    name: str, in_channels: int, out_channels: int, *, stride: int = 1, options: LayerOptions, **own
) -> Block:
    """The block registered as `name`.

    Raises:
        ValueError: no such block; the nearest names are suggested.
    """
    if name not in BLOCK_REGISTRY:
        raise ValueError(unknown("block", name, [known for known, _ in BLOCK_REGISTRY]))
    return BLOCK_REGISTRY.get(name)(in_channels, out_channels, stride=stride, options=options, **own)
