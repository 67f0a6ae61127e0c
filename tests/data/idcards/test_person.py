"""Invented people are the same in every process."""

import os
import subprocess
import sys

import pytest

from dense_det.data.idcards.text import LOCALES

PEOPLE = """
import sys
import numpy as np
from dense_det.data.idcards.person import invent_person
print([invent_person(np.random.default_rng(seed), locale) for locale in sys.argv[1:] for seed in range(30)])
"""


@pytest.fixture(scope="module")
def people():
    """What processes print whose sets have their elements in other orders."""
    locales = [locale for split in LOCALES.values() for locale in split]
    command = [sys.executable, "-c", PEOPLE, *locales]
    return [
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True)
        for seed in ("1", "2")
    ]


def test_the_order_of_sets_does_not_count(people):
    one, other = (process.stdout for process in people)
    assert one == other and one.count("Person(") == 30 * 12
