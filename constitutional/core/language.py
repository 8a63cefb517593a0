"""Which language a text is in, told by its script and its commonest words. No dependency, and no guess where it is short
or mixed: the answer is then None.

Scripts that serve one language tell it alone (Greek, Hebrew, Thai, Korean, Japanese kana …). Han without kana is taken
for Chinese. Of the languages in Latin letters it knows those in ``WORDS``; Cyrillic is told apart into Russian, Ukrainian
and Bulgarian by letters that the others lack, else it is None."""

from __future__ import annotations

import re
from collections import Counter

MOST = 4000
"""Characters that are looked at."""
FEWEST_WORDS = 3
"""So many common words of a language have to be there, and clearly more than of any other."""
CLEARLY = 1.5

SCRIPTS = {
    "el": r"Ͱ-Ͽ", "he": r"\u0590-\u05ff", "ar": r"\u0600-\u06ff", "hi": r"\u0900-\u097f", "bn": r"\u0980-\u09ff",
    "ta": r"\u0b80-\u0bff", "te": r"\u0c00-\u0c7f", "th": r"\u0e00-\u0e7f", "ka": r"\u10a0-\u10ff", "hy": r"\u0530-\u058f",
    "ko": r"\u1100-\u11ff\uac00-\ud7af", "kana": r"\u3040-\u30ff", "han": r"\u3400-\u4dbf\u4e00-\u9fff",
    "cyrillic": r"\u0400-\u04ff", "latin": r"A-Za-z\u00c0-\u024f",
}  # fmt: skip
"""Arabic, Devanagari and others serve several languages; the commonest one names them."""
WORDS = {
    "en": "the of and to is in that it you for was with this are be have not what would which from they your i my a do "
    "does how can if or but all we there will about so just get like want know people good make more some any when why "
    "where them has had his her he she could should their because than then out up think need",
    "de": "der die das und ist nicht ein eine zu den mit sich auf für im dem auch wie wird sind oder ich sie wenn",
    "fr": "le la les des et est une du dans que qui pour pas sur avec vous ce sont au plus ne il elle mais",
    "es": "el la los las de que y en un una es por con para no se del lo como pero más su está muy",
    "it": "il di che è la e un una per non con sono del della si le gli più anche come nel questo ma",
    "pt": "o a os as de que e do da em um uma para com não é se por mais dos na como são você mas",
    "nl": "de het een en van is dat niet in op te zijn met voor er aan ook als maar bij je wordt naar",
    "sv": "och att det som en är på av för med den till inte om har ett jag du men var kan så",
    "da": "og at det er en den til på af med for ikke der som et har jeg kan vi du men også",
    "pl": "i w nie na się że to jest z do jak co po ale za od czy są tym dla przez może",
    "tr": "bir ve bu için ile da de çok daha ne gibi var olarak en mi değil ama kadar sonra ya ki",
    "id": "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena ada atau bisa kami",
    "vi": "và của là không có được cho một trong với người này các những để đã khi tôi bạn như",
    "cs": "a je se na to že v s z do pro jako ale by si jsou nebo bude jsem který tak po",
    "ro": "și de la în nu este un o cu care mai pe din că să ce sau sunt pentru dar fi",
    "fi": "ja on ei se että oli hän mutta ovat kun niin tai myös voi ole tämä joka kuin sen vain",
    "hu": "a az és hogy nem is egy ez van meg de csak volt már mint még ha vagy lehet sem",
}  # fmt: skip
"""The commonest words of each."""
_CYRILLIC = {"uk": "іїєґ", "ru": "ыэё", "bg": "ъ"}

_LETTERS = {script: re.compile(f"[{letters}]") for script, letters in SCRIPTS.items()}
_COMMON = {code: frozenset(words.split()) for code, words in WORDS.items()}
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+")
KNOWN = tuple(sorted({*WORDS, *_CYRILLIC, *(set(SCRIPTS) - {"kana", "han", "cyrillic", "latin"}), "zh", "ja"}))


def language(text: str) -> str | None:
    """A two-letter code, None where it cannot be told. Code and addresses are left out."""
    prose = _CODE.sub(" ", text[:MOST]).casefold()
    counts = {script: len(letters.findall(prose)) for script, letters in _LETTERS.items()}
    if counts["kana"] and counts["kana"] + counts["han"] > sum(counts.values()) / 2:
        return "ja"
    script, most = max(counts.items(), key=lambda item: item[1])
    if most <= sum(counts.values()) / 2:
        return None
    if script == "latin":
        return _by_words(prose)
    if script == "cyrillic":
        return _by_letters(prose)
    return "zh" if script == "han" else script


def _by_words(prose: str) -> str | None:
    words = Counter(_WORD.findall(prose))
    scores = {code: sum(words[word] for word in common) for code, common in _COMMON.items()}
    (best, first), (_, second) = sorted(scores.items(), key=lambda item: -item[1])[:2]
    return best if first >= FEWEST_WORDS and first >= CLEARLY * second else None


def _by_letters(prose: str) -> str | None:
    """Ukrainian and Russian have letters that the others lack; ъ is common in Bulgarian and rare in Russian."""
    counts = {code: sum(prose.count(letter) for letter in letters) for code, letters in _CYRILLIC.items()}
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] else None
