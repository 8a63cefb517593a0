"""Just enough English to read a principle: its subject, its verbs, and whether a clause says yes or no."""

from __future__ import annotations

import re
from functools import cache


def listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


VERBS = listed("""
    accepts acknowledges adapts addresses adds admits advises allows answers applies asks asserts attributes backs
    begins calls checks chooses cites clarifies closes compares compiles completes confirms considers contains
    contrasts corrects covers credits declares defends defines delivers demonstrates describes directs discloses
    discourages displays distinguishes documents emphasises emphasizes encourages endorses ends engages ensures
    estimates explains finishes fits flags focuses follows formats gives greets guards guides handles helps highlights
    holds identifies illustrates includes increases integrates introduces invites invokes justifies keeps labels leads
    leaves lets limits links lists maintains makes marks matches mentions names notes offers opens orders passes
    permits points prefers prepares presents preserves prevents prints prioritises prioritizes promises promotes
    proposes protects provides puts quotes reaches reads recommends reduces refers reflects reminds repeats replies
    reports reproduces requests resolves respects responds returns reveals routes runs says searches selects sends
    separates sets shares shows solves sorts speaks starts states stays steers sticks stops suggests summarises
    summarizes supplies supports takes teaches tells tests thanks traces translates treats turns urges uses validates
    verifies warns weighs works writes
""")
REFUSING = listed("avoids declines excludes ignores omits refrains refuses rejects skips withholds")
NOUNS_TOO = listed("""
    addresses answers calls checks covers credits defends ends estimates flags formats guards guides helps holds labels
    leads limits links lists marks matches names notes offers orders passes points promises quotes reports replies
    respects returns routes sets shows sorts starts states stays steps stops supports tests thanks traces turns uses
    works requests reads runs prints displays highlights shares searches documents increases
""")
TRAITS = listed("""
    accommodating accurate amiable approachable authentic balanced benevolent brilliant calm caring careful cheerful clear
    compassionate conscientious considerate cordial courteous creative credible decent dependable diligent direct
    empathetic empathic engaging ethical expert fair faithful friendly genuine gentle good great harmless helpful honest
    humble humane impartial impressive informative innocuous insightful inoffensive intelligent kind knowledgeable likable
    likeable loyal mature mindful moral neutral nice nonjudgmental non-judgmental nuanced objective open-minded patient
    peaceful pleasant polite principled professional proper prudent reliable respectable respectful responsible robust
    safe sensible sensitive sincere smart socially-aware supportive tactful thorough thoughtful tolerant transparent
    trustworthy truthful unbiased understanding useful virtuous warm welcoming well-mannered wholesome wise
""")
MEASURES = listed("""
    brief complete concise consistent correct current detailed factual formal grammatical informal legal long precise
    readable relevant secure short simple specific terse tested traceable true understandable up-to-date valid
""")
EMPTY = listed("""
    a all an and answer any are as assistant at be by does each every for from has have in is it its model must never no
    not of on or reply response should so such that the their them they this to what when where which will with
""")
DETERMINERS = (
    "a|an|the|its|it|in|with|what|where|how|that|no|nothing|one|only|every|each|from|to|which|any|all|at|on|by|as|out|"
    "them|their|this|these|those|another|other|several|such|your|his|her|when|whether|why|who|for|two|three|both|some|more|short|plainly|clearly"
)

_THIRD = "|".join(sorted({*VERBS, *REFUSING}, key=len, reverse=True))
_BASE = "|".join(sorted({re.sub(r"(?<=ss|sh|ch)es$|s$", "", re.sub("ies$", "ys", verb)) for verb in VERBS}, key=len))
NEGATOR = re.compile(r"\b(?:not|never|no|nothing|none|neither|nobody|cannot|without)\b|n['’]t\b", re.IGNORECASE)
REFUSAL = re.compile(r"\b(?:avoids?|declines?|excludes?|ignores?|omits?|refrains?|refuses?|rejects?|skips?|withholds?)\b"
                     r"|\b(?:leaves?|keeps?)\s+out\b", re.IGNORECASE)  # fmt: skip
