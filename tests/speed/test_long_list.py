"""Memory does not grow with the list, in small; and how that is told."""

from dense_det.speed.long_list import measure_memory, memory_table


def test_memory_is_flat(tmp_path):
    rows = measure_memory(tmp_path, 20_000)
    assert [row[:2] for row in rows[:2]] == [("plan", 2_000), ("plan", 4_000)] and len(rows) == 20
    for verb in ("plan", "run"):
        mib = [row[2] for row in rows if row[0] == verb]
        # held whole, the list alone would be 10 MiB, and the predictions 11 MiB
        assert mib[-1] - mib[2] < 4, rows


def test_the_table_by_hand():
    rows = [("plan", 100, 10.0), ("plan", 1000, 12.5), ("run", 100, 20.0), ("run", 1000, 21.0)]
    assert memory_table(rows).splitlines() == [
        "| entries so far | plan, MiB | run, MiB |",
        "| -------------- | --------: | -------: |",
        "| 100            |      10.0 |     20.0 |",
        "| 1,000          |      12.5 |     21.0 |",
        "",
        "From the first line to the last `plan` grew by 2.5 MiB, `run` by 1.0.",
    ]
