"""Every configuration key that dense_det adds to Detectron2's, and the one door to a config file."""

import hashlib
import json
import re
from functools import reduce
from importlib.resources import files
from operator import getitem
from pathlib import Path

from detectron2.config import CfgNode as CN
from detectron2.config import get_cfg as get_detectron2_cfg

from dense_det.config_file import read_chain
from dense_det.suggest import unknown


def add_dense_det_config(cfg: CN) -> CN:
    """Add dense_det's keys, with their defaults, to Detectron2's `cfg`; returns `cfg`."""
    # --- the bottom-up network below the pyramid -----------------------------------------------
    cfg.MODEL.BOTTOM_UP = CN()
    # a key of BACKBONE_REGISTRY: one of ours, or one of Detectron2's own (build_resnet_backbone)
    cfg.MODEL.BOTTOM_UP.NAME = "build_vovnet_backbone"
    # a row of that family's VARIANTS, by its published name
    cfg.MODEL.BOTTOM_UP.VARIANT = "V-39-eSE"
    # BN, SyncBN, FrozenBN, GN, LN or "" (none); FrozenBN only with weights
    cfg.MODEL.BOTTOM_UP.NORM = "BN"
    # ReLU, ReLU6, LeakyReLU, SiLU, Hardswish or GELU
    cfg.MODEL.BOTTOM_UP.ACTIVATION = "ReLU"
    # deformable 3x3 convolutions in stage2, stage3, stage4, stage5 (DCNv2, arXiv 1811.11168)
    cfg.MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE = [False, False, False, False]
    # DenseNet and CSPDenseNet: compute concatenations again in the backward pass instead of keeping them
    cfg.MODEL.BOTTOM_UP.MEMORY_EFFICIENT = False

    # any block in a YAML: build_blocknet_backbone stacks BLOCK; where that is "", VARIANT names a row
    cfg.MODEL.BOTTOM_UP.BLOCKNET = CN()
    # a name in BLOCK_REGISTRY
    cfg.MODEL.BOTTOM_UP.BLOCKNET.BLOCK = ""
    # how many blocks, and of what width, in stage2, stage3, stage4, stage5
    cfg.MODEL.BOTTOM_UP.BLOCKNET.NUM_BLOCKS = [2, 2, 2, 2]
    cfg.MODEL.BOTTOM_UP.BLOCKNET.WIDTHS = [64, 128, 256, 512]
    # the block's own parameters: NAME, value, NAME, value, ...
    cfg.MODEL.BOTTOM_UP.BLOCKNET.OPTIONS = []
    # ResNetStem, ConvStem, PeleeStem or MobileNetV2Stem, and its width
    cfg.MODEL.BOTTOM_UP.BLOCKNET.STEM = "ResNetStem"
    cfg.MODEL.BOTTOM_UP.BLOCKNET.STEM_WIDTH = 64

    cfg.MODEL.PELEENET = CN()
    # pools between stages round odd sizes up, as the authors' Caffe does, not down, as their PyTorch does
    cfg.MODEL.PELEENET.CEIL_MODE = False

    # --- the pyramid (widths, norm and IN_FEATURES are Detectron2's own MODEL.FPN keys) ----------
    # levels above p5: LastLevelP6P7 (RetinaNet, FCOS), LastLevelMaxPool (Faster R-CNN) or "" (none)
    cfg.MODEL.FPN.TOP_BLOCK = "LastLevelP6P7"
    # what the top block reads: a pyramid level ("p5") or a stage of the bottom-up ("stage5")
    cfg.MODEL.FPN.TOP_BLOCK_IN = "p5"
    # depthwise-separable 3x3 convolutions in the pyramid and its top block, for light nets
    cfg.MODEL.FPN.DEPTHWISE = False

    # --- RetinaNet's head (depth and norm are Detectron2's own MODEL.RETINANET keys) -------------
    cfg.MODEL.RETINANET.HEAD = CN()
    # of all its convolutions: 3 (Detectron2's head) or 1 (a light one, a ninth of the multiply-adds)
    cfg.MODEL.RETINANET.HEAD.KERNEL_SIZE = 3
    # channels of its convolutions; 0 is as many as the pyramid has
    cfg.MODEL.RETINANET.HEAD.WIDTH = 0

    # --- FCOS, alone or below CenterMask's masks: MODEL.PROPOSAL_GENERATOR.NAME DenseDetFCOS -----
    cfg.MODEL.FCOS = CN()
    # as many as the data have: set by tools/train_net.py
    cfg.MODEL.FCOS.NUM_CLASSES = 80
    # levels of the pyramid, finest first
    cfg.MODEL.FCOS.IN_FEATURES = ["p3", "p4", "p5", "p6", "p7"]
    # distances to the farthest side, in pixels, that part the levels: one less than IN_FEATURES
    cfg.MODEL.FCOS.SIZES_OF_INTEREST = [64, 128, 256, 512]
    # 3x3 convolutions of the class tower, of the box tower, and before both
    cfg.MODEL.FCOS.NUM_CLS_CONVS = 4
    cfg.MODEL.FCOS.NUM_BOX_CONVS = 4
    cfg.MODEL.FCOS.NUM_SHARE_CONVS = 0
    # of the towers: GN, BN (statistics for each level), SyncBN, FrozenBN, LN or "" (none)
    cfg.MODEL.FCOS.NORM = "GN"
    # the last convolution of each tower is deformable
    cfg.MODEL.FCOS.USE_DEFORMABLE = False
    # a learnable factor on the distances of each level
    cfg.MODEL.FCOS.USE_SCALE = True
    # distances are relu(x) strides; False: exp(x) pixels, as in CenterMask's first version
    cfg.MODEL.FCOS.USE_RELU = True
    # what every class scores at the beginning
    cfg.MODEL.FCOS.PRIOR_PROB = 0.01
    # only locations within POS_RADIUS strides of an object's centre learn it
    cfg.MODEL.FCOS.CENTER_SAMPLE = True
    cfg.MODEL.FCOS.POS_RADIUS = 1.5
    # alpha and gamma of the focal loss
    cfg.MODEL.FCOS.LOSS_ALPHA = 0.25
    cfg.MODEL.FCOS.LOSS_GAMMA = 2.0
    # giou, iou or linear_iou
    cfg.MODEL.FCOS.LOC_LOSS_TYPE = "giou"
    # what weighs a box's score: ctrness (how central the location is) or iou (how well the box fits)
    cfg.MODEL.FCOS.BOX_QUALITY = "ctrness"
    # least class score of a box, in training (boxes for the mask head) and at test
    cfg.MODEL.FCOS.INFERENCE_TH_TRAIN = 0.05
    cfg.MODEL.FCOS.INFERENCE_TH_TEST = 0.05
    # compare that with class score times quality instead
    cfg.MODEL.FCOS.THRESH_WITH_CTR = False
    # most boxes of a level before suppression, its IoU threshold, most boxes of an image after it
    cfg.MODEL.FCOS.PRE_NMS_TOPK_TRAIN = 1000
    cfg.MODEL.FCOS.PRE_NMS_TOPK_TEST = 1000
    cfg.MODEL.FCOS.NMS_TH = 0.6
    cfg.MODEL.FCOS.POST_NMS_TOPK_TRAIN = 100
    cfg.MODEL.FCOS.POST_NMS_TOPK_TEST = 100
    # cut boxes to the image before masks are predicted in them; published CenterMask2 does not
    cfg.MODEL.FCOS.CLIP_BOXES = False

    # --- CenterMask's masks: MODEL.ROI_HEADS.NAME DenseDetCenterROIHeads (Detectron2's ROI_MASK_HEAD keys hold) --
    # which level a box's features come from: "ratio" (its share of the image) or "area" (its pixels, as in FPN)
    cfg.MODEL.ROI_MASK_HEAD.ASSIGN_CRITERION = "area"
    # turn masks into four corners (pred_quads; "quad" in the result file)
    cfg.MODEL.ROI_MASK_HEAD.QUADS = False
    # a head that predicts the IoU of each mask: masks are then ranked by box score times IoU
    cfg.MODEL.MASKIOU_ON = False
    cfg.MODEL.MASKIOU_LOSS_WEIGHT = 1.0
    cfg.MODEL.ROI_MASKIOU_HEAD = CN()
    # 3x3 convolutions, the last of stride 2, their width, and the width of the two layers behind them
    cfg.MODEL.ROI_MASKIOU_HEAD.NUM_CONV = 4
    cfg.MODEL.ROI_MASKIOU_HEAD.CONV_DIM = 256
    cfg.MODEL.ROI_MASKIOU_HEAD.FC_DIM = 1024

    # --- input: what training images go through (flips and sizes are Detectron2's own keys) ------
    cfg.INPUT.AUGMENT = CN()
    # factor on the resized image, drawn log-uniformly; (1, 1) is off
    cfg.INPUT.AUGMENT.SCALE_RANGE = [1.0, 1.0]
    # largest shift of the page, as a share of its width and height
    cfg.INPUT.AUGMENT.SHIFT = 0.0
    # probability that an enlarged page (SCALE_RANGE above 1) is cut such that a random object lies within
    cfg.INPUT.AUGMENT.FOCUS = 0.0
    # strengths of photometric jitter: factors are drawn from [1 - s, 1 + s]
    cfg.INPUT.AUGMENT.BRIGHTNESS = 0.0
    cfg.INPUT.AUGMENT.CONTRAST = 0.0
    cfg.INPUT.AUGMENT.SATURATION = 0.0
    # probability of scan wear: blur, noise, paper tint, uneven light, JPEG
    cfg.INPUT.AUGMENT.SCAN_WEAR = 0.0

    # documents have handedness: a mirrored page is no page (Detectron2's default is "horizontal")
    cfg.INPUT.RANDOM_FLIP = "none"

    # --- data ----------------------------------------------------------------------------------
    # run check_data on every data set before training (the result is cached by content)
    cfg.DATASETS.CHECK = True
    # share of each batch that people labelled, where DATASETS.TRAIN names files of theirs and of pseudo-labels (Data
    # Distillation, arXiv 1712.04440, section 4: 6 of 10); 0: as the images come
    cfg.DATALOADER.LABELLED_SHARE = 0.6
    # a pseudo-labelled object weighs as much as its score in the losses of RetinaNet and FCOS, not 1
    cfg.DATALOADER.WEIGHT_BY_SCORE = False

    # --- training ------------------------------------------------------------------------------
    # activations and weights as NHWC in memory: same numbers, faster convolutions
    cfg.MODEL.CHANNELS_LAST = True
    # read .pkl and other pickled checkpoints, which may run any code: only files that you made
    cfg.MODEL.TRUST_PICKLE = False
    # SGD (Detectron2's) or AdamW (decoupled decay, arXiv 1711.05101); both per SOLVER's keys
    cfg.SOLVER.OPTIMIZER = "SGD"
    # exponential moving average of the weights, used for evaluation and final weights; 0 is off
    cfg.SOLVER.EMA_DECAY = 0.0
    # stop after so many evaluations without a better TEST.BEST_METRIC; 0 is never
    cfg.SOLVER.EARLY_STOP_PATIENCE = 0

    # --- evaluation ----------------------------------------------------------------------------
    # "task/metric" that decides which checkpoint is the best
    cfg.TEST.BEST_METRIC = "bbox/AP"
    # compute the losses on the test set at every evaluation, too
    cfg.TEST.VAL_LOSS = True
    # test-time augmentation (Detectron2's TEST.AUG keys) of --eval-only and of the evaluation that ends a training:
    # what two views find of one class is one thing, if it overlaps by more than this IoU
    cfg.TEST.AUG.NMS_THRESH = 0.5
    # a mirrored page is no page here, either (Detectron2's default is True)
    cfg.TEST.AUG.FLIP = False
    # how many of the worst images to draw after an evaluation
    cfg.TEST.WORST_IMAGES = 25
    return cfg


