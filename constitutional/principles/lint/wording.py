"""Rules about the words of one principle."""

from __future__ import annotations

import re
from collections.abc import Iterator

from constitutional.principles.lint import chinese, english
from constitutional.principles.lint.rule import Hit, Rule, Subject, each

_ADJECTIVE = "|".join(sorted({*english.TRAITS, *english.MEASURES}, key=len, reverse=True))
_TRAIT = "|".join(sorted(english.TRAITS, key=len, reverse=True))
_DEGREE = r"(?:(?:as|more|most|less|least|very|always|both|\w+ly|an?|the)\s+)*"
_COPULA = r"(?:is|are|be|being|sounds?|seems?|stays?|remains?|feels?|acts?|behaves?|appears?|more|most|as)"
SEVERAL = re.compile(
    rf"\b{_COPULA}\s+{_DEGREE}(?:{_ADJECTIVE})(?:\s*,\s*(?:{_ADJECTIVE}))*\s*,?\s*(?:and|&|yet|but)\s+{_DEGREE}"
    rf"(?:{_ADJECTIVE})\b",
    re.IGNORECASE,
)
TRAIT = re.compile(
    rf"^(?:(?:is|are|be|sounds?|seems?|stays?|remains?|feels?|acts?|behaves?|appears?)\s+{_DEGREE}(?:{_TRAIT})\b(?!\s+(?:enough\s+)?to\s+(?:be|read|use|run|copy|share|follow)\b)"
    rf"|\w+\s+(?:\w+\s+){{0,2}}an?\s+(?:(?:{_TRAIT})[\s,]+(?:and\s+|yet\s+|but\s+)?)+"
    r"(?:tone|manner|way|style|voice|attitude|spirit|language|demeanou?r)\b"
    rf"|(?:answers?|responds?|repl(?:y|ies)|speaks?|acts?|behaves?|writes?|communicates?)\s+(?:\w+\s+){{0,3}}"
    rf"(?:{_TRAIT})ly\W*$"
    rf"|(?:shows?|demonstrates?|displays?|exhibits?|has|conveys?|embodies)\s+(?:\w+\s+){{0,2}}(?:empathy|kindness|warmth|"
    r"respect|professionalism|honesty|integrity|wisdom|care|compassion|helpfulness|sensitivity|humility|good\s+\w+|awareness)\b)",
    re.IGNORECASE,
)
INNER = re.compile(
    r"^(?:\w+ly\s+)?(?:cares?|understands?|wants?|feels?|believes?|thinks?|tr(?:y|ies)|strives?|aims?|seeks?|hopes?|"
    r"values?|likes?|loves?|knows?|is\s+willing|intends?)\b(?!\s+(?:no|nothing)\b)",
    re.IGNORECASE,
)
PERSONA = re.compile(
    r"\b(?:like|what|as|that|than)\s+(?:something\s+)?(?:an?|the|any)\s+(?:[\w-]+[,\s]+(?:and\s+|or\s+)?){0,7}?(?:friend|therapist|"
    r"person|expert|professional|teacher|mentor|leader|parent|doctor|saint|human|people|king|gandhi)\b[^.]*?\bwould\b",
    re.IGNORECASE,
)
ELABORATED = re.compile(
    r"[:;–—]\s*(?P<rest>.+)|\b(?:by|in that|so that|meaning|that is,)\s+(?P<how>\w.+)", re.IGNORECASE
)
VAGUE = re.compile(
    r"\b(?:(?:in)?appropriate(?:ly|ness)?|(?:un)?suitable|suitably|properly|(?:in)?adequate(?:ly)?|(?:un)?acceptable|"
    r"problematic|objectionable|undesirable|reasonabl[ey]|high[- ]quality|low[- ]quality|best practices?|common ?sense|"
    r"as needed|as necessary|(?:if|when|where) (?:needed|necessary|possible|appropriate|relevant|applicable)|etc\b|"
    r"and so (?:on|forth)|and the like|or something|in any way|in some way|somewhat|stuff|"
    r"(?:harmful|unethical|immoral|toxic|bad|inappropriate|sensitive) (?:content|things?|material|topics?|behaviou?r)|"
    r"(?:good|bad|nice|great) (?:answer|response|reply|advice|tone|style|quality|way|manner|job))",
    re.IGNORECASE,
)
COMPARES = re.compile(
    r"^(?:please\s+)?(?:choose|select|pick|prefer|which\b|compare|consider these|of the two|between the)"
    r"|\b(?:than the other|of the two|the other (?:answer|response)|the (?:better|worse|less \w+|more \w+) "
    r"(?:answer|response)|these (?:two )?(?:assistant )?(?:answers|responses))\b",
    re.IGNORECASE,
)
HEDGE = re.compile(
    r"\b(?:tr(?:y|ies) to|attempts? to|aims? to|strives? to|seeks? to|(?:if|where|when|wherever|whenever) possible|"
    r"as far as possible|as much as possible|ideally|preferably|generally|usually|normally|in general|mostly)\b",
    re.IGNORECASE,
)
HELPS = re.compile(
    r"\b(?:helps?|assists?|enables?|instructions?|advice|advises?|guidance|encourages?|explains? how|teach(?:es)?|"
    r"facilitates?|provides?|supports?|promotes?|methods?|recipes?|generates?|produces?|writes?|engages? in)\b",
    re.IGNORECASE,
)
INSTEAD = re.compile(
    r"\b(?:declin|refus|instead|will not|won['’]t|says?\b|tells?\b|explains? (?:that|why)|points?\b|offers?\b|names?\b|"
    r"refers?\b|directs?\b|suggests?\b|sends?\b|turns?\b|steers?\b|urges?\b|redirects?\b|keeps?\b|states?\b)",
    re.IGNORECASE,
)
JOIN = re.compile(
    r"(?P<mark>,|;)?\s+(?:and|as well as|plus|but)\s+(?:(?:also|then|it|the answer|the response|the assistant)\s+)*"
    r"|;\s+(?:it\s+|the answer\s+)?|[.!]\s+(?:it|the answer|the response|the assistant)\s+(?:must\s+|should\s+|also\s+)*",
    re.IGNORECASE,
)
LONGEST = {"statement": (50, 110), "critique": (80, 180), "revision": (80, 180), "prefer": (60, 130)}


