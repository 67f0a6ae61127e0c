"""Invented people: names, dates and numbers by Faker, faces from scikit-image's sample of LFW."""

import importlib.util
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import cv2
import numpy as np

# locale -> country code of ICAO Doc 9303; no locale of validation is in training
LOCALES = {
    "train": {
        "en_US": "USA", "de_DE": "D", "fr_FR": "FRA", "es_ES": "ESP", "pl_PL": "POL", "nl_NL": "NLD", "pt_BR": "BRA",
        "sv_SE": "SWE",
    },
    "val": {"it_IT": "ITA", "cs_CZ": "CZE", "fi_FI": "FIN", "tr_TR": "TUR"},
}  # fmt: skip
# rows of LFW's sample: its first 100 are faces
FACES = {"train": range(0, 80), "val": range(80, 100)}
NUMBER_LETTERS = "ABCDEFGHJKLMNPRTUVWXYZ0123456789"
DATE_FORMATS = ("%d.%m.%Y", "%d/%m/%Y", "%d %b %Y", "%Y-%m-%d")


@dataclass(frozen=True)
class Person:
    """Who a document is made out to."""

    surname: str
    given: str
    sex: str
    birth: date
    expiry: date
    number: str
    country: str
    city: str
    street: str
    company: str
    job: str
    face: int  # row of LFW's sample
    date_format: str

    def written(self, day: date) -> str:
        return day.strftime(self.date_format)


def invent_person(rng: np.random.Generator, split: str) -> Person:
    """A person of a split's locales and faces, drawn from `rng` alone."""
    locale = str(rng.choice(sorted(LOCALES[split])))
    fake = _faker(locale)
    fake.seed_instance(int(rng.integers(2**31)))
    female = rng.random() < 0.5
    today = date(2025, 1, 1)  # not the day it is: the same pictures tomorrow
    return Person(
        surname=fake.last_name(),
        given=fake.first_name_female() if female else fake.first_name_male(),
        sex="F" if female else "M",
        birth=today - timedelta(days=int(rng.integers(18 * 365, 80 * 365))),
        expiry=today + timedelta(days=int(rng.integers(90, 10 * 365))),
        number="".join(rng.choice(list(NUMBER_LETTERS), 9)),
        country=LOCALES[split][locale],
        city=fake.city(),
        street=fake.street_address().replace("\n", ", "),
        company=fake.company(),
        job=fake.job(),
        face=int(rng.choice(FACES[split])),
        date_format=str(rng.choice(DATE_FORMATS)),
    )


def draw_portrait(rng: np.random.Generator, face: int, width: int, height: int) -> np.ndarray:
    """(height, width, 3) RGB uint8: a face as a print of it looks, grey or in skin tones, a little grainy."""
    grey = cv2.resize(_faces()[face].astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    if rng.random() < 0.7:
        tint = np.array([1.0, rng.uniform(0.78, 0.88), rng.uniform(0.62, 0.8)])
        picture = grey[..., None] ** np.array([0.85, 1.0, 1.15]) * tint
    else:
        picture = np.repeat(grey[..., None], 3, axis=2)
    picture = 255 * picture + rng.normal(0, 4, picture.shape)
    return picture.clip(0, 255).astype(np.uint8)


@cache
def _faker(locale: str):
    try:
        from faker import Faker
    except ImportError as error:
        raise ImportError("names on documents need faker: pip install 'dense_det[scenes]'") from error
    return Faker(locale)


@cache
def _faces() -> np.ndarray:
    return np.load(skimage_data() / "lfw_subset.npy", allow_pickle=False)


def skimage_data() -> Path:
    """The folder of pictures inside scikit-image; ImportError where it is not installed."""
    spec = importlib.util.find_spec("skimage")
    if spec is None:
        raise ImportError("photographs and faces come from scikit-image: pip install 'dense_det[scenes]'")
    return Path(spec.origin).parent / "data"
