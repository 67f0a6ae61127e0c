"""Hand-made pages with known boxes, in points, y down; a letter page is 612 x 792."""

import pypdfium2
import pytest

from dense_det.data.pdf.page import understand_page

TOLERANCE = 3.0  # points: padding 1.2, and glyph boxes of substituted fonts


@pytest.fixture
def regions(tmp_path, write_pdf):
    """regions(stream, number=2): (kind, box) of a page, understood as page `number`."""

    def understand(stream, number=2):
        document = pypdfium2.PdfDocument(str(write_pdf(tmp_path / "page.pdf", [stream])))
        return [(r.kind, r.box) for r in understand_page(document[0], is_first_page=number == 1).regions]

    return understand


def of_kind(found, kind):
    return [box for name, box in found if name == kind]


def assert_close(box, expected):
    assert box == pytest.approx(expected, abs=TOLERANCE)


def test_two_paragraphs(regions, prose):
    found = regions(prose(72, 700, 4) + prose(72, 620, 3))
    assert [kind for kind, _ in found] == ["Text", "Text"]
    # caps reach 6.6 points above the baseline, descenders 2.2 below it
    first, second = (box for _, box in found)
    assert (first[0], first[1], first[3]) == pytest.approx((72, 792 - 706.6, 792 - 661.8), abs=TOLERANCE)
    assert (second[1], second[3]) == pytest.approx((792 - 626.6, 792 - 593.8), abs=TOLERANCE)


def test_heading_title_and_page_furniture(regions, prose, words):
    stream = words("F3", 14, 72, 700, "2 Methods") + prose(72, 670, 5)
    stream += words("F1", 10, 72, 750, "A running head") + words("F1", 10, 300, 40, "17")
    kinds = [kind for kind, _ in regions(stream)]
    assert kinds == ["Page-header", "Section-header", "Text", "Page-footer"]
    title = words("F3", 20, 150, 700, "On Foxes and Dogs") + words("F3", 12, 250, 670, "A. Author") + prose(72, 600, 5)
    assert [kind for kind, _ in regions(title, number=1)] == ["Title", "Text", "Text"]


def test_booktabs_table_and_its_caption(regions, prose, words):
    rows = "".join(
        words("F1", 10, x, 640 - 14 * row, f"cell {row}{column}")
        for row in range(4)
        for column, x in enumerate((110, 210, 310))
    )
    rules = "".join(f"100 {y} 300 0.6 re f\n" for y in (655, 634, 590))
    caption = words("F1", 10, 100, 672, "Table 1: Cells and their names.")
    found = regions(prose(72, 740, 3) + caption + rules + rows + prose(72, 540, 3))
    (table,) = of_kind(found, "Table")
    assert_close(table, (100, 792 - 655.6, 400, 792 - 590))
    (caption,) = of_kind(found, "Caption")
    assert caption[3] < table[1] + 5
    assert len(of_kind(found, "Text")) == 2


def test_table_of_contents_is_no_table(regions, words):
    lines = "".join(words("F1", 10, 100, 640 - 14 * i, f"Chapter {i}" + " ." * 60 + f"  {i}") for i in range(4))
    pages = "".join(words("F1", 10, 390, 640 - 14 * i, str(i)) for i in range(4))
    found = regions(lines + pages + "100 655 300 0.6 re f\n100 590 300 0.6 re f\n")
    assert not of_kind(found, "Table")


def test_listing_framed_by_rules_is_code_and_spans_blank_lines(regions, prose, words):
    code = "".join(
        words("F2", 9, 80, y, text)
        for y, text in ((600, "> x <- c(1, 2)"), (589, "> mean(x)"), (567, "     mean   sd"), (556, "[1]  1.50  0.7"))
    )
    found = regions(prose(72, 700, 5) + code + "72 612 300 0.5 re f\n72 548 300 0.5 re f\n" + prose(72, 520, 3))
    assert [kind for kind, _ in found] == ["Text", "Code", "Text"]
    assert_close(found[1][1], (80, 792 - 606, 80 + 14 * 5.4, 792 - 554))


def test_image_shrinks_to_its_ink_and_takes_its_caption_apart(regions, prose, words):
    image = "q 120 0 0 90 200 500 cm /Im1 Do Q\n"
    found = regions(prose(72, 700, 5) + image + words("F1", 10, 150, 470, "Figure 3: Shades of grey."))
    (picture,) = of_kind(found, "Picture")
    assert_close(picture, (200, 792 - 590, 320, 792 - 500))
    assert len(of_kind(found, "Caption")) == 1


def plot(x, y):
    """Axes with ticks and a polyline: line art of 100 x 80 points."""
    ticks = "".join(f"{x + 20 * i} {y} m {x + 20 * i} {y - 4} l S\n" for i in range(6))
    curve = f"{x} {y} m " + " ".join(f"{x + 10 * i} {y + 8 * (i % 9)} l" for i in range(11)) + " S\n"
    bars = "".join(f"{x + 12 * i} {y + 2} 8 {10 + 4 * i} re f\n" for i in range(8))
    return f"{x} {y} 100 80 re S\n" + ticks + curve + bars


def test_panels_and_their_labels_are_one_picture(regions, prose, words):
    labels = "".join(words("F4", 7, x + 20 * i, 438, str(i)) for x in (150, 280) for i in range(6))
    labels += words("F4", 8, 185, 425, "time") + words("F4", 8, 315, 425, "time")
    found = regions(prose(72, 700, 8) + plot(150, 450) + plot(280, 450) + labels + prose(72, 380, 8))
    (picture,) = of_kind(found, "Picture")
    assert_close(picture, (150, 792 - 530, 383, 792 - 425))
    assert [kind for kind, _ in found] == ["Text", "Picture", "Text"]


