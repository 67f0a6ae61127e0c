"""Tables that read well in a terminal and are Markdown, too."""


def aligned_table(header, rows) -> str:
    """`rows` under `header` as a Markdown table with aligned columns; the first is text, the others are numbers.

    Args:
        rows: each of the header's length; None becomes "-", a float about three significant digits, and anything else
            stands as it is.
    """
    cells = [[str(cell) for cell in header], *([_text(cell) for cell in row] for row in rows)]
    widths = [max(3, *(len(cell) for cell in column)) for column in zip(*cells, strict=True)]
    lines = [
        [line[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        for line in cells
    ]
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]])


def _text(cell) -> str:
    if cell is None:
        return "-"
    if not isinstance(cell, float):
        return str(cell).replace("|", "\\|")
    size = abs(cell)
    if size == 0 or size >= 99.95:
        return f"{cell:,.0f}"
    digits = next(digits for digits, least in enumerate((9.995, 0.9995, 0.00995, 0), start=1) if size >= least)
    return f"{cell:.{digits}f}"
