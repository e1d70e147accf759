import pytest

from app.screening.normalise import comparable, read_name


def test_case_accents_and_punctuation_do_not_matter():
    assert read_name("MADURO MOROS, Nicolás", "person").parts == ("maduro", "moros", "nicolas")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Игорь Сечин", ("igor", "sechin")),
        ("Κυριάκος Μητσοτάκης", ("kyriakos", "mitsotakis")),
        ("ბარაკ ობამა", ("barak", "obama")),
        ("\uff29\uff27\uff2f\uff32", ("igor",)),
    ],
)
def test_other_scripts_are_romanised(text, parts):
    assert read_name(text, "person").parts == parts


def test_apostrophes_join_and_hyphens_part():
    assert read_name("AL-QA'IDA", "other").parts == ("al", "qaida")
    assert read_name("Al\u2011Qa\u2019ida", "other").parts == ("al", "qaida")


def test_a_person_loses_titles_and_a_company_its_legal_form():
    assert read_name("Dr. Rami Makhlouf", "person").parts == ("rami", "makhlouf")
    assert read_name("Siemens AG", "other").parts == ("siemens",)
    assert read_name("Gesellschaft mit beschränkter Haftung Muster", "other").parts == ("muster",)


def test_a_name_of_nothing_but_forms_keeps_them():
    assert read_name("Company Limited", "other").parts == ("company", "limited")
    assert read_name("Doctor Dr", "person").parts == ("doctor",)
    assert read_name("Dr", "person").parts == ("dr",)


def test_dotted_letters_are_one_word_for_a_company_and_initials_for_a_person():
    assert read_name("L.X.C Aviation", "other").parts == ("lxc", "aviation")
    assert read_name("J.R. Smith", "person").parts == ("j", "r", "smith")


def test_small_words_have_one_spelling_and_little_weight():
    name = read_name("Usama ibn Ladin", "person")
    assert name.parts == ("usama", "bin", "ladin")
    assert name.weights[1] < name.weights[0] / 3


def test_repeated_parts_count_once():
    assert read_name("Sergey Sergey Shoigu", "person").parts == ("sergey", "shoigu")


@pytest.mark.parametrize("text", ["", "!!!", "—", "\u200b"])
def test_a_text_without_letters_or_digits_is_not_comparable(text):
    with pytest.raises(ValueError, match="letters or digits"):
        comparable(text)
