"""A vovnet-detectron2 or centermask2 config in our keys, and what could not be taken along."""

import ast
from dataclasses import dataclass, field
from pathlib import Path

from detectron2.config import CfgNode

from dense_det.config import get_cfg
from dense_det.config_file import read_chain

RENAMED = {
    "MODEL.VOVNET.CONV_BODY": "MODEL.BOTTOM_UP.VARIANT",
    "MODEL.VOVNET.NORM": "MODEL.BOTTOM_UP.NORM",
    "MODEL.VOVNET.STAGE_WITH_DCN": "MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE",
}

# (key, their name) -> ours: registries are shared, so that ours must differ where theirs may be imported, too
RENAMED_VALUES = {
    ("MODEL.META_ARCHITECTURE", "RetinaNet"): "DenseDetRetinaNet",
    ("MODEL.META_ARCHITECTURE", "OneStageDetector"): "DenseDetCenterMask",
    ("MODEL.PROPOSAL_GENERATOR.NAME", "FCOS"): "DenseDetFCOS",
    ("MODEL.ROI_HEADS.NAME", "CenterROIHeads"): "DenseDetCenterROIHeads",
    ("MODEL.ROI_MASK_HEAD.NAME", "SpatialAttentionMaskHead"): "DenseDetSpatialAttentionMaskHead",
}

# key, or its beginning up to a dot -> why nothing here corresponds to it
DROPPED = {
    "MODEL.VOVNET.OUT_FEATURES": "the stages that MODEL.FPN.IN_FEATURES names are computed",
    "MODEL.VOVNET.OUT_CHANNELS": "it had no effect there either",
    "MODEL.VOVNET.BACKBONE_OUT_CHANNELS": "it had no effect there either",
    "MODEL.VOVNET.WITH_MODULATED_DCN": "deformable convolutions are always modulated here",
    "MODEL.VOVNET.DEFORMABLE_GROUPS": "deformable convolutions have one group here",
    "MODEL.MOBILENET": "MODEL.BACKBONE.NAME says it",
    "MODEL.FCOS.FPN_STRIDES": "the pyramid says them",
    "MODEL.FCOS.TOP_LEVELS": "MODEL.FPN.TOP_BLOCK says it",
    "MODEL.ROI_MASKIOU_HEAD.NAME": "there is one such head",
    "MODEL.ROI_KEYPOINT_HEAD.ASSIGN_CRITERION": "of keypoints by CenterMask, which are not here",
}

VOVNET = {
    "MODEL.BOTTOM_UP.NAME": "build_vovnet_backbone",
    "MODEL.BOTTOM_UP.VARIANT": "V-39-eSE",
    "MODEL.BOTTOM_UP.NORM": "FrozenBN",
}
MOBILENET = {
    "MODEL.BOTTOM_UP.NAME": "build_blocknet_backbone",
    "MODEL.BOTTOM_UP.VARIANT": "MobileNetV2",
    "MODEL.BOTTOM_UP.ACTIVATION": "ReLU6",
    "MODEL.BOTTOM_UP.NORM": "FrozenBN",
}
RESNET = {"MODEL.BOTTOM_UP.NAME": "build_resnet_backbone"}
RCNN = {"MODEL.FPN.TOP_BLOCK": "LastLevelMaxPool", "MODEL.FPN.TOP_BLOCK_IN": "p5"}
FCOS = {"MODEL.FPN.TOP_BLOCK": "LastLevelP6P7", "MODEL.FPN.TOP_BLOCK_IN": "p5"}
# AdelaiDet's FCOS as a detector of its own
FCOS_ALONE = {
    "MODEL.PROPOSAL_GENERATOR.NAME": "DenseDetFCOS",
    "MODEL.ROI_HEADS.NAME": "DenseDetCenterROIHeads",
    "MODEL.MASK_ON": False,
}

# their builders -> our bottom-up and the top of our pyramid, with the defaults that those builders have
BUILDERS = {
    "build_vovnet_fpn_backbone": VOVNET | RCNN,
    "build_fcos_vovnet_fpn_backbone": VOVNET | FCOS,
    "build_mobilenetv2_fpn_backbone": MOBILENET | RCNN,
    "build_fcos_mobilenetv2_fpn_backbone": MOBILENET | FCOS,
    "build_resnet_fpn_backbone": RESNET | RCNN,
    "build_fcos_resnet_fpn_backbone": RESNET | FCOS,
}


@dataclass
class Conversion:
    """Our config, and what became of theirs.

    Attributes:
        tree: nested, as in a YAML file; without a `_BASE_`.
        renamed: their key -> ours.
        dropped: their key -> why.
        remarks: what to know about the result.
    """

    tree: dict = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def to_text(self) -> str:
        """One line for each thing that is not as it was."""
        lines = [f"renamed: {key} -> {new}" for key, new in self.renamed.items()]
        lines += [f"dropped: {key}: {why}" for key, why in self.dropped.items()]
        return "\n".join([*lines, *(f"note: {remark}" for remark in self.remarks)])


