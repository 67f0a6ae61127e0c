import pickle

import pytest
import torch

from dense_det.checkpoint import Checkpointer, DamagedCheckpoint, load_weights, read_checkpoint, resumable


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
    with pytest.raises(ValueError, match="--trust-pickle"):
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
