from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from torch import nn

from dense_det.analysis.complexity import count_macs
from dense_det.analysis.design_rules import HEADER, MARKS, Rule, load_rules, measure_rule
from dense_det.config import load_cfg

ROOT = Path(__file__).parents[2]
RULES = load_rules(ROOT / "docs" / "design_rules.yaml")
# the rules that say how to spend the same work
SAME_WORK = {"equal widths", "few groups", "little fragmentation", "shallow", "a dilated, depthwise first layer"}


def bottom_up(words) -> nn.Module:
    config, *opts = words
    with torch.device("meta"):
        model = build_model(load_cfg(ROOT / "configs" / f"{config}.yaml", ["MODEL.DEVICE", "meta", *opts]))
    return model.backbone.bottom_up


def test_every_rule_about_the_network_is_there():
    assert {rule.rule for rule in RULES if rule.rule.isdigit()} == set(map(str, range(2, 12)))
    assert {rule.title for rule in RULES} >= SAME_WORK


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.part == "bottom_up"], ids=lambda rule: rule.title)
def test_pairs_build_and_spend_the_same_work_where_they_say_so(rule):
    without, with_ = (count_macs(bottom_up(words), 224) for words in (rule.without, rule.with_))
    if rule.title in SAME_WORK:
        assert with_ == pytest.approx(without, rel=0.06)
    else:
        assert with_ <= without


def test_steps_lead_from_one_network_to_the_next():
    *steps, whole = [rule for rule in RULES if not rule.rule.isdigit()]
    assert len(steps) == 4 and [rule.without for rule in steps[1:]] == [rule.with_ for rule in steps[:-1]]
    assert (whole.without, whole.with_) == (steps[0].without, steps[-1].with_)


class Tiny(nn.Module):
    """A detector whose bottom-up is one convolution of as many channels as it is told."""

    head_in_features = ["p"]

    def __init__(self, words):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.bottom_up = nn.Conv2d(3, int(words[0]), 1, bias=False)


def test_a_row_by_hand():
    rule = Rule("7", "narrow", "`half`", "bottom_up", ("500",), ("250",))
    row = measure_rule(rule, Tiny, size=20, rounds=3)
    assert row.startswith("| 7. narrow | `half` | 0.001 -> 0.000 | 0.00 -> 0.00 | x ") and row.endswith(" |")


def test_what_is_no_rule_is_named(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("- {rule: '1', title: a, how: b, part: bottom_up, without: c}")
    with pytest.raises(ValueError, match="'with'"):
        load_rules(path)
    path.write_text("- {rule: '1', title: a, how: b, part: bottomup, without: c, with: d}")
    with pytest.raises(ValueError, match="bottom_up"):
        load_rules(path)


def test_the_page_has_a_row_for_each_rule():
    table = (ROOT / "docs" / "design_rules.md").read_text().split(MARKS[0])[1].split(MARKS[1])[0]
    assert table.startswith("\n" + HEADER) and all(f"| {rule.how} |" in table for rule in RULES)