def convert_config(path) -> Conversion:
    """The config at `path`, with its `_BASE_` chain, for `load_cfg`.

    Raises:
        FileNotFoundError, ValueError: as `read_chain`; a value that does not fit our key.
    """
    theirs = {}
    for _, said in read_chain(Path(path)):
        theirs |= {key: _literal(value) for key, value in _flatten(said).items() if key != "_BASE_"}
    known = _flatten(get_cfg())
    result = Conversion()
    ours = {"INPUT.RANDOM_FLIP": "horizontal"}  # Detectron2's default, which is not ours
    ours |= _pyramid(theirs, result)
    ours |= _detector(theirs)
    for key, value in theirs.items():
        reason = next((why for drop, why in DROPPED.items() if key == drop or key.startswith(f"{drop}.")), None)
        if reason:
            result.dropped[key] = reason
        elif key in RENAMED:
            result.renamed[key] = RENAMED[key]
            ours[RENAMED[key]] = value
        elif key not in known:
            result.dropped[key] = "there is no such key here"
        elif key in ("MODEL.META_ARCHITECTURE", "MODEL.BACKBONE.NAME") and key in ours:
            result.renamed[f"{key} {value}"] = str(ours[key])
        elif isinstance(value, str) and (key, value) in RENAMED_VALUES:
            result.renamed[f"{key} {value}"] = ours[key] = RENAMED_VALUES[key, value]
        else:
            ours[key] = value
    _mend_values(ours, result)
    for key, value in ours.items():
        _set(result.tree, key, value)
    try:
        get_cfg().merge_from_other_cfg(CfgNode(result.tree))
    except (ValueError, AssertionError, KeyError) as error:
        raise ValueError(f"{path}: {error}") from error
    return result


def _pyramid(theirs: dict, result: Conversion) -> dict:
    """Our keys for their builder; {} for one that needs no translation."""
    name = theirs.get("MODEL.BACKBONE.NAME", "")
    if name not in BUILDERS:
        return {}
    modulated = theirs.get("MODEL.VOVNET.WITH_MODULATED_DCN", False)
    if any(theirs.get("MODEL.VOVNET.STAGE_WITH_DCN", [])) and not modulated:
        result.remarks.append("deformable convolutions become modulated ones: weights lack the masks' part")
    if theirs.get("MODEL.BACKBONE.FREEZE_AT", 2) > 0:
        result.remarks.append("FREEZE_AT freezes the stem and the first stages only; theirs froze all batch norms")
    return {"MODEL.BACKBONE.NAME": "build_fpn_backbone"} | BUILDERS[name]


def _detector(theirs: dict) -> dict:
    """Our keys for FCOS alone, and for the GeneralizedRCNN that has FCOS's boxes."""
    if theirs.get("MODEL.META_ARCHITECTURE") == "OneStageDetector":
        return FCOS_ALONE | {"MODEL.META_ARCHITECTURE": "DenseDetCenterMask"}
    fcos = theirs.get("MODEL.PROPOSAL_GENERATOR.NAME") == "FCOS"
    in_rcnn = theirs.get("MODEL.META_ARCHITECTURE") == "GeneralizedRCNN"
    return {"MODEL.META_ARCHITECTURE": "DenseDetCenterMask"} if fcos and in_rcnn else {}


def _mend_values(ours: dict, result: Conversion) -> None:
    """Values that mean something else here."""
    if "://" in str(ours.get("MODEL.WEIGHTS", "")):
        result.remarks.append(
            f"nothing is downloaded at run time: fetch {ours['MODEL.WEIGHTS']} and put the file's path in MODEL.WEIGHTS"
        )
        ours["MODEL.WEIGHTS"] = ""
    if ours.get("MODEL.BOTTOM_UP.NAME") == MOBILENET["MODEL.BOTTOM_UP.NAME"] and "MODEL.FPN.IN_FEATURES" in ours:
        ours["MODEL.FPN.IN_FEATURES"] = [name.replace("res", "stage") for name in ours["MODEL.FPN.IN_FEATURES"]]


def _literal(value):
    """Detectron2's files write tuples as text: "(640, 800)" -> [640, 800]."""
    if isinstance(value, str) and value[:1] in "([":
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return value
    return list(value) if isinstance(value, tuple) else value


def _flatten(tree: dict, prefix: str = "") -> dict:
    """{"A": {"B": 1}} -> {"A.B": 1}"""
    flat = {}
    for key, value in tree.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat


def _set(tree: dict, key: str, value) -> None:
    *folders, leaf = key.split(".")
    for folder in folders:
        tree = tree.setdefault(folder, {})
    tree[leaf] = value