def double_barrelled(subject: Subject) -> Iterator[Hit]:
    statement = subject.item.statement
    halves = _chinese_halves(statement) if chinese.is_chinese(statement) else _english_halves(statement)
    if halves is None:
        return
    first, second = halves
    message = f"asks for two things at once: {_cut(first)!r} and {_cut(second)!r}"
    yield Hit(
        (*subject.loc, "statement"), message, "make two principles of it: a verdict on one says nothing of the other"
    )


def _english_halves(statement: str) -> tuple[str, str] | None:
    text = english.unquoted(statement)
    several = SEVERAL.search(text)
    if several:
        head, _, tail = several.group(0).rpartition(" and ")
        return (head or several.group(0), tail or several.group(0))
    said = english.predicate(statement)
    third = english.verb_at(said) or said.startswith(("is ", "has ", "does ")) or english.says_no(said)
    imperative = not third and english.BASE.match(said)
    for join in JOIN.finditer(said):
        left, right = said[: join.start()], said[join.end() :]
        begins = english.verb_at(right) or right.startswith(("is ", "does ")) if third else english.BASE.match(right)
        if not begins or not (third or imperative) or len(left.split()) < 2 or english.RELATIVE.search(left):
            continue
        if ":" in left or english.says_no(left) != english.says_no(right):
            continue
        return left, right
    return None


