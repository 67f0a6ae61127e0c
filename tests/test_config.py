from pathlib import Path

import pytest

from dense_det.config import config_digests, find_config, get_cfg, load_cfg


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_leaf_overrides_its_base_and_options_override_the_leaf(tmp_path):
    write(tmp_path / "base.yaml", "SOLVER: {MAX_ITER: 5, BASE_LR: 0.5}\nSEED: 3\n")
    leaf = write(tmp_path / "leaf.yaml", "_BASE_: base.yaml\nSOLVER: {MAX_ITER: 6}\n")
    cfg = load_cfg(leaf, ["SEED", "7"])
    assert (cfg.SOLVER.MAX_ITER, cfg.SOLVER.BASE_LR, cfg.SEED) == (6, 0.5, 7)


def test_a_whole_number_stands_for_a_real_one(tmp_path):
    leaf = write(tmp_path / "leaf.yaml", "SOLVER: {EMA_DECAY: 0, CLIP_GRADIENTS: {CLIP_VALUE: 2}, MAX_ITER: 5}")
    cfg = load_cfg(leaf, ["DATALOADER.LABELLED_SHARE", "0", "SOLVER.WEIGHT_DECAY", 1, "SOLVER.MAX_ITER", "6"])
    values = cfg.SOLVER.EMA_DECAY, cfg.SOLVER.CLIP_GRADIENTS.CLIP_VALUE, cfg.DATALOADER.LABELLED_SHARE
    assert values == (0.0, 2.0, 0.0) and all(type(value) is float for value in values)
    assert (cfg.SOLVER.WEIGHT_DECAY, cfg.SOLVER.MAX_ITER, type(cfg.SOLVER.MAX_ITER)) == (1.0, 6, int)
    with pytest.raises(ValueError, match="SOLVER.MAX_ITER"):
        load_cfg(leaf, ["SOLVER.MAX_ITER", "6.5"])


def test_digests_of_a_config_tell_which_file_of_its_chain_changed(tmp_path):
    base = write(tmp_path / "base.yaml", "SOLVER: {MAX_ITER: 5, BASE_LR: 0.5}\n")
    leaf = write(tmp_path / "leaf.yaml", "_BASE_: base.yaml\nSEED: 3\n")
    before = config_digests(leaf)
    assert list(before) == [str(base), str(leaf)]
    write(base, "# a reason\nSOLVER: {BASE_LR: 0.5, MAX_ITER: 5}\n")
    assert config_digests(leaf) == before
    write(base, "SOLVER: {BASE_LR: 0.5, MAX_ITER: 9000}\n")
    after = config_digests(leaf)
    assert after[str(leaf)] == before[str(leaf)] and after[str(base)] != before[str(base)]


def test_our_keys_do_not_touch_detectron2s_own_defaults():
    import detectron2.config

    assert "BOTTOM_UP" in get_cfg().MODEL
    assert "BOTTOM_UP" not in detectron2.config.get_cfg().MODEL


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "MODEL: {RETINANET: {NUM_CLASES: 3}}",
            [],
            "leaf.yaml: .*'MODEL.RETINANET.NUM_CLASES'.*'MODEL.RETINANET.NUM_CLASSES'",
        ),
        ("VERSION: 2", ["SOLVER.MAX_ITR", "3"], "command line: .*did you mean 'SOLVER.MAX_ITER'"),
        ("VERSION: 2", ["MODEL.NORM", "GN"], "did you mean 'MODEL.FPN.NORM'"),
        ("VERSION: 2", ["SOLVER.MAX_ITER"], "pairs KEY VALUE, got 1 words"),
        ("VERSION: 2", ["SOLVER.MAX_ITER", "many"], "SOLVER.MAX_ITER"),
        ("SOLVER: {MAX_ITER: many}", [], "leaf.yaml: .*MAX_ITER"),
        ("SOLVER: [", [], "leaf.yaml: not a safe YAML file"),
        ("- a\n- b", [], "leaf.yaml: expected KEY: VALUE lines, got a list"),
        ("# nothing", [], "leaf.yaml: expected KEY: VALUE lines, got none"),
        ("!!python/object/apply:os.system ['touch hacked']", [], "not a safe YAML file"),
        ("_BASE_: leaf.yaml", [], "leads back to this file"),
    ],
)
def test_mistakes_are_named_with_their_place_and_the_nearest_key(tmp_path, monkeypatch, text, options, message):
    monkeypatch.chdir(tmp_path)
    leaf = write(tmp_path / "leaf.yaml", text)
    with pytest.raises(ValueError, match=message):
        load_cfg(leaf, options)
    assert not (tmp_path / "hacked").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    (tmp_path / "snet").mkdir()
    with pytest.raises(FileNotFoundError, match="no folder named '.*/snat'; did you mean '.*/snet'"):
        load_cfg(tmp_path / "snat" / "config.yaml")


def test_a_misspelt_file_is_answered_with_the_nearest_one(tmp_path):
    write(tmp_path / "retina_vovnet.yaml", "")
    with pytest.raises(FileNotFoundError, match="did you mean 'retina_vovnet.yaml'"):
        load_cfg(tmp_path / "retina_vovnt.yaml")


def test_detectron2s_own_configs_are_found_by_name_and_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "COCO-Detection/retinanet_R_50_FPN_3x.yaml"
    cfg = load_cfg(find_config(name))
    assert cfg.MODEL.META_ARCHITECTURE == "RetinaNet" and cfg.SOLVER.MAX_ITER == 270000
    # a formula in Detectron2's file: 32 times 2^(0, 1/3, 2/3)
    assert cfg.MODEL.ANCHOR_GENERATOR.SIZES[0] == [32, pytest.approx(40.3175), pytest.approx(50.7968)]
    # a file of that path comes first; what is neither stays, to be answered by load_cfg
    (tmp_path / name).parent.mkdir()
    own = write(tmp_path / name, "SOLVER: {MAX_ITER: 7}")
    assert load_cfg(find_config(name)).SOLVER.MAX_ITER == 7 and find_config(own) == own
    assert find_config("nowhere.yaml") == Path("nowhere.yaml")
    assert find_config("no/where.yaml") == Path("no/where.yaml")
    with pytest.raises(FileNotFoundError, match="FPN_3y.*did you mean 'COCO-Detection/retinanet_R_50_FPN_3x.yaml'"):
        find_config("COCO-Detection/retinanet_R_50_FPN_3y.yaml")
