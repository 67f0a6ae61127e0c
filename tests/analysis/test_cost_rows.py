from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model

import dense_det  # noqa: F401  registers
from dense_det.analysis.cost_rows import cost_row, cost_table, module_rows, module_table, part_costs
from dense_det.analysis.network import Network, image_without_data
from dense_det.analysis.training_memory import training_bytes
from dense_det.config import load_cfg

CONFIG = Path(__file__).parents[2] / "configs" / "retina_snet.yaml"


@pytest.fixture(scope="module")
def snet():
    """The detector of the article on SNet: one class."""
    with torch.device("meta"):
        return build_model(load_cfg(CONFIG, ["MODEL.DEVICE", "meta", "MODEL.RETINANET.NUM_CLASSES", 1]))


def test_snet_as_the_article_prints_it(snet):
    rows = {row["name"]: row for row in module_rows(snet, 224, depth=3)}
    # 165.7 million by the shares of its head, biases and activations included; without them 0.7 % less. 27.305 % and
    # 26.569 % are in the two halves of the head (test_ptflops_counter.py counts by the article's own rules)
    assert rows[""]["macs"] == 164_558_528 == pytest.approx(165.7e6, rel=0.01)
    shares = {half: sum(rows[f"head.{name}"]["share"] for name in half.split("+"))
              for half in ("bbox_subnet+bbox_pred", "cls_subnet+cls_score")}  # fmt: skip
    assert shares == {
        "bbox_subnet+bbox_pred": pytest.approx(27.3, abs=0.1),
        "cls_subnet+cls_score": pytest.approx(26.6, abs=0.1),
    }


def test_modules_are_in_running_order_and_add_up(snet):
    rows = module_rows(snet, 224, depth=1)
    assert [row["name"] for row in rows] == ["", "backbone", "head"]
    for key in ("params", "macs", "activations", "memory_access", "conv_io", "traffic", "share"):
        assert rows[0][key] == pytest.approx(rows[1][key] + rows[2][key]), key
    # 14 x 14 + 7 x 7 + 4 x 4 + 2 x 2 places, three convolutions and an output in either half
    assert rows[2]["activations"] == 265 * (6 * 256 + 6 * 4 + 6 * 1)
    assert len(module_rows(snet, 224, depth=2)) > 10
    table = module_table(rows).splitlines()
    assert table[0].startswith("| module") and table[2].startswith("| the whole") and table[4].startswith("|   head")


def test_a_row_of_the_whole(snet):
    row = cost_row("snet", snet, 224)
    whole = module_rows(snet, 224, depth=1)[0]
    assert all(row[key] == whole[key] for key in ("activations", "memory_access", "conv_io", "traffic"))
    assert row["traffic"] == row["traffic_bottom_up"] + row["traffic_fpn"] + row["traffic_head"]
    assert list(row["stages"]) == ["stem", "stage2", "stage3", "stage4", "stage5", "fpn", "head"]
    assert sum(row["stages"].values()) == pytest.approx(row["gmacs"])
    assert all(gmacs > 0 for gmacs in row["stages"].values())
    assert row["kept_mb"] == training_bytes(snet, Network(snet).train(), image_without_data(snet, 224)) / 1e6
    assert "| snet" in cost_table([row]) and "0.165" in cost_table([row])


def test_counting_leaves_the_model_as_it_is(snet):
    for training in (True, False):
        snet.train(training)
        cost_row("snet", snet, 64)
        assert all(module.training is training for module in snet.modules())


def test_an_image_too_small_to_train_on_is_counted_all_the_same():
    config = CONFIG.with_name("retina_mobilenetv2.yaml")
    with torch.device("meta"):
        model = build_model(load_cfg(config, ["MODEL.DEVICE", "meta"])).eval()
    row = cost_row("small", model, 128)
    assert row["kept_mb"] is None and row["gmacs"] > 0 and not model.training
    assert cost_table([row]).splitlines()[-1].endswith(" - |")
    assert cost_row("large", model, 256)["kept_mb"] > 0


def test_a_batch_reads_its_weights_once(snet):
    one, three = part_costs(snet, 64), part_costs(snet, 64, 3)
    tensors = [*snet.backbone.bottom_up.parameters(), *snet.backbone.bottom_up.buffers()]
    weights = sum(tensor.numel() for tensor in tensors if tensor.is_floating_point())
    assert three["traffic_bottom_up"] == 3 * one["traffic_bottom_up"] - 2 * weights
    assert three["gmacs_bottom_up"] == pytest.approx(3 * one["gmacs_bottom_up"])