def get_cfg() -> CN:
    """Detectron2's default config with dense_det's keys."""
    return add_dense_det_config(get_detectron2_cfg())


def find_config(name) -> Path:
    """The file of that path, or where there is none the config of that name in the installed Detectron2's model zoo
    ("COCO-Detection/retinanet_R_50_FPN_3x.yaml"); a path that is neither comes back as it is.

    Raises:
        FileNotFoundError: a folder of the model zoo, but no file of it; the nearest names are suggested.
    """
    path, root = Path(name), Path(str(files("detectron2"))) / "model_zoo" / "configs"
    folders = [folder.name for folder in root.iterdir() if folder.is_dir()]
    if path.is_file() or str(path.parent) not in folders:
        return path
    if not (root / path).is_file():
        known = [str(path.with_name(file.name)) for file in sorted((root / path).parent.glob("*.yaml"))]
        raise FileNotFoundError(unknown("config in Detectron2's model zoo", str(path), known))
    return root / path


def load_cfg(path, opts=()) -> CN:
    """The config of a YAML file, then of `opts`, a flat list KEY VALUE KEY VALUE ...

    Raises:
        FileNotFoundError: no such file; the nearest names of its folder are suggested.
        ValueError: YAML that does not parse or is not safe, a key that does not exist (the nearest
            ones are suggested), a value of the wrong type, or KEYs and VALUEs that do not pair up.
    """
    cfg = get_cfg()
    path = Path(path)
    _merge_file(cfg, path)
    opts = list(opts)
    if len(opts) % 2:
        raise ValueError(f"overrides must be pairs KEY VALUE, got {len(opts)} words: {' '.join(map(str, opts))}")
    known = _key_names(cfg)
    for key in opts[::2]:
        if key not in known:
            raise ValueError(f"command line: {_unknown_key(key, known)}")
    try:
        for key, value in zip(opts[::2], opts[1::2], strict=True):
            cfg.merge_from_list([key, _like(reduce(getitem, key.split("."), cfg), value)])
    except (ValueError, AssertionError, KeyError) as error:
        raise ValueError(f"command line: {error}") from error
    return cfg


