"""Tables that tools keep up to date within a Markdown page that people write."""

from pathlib import Path

from dense_det.atomic_file import atomic_file


def write_between(page: Path, begin: str, end: str, text: str) -> None:
    """Replace what stands between the lines `begin` and `end` of a page by `text`.

    Raises:
        ValueError: see around.
    """
    before, after = around(page, begin, end)
    with atomic_file(page) as file:
        file.write(f"{before}{begin}\n{text}\n{end}{after}")


def around(page: Path, begin: str, end: str) -> tuple[str, str]:
    """What stands before the line `begin` of a page and behind the line `end`.

    Raises:
        ValueError: the page does not have them, once each and in this order.
    """
    content = page.read_text(encoding="utf-8")
    before, _, rest = content.partition(begin)
    _, _, after = rest.partition(end)
    if (content.count(begin), content.count(end)) != (1, 1) or end not in rest:
        raise ValueError(f"{page}: expected the lines {begin} and {end}, once each: put them where the table belongs")
    return before, after
