"""A stem and stages, as a Detectron2 backbone."""

import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import nn

from dense_det.blocks.build import Block
from dense_det.suggest import unknown


class StagedBackbone(Backbone):
    """A stem to stride 2 or 4, then stages of blocks: stage k has stride 2^k.

    (N, C, H, W) -> {"stage2": (N, C2, H / 4, W / 4), ..., "stage5": (N, C5, H / 32, W / 32)}, those in `out_features`.
    H and W should be multiples of 32 (size_divisibility): pools round down, and a pyramid adds neighbouring stages.

    Args:
        stages: the blocks of stage2, stage3, ...
        out_features: names of the stages to return, () for all; stages above the last of them are not kept.
        freeze_at: 0 freezes nothing, 1 the stem, k the stem and stages up to stage k. Batch norms of
            frozen parts become FrozenBN, those of the other parts stay as they are.

    Raises:
        ValueError: an out_feature that is no stage, a freeze_at outside of 0 to the last stage.
    """

    def __init__(self, stem: Block, stages: list[list[Block]], out_features: tuple[str, ...], freeze_at: int = 0):
        super().__init__()
        known = [f"stage{k}" for k in range(2, 2 + len(stages))]
        out_features = out_features or tuple(known)
        for feature in out_features:
            if feature not in known:
                raise ValueError(unknown("output of the bottom-up (MODEL.FPN.IN_FEATURES)", feature, known))
        if not 0 <= freeze_at <= len(stages) + 1:
            raise ValueError(f"FREEZE_AT is 0 (nothing), 1 (stem) to {len(stages) + 1} (everything), got {freeze_at}")
        self.stem = stem
        self.stage_names = known[: max(known.index(feature) for feature in out_features) + 1]
        stride = stem.stride
        self._out_features = [name for name in self.stage_names if name in out_features]
        self._out_feature_channels, self._out_feature_strides = {}, {}
        for name, blocks in zip(self.stage_names, stages, strict=False):
            self.add_module(name, nn.Sequential(*blocks))
            for block in blocks:
                stride *= block.stride
            assert stride == 2 ** int(name[-1]), f"{name} must have stride {2 ** int(name[-1])}, has {stride}"
            self._out_feature_channels[name] = blocks[-1].out_channels
            self._out_feature_strides[name] = stride
        self._freeze(freeze_at)

    def _freeze(self, freeze_at: int) -> None:
        parts = [[self.stem]] + [getattr(self, name) for name in self.stage_names]
        for blocks in parts[:freeze_at]:
            for block in blocks:
                block.freeze()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = self.stem(x)
        outputs = {}
        for name in self.stage_names:
            x = getattr(self, name)(x)
            if name in self._out_features:
                outputs[name] = x
        return outputs

    def output_shape(self) -> dict[str, ShapeSpec]:
        return {
            name: ShapeSpec(channels=self._out_feature_channels[name], stride=self._out_feature_strides[name])
            for name in self._out_features
        }

    @property
    def size_divisibility(self) -> int:
        return 32
