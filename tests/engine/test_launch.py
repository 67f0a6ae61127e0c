import pytest
import torch

from dense_det.engine.launch import launch, require_processes


def test_one_process_is_this_one():
    seen = []
    launch(seen.append, "job", num_procs=1)
    assert seen == ["job"]


def test_more_gpus_than_there_are():
    count = torch.cuda.device_count()
    with pytest.raises(ValueError, match=f"--num-gpus {count + 1}, but torch sees {count}: use --num-procs"):
        require_processes(count + 1, None)


def test_torchrun_has_decided(monkeypatch):
    require_processes(None, 2)
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    require_processes(None, None)
    with pytest.raises(ValueError, match="torchrun already decides"):
        require_processes(None, 2)


def test_an_error_in_a_process_is_shown_and_takes_the_others_down():
    with pytest.raises(torch.multiprocessing.ProcessRaisedException, match="seven"):
        launch(int, "seven", num_procs=2)
