from datetime import date

from dense_det.data.idcards.mrz import card_lines, check_digit, passport_lines

# the holder of the specimens in ICAO Doc 9303, parts 4 and 5
ANNA = {
    "country": "UTO", "surname": "Eriksson", "given": "Anna Maria", "nationality": "UTO", "birth": date(1974, 8, 12),
    "sex": "F", "expiry": date(2012, 4, 15),
}  # fmt: skip


def test_check_digits_of_the_specimens():
    assert check_digit("L898902C3") == "6" and check_digit("740812") == "2" and check_digit("120415") == "9"
    assert check_digit("ZE184226B<<<<<") == "1"
    assert check_digit("L898902C36" + "7408122" + "1204159" + "ZE184226B<<<<<1") == "0"


def test_a_card_is_the_specimen_of_part_5():
    assert card_lines(number="D23145890", **ANNA) == [
        "I<UTOD231458907<<<<<<<<<<<<<<<",
        "7408122F1204159UTO<<<<<<<<<<<6",
        "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
    ]


def test_a_passport_is_the_specimen_of_part_4_but_for_the_personal_number():
    first, second = passport_lines(number="L898902C3", **ANNA)
    assert first == "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"
    assert second[:28] == "L898902C36UTO7408122F1204159" and second[28:43] == "<" * 15
    assert second[43] == check_digit("L898902C36" + "7408122" + "1204159" + "<" * 15)


def test_letters_that_the_zone_has_not():
    _, _, name = card_lines(number="1", **(ANNA | {"surname": "Åström-Öz", "given": "José"}))
    assert name == "ASTROM<OZ<<JOSE".ljust(30, "<")
    long = passport_lines(number="1", **(ANNA | {"surname": "A" * 60}))
    assert [len(line) for line in long] == [44, 44]
