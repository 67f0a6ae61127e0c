import torch
from detectron2.modeling.meta_arch.retinanet import RetinaNet

from dense_det.analysis.complexity import count_macs
from dense_det.analysis.latency import DenseNetwork
from dense_det.speed.networks import LIGHT, R50, R50_CONFIG, build_detector, network_race


def test_the_race_compares_what_it_says():
    config, words, _ = LIGHT["SNet (P4-P7)"]
    # Detectron2's detector is its own class, SNet the one of at most 166.5 MMac at 224 px
    assert type(build_detector(R50_CONFIG)) is RetinaNet
    assert all(build_detector(*LIGHT[name][:2]).num_classes == 1 for name in LIGHT)
    assert count_macs(DenseNetwork(build_detector(config, words)), 224) <= 166.5e6
    race = network_race(64)
    assert {goal.slow for goal in race.goals} == {R50}
    assert [goal.least for goal in race.goals] == [20, 20, 12, 12, 4, 4, 4, 4]  # each as it is, and folded
    found, *more = race.calls["SNet (P4-P7)"]()
    folded, *_ = race.calls["SNet (P4-P7), folded"]()
    assert 1 + len(more) == race.repeats
    assert len(found["instances"]) and "pred_boxes" in found["instances"].get_fields()
    count = min(len(found["instances"]), len(folded["instances"]), 5)
    best = [one["instances"].scores[:count] for one in (found, folded)]
    assert torch.allclose(*best, atol=1e-5)
