from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.core.language import KNOWN, language

SAID = {
    "en": "The answer is in the book that you have, and it was not there for you.",
    "de": "Die Antwort ist in dem Buch, das Sie haben, und sie war nicht für mich.",
    "fr": "La réponse est dans le livre que vous avez, et ce ne sont pas des erreurs.",
    "es": "La respuesta está en el libro que usted tiene, pero no es para los niños.",
    "it": "La risposta è nel libro che si trova in casa, ma non è per questo più facile.",
    "pt": "A resposta está no livro que você tem, mas não é para os outros e não se sabe.",
    "nl": "Het antwoord is niet in het boek dat je hebt, maar het wordt ook voor de les gebruikt.",
    "sv": "Svaret är inte i den bok som du har, men det var för att jag kan ha den.",
    "pl": "To jest odpowiedź, ale nie dla tych, którzy są w domu, bo może być inna.",
    "tr": "Bu bir kitap ve çok iyi, ama daha sonra ne var bilmiyorum.",
    "id": "Jawaban itu ada di buku yang kami punya, dan tidak untuk saya.",
    "vi": "Câu trả lời là không có trong các sách của tôi và bạn.",
    "ru": "Ответ находится в книге, которую вы читали.",
    "uk": "Відповідь є у книзі, яку ви читали її.",
    "bg": "Отговорът е в книгата.",
    "zh": "答案在你手上的书里。",
    "ja": "答えは本の中にあります。",
    "ko": "답은 책 안에 있습니다.",
    "el": "Η απάντηση είναι στο βιβλίο.",
    "he": "התשובה נמצאת בספר.",
    "ar": "الجواب في الكتاب.",
    "hi": "उत्तर पुस्तक में है।",
    "th": "คำตอบอยู่ในหนังสือ",
}


@pytest.mark.parametrize("code", SAID)
def test_each_is_told(code: str) -> None:
    assert language(SAID[code]) == code
    assert code in KNOWN


@pytest.mark.parametrize("text", ["", "Yes.", "42", "Paris", "🙂🙂", "foo bar baz qux quux", "книга", "x = y + 1"])
def test_what_cannot_be_told_is_not_guessed(text: str) -> None:
    assert language(text) is None


def test_two_languages_in_equal_parts_are_none() -> None:
    assert language(SAID["en"] + " " + SAID["nl"] + " " + SAID["de"] + " " + SAID["sv"]) is None
    assert language("答案 answer 答案 answer") is None


def test_code_and_addresses_are_no_prose() -> None:
    code = "```python\nif the_of and to is in that:\n    the = of and to\n```"
    assert language(f"{SAID['de']}\n{code}") == "de"
    assert language(code) is None


@given(st.text())
def test_any_text_can_be_asked(text: str) -> None:
    assert language(text) in {None, *KNOWN}
