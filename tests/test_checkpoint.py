import pickle

import numpy as np
import pytest
import safetensors.torch
import torch

from dense_det.checkpoint import (
    Checkpointer,
    DamagedCheckpoint,
    load_weights,
    read_checkpoint,
    read_weights,
    resumable,
    save_safetensors,
    save_weights,
)
from dense_det.weights.source import CAFFE_BGR, IMAGENET_RGB


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def linear(value: float) -> torch.nn.Linear:
    layer = torch.nn.Linear(2, 3)
    torch.nn.init.constant_(layer.weight, value)
    torch.nn.init.constant_(layer.bias, value)
    return layer


class Counter:
    def __init__(self, count=0):
        self.count = count

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


def saved(folder, *counts):
    """A run's folder with a checkpoint after each of `counts` steps, the model filled with that number."""
    for count in counts:
        Checkpointer(linear(count), str(folder), counter=Counter(count)).save(f"model_{count:07d}")
    return folder


def resume(folder) -> tuple[float, int]:
    model, counter = linear(-1), Counter()
    Checkpointer(model, str(folder), counter=counter).resume()
    return model.weight[0, 0].item(), counter.count


def flip_a_bit(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_resume_takes_the_newest(tmp_path):
    saved(tmp_path, 5, 10, 9)
    assert resume(tmp_path) == (10, 10)
    assert (tmp_path / "last_checkpoint").read_text() == "model_0000009.pth"  # as Detectron2 tags: the last written
    assert [p.name for p in resumable(tmp_path)] == ["model_0000010.pth", "model_0000009.pth", "model_0000005.pth"]


def test_a_run_that_was_extended_goes_on_from_what_it_saved_since(tmp_path):
    saved(tmp_path, 5, 9)
    for iteration, names in ((7, ["0000009", "final", "0000005"]), (9, ["final", "0000009", "0000005"])):
        Checkpointer(linear(7), str(tmp_path), counter=Counter(7)).save("model_final", iteration=iteration)
        assert [p.name for p in resumable(tmp_path)] == [f"model_{name}.pth" for name in names]
    (tmp_path / "model_0000012.pth").write_bytes(b"PK")
    assert resume(tmp_path) == (7, 7)


@pytest.mark.parametrize("content", [b"PK", b"", b"<html>404</html>"])
def test_a_damaged_final_checkpoint_is_named_too(tmp_path, caplog, content):
    (saved(tmp_path, 5, 9) / "model_final.pth").write_bytes(content)
    assert resume(tmp_path) == (9, 9)
    assert "model_final.pth" in caplog.text


def test_a_part_that_the_checkpoint_lacks_is_named(tmp_path):
    saved(tmp_path, 5)
    model = linear(-1)
    with pytest.raises(ValueError, match=r"model_0000005.pth lacks ema, .*SOLVER.EMA_DECAY.*MODEL.WEIGHTS"):
        Checkpointer(model, str(tmp_path), counter=Counter(), ema=Counter()).resume()
    assert model.weight[0, 0] == -1  # nothing was loaded


@pytest.mark.parametrize("damage", ["truncate", "empty", "bit", "text"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path, caplog, damage):
    last = saved(tmp_path, 5, 10) / "model_0000010.pth"
    size = last.stat().st_size
    if damage == "truncate":
        last.write_bytes(last.read_bytes()[: size // 2])
    elif damage == "empty":
        last.write_bytes(b"")
    elif damage == "text":
        last.write_text("<html>404</html>")
    else:
        weight = linear(10).weight.detach().numpy().tobytes()
        flip_a_bit(last, last.read_bytes().index(weight) + 2)
    with caplog.at_level("WARNING"):
        assert resume(tmp_path) == (5, 5)
    assert "model_0000010.pth" in caplog.text


def test_nothing_whole_is_an_error_that_names_the_files(tmp_path):
    saved(tmp_path, 5)
    (tmp_path / "model_0000005.pth").write_bytes(b"PK")
    with pytest.raises(ValueError, match="model_0000005.pth"):
        resume(tmp_path)
    with pytest.raises(ValueError, match="none there"):
        resume(tmp_path / "elsewhere")


def test_a_kill_while_saving_leaves_the_file_before(tmp_path, monkeypatch):
    saved(tmp_path, 5)

    def die(data, file):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", die)
    with pytest.raises(KeyboardInterrupt):
        Checkpointer(linear(10), str(tmp_path)).save("model_0000010")
    assert resume(tmp_path) == (5, 5)


@pytest.mark.parametrize("suffix", [".pth", ".pkl"])
def test_a_pickle_runs_nothing_unless_it_is_trusted(tmp_path, suffix):
    path, proof = tmp_path / f"evil{suffix}", tmp_path / "proof"
    if suffix == ".pth":
        torch.save({"model": Evil(proof)}, path)
    else:
        path.write_bytes(pickle.dumps({"model": Evil(proof)}))
    with pytest.raises(ValueError, match="convert_weights.py FILE OUT --config-file CONFIG --trust-pickle"):
        read_checkpoint(path)
    assert not proof.exists()
    read_checkpoint(path, trust_pickle=True)
    assert proof.exists()


def test_other_peoples_layouts_are_read(tmp_path):
    state = linear(1).state_dict()
    for name, data in {"bare": state, "model": {"model": state}, "lightning": {"state_dict": state}}.items():
        torch.save(data, tmp_path / f"{name}.pth")
        assert set(read_checkpoint(tmp_path / f"{name}.pth")["model"]) == {"weight", "bias"}
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(DamagedCheckpoint, match="got a list"):
        read_checkpoint(tmp_path / "list.pth")


def test_addresses_and_missing_files_are_answered(tmp_path):
    with pytest.raises(ValueError, match="nothing is downloaded"):
        read_checkpoint("https://example.org/model.pth")
    saved(tmp_path, 5)
    with pytest.raises(FileNotFoundError, match="did you mean 'model_0000005.pth'"):
        read_checkpoint(tmp_path / "model_000005.pth")


def test_averaged_weights_are_preferred_for_use(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"model": linear(1).state_dict(), "ema": {"model": linear(2).state_dict(), "num_updates": 3}}, path)
    model = linear(0)
    load_weights(model, path)
    assert model.bias.tolist() == [2, 2, 2]


@pytest.mark.parametrize("ema", [None, {"module": linear(2).state_dict()}, {"model": None}, linear(2).state_dict()])
def test_averaged_weights_in_another_layout_are_left(tmp_path, ema):
    torch.save({"model": linear(1).state_dict(), "ema": ema}, tmp_path / "model.pth")
    model = linear(0)
    load_weights(model, tmp_path / "model.pth")
    assert model.bias.tolist() == [1, 1, 1]


def test_incomplete_weights_are_an_error_where_all_are_needed(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"weight": torch.ones(3, 2)}, path)
    model = linear(0)
    with pytest.raises(ValueError, match="1 of the model's 2 tensors .* bias"):
        load_weights(model, path)
    load_weights(model, path, complete=False)
    assert model.weight.tolist() == [[1, 1]] * 3 and model.bias.tolist() == [0, 0, 0]
    torch.save({"strange": torch.ones(1)}, path)
    with pytest.raises(ValueError, match="0 of the model's 2"):
        load_weights(model, path, complete=False)


class Detector(torch.nn.Module):
    """What loading knows of a detector: a bottom-up with a stem, a head, and the pixels that its config gives it."""

    def __init__(self, input_format="RGB", mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)):
        super().__init__()
        self.backbone = torch.nn.Module()
        self.backbone.stem = torch.nn.Module()
        self.backbone.stem.conv1 = torch.nn.Conv2d(3, 4, 3, bias=False)
        self.backbone.stem.conv1.norm = torch.nn.BatchNorm2d(4)
        self.head = torch.nn.Conv2d(4, 5, 1)
        self.input_format = input_format
        self.register_buffer("pixel_mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(std).view(-1, 1, 1), persistent=False)


def timms(value: float) -> dict[str, torch.Tensor]:
    """A file of timm's CSPResNet, as far as `Detector` goes."""
    norm = {f"stem.conv1.bn.{name}": torch.full((4,), value) for name in ("weight", "bias", "running_mean")}
    extra = {"stem.conv1.bn.running_var": torch.full((4,), value), "head.fc.bias": torch.zeros(1000)}
    return {"stem.conv1.conv.weight": torch.full((4, 3, 3, 3), value), **norm, **extra}


@pytest.mark.parametrize("kind", ["pth", "state_dict.pth.tar", "safetensors", "pkl"])
def test_other_peoples_weights_start_a_detector(tmp_path, caplog, kind):
    path = tmp_path / f"file.{kind}"
    if kind == "safetensors":
        safetensors.torch.save_file(timms(2.0), path)
    elif kind == "pkl":
        path.write_bytes(pickle.dumps({"model": {name: value.numpy() for name, value in timms(2.0).items()}}))
    else:
        torch.save(timms(2.0) if kind == "pth" else {"epoch": 3, "state_dict": timms(2.0), "optimizer": {}}, path)
    model = Detector()
    with caplog.at_level("INFO"):
        report = load_weights(model, path, trust_pickle=kind == "pkl", complete=False)
    assert model.backbone.stem.conv1.weight.unique().tolist() == [2.0]
    assert model.backbone.stem.conv1.norm.running_var.tolist() == [2.0] * 4
    assert "5 of backbone's 5 tensors loaded; source: timm cspresnet50" in caplog.text
    assert report.is_clean and report.absent == ["head.weight", "head.bias"]
    assert [record.levelname for record in caplog.records] == ["INFO"]  # the pixels are right, too


def test_weights_of_a_bottom_up_are_not_enough_to_evaluate(tmp_path):
    torch.save(timms(2.0), tmp_path / "file.pth")
    with pytest.raises(ValueError, match="5 of backbone's 5 tensors .* head.weight, head.bias"):
        load_weights(Detector(), tmp_path / "file.pth")


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        ({}, ""),
        ({"input_format": "BGR"}, "INPUT.FORMAT BGR"),
        ({"mean": (103.53, 116.28, 123.675)}, "PIXEL_MEAN [103.53, 116.28, 123.675]"),
        ({"std": (1.0, 1.0, 1.0)}, "PIXEL_STD [1.0, 1.0, 1.0]"),
        ({"mean": (120.0,), "std": (58.0,)}, "PIXEL_MEAN [120.0]"),
    ],
)
def test_pixels_that_the_weights_do_not_expect_are_told_with_the_lines_that_mend_it(tmp_path, caplog, pixels, told):
    torch.save(timms(2.0), tmp_path / "file.pth")
    with caplog.at_level("WARNING", logger="dense_det.checkpoint"):  # not the report, which is for information
        load_weights(Detector(**pixels), tmp_path / "file.pth", complete=False)
    assert told in caplog.text and bool(caplog.text) is bool(told)
    assert not told or IMAGENET_RGB.as_yaml() in caplog.text


