"""The published examples of ICAO Doc 9303, letter for letter."""

import pytest

from dense_det.data.idcards.mrz import card_lines, check_digit, names, passport_lines


def test_check_digit_by_hand():
    # 5*7 + 2*3 + 0*1 + 7*7 + 2*3 + 7*1 = 35 + 6 + 0 + 49 + 6 + 7 = 103
    assert check_digit("520727") == "3"
    # A is 10: 10*7 + 11*3 + 2*1 + 1*7 + 3*3 + 4*1 = 125, fillers add nothing
    assert check_digit("AB2134<<<") == "5"


def test_passport_of_icao_9303_part_4():
    """But for its optional data, ZE184226B, which our documents leave empty: so the last two digits differ."""
    first, second = passport_lines("UTO", "Eriksson", "Anna Maria", "L898902C3", "740812", "F", "120415")
    assert first == "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"
    assert second[:28] == "L898902C36UTO7408122F1204159"
    assert len(second) == 44 and second[28:42] == "<" * 14
    # the example's own whole line, with its optional data, has the final digit 0
    assert check_digit("L898902C36" + "7408122" + "1204159" + "ZE184226B<<<<<1") == "0"
    assert second[43] == check_digit("L898902C36" + "7408122" + "1204159" + "<" * 14 + "0")


def test_card_of_icao_9303_part_5():
    assert card_lines("UTO", "Eriksson", "Anna Maria", "D23145890", "740812", "F", "120415") == [
        "I<UTOD231458907<<<<<<<<<<<<<<<",
        "7408122F1204159UTO<<<<<<<<<<<6",
        "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    ]


@pytest.mark.parametrize(
    "surname, given, line",
    [
        ("Müller-Łoś", "Zoë", "MUELLER<LOS<<ZOE"),
        ("O'Connor", "Ñandú", "OCONNOR<<NANDU"),
        ("Weiß", "Åsa", "WEISS<<AASA"),
    ],
)
def test_names_become_latin_letters(surname, given, line):
    assert names(surname, given) == line


def test_long_names_are_cut():
    first, _ = passport_lines("UTO", "A" * 60, "B", "1", "740812", "<", "120415")
    assert len(first) == 44 and first.endswith("AAA")


def test_other_signs_are_refused():
    with pytest.raises(ValueError, match="'a'"):
        check_digit("a1")
