"""The words on documents, in several languages."""

import numpy as np

from dense_det.data.idcards.people import Person

FIELDS = {
    "surname": ("Surname", "Nom", "Nachname", "Apellidos", "Cognome", "Nazwisko"),
    "given": ("Given names", "Prénoms", "Vornamen", "Nombre", "Nome"),
    "birth": ("Date of birth", "Né(e) le", "Geburtsdatum", "Fecha de nacimiento"),
    "sex": ("Sex", "Sexe", "Geschlecht"),
    "country": ("Nationality", "Nationalité", "Staatsangehörigkeit"),
    "number": ("Document No.", "No.", "Ausweisnummer", "Personal No."),
    "expiry": ("Date of expiry", "Valid until", "Gültig bis", "Date d'expiration"),
    "city": ("Place of birth", "Lieu de naissance", "Geburtsort"),
    "street": ("Address", "Adresse", "Domicilio"),
}
TITLES = {
    "id_card": {
        "train": ("IDENTITY CARD", "PERSONALAUSWEIS", "CARTE D'IDENTITÉ", "NATIONAL ID", "DRIVING LICENCE"),
        "val": ("CARTA D'IDENTITÀ", "RESIDENCE PERMIT", "HENKILÖKORTTI"),
    },
    "passport": {"train": ("PASSPORT", "REISEPASS", "PASSEPORT", "PASAPORTE"), "val": ("PASSAPORTO", "PASSI")},
    "badge": {"train": ("STAFF", "STUDENT CARD", "EMPLOYEE ID"), "val": ("VISITOR", "CONFERENCE")},
    "certificate": {
        "train": ("CERTIFICATE", "Certificate of Completion", "DIPLOMA", "Urkunde", "CERTIFICAT"),
        "val": ("Award of Excellence", "ATTESTATO", "Zeugnis"),
    },
}
LEADS = (
    "This is to certify that", "is hereby presented to", "Hiermit wird bescheinigt, dass", "Il est certifié que",
)  # fmt: skip
WORDS = (
    "the of and to in for with on by from report value table result model data time system order number first house "
    "paper light water field small large under between during after where each other state public local general"
).split()


def field_rows(rng: np.random.Generator, person: Person, count: int) -> list[tuple[str, str]]:
    """(label, value) of a person's fields: the name first, then `count` others in any order."""
    values = {
        "surname": person.surname.upper(),
        "given": person.given,
        "birth": person.written(person.birth),
        "sex": person.sex,
        "country": person.country,
        "number": person.number,
        "expiry": person.written(person.expiry),
        "city": person.city,
        "street": person.street,
    }
    upper = rng.random() < 0.4
    others = rng.permutation(list(FIELDS)[2:])[:count].tolist()
    rows = []
    for key in ["surname", "given", *others]:
        label = str(rng.choice(FIELDS[key]))
        rows.append((label.upper() if upper else label, values[key]))
    return rows


def sentence(rng: np.random.Generator, num_words: int) -> str:
    """Words that look like prose from afar."""
    words = " ".join(rng.choice(WORDS, num_words))
    return words[0].upper() + words[1:] + "."
