"""tools/bench_pseudo_label.py, small: memory does not grow with the list."""

import importlib.util
from pathlib import Path

_PATH = Path(__file__).parents[2] / "tools" / "bench_pseudo_label.py"
_SPEC = importlib.util.spec_from_file_location("bench_pseudo_label", _PATH)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


def test_memory_is_flat(tmp_path):
    rows = tool.measure(tmp_path, 20_000)
    assert [row[:2] for row in rows[:2]] == [("plan", 2_000), ("plan", 4_000)] and len(rows) == 20
    for verb in ("plan", "run"):
        mib = [row[2] for row in rows if row[0] == verb]
        # held whole, the list alone would be 10 MiB, and the predictions 11 MiB
        assert mib[-1] - mib[2] < 4, rows
