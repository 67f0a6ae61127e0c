"""Networks with random weights, and the comparison of two networks' features."""

import pytest
import torch

from dense_det.layers.conv import LayerOptions
from dense_det.weights.convert import convert

STAGES = ("stage2", "stage3", "stage4", "stage5")


@pytest.fixture
def options():
    """The keyword arguments that every make_* shares: `options(norm="GN", ...)`."""

    def make(**layer) -> dict:
        option = LayerOptions(**layer)
        return {"stem_options": option, "stage_options": [option] * 4, "out_features": STAGES}

    return make


@pytest.fixture
def randomise():
    """Random statistics and scales for every norm of a network; returns it in evaluation mode."""

    def fill(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
        torch.manual_seed(seed)
        with torch.no_grad():
            for name, tensor in network.state_dict().items():
                if name.endswith("running_mean"):
                    tensor.normal_(0, 0.2)
                elif name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight")):
                    tensor.uniform_(0.6, 1.4)
                elif tensor.dim() == 1 and name.endswith("bias"):
                    tensor.normal_(0, 0.2)
        return network.eval()

    return fill


@pytest.fixture
def assert_same_features():
    """Load `state` into `network` through the converter, and compare its features to `expected(x)`, a list of four."""

    def check(state: dict, expected, network: torch.nn.Module, size: int = 64):
        weights, report = convert(state, network.state_dict())
        assert report.is_clean and not report.absent, report.to_text()
        network.load_state_dict(weights, strict=False)
        x = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            features, references = network.eval()(x), expected(x)
        assert list(features) == list(STAGES)
        for name, reference in zip(STAGES, references, strict=True):
            ours = features[name]
            scale = reference.abs().max().clamp(min=1)  # deep features reach the hundreds
            assert ours.shape == reference.shape and reference.std() > 1e-3
            assert (ours - reference).abs().max() <= scale * (1e-4 if name == "stage5" else 1e-5), name
        return report

    return check
