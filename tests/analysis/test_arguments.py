import pytest

from dense_det.analysis.arguments import named_configs


@pytest.mark.parametrize(
    ("configs", "names"),
    [
        (["configs/a.yaml", "COCO-Detection/b.yaml"], ["a", "b"]),
        (["zoo/snet/config.yaml"], ["snet"]),
        (["zoo/snet/config.yaml", "configs/a.yaml"], ["snet", "a"]),
        (["one/a.yaml", "two/a.yaml", "two/b.yaml"], ["one/a", "two/a", "b"]),
        (["one/x/config.yaml", "two/x/config.yaml"], ["one/x", "two/x"]),
        (["one/x/a.yaml", "two/x/a.yaml", "two/y/a.yaml"], ["one/x/a", "two/x/a", "y/a"]),
        (["x/a.yaml", "x/a.yml"], ["x/a.yaml", "x/a.yml"]),
    ],
)
def test_every_config_has_a_name_of_its_own(configs, names):
    assert named_configs(configs) == dict(zip(names, configs, strict=True))


def test_a_file_is_given_once():
    with pytest.raises(ValueError, match="each CONFIG once, got the same file as x/a.yaml and ./x/a.yaml"):
        named_configs(["x/a.yaml", "b.yaml", "./x/a.yaml"])
