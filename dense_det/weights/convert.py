"""A file's tensors, renamed and completed for a network that is given by the names and shapes of its tensors."""

import re
from collections.abc import Collection, Iterator, Mapping

import torch

from dense_det.weights import cspnet, densenet, mobilenet, peleenet, resnet, vovnet
from dense_det.weights.report import CLASSIFIER_UNUSED, Report
from dense_det.weights.source import CLASSIFIER, Source

SOURCES: tuple[Source, ...] = (
    *vovnet.SOURCES,
    *densenet.SOURCES,
    *cspnet.SOURCES,
    *peleenet.SOURCES,
    *resnet.SOURCES,
    *mobilenet.SOURCES,
)

# what wrappers and detectors put in front of a bottom-up's names; `img_backbone` is of the 3-D detectors' forks
PREFIXES = ("module.", "model.", "_orig_mod.", "backbone.", "bottom_up.", "img_backbone.", "features.")
BOTTOM_UPS = ("backbone.bottom_up.", "bottom_up.", "backbone.", "")

# what CenterMask2 calls its spatial attention -> ours; all other names of its heads are the same
HEAD_NAMES = (("roi_heads.mask_head.spatialAtt.", "roi_heads.mask_head.spatial_attention."),)

# counters and constants: taken where they are found, but nothing that was learnt is lost without them
BOOKKEEPING = re.compile(
    r"(.*\.)?(num_batches_tracked|pixel_mean|pixel_std|positives_per_image|anchor_generator\.cell_anchors\.\d+)"
)
GATE = re.compile(r".*\.attention\.fc\.(weight|bias)")
STATISTICS = re.compile(r".*\.running_(mean|var)")

# hardsigmoid(3) = 1: the gate lets all pass, exactly; but from there on its gradient is 0
OPEN_GATE = 3.0
# 0.17 % below 1, where the gradient is 1 / 6: a gate that can still learn to close
TRAINABLE_GATE = 2.99


def convert(
    state: Mapping[str, torch.Tensor], targets: Mapping[str, torch.Tensor], gate_bias: float = OPEN_GATE
) -> tuple[dict[str, torch.Tensor], Report]:
    """The part of `state` that fits a network, under the network's names.

    Args:
        state: a file's tensors by name: ours, another detector's, or of one of SOURCES, with or without prefixes.
        targets: the network's state dict; only names and shapes are read, so it may be on the meta device.
        gate_bias: OPEN_GATE or TRAINABLE_GATE, for eSE gates that the source's network does not have.

    Returns:
        the tensors to load, and what became of each.
    """
    source = find_source(state, targets)
    bottom_up = find_bottom_up(targets)
    report = Report(source.name if source else "dense_det or Detectron2", source.pixels if source else None)
    result, origin = {}, {}
    for name, tensor in state.items():
        target = _find_target(name, source, bottom_up, targets)
        if target is None:
            if not BOOKKEEPING.fullmatch(name):
                report.unused.setdefault(_why_unused(name, source, bottom_up, targets), []).append(name)
        elif target in origin:
            report.unused.setdefault(f"{target} is given by {origin[target]}, too", []).append(name)
        elif tensor.shape != targets[target].shape:
            here = tuple(targets[target].shape)
            report.reshaped[target] = f"{name} {tuple(tensor.shape)} in the file, {here} here"
        else:
            result[target], origin[target] = tensor, name
    found = [*result, *report.reshaped]
    report.part = bottom_up if found and all(target.startswith(bottom_up) for target in found) else ""
    if source and source.lacks_gates:
        result |= _open_gates(result, targets, report, gate_bias)
    for target in targets:
        if BOOKKEEPING.fullmatch(target) or target in report.reshaped or target in report.opened:
            continue
        if target in result:
            report.loaded.append(target)
        else:
            (report.missing if target.startswith(report.part) else report.absent).append(target)
    return result, report


def find_source(names: Collection[str], targets: Collection[str] = ()) -> Source | None:
    """The source that knows the most of `names`; None if none knows any: they may be ours.

    Of two that know as many, the one whose names for them are in `targets`, then the first of SOURCES.
    """
    bottom_up = find_bottom_up(targets)
    best, most = None, (0, 0)
    for source in SOURCES:
        renamed = [next(filter(None, map(source.rename, stripped(name))), None) for name in names]
        known = len(renamed) - renamed.count(None)
        score = known, sum(f"{bottom_up}{name}" in targets for name in renamed if name)
        if known and score > most and source.mark(names):
            best, most = source, score
    return best


def find_bottom_up(targets: Collection[str]) -> str:
    """The prefix of the network's bottom-up: "backbone.bottom_up." in a detector with a pyramid, "" for itself."""
    return next((p for p in BOTTOM_UPS if any(name.startswith(f"{p}stem.") for name in targets)), "")


def stripped(name: str) -> Iterator[str]:
    """`name`, then without its first prefix, without its first two, ...; with our name for a part of a head."""
    yield name
    for theirs, ours in HEAD_NAMES:
        if name.startswith(theirs):
            yield ours + name.removeprefix(theirs)
    for prefix in PREFIXES:
        if name.startswith(prefix):
            yield from stripped(name.removeprefix(prefix))


def _find_target(name: str, source: Source | None, bottom_up: str, targets: Collection[str]) -> str | None:
    """The network's tensor that a file's `name` is for: by the same name, or by the name that `source` gives it."""
    ours = [f"{prefix}{bare}" for bare in stripped(name) for prefix in ("", *BOTTOM_UPS)]
    theirs = [f"{bottom_up}{new}" for bare in stripped(name) if source and (new := source.rename(bare))]
    for target in ours + theirs:
        if target in targets:
            return target
        # the weights of a plain 3x3 also start a deformable one, whose convolution is a module of its own
        deformable = re.sub(r"\.(weight|bias)$", r".conv.\1", target)
        if deformable in targets and re.sub(r"\.(weight|bias)$", ".offset.weight", target) in targets:
            return deformable
    return None


def _why_unused(name: str, source: Source | None, bottom_up: str, targets: Collection[str]) -> str:
    bare = list(stripped(name))[-1]
    if re.fullmatch(source.classifier if source else CLASSIFIER, bare):
        return CLASSIFIER_UNUSED
    renamed = next((new for bare in stripped(name) if source and (new := source.rename(bare))), bare)
    if STATISTICS.fullmatch(renamed):
        if f"{bottom_up}{renamed.rpartition('.')[0]}.weight" in targets:
            return "statistics of a batch norm, but the network's norm keeps none, so its features differ"
    return "no such tensor in the network"


def _open_gates(loaded: Mapping, targets: Mapping, report: Report, bias: float) -> dict[str, torch.Tensor]:
    """Weights of the eSE gates of the part that are not `loaded`: whatever comes in, they give hardsigmoid(bias)."""
    gates = {}
    for target, like in targets.items():
        if target.startswith(report.part) and GATE.fullmatch(target) and target not in loaded:
            gates[target] = torch.full(like.shape, bias if target.endswith("bias") else 0.0)
    report.opened, report.can_close = list(gates), bias < OPEN_GATE
    return gates