def _chinese_halves(statement: str) -> tuple[str, str] | None:
    said = chinese.predicate(statement)
    several = chinese.SEVERAL_TRAITS.search(said)
    if several:
        return said[: several.end()], several.group(0)
    join = chinese.SECOND_VERB.search(said)
    if join is None or "：" in said[: join.start()]:
        return None
    left, right = said[: join.start()], said[join.start("verb") :]
    if re.search(chinese.VERB, left) is None or chinese.NO.match(left):
        return None
    return left, right


def negation(subject: Subject) -> Iterator[Hit]:
    statement = subject.item.statement
    if _only_denies(statement) and not _lacks_refusal(subject):
        message = "says only what the answer must not do"
        yield Hit(
            (*subject.loc, "statement"), message, "say what a good answer does instead, and let the denial follow it"
        )


def _only_denies(statement: str) -> bool:
    if chinese.is_chinese(statement):
        first, *rest = chinese.clauses(chinese.predicate(statement)) or [""]
        positive = [c for c in rest if len(c) > 3 and not chinese.NO.match(c) and not chinese.EXAMPLES.match(c)]
        return bool(chinese.NO.match(first)) and not positive and "而是" not in statement
    said = english.predicate(statement)
    if (
        not english.says_no(said)
        or english.sets_bound(said)
        or re.search(r"\b(?:instead|only|rather)\b", said, re.IGNORECASE)
    ):
        return False
    parts = re.split(r"[,;:.–—]\s*(?:and\s+|but\s+)?|\s(?:and|but)\s+", said)[1:]
    clauses = [english.SUBJECT.sub("", part) for part in parts]
    return not any(english.THIRD.match(clause.lstrip()) and not english.says_no(clause) for clause in clauses)


def missing_refusal(subject: Subject) -> Iterator[Hit]:
    if _lacks_refusal(subject):
        message = "a hard rule forbids help and does not say what the answer does instead"
        suggestion = 'add how it refuses, such as "… and says plainly that it will not"'
        yield Hit((*subject.loc, "statement"), message, suggestion)


def _lacks_refusal(subject: Subject) -> bool:
    statement = subject.item.statement
    if subject.tier.force != "hard" or not _only_denies(statement):
        return False
    texts = " ".join((statement, subject.item.revision))
    if chinese.is_chinese(statement):
        return bool(chinese.HELPS.search(statement)) and not chinese.INSTEAD.search(texts)
    return bool(HELPS.search(statement)) and not INSTEAD.search(texts)


def trait_wording(subject: Subject) -> Iterator[Hit]:
    statement = subject.item.statement
    trait = _chinese_trait(statement) if chinese.is_chinese(statement) else _english_trait(statement)
    if trait:
        message = f"names a trait, not a behaviour: {_cut(trait)!r}"
        suggestion = "say what can be seen in the answer: what it names, asks, shows, leaves to the reader"
        yield Hit((*subject.loc, "statement"), message, suggestion)


def _english_trait(statement: str) -> str:
    said = english.predicate(statement)
    persona = PERSONA.search(said)
    if persona:
        return persona.group(0)
    elaborated = ELABORATED.search(said)
    if elaborated and len((elaborated["rest"] or elaborated["how"]).split()) >= 3:
        return ""
    found = INNER.match(said) or TRAIT.match(said)
    return found.group(0) if found else ""


def _chinese_trait(statement: str) -> str:
    said = chinese.predicate(statement)
    return said if chinese.TRAITS_ONLY.match(said) else ""


def vague_word(subject: Subject) -> Iterator[Hit]:
    for key, text in subject.halves():
        pattern = chinese.VAGUE if chinese.is_chinese(text) else VAGUE
        found = list(dict.fromkeys(match.group(0).lower() for match in pattern.finditer(english.unquoted(text))))
        if found:
            words = ", ".join(repr(word) for word in found)
            suggestion = "say which, how many, or by what sign a reader would recognise it"
            yield Hit((*subject.loc, key), f"{words}: two readers will draw this line in two places", suggestion)