BOUND = re.compile(
    r"\b(?:no|not|nothing|never)\b[^,;:.]*\b(?:without|unless|except|until)\b"
    r"|\b(?:no|not|nothing|never)\b[^,;:.]*\b(?:longer|more|fewer|less|later|earlier|higher|older) than\b",
    re.IGNORECASE,
)
THIRD = re.compile(rf"\b(?:{_THIRD})\b", re.IGNORECASE)
BASE = re.compile(rf"(?:be|do|avoid|{_BASE})\b", re.IGNORECASE)
SUBJECT = re.compile(
    r"^(?:(?:the|an?|every|each|any|all|your)\s+)?(?:(?:assistant|model|ai|bot)['’]s\s+)?"
    r"(?:[\w-]+\s+)?(?:answers?|responses?|repl(?:y|ies)|assistant|model|ai|bot|chatbot|it|code|output|text)\s+"
    r"(?:to\s+the\s+\w+\s+)?",
    re.IGNORECASE,
)
CONDITION = re.compile(
    r"^(?:when|where|if|once|whenever|wherever|while|unless|before|after|in|on|for|to|with|at|asked)\b[^,:;.]*,\s*",
    re.IGNORECASE,
)
MODAL = re.compile(r"^(?:(?:must|should|shall|has to|needs to|ought to|always|truly|also)\s+)+", re.IGNORECASE)
RELATIVE = re.compile(
    r"\b(?:who|which|that|what|whatever)\s+(?:\w+ly\s+|also\s+)?(?:is|are|was|were|has|have|had|would|can|could|will|"
    rf"may|might|must|should|does|do|did|{_THIRD}|{_BASE}|\w+ed)\b",
    re.IGNORECASE,
)
MOST_READ = 4000
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|`[^`]*`|「[^」]*」|『[^』]*』|(?<!\w)\'[^\']*\'(?!\w)|(?<!\w)‘[^’]*’(?!\w)')


def unquoted(text: str) -> str:
    """Without what stands in quotation marks: a word that is talked about is not a word that is used. Of a text that is far
    too long, the beginning."""
    return _QUOTED.sub(" ⟨⟩ ", " ".join(text.split())[:MOST_READ])


@cache
def predicate(statement: str) -> str:
    """What the statement says of the answer: without "When …," in front, the subject and "must"."""
    text = CONDITION.sub("", re.sub(r"(?i)^please\s+", "", unquoted(statement)), count=1)
    return MODAL.sub("", SUBJECT.sub("", text, count=1), count=1)


def says_no(clause: str) -> bool:
    """Whether a clause that begins with its verb is a denial."""
    head = " ".join(clause.split()[:4])
    found = NEGATOR.search(head)
    complement = re.search(r"\b(?:that|whether|what|how|why|where|when)\b", head)
    if found and not (complement and complement.start() < found.start()):
        return True
    return bool(REFUSAL.match(clause.strip()))


def sets_bound(clause: str) -> bool:
    """ "No claim without a source" and "no longer than a page" deny in form only: they say what there is."""
    return bool(BOUND.search(clause))


def verb_at(text: str) -> bool:
    """Whether the text begins with a verb in the third person; a word that is a noun too needs an object after it."""
    words = re.match(rf"(?:(?:\w+ly|also|always|then|never|both)\s+)*(?P<verb>{_THIRD})\b\s*(?P<next>[\w-]*)", text,
                     re.IGNORECASE)  # fmt: skip
    if words is None:
        return False
    following = words["next"].lower()
    sure = words["verb"].lower() not in NOUNS_TOO or re.fullmatch(DETERMINERS, following) is not None
    return sure and following != "of"


def stem(word: str) -> str:
    return re.sub(r"(?:ies|es|s|ed|ing|ly|e|y|['’]s)$", "", word) if len(word) > 3 else word
