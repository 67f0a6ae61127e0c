import argparse
import csv
import itertools
import json
import re
from collections import Counter

import numpy as np
import pytest

from dense_det.distillation.audit import (
    COLUMNS,
    Z,
    draws_for,
    effective_number,
    estimate,
    estimates,
    join_answers,
    read_answers,
    read_strata,
    wilson,
    write_answers,
)
from dense_det.distillation.commands import audit, select
from dense_det.distillation.rule import Rule
from dense_det.distillation.sampling import Smallest, draw_sample, even_shares, score_band
from dense_det.distillation.work_folder import InputImage


def test_wilson_by_hand():
    # the classic example: 81 of 263
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(1.0, 10) == pytest.approx((10 / (10 + 1.959964**2), 1.0))
    assert wilson(0.5, 0) == (0, 1)


@pytest.mark.parametrize("right, number", [(81, 263), (0, 7), (7, 7), (1, 2), (190, 200), (3, 1000)])
def test_wilson_solves_the_equation_of_the_score_test(right, number):
    """A bound is the share p from which what was seen is exactly Z standard deviations of p away: by bisection."""

    def solve(inside, outside):
        for _ in range(80):
            middle = (inside + outside) / 2
            deviations = abs(share - middle) / np.sqrt(middle * (1 - middle) / number) if 0 < middle < 1 else np.inf
            inside, outside = (middle, outside) if deviations < Z else (inside, middle)
        return inside

    share = right / number
    low, high = wilson(share, number)
    assert low == pytest.approx(solve(share, 0) if right else 0, abs=1e-9)
    assert high == pytest.approx(solve(share, 1) if right < number else 1, abs=1e-9)


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Two strata of 0.95 and 0.6 right, 60 answers each, 90 % and 10 % of the boxes."""
    rng, population, truth = np.random.default_rng(0), Counter(a=9000, b=1000), 0.9 * 0.95 + 0.1 * 0.6
    found = [
        estimate(Counter(a=a, b=b), Counter(a=60, b=60), population)
        for a, b in zip(rng.binomial(60, 0.95, 2000), rng.binomial(60, 0.6, 2000), strict=True)
    ]
    assert 0.93 < np.mean([e.low <= truth <= e.high for e in found]) < 0.99


def test_an_interval_of_few_boxes_by_hand():
    # 40 of 80 count as 40 * 79 / 40 = 79 draws; of a half, Wilson's is 0.5 +- Z / (2 sqrt(79 + Z**2))
    half = estimate(Counter(a=20), Counter(a=40), Counter(a=80))
    assert half.effective == pytest.approx(79)
    assert (half.low, half.high) == pytest.approx((0.39233, 0.60767), abs=1e-5)
    # 2 of 3 count as 4 draws, 1 of 2 as 1, with weights 0.6 and 0.4: 1 / (0.36 / 4 + 0.16)
    assert effective_number([(3, 2), (2, 1)]) == pytest.approx(4)


def test_all_judged_leaves_nothing_to_guess():
    found = estimate(Counter(a=50, b=13), Counter(a=52, b=20), Counter(a=52, b=20))
    assert (found.low, found.precision, found.high) == (0.875, 0.875, 0.875)
    assert found.more_for(0.05) == 0
    one = estimate(Counter(a=1), Counter(a=1), Counter(a=1))
    assert (one.low, one.high) == (1, 1)
    a_band_left = estimate(Counter(a=50), Counter(a=52), Counter(a=52, b=20))
    assert a_band_left.low < a_band_left.precision < a_band_left.high
    assert (a_band_left.population, a_band_left.unjudged) == (52, 20)


def test_one_box_left_may_be_otherwise():
    right, wrong = (estimate(Counter(a=number), Counter(a=12), Counter(a=13)) for number in (12, 0))
    assert (right.low, right.high) == pytest.approx((12 / 13, 1))
    assert (wrong.low, wrong.high) == pytest.approx((0, 1 / 13))


def test_intervals_of_few_boxes_hold_the_truth_as_often_as_they_say():
    """160 of 200 boxes right, 120 judged."""
    rights = np.random.default_rng(0).hypergeometric(160, 40, 120, 2000)
    found = [estimate(Counter(a=int(right)), Counter(a=120), Counter(a=200)) for right in rights]
    assert 0.93 < np.mean([e.low <= 0.8 <= e.high for e in found]) < 0.98


def test_planning_more_answers():
    for precision, margin in ((0.9, 0.05), (0.5, 0.05), (1.0, 0.05), (0.97, 0.01), (0.5, 0.4)):
        number = draws_for(precision, margin)
        widths = [np.subtract(*wilson(precision, n)[::-1]) / 2 for n in (number - 1, number)]
        assert widths[1] <= margin < widths[0]
    # with Z**2 / (2 (n + Z**2)) of all right: n = Z**2 (1 / 0.1 - 1)
    assert draws_for(1.0, 0.05) == np.ceil(Z * Z * 9)
    one = estimate(Counter(a=90), Counter(a=100), Counter(a=10_000))
    # n (N - 1) / (N - n) >= d, solved for n
    d, boxes = draws_for(0.9, 0.05), 10_000
    assert one.more_for(0.05) == np.ceil(d * boxes / (boxes - 1 + d)) - 100 and one.more_for(0.2) == 0
    few = estimate(Counter(a=90), Counter(a=100), Counter(a=110))
    assert few.more_for(0.01) == 7 and few.more_for(0.001) == 10  # then all are judged
    uneven = estimate(Counter(a=45, b=45), Counter(a=50, b=50), Counter(a=9900, b=100))
    variance = 0.99**2 * 9850 / (50 * 9899) + 0.01**2 * 50 / (50 * 99)
    assert uneven.effective == pytest.approx(1 / variance)
    # the first stratum alone counts: of the second all would be judged
    assert uneven.more_for(0.05) == np.ceil(2 * d * 0.99**2 * 9900 / (9899 + d * 0.99**2)) - 100
    assert estimate(Counter(), Counter(), Counter(a=5)).more_for(0.05) is None
    with pytest.raises(ValueError, match="between 0 and 0.5, got 0"):
        draws_for(0.5, 0)


def test_an_interval_needs_enough_answers():
    few, ten = (estimate(Counter(a=9), Counter(a=number), Counter(a=50)) for number in (9, 10))
    assert not few.is_enough and ten.is_enough
    assert estimate(Counter(a=1), Counter(a=2), Counter(a=2)).is_enough  # there are no more


def test_two_samples_count_a_box_once():
    def row(number, x0, answer):
        return {"number": number, "file_name": "a.jpg", "class": "x", "band": 0, "x0": x0, "answer": answer}

    joined = join_answers(
        [[row(1, 5.0, "yes"), row(2, 7.0, "")], [row(1, 7.0, "no"), row(2, "5.0", ""), row(3, 9.0, "yes")]]
    )
    assert [(r["x0"], r["answer"]) for r in joined] == [(5.0, "yes"), (7.0, "no"), (9.0, "yes")]


def test_a_box_of_the_csv_is_that_of_the_page(tmp_path):
    """The page saves 10.0 as 10, and no file name is a number."""
    row = dict.fromkeys(COLUMNS, "") | {"file_name": "10", "class": "x", "band": 2, "score": 0.9, "x0": 0.0, "x1": 10.0}
    row |= {"labels": KEY, "answer": "yes"}
    write_answers(tmp_path / "answers.csv", [row])
    as_saved = row | {"x0": 0, "x1": 10, "answer": "no"}
    (tmp_path / "answers.json").write_text(json.dumps([as_saved, as_saved | {"file_name": "10.0"}]))
    files = tmp_path / "answers.csv", tmp_path / "answers.json"
    joined = join_answers(read_answers(file, Counter({(0, 2): 5}), ["x"], "a" * 64) for file in files)
    assert [(r["file_name"], r["answer"]) for r in joined] == [("10", "no"), ("10.0", "no")]


def test_strata_weigh_as_many_boxes_as_they_have():
    found = estimate(Counter(a=8, b=5), Counter(a=10, b=10), Counter(a=900, b=100))
    assert found.precision == pytest.approx(0.9 * 0.8 + 0.1 * 0.5)
    number = 1 / (0.81 / 10 * 890 / 899 + 0.01 / 10 * 90 / 99)
    assert (found.low, found.high) == pytest.approx(wilson(found.precision, number))
    assert (found.judged, found.population) == (20, 1000)
    assert np.isnan(estimate(Counter(), Counter(), Counter(a=5)).precision)


def test_estimates_of_classes():
    answers = (("x", "yes"), ("x", " No"), ("y", ""))
    rows = [{"number": n, "class": name, "band": 0, "answer": answer} for n, (name, answer) in enumerate(answers)]
    found = estimates(rows, Counter({(0, 0): 10, (1, 0): 30}), ["x", "y"])
    assert found["x"].precision == 0.5 and found["all"].precision == 0.5 and found["y"].judged == 0


def test_the_smallest_are_those_of_sorting():
    keys = np.random.default_rng(0).random(500)
    kept = Smallest(20)
    for index, key in enumerate(keys):
        kept.add(key, index)
    assert kept.items() == np.argsort(keys)[:20].tolist()
    ties = Smallest(2)
    for item in "abc":
        ties.add(1.0, item)
    assert ties.items() == ["a", "b"]


def test_even_shares():
    assert even_shares([10, 1, 10], 9) == [4, 1, 4]
    assert even_shares([2, 1], 9) == [2, 1]
    assert sum(even_shares([7, 7, 7], 8)) == 8


def test_score_bands():
    assert [score_band(s, 0.4) for s in (0.4, 0.59, 0.61, 0.81, 1.0)] == [0, 0, 1, 2, 2]
    assert score_band(1.0, 1.0) == 0


def test_a_draw_is_fair_and_repeatable(predictions):
    images = [(InputImage(n, "", None, None, "", 9, 9), predictions(n, (0.9, 0, 1), (0.5, 0, 1))) for n in range(400)]
    rule = Rule(np.array([0.4], np.float32))
    drawn, population = draw_sample(images, rule, 100, seed=1)
    assert population == {(0, 0): 400, (0, 2): 400}
    assert Counter(d.band for d in drawn) == {0: 50, 2: 50}
    assert 150 < np.mean([d.image.id for d in drawn]) < 250
    first = drawn[:30]  # who stops there has judged a sample, too: not the first folder, nor one stratum
    assert 130 < np.mean([d.image.id for d in first]) < 270 and 5 < sum(d.band == 0 for d in first) < 25
    assert draw_sample(images, rule, 100, seed=1)[0] == drawn != draw_sample(images, rule, 100, seed=2)[0]
    with pytest.raises(ValueError, match=r"a sample of 1 leaves some of the 2 strata .*draw 2 or more"):
        draw_sample(images, rule, 1, seed=1)


def run(command, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return list(command.main(parser.parse_args([str(word) for word in words])))


def test_from_labels_to_an_interval(tmp_path, labelled_work):
    labelled_work()
    labels, out = tmp_path / "pseudo.json", tmp_path / "audit"
    run(select, tmp_path / "work", "--out", labels)
    line, how, _ = run(audit, tmp_path / "work", labels, "--out", out)
    assert how.startswith("answers: yes or no (y, n) in the last column")
    assert "3 of 3 labels to judge" in line
    page = (out / "index.html").read_text()
    assert page.count('class="card"') == page.count("data:image/jpeg") == 3 and "http" not in page
    assert json.loads(re.search('id="rows">(.*?)</script>', page)[1])["rows"][0]["answer"] == ""
    with open(out / "answers.csv") as file:
        rows = list(csv.DictReader(file))
    for row, answer in zip(rows, ("yes", "no", "yes"), strict=True):
        row["answer"] = answer
    (tmp_path / "answers.json").write_text(json.dumps(rows))
    lines = run(audit, tmp_path / "work", labels, "--out", out, "--answers", tmp_path / "answers.json")
    assert [line.split()[:2] for line in lines[1:]] == [["Table", "0.500"], ["Text", "1.000"], ["all", "0.667"]]


@pytest.fixture
def sample(tmp_path, labelled_work):
    """The folder of a sample of all three labels."""
    labelled_work()
    run(select, tmp_path / "work", "--out", tmp_path / "pseudo.json")
    run(audit, tmp_path / "work", tmp_path / "pseudo.json", "--out", tmp_path / "audit")
    return tmp_path / "audit"


def fill_in(path, answer):
    path.write_text(path.read_text().replace(",\n", f",{answer}\n"))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_answers_as_people_and_their_programs_write_them(tmp_path, sample, separator):
    rows = list(csv.reader((sample / "answers.csv").read_text().splitlines()))
    for row, word in zip(rows[1:], itertools.cycle(["y", "N", "yes", ""])):
        row[-1] = word
    text = "\ufeff" + "\r\n".join(separator.join(row) for row in rows)
    (tmp_path / "mine.csv").write_text(text, encoding="utf-8")
    lines = run(audit, tmp_path / "work", tmp_path / "pseudo.json", "--out", sample, "--answers", tmp_path / "mine.csv")
    assert lines[-1].split()[0] == "all" and lines[-1].split()[-3] == str(sum(bool(row[-1]) for row in rows[1:]))


def test_a_second_draw_keeps_the_answers_of_the_first(tmp_path, sample):
    again = tmp_path / "work", tmp_path / "pseudo.json", "--out", sample, "--seed"
    run(audit, *again, "1")  # nobody has answered yet
    answers = sample / "answers.csv"
    answers.write_text(answers.read_text().replace(",\n", ",yes\n", 1))
    before = [file.read_bytes() for file in sorted(sample.iterdir())]
    with pytest.raises(ValueError, match=r"answers\.csv has answers already: .*--answers .*another --out"):
        run(audit, *again, "0")
    assert [file.read_bytes() for file in sorted(sample.iterdir())] == before
    run(audit, *again, "0", "--answers", answers)
    answers.write_bytes(answers.read_text().encode("utf-16"))  # a spreadsheet saved it
    with pytest.raises(ValueError, match="has answers already"):
        run(audit, *again, "0")


def test_answers_to_another_sample_are_refused(tmp_path, sample):
    fill_in(sample / "answers.csv", "yes")
    old = (sample / "answers.csv").rename(tmp_path / "old.csv")
    labels = tmp_path / "pseudo.json"
    run(select, tmp_path / "work", "--out", labels, "--rule", "fixed", "--value", "0.55", "--force")
    with pytest.raises(ValueError, match="drawn from other labels"):
        run(audit, tmp_path / "work", labels, "--out", sample, "--answers", old)
    run(audit, tmp_path / "work", labels, "--out", tmp_path / "new")
    with pytest.raises(ValueError, match=r"old\.csv, number 1: judges the labels sha256:.{12}, .* drawn from sha256:"):
        run(audit, tmp_path / "work", labels, "--out", tmp_path / "new", "--answers", old)


POPULATION, KEY = Counter({(0, 0): 5}), "sha256:" + "a" * 12
ROW = {"number": 7, "class": "x", "band": 0, "labels": KEY, "answer": "yes"}


def test_answers_that_are_read(tmp_path):
    path = tmp_path / "answers.json"
    path.write_text(json.dumps([ROW, ROW | {"band": "0", "answer": " No"}, ROW | {"answer": ""}]))
    assert len(read_answers(path, POPULATION, ["x", "y"], "a" * 64)) == 3


@pytest.mark.parametrize(
    "text, saying",
    [
        (b"", "neither .*no rows"),
        (b"hello\n", "neither .*no rows"),
        (b'{"a": 1}', "neither .*no rows"),
        (b'[{"number": 1}]', "neither .*a row without"),
        (b"[1, 2]", "neither"),
        ("number,class,band,labels,answer\n".encode("utf-16"), "neither .*UTF-8"),
        ({"answer": "maybe"}, "number 7: answer 'maybe': expected yes, no or nothing"),
        ({"class": "Foo"}, "number 7: no class named 'Foo'.* Known: x, y"),
        ({"class": ["x"]}, "number 7: no class named"),
        ({"band": 77}, "number 7: band 77 of x: the labels have .'0'."),
        ({"band": "q"}, "number 7: band 'q' of x"),
        ({"class": "y"}, "number 7: band 0 of y"),
        ({"labels": None}, "number 7: judges the labels that it does not name, "),
    ],
)
def test_what_is_no_answer_is_refused_by_name(tmp_path, text, saying):
    path = tmp_path / "answers.csv"
    path.write_bytes(text if isinstance(text, bytes) else json.dumps([ROW | text]).encode())
    with pytest.raises(ValueError, match=rf"answers\.csv.*{saying}"):
        read_answers(path, POPULATION, ["x", "y"], "a" * 64)


@pytest.mark.parametrize(
    "text", ["[]", "{}", "", '{"strata": [["a", 0, 1]], "labels_sha256": ""}', '{"strata": [[1]]}']
)
def test_strata_that_no_audit_wrote(tmp_path, text):
    (tmp_path / "strata.json").write_text(text)
    with pytest.raises(ValueError, match=r"strata\.json: not what audit writes"):
        read_strata(tmp_path / "strata.json")
