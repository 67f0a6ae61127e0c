"""What every bottom-up reads from cfg.MODEL.BOTTOM_UP."""

from dataclasses import replace

from detectron2.config import CfgNode

from dense_det.layers.conv import LayerOptions
from dense_det.suggest import unknown


def find_variant(cfg: CfgNode, variants: dict):
    """The row of `variants` that MODEL.BOTTOM_UP.VARIANT names; ValueError with the nearest names otherwise."""
    name = cfg.MODEL.BOTTOM_UP.VARIANT
    if name not in variants:
        raise ValueError(f"MODEL.BOTTOM_UP.VARIANT: {unknown('variant', name, variants)}")
    return variants[name]


def bottom_up_arguments(cfg: CfgNode) -> dict:
    """The keyword arguments that every `make_*` shares.

    Returns:
        dict: `stem_options` and `stage_options` (LayerOptions; one for each of stage2 to stage5), `freeze_at`,
        and `out_features`: the stages that the pyramid reads, or none, which is all, where there is no pyramid.

    Raises:
        ValueError: DEFORM_ON_PER_STAGE without exactly four values.
    """
    options = LayerOptions(norm=cfg.MODEL.BOTTOM_UP.NORM, activation=cfg.MODEL.BOTTOM_UP.ACTIVATION)
    deform = cfg.MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE
    if len(deform) != 4:
        raise ValueError(f"MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE has a value for each of stage2 to stage5, got {deform}")
    return {
        "stem_options": options,
        "stage_options": [replace(options, conv="deform" if d else "plain") for d in deform],
        "out_features": tuple(cfg.MODEL.FPN.IN_FEATURES),
        "freeze_at": cfg.MODEL.BACKBONE.FREEZE_AT,
    }