def config_digests(path) -> dict[str, str]:
    """SHA-256 of what each file of a config's `_BASE_` chain says, its comments and the order of keys aside, by path.

    Raises as load_cfg does where a file of the chain cannot be read.
    """
    texts = {str(file): json.dumps(tree, sort_keys=True, default=str) for file, tree in read_chain(Path(path))}
    return {file: hashlib.sha256(text.encode()).hexdigest() for file, text in texts.items()}


def initial_weights(path, opts=()) -> str:
    """The file that a training of the config begins from, "" from scratch; raises as load_cfg does."""
    return load_cfg(path, opts).MODEL.WEIGHTS


def _merge_file(cfg: CN, path: Path) -> None:
    """Merge the `_BASE_` chain of `path`, naming file and key when something is wrong."""
    for file, said in read_chain(path):
        tree = {key: value for key, value in said.items() if key != "_BASE_"}
        known = _key_names(cfg)
        for key in _key_names(tree):
            if key not in known:
                raise ValueError(f"{file}: {_unknown_key(key, known)}")
        try:
            cfg.merge_from_other_cfg(CN(_like(cfg, tree)))
        except (ValueError, AssertionError, KeyError) as error:
            raise ValueError(f"{file}: {error}") from error


def _like(default, value):
    """A whole number as a real one where the default is real, at any depth: yacs takes no 0 for 0.0."""
    if isinstance(default, dict) and isinstance(value, dict):
        return {key: _like(default[key], part) for key, part in value.items()}
    is_whole = type(value) is int or (isinstance(value, str) and re.fullmatch("[+-]?[0-9]+", value))
    return float(value) if type(default) is float and is_whole else value


def _key_names(tree: dict, prefix: str = "") -> list[str]:
    """["MODEL", "MODEL.FPN", "MODEL.FPN.NORM", ...] of a nested dict."""
    names = []
    for key, value in tree.items():
        names.append(f"{prefix}{key}")
        if isinstance(value, dict):
            names += _key_names(value, f"{prefix}{key}.")
    return names


def _unknown_key(key: str, known: list[str]) -> str:
    # a known last word at another place ("MODEL.NORM") says more than an alike spelling
    same_leaf = [k for k in known if k.split(".")[-1] == str(key).split(".")[-1]]
    return unknown("config key", key, known, near=same_leaf[:3])
