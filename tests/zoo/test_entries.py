import pytest

from dense_det.zoo.entries import chosen, parse_zoo, with_one_config


def tree(**changes):
    data = {"cards": {"prepare": "datasets/prepare_cards.py --out {cache}/c", "train": "{cache}/c/train.json",
                      "validation": "v/val.json", "licence": "ours"}}  # fmt: skip
    models = {"small": {"config": "zoo/a.yaml", "data": "cards", "opts": "KEY 1", "ship": True},
              "large": {"config": "zoo/a.yaml", "data": "cards"}}  # fmt: skip
    return {"data": data, "models": models} | changes


def test_entries_and_their_data(monkeypatch):
    monkeypatch.setenv("DENSE_DET_CACHE", "/c")
    entries = parse_zoo(tree(), "configs/zoo.yaml")
    small, large = entries["small"], entries["large"]
    assert (small.config, small.opts, small.ship, large.ship) == ("configs/zoo/a.yaml", ("KEY", "1"), True, False)
    assert small.data.prepare == ("datasets/prepare_cards.py", "--out", "/c/c")
    assert small.data.splits == (("/c/c/train.json", "/c/c/images"), ("v/val.json", "v/images"))
    assert list(chosen(entries, [])) == ["small", "large"] and list(chosen(entries, ["large"])) == ["large"]
    with pytest.raises(ValueError, match="smal.*did you mean 'small'"):
        chosen(entries, ["smal"])


def test_entries_with_one_config():
    configs = {"a": "x.yaml", "b": "y.yaml", "c": "x.yaml"}
    models = {name: {"config": config, "data": "cards"} for name, config in configs.items()}
    entries = parse_zoo(tree(models=models), "z.yaml")
    assert list(with_one_config(entries, [])) == ["a", "c"] and list(with_one_config(entries, ["b"])) == ["b"]
    with pytest.raises(ValueError, match="b is not made with x.yaml: give names of one config"):
        with_one_config(entries, ["a", "b"])


def test_the_digest_changes_with_the_words():
    first, other = parse_zoo(tree(), "zoo.yaml").values()
    assert first.sha256() != other.sha256()
    assert first.sha256() == parse_zoo(tree(), "zoo.yaml")["small"].sha256()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": {"a": {"config": "a.yaml"}}}, "z.yaml: the key models.a.data is missing"),
        ({"models": {"a": {"config": "a.yaml", "data": "card"}}}, "models.a.data.*did you mean 'cards'"),
        ({"models": {"a": {"config": "a.yaml", "data": "cards", "shp": 1}}}, "did you mean 'models.a.ship'"),
        ({"models": {"a": {"config": "a.yaml", "data": "cards", "opts": "KEY"}}}, "models.a.opts: expected KEY VALUE"),
        ({"models": ["a"]}, "z.yaml: "),
        ({"data": {"cards": {"prepare": "rm -rf /", "train": "", "validation": "", "licence": ""}}}, "prepare runs"),
    ],
)
def test_what_is_wrong_is_said(change, message):
    with pytest.raises(ValueError, match=message):
        parse_zoo(tree(**change), "z.yaml")
