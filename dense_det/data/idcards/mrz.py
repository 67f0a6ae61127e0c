"""The machine-readable zone of travel documents (ICAO Doc 9303, parts 3 to 5)."""

import unicodedata
from datetime import date

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
WEIGHTS = (7, 3, 1)


def check_digit(text: str) -> str:
    """The check digit of a field (part 3, section 4.9): weights 7, 3, 1; A is 10; "<" is 0."""
    total = sum(WEIGHTS[k % 3] * (0 if c == "<" else LETTERS.index(c)) for k, c in enumerate(text))
    return str(total % 10)


def passport_lines(
    country: str, surname: str, given: str, number: str, nationality: str, birth: date, sex: str, expiry: date
) -> list[str]:
    """Two lines of 44 characters (TD3, part 4): name; number, nationality, birth, sex, expiry, with checks."""
    number, born, until = number.ljust(9, "<"), f"{birth:%y%m%d}", f"{expiry:%y%m%d}"
    personal = "<" * 14
    parts = [number + check_digit(number), born + check_digit(born), until + check_digit(until), personal + "<"]
    total = check_digit(parts[0] + parts[1] + parts[2] + personal + "0")
    name = f"P<{country}{_letters(surname)}<<{_letters(given)}"
    return [name.ljust(44, "<")[:44], f"{parts[0]}{nationality}{parts[1]}{sex}{parts[2]}{parts[3]}{total}"]


def card_lines(
    country: str, surname: str, given: str, number: str, nationality: str, birth: date, sex: str, expiry: date
) -> list[str]:
    """Three lines of 30 characters (TD1, part 5)."""
    number, born, until = number.ljust(9, "<"), f"{birth:%y%m%d}", f"{expiry:%y%m%d}"
    first = f"I<{country}{number}{check_digit(number)}".ljust(30, "<")
    middle = f"{born}{check_digit(born)}{sex}{until}{check_digit(until)}{nationality}{'<' * 11}"
    total = check_digit(first[5:] + middle[:7] + middle[8:15] + middle[18:])
    return [first, middle + total, f"{_letters(surname)}<<{_letters(given)}".ljust(30, "<")[:30]]


def _letters(name: str) -> str:
    """A name in the letters A to Z; what is none becomes a filler."""
    plain = unicodedata.normalize("NFKD", name.upper())
    return "".join(c if "A" <= c <= "Z" else "<" for c in plain if not unicodedata.combining(c))
