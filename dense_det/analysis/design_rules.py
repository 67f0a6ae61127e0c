"""What each design rule of a light network is worth: counted and measured."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from torch import nn

from dense_det.analysis.complexity import count_macs, count_parameters
from dense_det.analysis.latency import DenseNetwork, forward_of, interleaved_ms, median_ratio
from dense_det.suggest import unknown

PARTS = ("bottom_up", "detector")
MARKS = "<!-- table: tools/design_rules.py --write -->", "<!-- end of the table -->"
HEADER = "| rule | what is changed | GMACs | parameters, M | time |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Rule:
    """A pair of networks.

    Attributes:
        rule: its number.
        how: what is changed, in Markdown.
        part: "bottom_up" or "detector", what is counted and timed.
        without, with_: a config's name and KEY VALUE words.
    """

    rule: str
    title: str
    how: str
    part: str
    without: tuple[str, ...]
    with_: tuple[str, ...]


def load_rules(path) -> list[Rule]:
    """The rules of a YAML file.

    Raises:
        ValueError: an entry that lacks a key, or has an unknown one or an unknown part.
    """
    rules = []
    for entry in yaml.safe_load(Path(path).read_text(encoding="utf-8")):
        expected = {"rule", "title", "how", "part", "without", "with"}
        if set(entry) != expected:
            raise ValueError(f"{path}: a rule has the keys {sorted(expected)}, got {sorted(entry)}")
        if entry["part"] not in PARTS:
            raise ValueError(f"{path}: {unknown('part', entry['part'], PARTS)}")
        words = {"without": tuple(entry.pop("without").split()), "with_": tuple(entry.pop("with").split())}
        rules.append(Rule(**entry, **words))
    return rules


def measure_rule(rule: Rule, build: Callable[[tuple[str, ...]], nn.Module], size: int, rounds: int) -> str:
    """A row of the table.

    Args:
        build: from a config's name and KEY VALUE words to the detector, with weights.
        size: of the square input, in pixels.
        rounds: forwards of either network that are timed, in turns.
    """
    networks = []
    for words in (rule.without, rule.with_):
        model = build(words)
        networks.append(model.backbone.bottom_up if rule.part == "bottom_up" else DenseNetwork(model))
    macs = [count_macs(network, size) / 1e9 for network in networks]
    params = [count_parameters(network) / 1e6 for network in networks]
    times = interleaved_ms([forward_of(network, size) for network in networks], rounds)
    # the rule's time over the time without it: below 1 it is faster
    ratio = median_ratio(times, numerator=1, denominator=0)
    cells = [
        f"{rule.rule}{'.' if rule.rule.isdigit() else ':'} {rule.title}",
        rule.how,
        f"{macs[0]:.3f} -> {macs[1]:.3f}",
        f"{params[0]:.2f} -> {params[1]:.2f}",
        f"x {ratio:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"
