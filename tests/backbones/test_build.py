import pytest

from dense_det.backbones.build import bottom_up_arguments, find_variant
from dense_det.config import get_cfg


def test_a_variant_is_found_or_the_nearest_is_named():
    cfg = get_cfg()
    cfg.MODEL.BOTTOM_UP.VARIANT = "V-39-eSE"
    assert find_variant(cfg, {"V-39-eSE": "row", "V-57-eSE": "other"}) == "row"
    cfg.MODEL.BOTTOM_UP.VARIANT = "V-93-eSE"
    with pytest.raises(
        ValueError, match="MODEL.BOTTOM_UP.VARIANT: no variant named 'V-93-eSE'; did you mean 'V-39-eSE'"
    ):
        find_variant(cfg, {"V-39-eSE": "row", "V-57-eSE": "other"})


def test_what_every_bottom_up_reads():
    cfg = get_cfg()
    cfg.merge_from_list(
        ["MODEL.BOTTOM_UP.NORM", "GN", "MODEL.BOTTOM_UP.ACTIVATION", "SiLU", "MODEL.BACKBONE.FREEZE_AT", 3]
        + ["MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE", [False, False, True, True]]
        + ["MODEL.FPN.IN_FEATURES", ["stage4", "stage5"]]
    )
    arguments = bottom_up_arguments(cfg)
    assert (arguments["stem_options"].norm, arguments["stem_options"].activation) == ("GN", "SiLU")
    assert [options.conv for options in arguments["stage_options"]] == ["plain", "plain", "deform", "deform"]
    assert {options.norm for options in arguments["stage_options"]} == {"GN"}
    assert arguments["freeze_at"] == 3
    assert arguments["out_features"] == ("stage4", "stage5")


def test_without_a_pyramid_no_stage_is_named():
    """So that a network of any number of stages gives all that it has."""
    assert bottom_up_arguments(get_cfg())["out_features"] == ()


def test_deform_has_a_value_for_each_stage():
    cfg = get_cfg()
    cfg.MODEL.BOTTOM_UP.DEFORM_ON_PER_STAGE = [True, True]
    with pytest.raises(ValueError, match="stage2 to stage5, got"):
        bottom_up_arguments(cfg)