def test_less_than_half_is_an_error_also_to_start_with(tmp_path):
    torch.save({name: value for name, value in timms(2.0).items() if "running" in name}, tmp_path / "file.pth")
    with pytest.raises(ValueError, match="2 of backbone's 5 tensors are in it; .*backbone.stem.conv1.weight.*timm csp"):
        load_weights(Detector(), tmp_path / "file.pth", complete=False)


def test_half_of_them_is_a_warning_with_what_lacks_and_why(tmp_path, caplog):
    state = timms(2.0) | {"stem.conv1.conv.weight": torch.zeros(4, 1, 3, 3)}
    torch.save(state, tmp_path / "file.pth")
    load_weights(Detector(), tmp_path / "file.pth", complete=False)
    assert "stem.conv1.conv.weight (4, 1, 3, 3) in the file, (4, 3, 3, 3) here" in caplog.text
    assert caplog.records[0].levelname == "WARNING"


def test_a_model_that_is_no_dict_is_answered(tmp_path):
    torch.save({"model": torch.zeros(3)}, tmp_path / "file.pth")
    with pytest.raises(DamagedCheckpoint, match="expected tensors by name, got a Tensor"):
        load_weights(Detector(), tmp_path / "file.pth")


def test_a_damaged_safetensors_file_is_named(tmp_path):
    path = tmp_path / "file.safetensors"
    safetensors.torch.save_file(timms(2.0), path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DamagedCheckpoint, match="file.safetensors"):
        read_checkpoint(path)


