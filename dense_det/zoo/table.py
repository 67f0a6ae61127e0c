"""The rows of the zoo as one table."""

from pathlib import Path
from statistics import mean

from dense_det.aligned_table import aligned_table
from dense_det.atomic_file import atomic_file
from dense_det.distillation.comparison import METRICS, mean_and_spread
from dense_det.distillation.work_folder import write_json
from dense_det.marked_page import write_between
from dense_det.zoo.making import finished_row

MARKS = "<!-- zoo -->", "<!-- /zoo -->"  # its place in a README
# formats of tools/benchmark.py whose times the table gives
FORMATS = ("torch", "ONNX Runtime", "OpenVINO int8")


def write_table(names, folders: list[Path], out: Path, page: Path | None = None) -> str:
    """Write the finished rows of `names` to out/table.json and table.md, and between MARKS of a page; the table.

    Args:
        folders: of rows, folder/NAME/row.json; the first one that has a row gives it.
    """
    found = ([row for folder in folders if (row := finished_row(folder / name))] for name in names)
    rows = [rows[0] for rows in found if rows]
    if not rows:
        return ""
    table = zoo_table(rows)
    write_json(out / "table.json", rows)
    with atomic_file(out / "table.md") as file:
        file.write(f"{table}\n")
    if page:
        write_between(page, *MARKS, table)
    return table


def zoo_table(rows: list[dict]) -> str:
    """Rows of Making.row as Markdown, with what one must know to read it; what was not measured is "-".

    AP, AP50 and AP75 are means over the seeds, with their standard deviation; times, size and the AP of 8-bit integers
    are those of the first seed's detector.
    """
    header = ["model", "data", "params, M", "GMACs", "input, px", "ONNX, MB", *(f"{name}, ms" for name in FORMATS)]
    header += ["peak, GFLOP/s", *METRICS, "AP int8", "seeds", "minutes each", "command"]
    return f"{aligned_table(header, [_cells(row) for row in rows])}\n\n{_legend(rows)}"


def _cells(row: dict) -> list:
    measured = {each["name"]: each for each in row["benchmark"]["formats"]}
    int8 = measured["OpenVINO int8"]["ap"]
    return [
        row["name"],
        row["data"],
        row["params"] / 1e6,
        row["gmacs"],
        f"{row['size'][0]} x {row['size'][1]}",
        measured["ONNX Runtime"]["megabytes"],
        *(measured[name]["ms"] for name in FORMATS),
        row["benchmark"]["peak_gflops"],
        *(mean_and_spread(row[metric]) for metric in METRICS),
        None if int8 is None else f"{int8:.1f}",
        len(row["seeds"]),
        mean(row["minutes"]) if row["minutes"] else None,
        f"`{row['command']}`",
    ]


def _legend(rows: list[dict]) -> str:
    machines = sorted({f"{row['benchmark']['cpu']}, {row['benchmark']['threads']} thread(s)" for row in rows})
    missing = sorted({package for row in rows for package in row["missing"].values()})
    turns = [frozenset(row["benchmark"].get("in_turns_with", ())) for row in rows]
    most = max(turns, key=turns.count)
    alone = [row["name"] for row, of_row in zip(rows, turns, strict=True) if of_row != most]
    rounds = {row["benchmark"]["rounds"] for row, of_row in zip(rows, turns, strict=True) if of_row == most}
    if len(rows) - len(alone) == len(most) and len(most) > 1 and len(rounds) == 1:
        how = f"all rows and formats in turns, {rounds.pop()} rounds"
        if alone:
            how += f", but for {', '.join(alone)}, timed elsewhere or on another day: compare beside the peak"
    else:
        how = "the formats of a row in turns; rows one after the other: compare them beside the peak"
    lines = [
        "AP of boxes on the validation split, mean ± standard deviation over the seeds. Times: median of an image, "
        f"from pixels to boxes, {how} ({'; '.join(machines)}); peak: what the machine reached meanwhile."
    ]
    if missing:
        lines.append(f"Not measured where {', '.join(missing)} was not installed.")
    return "\n".join(lines)
