"""One pair of gloo processes answers every question about training in several processes: starting them is slow."""

import os
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torch.nn.parallel import DistributedDataParallel

import dense_det  # noqa: F401  registers
from dense_det.config import get_cfg
from dense_det.engine.norm_statistics import recompute_norm_statistics
from dense_det.engine.trainer import take_buffers_of_first
from dense_det.layers.norm import SyncBatchNorm

NORMS = ("GN", "SyncBN")
pytestmark = pytest.mark.usefixtures("one_thread")  # as each of the two has


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What the two processes saved: a dict of each."""
    folder = tmp_path_factory.mktemp("processes")
    workers = [subprocess.Popen([sys.executable, __file__, str(rank), str(folder)]) for rank in (0, 1)]
    try:
        assert [worker.wait(timeout=600) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("norm", NORMS)
def test_two_processes_train_as_one(results, norm):
    """Three steps on a batch of four images, and on two and two: the same losses, normaliser and weights.

    In the second step one of the two processes has no box at all.
    """
    model = _detector(norm)
    losses = _train(model, _batch())
    two = [r[norm] for r in results]
    assert torch.allclose((two[0]["losses"] + two[1]["losses"]) / 2, losses, rtol=2e-4)
    for rank in (0, 1):
        assert torch.allclose(two[rank]["normalizer"], model.positives_per_image, rtol=1e-6)
        assert torch.allclose(two[rank]["weight"], model.head.cls_score.weight, atol=1e-5)
    assert torch.equal(two[0]["weight"], two[1]["weight"])


def test_sync_bn_is_bn_over_the_pixels_of_both(results):
    """Processes with different numbers of pixels: outputs, gradients and running statistics are those of one."""
    norm = _norm()
    pixels = [_pixels(rank).requires_grad_() for rank in (0, 1)]
    flat = torch.cat([x.permute(1, 0, 2, 3).flatten(1) for x in pixels], dim=1)  # (C, all pixels)
    y = norm(flat[None, :, :, None])
    y.pow(3).sum().backward()
    expected = y[0, :, :, 0].split([x.numel() // 3 for x in pixels], dim=1)
    for rank in (0, 1):
        result = results[rank]["norm"]
        assert torch.allclose(result["output"].permute(1, 0, 2, 3).flatten(1), expected[rank], atol=1e-4)
        assert torch.allclose(result["grad"], pixels[rank].grad, atol=1e-4)
        assert torch.allclose(result["running_mean"], norm.running_mean, rtol=1e-5)
        assert torch.allclose(result["running_var"], norm.running_var, rtol=1e-5)


def test_all_evaluate_with_the_statistics_of_the_first(results):
    first, second = (r["own"] for r in results)
    assert first["own"] == [0.0, 1.0] and second["own"] == [1.0, 1.0]  # running mean and variance before
    assert first["shared"] == second["shared"] == first["own"]


def test_precise_statistics_are_over_the_images_of_both(results):
    """The first has the values 0 and 2, the second 7 twice: the mean is 4, the variance (16 + 4 + 9 + 9) / 4."""
    for rank in (0, 1):
        assert results[rank]["own"]["precise"] == pytest.approx([4, 9.5])


def _norm():
    norm = SyncBatchNorm(3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, 3.0]))
    return norm


def _pixels(rank):
    generator = torch.Generator().manual_seed(rank)
    return torch.randn((2, 3, 3, 5) if rank == 0 else (1, 3, 7, 2), generator=generator) * 3 + 20 * (rank + 1)


def _detector(norm):
    cfg = get_cfg()
    cfg.merge_from_list(
        ["MODEL.DEVICE", "cpu", "MODEL.META_ARCHITECTURE", "DenseDetRetinaNet", "MODEL.BACKBONE.NAME"]
        + ["build_fpn_backbone", "MODEL.BACKBONE.FREEZE_AT", 0, "MODEL.BOTTOM_UP.VARIANT", "V-19-slim-dw-eSE"]
        + ["MODEL.FPN.IN_FEATURES", ["stage3", "stage4", "stage5"], "MODEL.FPN.OUT_CHANNELS", 64]
        + ["MODEL.RETINANET.NUM_CONVS", 1, "MODEL.RETINANET.NUM_CLASSES", 3]
        + ["MODEL.BOTTOM_UP.NORM", norm, "MODEL.FPN.NORM", norm, "MODEL.RETINANET.NORM", norm]
    )
    torch.manual_seed(0)
    return build_model(cfg).train()


def _batch():
    """Four images of a size; none of the last two has a box."""
    generator = torch.Generator().manual_seed(0)
    batch = []
    for boxes in ([[4.0, 4, 60, 40], [30, 50, 90, 80]], [[10.0, 10, 50, 90]], [], []):
        instances = Instances((96, 96))
        instances.gt_boxes = Boxes(torch.tensor(boxes).reshape(-1, 4))
        instances.gt_classes = torch.arange(len(boxes))
        batch.append({"image": torch.rand(3, 96, 96, generator=generator) * 255, "instances": instances})
    return batch


def _train(model, batch):
    """(3, 2) tensor: both losses of three steps; in the first and last the batch is dealt out like cards."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    rank, world_size = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    losses = []
    for step in range(3):
        share = batch[rank * 2 : rank * 2 + 2] if step == 1 else batch[rank::2]
        with EventStorage():
            result = model(share if world_size == 2 else batch)
        optimizer.zero_grad()
        sum(result.values()).backward()
        optimizer.step()
        losses.append(torch.stack([result["loss_cls"], result["loss_box_reg"]]).detach())
    return torch.stack(losses)


def _own_statistics(rank):
    """(mean, variance) of a batch norm that differs between the processes, before and after they agree."""
    norm, found = torch.nn.BatchNorm1d(1), {}
    norm.running_mean.fill_(rank)
    found["own"] = [norm.running_mean.item(), norm.running_var.item()]
    take_buffers_of_first(norm)
    found["shared"] = [norm.running_mean.item(), norm.running_var.item()]
    recompute_norm_statistics(norm, [torch.tensor([[0.0], [2.0]]) if rank == 0 else torch.tensor([[7.0], [7.0]])])
    found["precise"] = [norm.running_mean.item(), norm.running_var.item()]
    return found


def _work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    norm, x = _norm(), _pixels(rank).requires_grad_()
    y = norm(x)
    y.pow(3).sum().backward()
    saved = {"norm": {"output": y.detach(), "grad": x.grad, **norm.state_dict()}}
    for name in NORMS:
        model = _detector(name)
        losses = _train(DistributedDataParallel(model, device_ids=None), _batch())
        weight = model.head.cls_score.weight.detach()
        saved[name] = {"losses": losses, "normalizer": model.positives_per_image, "weight": weight}
    saved["own"] = _own_statistics(rank)
    torch.save(saved, os.path.join(folder, f"{rank}.pt"))
    dist.destroy_process_group()


if __name__ == "__main__":
    _work(int(sys.argv[1]), sys.argv[2])