def test_what_is_converted_loads_like_our_own_and_keeps_its_pixels(tmp_path, caplog):
    torch.save(timms(2.0), tmp_path / "file.pth")
    weights, report = read_weights(tmp_path / "file.pth", Detector().state_dict())
    assert report.pixels == IMAGENET_RGB
    save_weights(tmp_path / "ours.pth", weights, CAFFE_BGR)
    model = Detector()
    load_weights(model, tmp_path / "ours.pth", complete=False)
    assert model.backbone.stem.conv1.weight.unique().tolist() == [2.0]
    assert CAFFE_BGR.as_yaml() in caplog.text


def test_detectron2s_names_are_matched_by_their_ends_where_a_file_asks_for_it(tmp_path):
    path = tmp_path / "file.pkl"
    state = {"conv1.weight": np.full((4, 3, 3, 3), 2.0, np.float32)}
    state |= {f"conv1.norm.{name}": np.full(4, 2.0, np.float32) for name in ("weight", "bias", "running_mean")}
    path.write_bytes(pickle.dumps({"model": state, "__author__": "a", "matching_heuristics": True}))
    model = Detector()
    load_weights(model, path, trust_pickle=True, complete=False)
    assert model.backbone.stem.conv1.weight.unique().tolist() == [2.0]


def test_kernels_alone_are_halved_and_fill_a_network_of_whole_floats(tmp_path):
    model, other = Detector(), Detector()
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.copy_(torch.full(tensor.shape, 1 / 3))
    for half, kernel in ((True, 0.333251953125), (False, 1 / 3)):  # 1365 / 4096 is the 16-bit float next to a third
        save_safetensors(tmp_path / "m.safetensors", model.state_dict(), half)
        load_weights(other, tmp_path / "m.safetensors")
        for tensor in other.state_dict().values():
            if tensor.is_floating_point():
                expected = torch.full(tensor.shape, kernel if tensor.dim() > 1 else 1 / 3)
                assert tensor.dtype == torch.float32 and torch.equal(tensor, expected)
