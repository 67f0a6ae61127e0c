"""What every test gets: a quiet CPU, an own cache folder, and the same hypothesis examples each time."""

import os

# before torch is imported: workers of pytest-xdist share the cores
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import hypothesis
import pytest

hypothesis.settings.register_profile("tests", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Tests never read or write the user's cache of prepared data and checked data sets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DENSE_DET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def one_thread():
    """torch on one thread, whatever a test before has left: how sums are rounded depends on their number."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
