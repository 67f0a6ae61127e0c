"""Invented people are the same in every process."""

import os
import subprocess
import sys

from dense_det.data.idcards.text import LOCALES

PEOPLE = """
import sys
import numpy as np
from dense_det.data.idcards.person import invent_person
print([invent_person(np.random.default_rng(seed), locale) for locale in sys.argv[1:] for seed in range(30)])
"""


def test_the_order_of_sets_does_not_count():
    command = [sys.executable, "-c", PEOPLE, *(locale for split in LOCALES.values() for locale in split)]
    one, other = (
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, check=True).stdout
        for seed in ("1", "2")
    )
    assert one == other and one.count(b"Person(") == 30 * 12
