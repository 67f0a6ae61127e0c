"""How far apart a config's anchors stand."""


def anchor_strides(cfg) -> list[int]:
    """Pixels of the network's input from one place with anchors to the next, for each level, finest first.

    Raises:
        ValueError: a detector without anchors.
    """
    if "RetinaNet" in cfg.MODEL.META_ARCHITECTURE:
        levels = cfg.MODEL.RETINANET.IN_FEATURES
    elif cfg.MODEL.PROPOSAL_GENERATOR.NAME == "RPN":
        levels = cfg.MODEL.RPN.IN_FEATURES
    else:
        raise ValueError(
            f"{cfg.MODEL.META_ARCHITECTURE} with {cfg.MODEL.PROPOSAL_GENERATOR.NAME} has no anchors to fit "
            "(MODEL.FCOS.SIZES_OF_INTEREST parts FCOS's levels)"
        )
    return [2 ** int(level[-1]) for level in levels]  # p3 has stride 8, and so has res3
