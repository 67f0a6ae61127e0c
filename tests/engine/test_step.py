import pytest
import torch

from dense_det.engine import step
from dense_det.engine.step import Step, amp_dtype


def sgd(momentum: float) -> Step:
    """A step of one weight and no bias."""
    model = torch.nn.Linear(1, 1, bias=False)
    return Step(model, None, torch.optim.SGD(model.parameters(), lr=0.5, momentum=momentum), "cpu")


def adamw() -> Step:
    model = torch.nn.Linear(1, 1, bias=False)
    return Step(model, None, torch.optim.AdamW(model.parameters()), "cpu")


def test_the_memory_of_an_optimizer_is_loaded_and_its_settings_are_not():
    first, second = sgd(0.9), sgd(0.25)
    weight = first.model.weight
    weight.grad = torch.full_like(weight, 3.0)
    first.optimizer.step()
    second.load_state_dict(first.state_dict())
    (group,) = second.optimizer.param_groups
    assert group["momentum"] == 0.25 and group["params"][0] is second.model.weight
    assert second.optimizer.state[second.model.weight]["momentum_buffer"].item() == 3


def test_the_state_of_another_optimizer_or_network_is_answered():
    for first, second in ((sgd(0.9), adamw()), (adamw(), sgd(0.9))):
        with pytest.raises(ValueError, match="SOLVER.OPTIMIZER is .* resume with"):
            second.load_state_dict(first.state_dict())
    model = torch.nn.Linear(1, 1)
    other = Step(model, None, torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9), "cpu")
    with pytest.raises(ValueError, match=r"groups of \[2\] parameters, the checkpoint has groups of \[1\]"):
        other.load_state_dict(sgd(0.9).state_dict())


def test_mixed_precision_is_what_the_chip_computes_in(monkeypatch, caplog):
    assert amp_dtype("cuda:1") is torch.float16
    monkeypatch.setattr(step, "cpu_has_bfloat16", lambda: True)
    assert amp_dtype("cpu") is torch.bfloat16 and not caplog.text
    monkeypatch.setattr(step, "cpu_has_bfloat16", lambda: False)
    assert amp_dtype("cpu") is None
    # analyze_model asks, too: no word of a training
    assert "it computes in float32" in caplog.text and "train" not in caplog.text
