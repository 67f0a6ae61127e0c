import pytest

from dense_det.blocks.build import BLOCK_REGISTRY, Block, build_block
from dense_det.layers.conv import LayerOptions


def test_a_block_by_name():
    block = build_block("OSABlock", 8, 16, stride=2, options=LayerOptions(), mid_channels=4, num_convs=2)
    assert isinstance(block, Block)
    assert (block.in_channels, block.out_channels, block.stride) == (8, 16, 2)
    assert "OSABlock" in BLOCK_REGISTRY


def test_an_unknown_block_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no block named 'OSABlok'; did you mean 'OSABlock'"):
        build_block("OSABlok", 8, 16, options=LayerOptions())
