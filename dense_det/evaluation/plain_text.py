"""Text for matplotlib's pictures as it is written."""


def plain_text(text: str) -> str:
    """`text`, of which matplotlib makes no formula: what stands between two dollars would be one, or an error."""
    return text.replace("$", r"\$")