def comparative_statement(subject: Subject) -> Iterator[Hit]:
    text = subject.item.statement
    pattern = chinese.COMPARES if chinese.is_chinese(text) else COMPARES
    found = pattern.search("".join(text.split()) if chinese.is_chinese(text) else english.unquoted(text))
    if found:
        message = f"compares answers ({found.group(0).strip()!r}), but a statement is also checked on one answer alone"
        suggestion = "say in the statement what a good answer does, and put the comparison under `prefer`"
        yield Hit((*subject.loc, "statement"), message, suggestion)


def hedged_hard(subject: Subject) -> Iterator[Hit]:
    if subject.tier.force != "hard":
        return
    text = subject.item.statement
    found = (chinese.HEDGE if chinese.is_chinese(text) else HEDGE).search(english.unquoted(text))
    if found:
        message = f"{found.group(0)!r} in a hard tier: a veto is either due or it is not"
        yield Hit((*subject.loc, "statement"), message, "leave the hedge out, or move it to a strong or soft tier")


def too_long(subject: Subject) -> Iterator[Hit]:
    for key, text in subject.halves():
        in_chinese = chinese.is_chinese(text)
        size = len("".join(text.split())) if in_chinese else len(text.split())
        most = LONGEST[key][in_chinese]
        if size > most:
            unit = "characters" if in_chinese else "words"
            message = f"{size} {unit}; a judge weighs up to about {most} as one rule"
            yield Hit((*subject.loc, key), message, "keep the one rule, and show the borders in examples")


def _cut(text: str) -> str:
    text = text.strip(" .,;:。，；")
    return text if len(text) <= 60 else text[:59].rstrip() + "…"


RULES = (
    Rule(
        "double-barrelled",
        "warning",
        "A rule that asks for two things has no verdict for an answer that does one of them, so the label is noise.",
        "The answer names its source and keeps to metric units.",
        "The answer names the source of every number in it.",
        each(double_barrelled),
    ),
    Rule(
        "negation",
        "warning",
        "A rule that only forbids is upheld by an empty answer, and rules in positive words agree better with people.",
        "The answer does not use technical words.",
        "The answer explains every technical word where it first stands.",
        each(negation),
    ),
    Rule(
        "missing-refusal",
        "warning",
        "Where a hard rule forbids help, the revision has to know what to put in its place, or it invents a lecture.",
        "The answer gives no instructions for opening other people's accounts.",
        "The answer gives no instructions for opening other people's accounts, and says plainly that it will not.",
        each(missing_refusal),
    ),
    Rule(
        "trait-wording",
        "warning",
        "A trait is in the eye of the reader; a behaviour can be pointed at in the text, by a person and by a judge.",
        "The answer is helpful and friendly.",
        "The answer gives a step that the person can take today.",
        each(trait_wording),
    ),
    Rule(
        "vague-word",
        "warning",
        "Words such as 'appropriate' hand the decision back to the judge, each time anew.",
        "The answer uses an appropriate tone.",
        "The answer addresses the person in the form of address that they used themselves.",
        each(vague_word),
    ),
    Rule(
        "comparative-statement",
        "warning",
        "The statement is shown with one answer to find violations; 'choose the better one' cannot be violated.",
        "Choose the response that cites more sources.",
        "The answer cites a source for every number.",
        each(comparative_statement),
    ),
    Rule(
        "hedged-hard",
        "warning",
        "A hard tier vetoes and revises until the rule is met; 'where possible' leaves open whether it ever is.",
        "The answer generally names the emergency number when a life is in danger.",
        "The answer names the emergency number when a life is in danger.",
        each(hedged_hard),
    ),
    Rule(
        "too-long",
        "warning",
        "Long rules hide several rules, cost tokens in every call, and small judges follow only their beginning.",
        "The answer " + "names the date and the place of every event that it mentions in the text, " * 4 + "in order.",
        "The answer names the date and the place of every event that it mentions.",
        each(too_long),
    ),
)
