import pytest

from dense_det.data.pdf.fonts import font_named, widths_are_mono


@pytest.mark.parametrize(
    "name",
    ["ABCDEF+CMTT10", "SFTT1095", "SFST1000", "LMMonoLt10-Bold", "Courier", "NimbusMonL-Regu", "Monaco", "t1xtt"],
)
def test_mono(name):
    assert font_named(name).is_mono


@pytest.mark.parametrize(
    "name",
    ["CMR10", "SFRM1095", "SFTI1000", "LMMathItalic10-Regular", "Helvetica", "Times-Roman", "LMMonoProp10-Regular"],
)
def test_not_mono(name):
    assert not font_named(name).is_mono


@pytest.mark.parametrize(
    "name",
    ["XYZABC+CMMI10", "CMSY7", "CMEX10", "MSBM10", "LMMathSymbols10-Regular", "rtxmi", "txsy", "Symbol", "CambriaMath"],
)
def test_math(name):
    assert font_named(name).is_math


def test_names_bold_and_family():
    font = font_named("ABCDEF+Helvetica-Bold")
    assert (font.name, font.family, font.is_bold, font.is_sans) == ("Helvetica-Bold", "Helvetica", True, True)
    assert font_named("CMBX12").is_bold and not font_named("CMR12").is_bold


def test_nameless_mono_is_told_by_widths():
    assert widths_are_mono({"i": 0.525, "m": 0.525, "(": 0.525, "a": 0.6})
    assert not widths_are_mono({"i": 0.28, "m": 0.83, "(": 0.39, "a": 0.5})
    # digits are alike in every font, and three letters may be so by chance
    assert not widths_are_mono({"1": 0.5, "2": 0.5, "3": 0.5, "4": 0.5, "a": 0.5})
    assert not widths_are_mono({"i": 0.5, "m": 0.5, "a": 0.5})
