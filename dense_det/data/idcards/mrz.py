"""Machine-readable zones: the lines at the foot of passports and cards (ICAO Doc 9303, parts 3 to 5)."""

import unicodedata

_VALUES = {sign: value for value, sign in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")} | {"<": 0}
# letters that do not decompose into a Latin letter and a mark (9303-3, section 6)
_LETTERS = {"Ø": "OE", "Œ": "OE", "Æ": "AE", "Å": "AA", "Ä": "AE", "Ö": "OE", "Ü": "UE", "ß": "SS", "ẞ": "SS",
            "Ł": "L", "Đ": "D", "İ": "I", "ı": "I", "Þ": "TH", "Ñ": "N"}  # fmt: skip


def check_digit(text: str) -> str:
    """Sum of the values (A is 10, the filler 0) times 7, 3, 1, 7, ... modulo 10 (9303-3, section 4.9).

    Raises:
        ValueError: a sign other than 0-9, A-Z and <.
    """
    wrong = sorted(set(text) - _VALUES.keys())
    if wrong:
        raise ValueError(f"a machine-readable zone has 0-9, A-Z and < only, got {wrong} in {text!r}")
    return str(sum(_VALUES[sign] * (7, 3, 1)[place % 3] for place, sign in enumerate(text)) % 10)


def passport_lines(state: str, surname: str, given: str, number: str, birth: str, sex: str, expiry: str) -> list[str]:
    """The two lines of 44 signs of a passport, TD3 (9303-4, section 4.2).

    Args:
        birth, expiry: YYMMDD.
        sex: M, F or <.
    """
    number = _fill(number, 9)
    parts = [number + check_digit(number), birth + check_digit(birth), expiry + check_digit(expiry)]
    optional = "<" * 14 + "0"
    total = check_digit(parts[0] + parts[1] + parts[2] + optional)
    return [
        _fill(f"P<{state}" + names(surname, given), 44),
        f"{parts[0]}{state}{parts[1]}{sex}{parts[2]}{optional}{total}",
    ]


def card_lines(state: str, surname: str, given: str, number: str, birth: str, sex: str, expiry: str) -> list[str]:
    """The three lines of 30 signs of an identity card, TD1 (9303-5, section 4.2); arguments as of `passport_lines`."""
    number = _fill(number, 9)
    first = _fill(f"I<{state}{number}{check_digit(number)}", 30)
    birth, expiry = birth + check_digit(birth), expiry + check_digit(expiry)
    optional = "<" * 11
    total = check_digit(first[5:] + birth + expiry + optional)
    return [first, f"{birth}{sex}{expiry}{state}{optional}{total}", _fill(names(surname, given), 30)]


def names(surname: str, given: str) -> str:
    """ "Müller-Łoś", "Anna Maria" -> "MUELLER<LOS<<ANNA<MARIA"."""
    return "<".join(_latin(surname)) + "<<" + "<".join(_latin(given))


def _latin(name: str) -> list[str]:
    spelt = "".join(_LETTERS.get(sign, sign) for sign in unicodedata.normalize("NFC", name).replace("ß", "ẞ").upper())
    plain = unicodedata.normalize("NFKD", spelt)
    return "".join(sign if "A" <= sign <= "Z" else " " if sign in " -" else "" for sign in plain).split()


def _fill(text: str, length: int) -> str:
    return text[:length].ljust(length, "<")
