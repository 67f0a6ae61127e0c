from dense_det.zoo.making import Making
from dense_det.zoo.table import zoo_table


def test_a_row_for_people(entries, steps, tmp_path):
    rows = [
        Making(tmp_path / "out", steps, (3, 1), 1, missing).row(name, entries[name])
        for name, missing in (("small", {}), ("large", {"OpenVINO int8": "nncf"}))
    ]
    header, rule, small, large = zoo_table(rows).splitlines()[:4]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in (header, small, large)]
    named = dict(zip(cells[0], cells[1], strict=True))
    assert named == {
        "model": "small", "data": "cards", "params, M": "1.50", "GMACs": "0.250", "input, px": "240 x 320",
        "ONNX, MB": "2.00", "torch, ms": "40.0", "ONNX Runtime, ms": "13.3", "OpenVINO int8, ms": "6.67",
        "peak, GFLOP/s": "50.0", "AP": "32.0 ± 1.4", "AP50": "60.0 ± 0.0", "AP75": "20.0 ± 0.0", "AP int8": "29.5",
        "seeds": "2", "minutes each": "1.50", "command": f"`{rows[0]['command']}`",
    }  # fmt: skip
    lacking = dict(zip(cells[0], cells[2], strict=True))
    assert lacking["OpenVINO int8, ms"] == lacking["AP int8"] == "-"
    legend = zoo_table(rows).splitlines()[-2:]
    assert "rows one after the other: compare them beside the peak (a CPU, 1 thread(s))" in legend[0]
    assert legend[1] == "Not measured where nncf was not installed."


def test_the_legend_says_whether_rows_took_turns(entries, steps, tmp_path):
    making = Making(tmp_path / "out", steps, (0,), 1, {})
    rows = [making.row(name, entries[name]) for name in ("small", "large")]
    for row in rows:
        row["benchmark"]["in_turns_with"] = ["small", "large"]
    assert "all rows and formats in turns, 9 rounds (a CPU" in zoo_table(rows)
    third = {**rows[0], "name": "third", "benchmark": {**rows[0]["benchmark"], "in_turns_with": ["third", "gone"]}}
    assert "in turns, 9 rounds, but for third, timed elsewhere" in zoo_table([*rows, third])
    # one of those rows beside another that was measured alone
    del rows[1]["benchmark"]["in_turns_with"]
    assert "rows one after the other" in zoo_table(rows) and "rows one after the other" in zoo_table(rows[:1])
