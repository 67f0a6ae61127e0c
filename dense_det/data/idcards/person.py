"""Invented people, by faker."""

import datetime
import functools
from dataclasses import dataclass

import numpy as np

from dense_det.data.idcards.chance import happens, pick

_NUMBER_SIGNS = "ABCDEFGHJKLMNPRTUVWXYZ0123456789"
_DATES = ("%d.%m.%Y", "%d/%m/%Y", "%d %b %Y", "%Y-%m-%d")
# fixed, so that next year's pictures are this year's
_TODAY = datetime.date(2026, 1, 1)
_UNORDERED = ("it_IT",)  # faker makes its list of towns of a set: each process would draw others


@dataclass(frozen=True, slots=True)
class Person:
    """Dates as they are printed, and as MRZ lines want them (YYMMDD)."""

    surname: str
    given: str
    sex: str
    number: str
    birth: str
    expiry: str
    mrz_birth: str
    mrz_expiry: str
    place: str
    address: str
    company: str
    job: str


def invent_person(rng: np.random.Generator, locale: str) -> Person:
    """A person with a name, town, street and employer of `locale`, such as "de_DE"."""
    fake = _faker(locale)
    fake.seed_instance(int(rng.integers(2**31)))
    male = happens(rng, 0.5)
    birth = _TODAY - datetime.timedelta(days=int(rng.integers(18 * 365, 80 * 365)))
    expiry = _TODAY + datetime.timedelta(days=int(rng.integers(100, 3600)))
    style = pick(rng, _DATES)
    given = fake.first_name_male() if male else fake.first_name_female()
    if happens(rng, 0.3):
        given += " " + (fake.first_name_male() if male else fake.first_name_female())
    city = fake.city()
    return Person(
        surname=fake.last_name(),
        given=given,
        sex="M" if male else "F",
        number="".join(pick(rng, _NUMBER_SIGNS) for _ in range(9)),
        birth=birth.strftime(style),
        expiry=expiry.strftime(style),
        mrz_birth=birth.strftime("%y%m%d"),
        mrz_expiry=expiry.strftime("%y%m%d"),
        place=city,
        address=f"{fake.street_address()}, {city}".replace("\n", ", "),
        company=fake.company(),
        job=fake.job(),
    )


@functools.cache
def _faker(locale: str):
    try:
        from faker import Faker
    except ImportError as error:
        raise ImportError(
            'scenes of ID documents need faker and scikit-image: pip install "dense_det[scenes]"'
        ) from error
    fake = Faker(locale)
    if locale in _UNORDERED:
        for provider in fake.get_providers():
            if hasattr(provider, "cities"):
                provider.cities = sorted(provider.cities)
    return fake
