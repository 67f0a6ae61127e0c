import torch

from dense_det.engine import step
from dense_det.engine.step import amp_dtype


def test_mixed_precision_is_what_the_chip_computes_in(monkeypatch, caplog):
    assert amp_dtype("cuda:1") is torch.float16
    monkeypatch.setattr(step, "cpu_has_bfloat16", lambda: True)
    assert amp_dtype("cpu") is torch.bfloat16 and not caplog.text
    monkeypatch.setattr(step, "cpu_has_bfloat16", lambda: False)
    assert amp_dtype("cpu") is None
    # analyze_model asks, too: no word of a training
    assert "it computes in float32" in caplog.text and "train" not in caplog.text
