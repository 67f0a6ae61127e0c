"""Words printed on documents: labels in twelve languages, titles, invented states."""

from dataclasses import dataclass

# each language is in one split only
LOCALES = {
    "train": ("en_US", "de_DE", "fr_FR", "es_ES", "pl_PL", "nl_NL", "pt_BR", "tr_TR"),
    "val": ("it_IT", "sv_SE", "fi_FI", "cs_CZ"),
}
# no real state is imitated: UTO is ICAO's own code for specimens
STATES = {
    "train": ("Republic of Utopia", "Ruritania", "Freedonia", "Grand Duchy of Fenwick", "Kingdom of Sylvania",
              "Borduria", "Free State of Orsinia", "Zubrowka"),
    "val": ("Syldavia", "Commonwealth of Genovia", "Latveria", "Republic of Zamunda"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """Labels and titles of one language."""

    surname: str
    given: str
    birth: str
    sex: str
    nationality: str
    number: str
    expiry: str
    place: str
    authority: str
    address: str
    id_card: str
    passport: str
    badge: str
    certificate: str
    certifies: str


WORDS = {
    "en_US": Words("Surname", "Given names", "Date of birth", "Sex", "Nationality", "Document No.", "Date of expiry",
                   "Place of birth", "Authority", "Address", "IDENTITY CARD", "PASSPORT", "STAFF",
                   "Certificate of Completion", "This is to certify that"),
    "de_DE": Words("Name", "Vornamen", "Geburtstag", "Geschlecht", "Staatsangehörigkeit", "Ausweisnummer",
                   "Gültig bis", "Geburtsort", "Behörde", "Anschrift", "PERSONALAUSWEIS", "REISEPASS", "MITARBEITER",
                   "Urkunde", "Hiermit wird bescheinigt, dass"),
    "fr_FR": Words("Nom", "Prénoms", "Né(e) le", "Sexe", "Nationalité", "N° du document", "Date d'expiration",
                   "Lieu de naissance", "Autorité", "Adresse", "CARTE D'IDENTITÉ", "PASSEPORT", "VISITEUR",
                   "Certificat", "Il est certifié que"),
    "es_ES": Words("Apellidos", "Nombre", "Fecha de nacimiento", "Sexo", "Nacionalidad", "Núm. de documento",
                   "Válido hasta", "Lugar de nacimiento", "Autoridad", "Domicilio", "DOCUMENTO DE IDENTIDAD",
                   "PASAPORTE", "PERSONAL", "Certificado", "Se certifica que"),
    "pl_PL": Words("Nazwisko", "Imiona", "Data urodzenia", "Płeć", "Obywatelstwo", "Numer dokumentu", "Termin ważności",
                   "Miejsce urodzenia", "Organ wydający", "Adres", "DOWÓD OSOBISTY", "PASZPORT", "PRACOWNIK",
                   "Świadectwo", "Niniejszym zaświadcza się, że"),
    "nl_NL": Words("Naam", "Voornamen", "Geboortedatum", "Geslacht", "Nationaliteit", "Documentnummer", "Geldig tot",
                   "Geboorteplaats", "Autoriteit", "Adres", "IDENTITEITSKAART", "PASPOORT", "BEZOEKER", "Diploma",
                   "Hierbij wordt verklaard dat"),
    "pt_BR": Words("Sobrenome", "Nomes", "Data de nascimento", "Sexo", "Nacionalidade", "N.º do documento", "Validade",
                   "Naturalidade", "Órgão emissor", "Endereço", "CARTEIRA DE IDENTIDADE", "PASSAPORTE", "ALUNO",
                   "Certificado de Mérito", "Certificamos que"),
    "tr_TR": Words("Soyadı", "Adı", "Doğum tarihi", "Cinsiyeti", "Uyruğu", "Belge No", "Son geçerlilik", "Doğum yeri",
                   "Veren makam", "Adres", "KİMLİK KARTI", "PASAPORT", "PERSONEL", "Sertifika", "İşbu belge ile"),
    "it_IT": Words("Cognome", "Nome", "Data di nascita", "Sesso", "Cittadinanza", "Numero", "Scadenza",
                   "Luogo di nascita", "Autorità", "Indirizzo", "CARTA DI IDENTITÀ", "PASSAPORTO", "DIPENDENTE",
                   "Attestato", "Si attesta che"),
    "sv_SE": Words("Efternamn", "Förnamn", "Födelsedatum", "Kön", "Medborgarskap", "Nummer", "Giltig t.o.m.",
                   "Födelseort", "Myndighet", "Adress", "IDENTITETSKORT", "PASS", "BESÖKARE", "Diplom",
                   "Härmed intygas att"),
    "fi_FI": Words("Sukunimi", "Etunimet", "Syntymäaika", "Sukupuoli", "Kansalaisuus", "Numero", "Voimassa asti",
                   "Syntymäpaikka", "Viranomainen", "Osoite", "HENKILÖKORTTI", "PASSI", "OPISKELIJA", "Todistus",
                   "Täten todistetaan, että"),
    "cs_CZ": Words("Příjmení", "Jména", "Datum narození", "Pohlaví", "Občanství", "Číslo dokladu", "Platnost do",
                   "Místo narození", "Vydal", "Adresa", "OBČANSKÝ PRŮKAZ", "CESTOVNÍ PAS", "STUDENT", "Osvědčení",
                   "Tímto se osvědčuje, že"),
}  # fmt: skip
