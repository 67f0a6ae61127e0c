"""Names of the things on a page, and how one table of names maps to another. Each table stands here, once."""

from dense_det.suggest import unknown

# DocLayNet's eleven, in the order of its category ids (Pfitzmann et al., KDD 2022, arXiv 2206.01062)
DOCLAYNET = (
    "Caption",
    "Footnote",
    "Formula",
    "List-item",
    "Page-footer",
    "Page-header",
    "Picture",
    "Section-header",
    "Table",
    "Text",
    "Title",
)
# listings have no class in DocLayNet; their fonts make them certain, and they are not Text
PAGE_CLASSES = (*DOCLAYNET, "Code")

# PubLayNet's five, in the order of its category ids (Zhong et al., ICDAR 2019, arXiv 1908.07836)
PUBLAYNET = ("text", "title", "list", "table", "figure")

# PubLayNet leaves headers and footers of the page unlabelled, and counts formulas as part of the text
PAGE_TO_PUBLAYNET = {
    "Caption": "text",
    "Footnote": "text",
    "Formula": "text",
    "List-item": "list",
    "Page-footer": None,
    "Page-header": None,
    "Picture": "figure",
    "Section-header": "title",
    "Table": "table",
    "Text": "text",
    "Title": "title",
    "Code": "text",
}

# CDLA's ten, of Chinese papers, in the order of its detectors (github.com/buptlihang/CDLA)
CDLA = (
    "text",
    "title",
    "figure",
    "figure_caption",
    "table",
    "table_caption",
    "header",
    "footer",
    "reference",
    "equation",
)
CDLA_TO_PAGE = {
    "text": "Text",
    "title": "Section-header",  # CDLA's titles are those of sections, too, and these are the many
    "figure": "Picture",
    "figure_caption": "Caption",
    "table": "Table",
    "table_caption": "Caption",
    "header": "Page-header",
    "footer": "Page-footer",
    "reference": "List-item",  # one box a list of references, where DocLayNet has one an entry
    "equation": "Formula",
}

# from a detector's class names to another data set's, for labelling the one with the other
KNOWN_TABLES = (PAGE_TO_PUBLAYNET, CDLA_TO_PAGE)

LABELS = {"doclaynet": PAGE_CLASSES, "publaynet": PUBLAYNET}


def label_names(labels: str, classes=None) -> tuple[str, ...]:
    """The class names of a data set, in category-id order: those of `labels`, or `classes` out of them.

    Raises:
        ValueError: an unknown name in either, or a class named twice.
    """
    if labels not in LABELS:
        raise ValueError(unknown("set of labels", labels, LABELS))
    if not classes:
        return LABELS[labels]
    for name in classes:
        if name not in LABELS[labels]:
            raise ValueError(unknown(f"class of {labels}", name, LABELS[labels]))
    if len(set(classes)) < len(classes):
        raise ValueError(f"a class is named twice: {' '.join(classes)}")
    return tuple(classes)