def test_panels_with_captions_of_their_own_are_two_pictures(regions, prose, words):
    captions = words("F1", 9, 150, 430, "Figure 1: One.") + words("F1", 9, 280, 430, "Figure 2: Two.")
    found = regions(prose(72, 700, 8) + plot(150, 450) + plot(280, 450) + captions)
    assert len(of_kind(found, "Picture")) == len(of_kind(found, "Caption")) == 2


def test_clipped_curve_does_not_grow_its_picture(regions, prose, words):
    """A curve that leaves its axes is drawn far up the page, and cut off there by a clip path."""
    curve = "q 200 450 100 80 re W n 200 460 m 240 760 l 300 470 l S Q\n"
    (picture,) = of_kind(regions(prose(72, 700, 8) + plot(200, 450) + curve), "Picture")
    assert_close(picture, (200, 792 - 530, 300, 792 - 446))


def test_two_figures_with_text_between_stay_two(regions, prose):
    found = regions(plot(200, 600) + prose(72, 570, 3) + plot(200, 420))
    assert len(of_kind(found, "Picture")) == 2


def test_formula_takes_its_numerator_and_number(regions, prose, words):
    formula = words("F5", 10, 250, 600, "abg = S abg") + words("F1", 10, 330, 607, "n + 1")
    formula += words("F1", 10, 330, 594, "n") + "328 603 30 0.4 re f\n" + words("F1", 10, 470, 600, "\\(4\\)")
    found = regions(prose(72, 700, 6) + formula + prose(72, 560, 6))
    (box,) = of_kind(found, "Formula")
    assert box[0] == pytest.approx(250, abs=TOLERANCE) and box[2] > 480
    assert box[1] < 792 - 610 and box[3] > 792 - 594
    assert [kind for kind, _ in found] == ["Text", "Formula", "Text"]


def test_sentence_about_a_figure_is_no_caption(regions, words, prose):
    found = regions(
        words("F1", 10, 72, 712, "Figure 2 shows how the fox jumps over the dog, and that the dog") + prose(72, 700, 3)
    )
    assert [kind for kind, _ in found] == ["Text"]


def test_items_and_references(regions, words, prose):
    items = words("F1", 10, 90, 640, "1. A first item") + words("F1", 10, 90, 620, "2. A second one")
    assert [kind for kind, _ in regions(prose(72, 700, 4) + items)] == ["Text", "List-item", "List-item"]
    long = (
        "Author A, Other B \\(1999\\). A rather long title of a book that fills the line up to the right margin of it"
    )
    references = "".join(
        words("F1", 10, 72, y, long) + words("F1", 10, 90, y - 12, "and goes on in the next line.") for y in (500, 476)
    )
    assert [kind for kind, _ in regions(prose(72, 700, 4) + references)] == ["Text", "List-item", "List-item"]


def test_items_that_read_like_equations(regions, prose, words):
    items = "".join(words("F1", 10, 90, y, "\\225 size = 12") for y in (640, 620))
    assert [kind for kind, _ in regions(prose(72, 700, 4) + items)] == ["Text", "List-item", "List-item"]


def test_two_columns_do_not_mix(regions, words):
    stream = "".join(
        words("F1", 10, x, 700 - 12 * i, "words of one column that fill it well") for x in (72, 250) for i in range(12)
    )
    found = regions(stream)
    assert [kind for kind, _ in found] == ["Text", "Text"]
    left, right = sorted(box for _, box in found)
    assert left[2] < right[0]


def test_columns_whose_lines_are_not_level(regions, words):
    line = "words of one column that fill it"
    left = "".join(words("F1", 10, 110, 700 - 12 * i, line) for i in range(20))
    right = "".join(words("F1", 10, 300, 694 - 13 * i, line) for i in range(20))
    assert [kind for kind, _ in regions(left + right)] == ["Text", "Text"]


def test_shaded_listing_and_watermark_are_no_pictures(regions, words, prose):
    shade = "0.9 g 70 500 400 60 re f 0 g\n"
    code = "".join(words("F2", 9, 80, 545 - 11 * i, "y <- predict(model, x)") for i in range(3))
    watermark = "q 300 0 0 120 150 640 cm /Im1 Do Q\n"
    found = regions(watermark + prose(72, 720, 6) + shade + code)
    assert [kind for kind, _ in found] == ["Text", "Code"]


def test_footnote_stands_below_a_short_rule(regions, words, prose):
    note = "72 120 100 0.4 re f\n" + words("F1", 8, 72, 110, "1 A remark in small print.")
    assert [kind for kind, _ in regions(prose(72, 700, 8) + note)] == ["Text", "Footnote"]


def test_line_numbers_of_a_manuscript_are_no_part_of_it(regions, prose, words):
    numbers = "".join(words("F1", 7, 45, 700 - 12 * i, str(i + 10)) for i in range(20))
    formula = words("F5", 10, 250, 592, "abg = S abg")
    found = regions(numbers + prose(72, 700, 8) + formula + prose(72, 568, 8))
    assert [kind for kind, _ in found] == ["Text", "Formula", "Text"]
    assert all(box[0] > 60 for _, box in found)


def test_blank_page(regions):
    assert regions("") == []
