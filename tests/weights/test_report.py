from dense_det.weights.report import Report
from dense_det.weights.source import IMAGENET_RGB


def test_the_text_says_how_many_which_and_why():
    report = Report(
        source="timm ese_vovnet*",
        pixels=IMAGENET_RGB,
        part="backbone.bottom_up.",
        loaded=["a", "b", "c"],
        opened=["g.weight", "g.bias"],
        missing=["d"],
        absent=["head.weight", "head.bias"],
        reshaped={"e": "x (1,) in the file, (2,) here"},
        unused={"a classifier of whole images": ["f1", "f2", "f3", "f4"]},
    )
    assert report.wanted == 5 and report.share == 0.6 and not report.is_clean
    assert report.lacking == ["e", "d", "head.weight", "head.bias"]
    assert report.to_text().splitlines() == [
        "3 of backbone.bottom_up's 5 tensors loaded; source: timm ese_vovnet*",
        "  1 eSE gates opened that the file's network does not have: exactly 1, where their gradient is 0",
        "  of another shape: e: x (1,) in the file, (2,) here",
        "  not in the file, so left as they were: 1 (d)",
        "  outside of backbone.bottom_up, so left as they were: 2 (head.weight, head.bias)",
        "  not used, a classifier of whole images: 4 (f1, f2, f3, ...)",
    ]


def test_a_report_of_nothing():
    report = Report("nobody", None)
    assert report.share == 0 and report.to_text() == "0 of the model's 0 tensors loaded; source: nobody"
