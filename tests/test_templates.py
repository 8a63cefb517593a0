from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin import critic, reviser
from constitutional.builtin.judges import pairwise_logprob as judge
from constitutional.builtin.judges import rubric
from constitutional.builtin.scorers import pointwise as scorer
from constitutional.core.constitution import Principle
from constitutional.core.messages import Sampling
from constitutional.core.records import Message
from constitutional.errors import TemplateError, UnknownNameError
from constitutional.resources import shipped_names
from constitutional.templates import Templates

MESSAGES = (Message("user", "Hi"), Message("assistant", "Ho"), Message("user", "And now?"))
HONEST = Principle("honest", "Be honest about it.", critique="Say how.", revision="Mend it.", prefer="Which is better?")
VALUES: dict[str, object] = {
    "messages": MESSAGES,
    "response": "THE RESPONSE",
    "a": "THE FIRST",
    "b": "THE SECOND",
    "critique": "THE CRITIQUE",
    "principle": HONEST,
    "dimensions": rubric.DIMENSIONS,
    "points": 10,
}
SHIPPED = {
    "critique/check": critic.VARIABLES,
    "critique/explain": critic.VARIABLES,
    "judge/pairwise": judge.VARIABLES,
    "judge/paper": judge.VARIABLES,
    "judge/reasons": judge.VARIABLES,
    "judge/rubric": rubric.VARIABLES,
    "lint/review": frozenset({"principle"}),
    "pocket/check": critic.VARIABLES,
    "pocket/explain": critic.VARIABLES,
    "pocket/judge": judge.VARIABLES,
    "pocket/revise": reviser.VARIABLES,
    "pocket/score": scorer.VARIABLES,
    "revise/refuse": reviser.VARIABLES,
    "revise/revise": reviser.VARIABLES,
    "score/pointwise": scorer.VARIABLES,
}
ANY = frozenset(VALUES)


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def wrong(folder: Path, text: str, variables: frozenset[str] = frozenset({"response", "principle"})) -> str:
    put(folder, "t.jinja", text)
    with pytest.raises(TemplateError) as caught:
        Templates(folder).get("t.jinja", variables)
    return str(caught.value).replace(f"{folder}/", "")


def rendered(folder: Path, text: str, **values: object) -> str:
    put(folder, "t.jinja", text)
    return Templates(folder).get("t.jinja", frozenset(values)).render(**values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb {{ respnse }}\n", "t.jinja:2: unknown variable 'respnse'; did you mean 'response'?"),
        ("{{ zzz }}", "t.jinja:1: unknown variable 'zzz'; known: principle, response, shared"),
        # the word "an" is in the first line too, and is no variable there
        ("an answer\n\n{% if an %}x{% endif %}", "t.jinja:3: unknown variable 'an'; known: principle, response, "
         "shared"),
        ("{{ response }}\n{{ b }}\n{{ a }}", "t.jinja:2: unknown variable 'b'; known: principle, response, shared"),
        ("a\n{% if response %}b\n", "t.jinja:2: Unexpected end of template. Jinja was looking for the following tags: "
         "'elif' or 'else' or 'endif'. The innermost block that needs to be closed is 'if'."),
        ("a\nb\n{{ response }\n", "t.jinja:3: unexpected '}'"),
        ("{{ response | shout }}", "t.jinja:1: No filter named 'shout'."),
        ('a\n{% include "nowhere.jinja" %}', "t.jinja: includes 'nowhere.jinja', which does not exist"),
        ('{% include "../t.jinja" %}', "t.jinja: includes '../t.jinja', which does not exist"),
        ("{% include response %}", "t.jinja: the name of an include must be written out"),
        ('{% include "t.jinja" %}', "t.jinja: includes itself"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_asked(tmp_path: Path, text: str, message: str) -> None:
    assert wrong(tmp_path, text) == message


def test_what_is_wrong_in_an_included_file_is_said_of_that_file(tmp_path: Path) -> None:
    put(tmp_path, "part.jinja", "x\n{{ respnse }}")
    assert wrong(tmp_path, '{% include "part.jinja" %}') == (
        "part.jinja:2: unknown variable 'respnse'; did you mean 'response'?"
    )
    put(tmp_path, "part.jinja", "x\n{% if %}")
    assert (
        wrong(tmp_path, '{% include "part.jinja" %}')
        == "part.jinja:2: Expected an expression, got 'end of statement block'"
    )
    put(tmp_path, "part.jinja", '{% include "t.jinja" %}')
    assert wrong(tmp_path, '{% include "part.jinja" %}') == "t.jinja: includes itself"


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "t.jinja").write_bytes(b"caf\xe9")
    with pytest.raises(TemplateError) as caught:
        Templates(tmp_path).get("t.jinja", ANY)
    assert str(caught.value) == f"{tmp_path}/t.jinja: not UTF-8 at byte 3"


def test_an_unknown_name_lists_near_matches(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        Templates(tmp_path).get("score/pointwize", ANY)
    assert str(caught.value) == (
        "no template 'score/pointwize': neither a file nor a shipped name; did you mean 'score/pointwise'?"
    )


@pytest.mark.parametrize(
    "answer", ["{{ x }}", "{% raw %}", "{% endraw %}{{ 7 * 7 }}", "{# gone #}", "{{ shared }}", "{%", "\x00", "a\r\nb"]
)
def test_what_is_filled_in_is_never_a_template(tmp_path: Path, answer: str) -> None:
    assert rendered(tmp_path, "<{{ response }}>", response=answer) == f"<{answer}>"


@given(st.text())
def test_what_is_filled_in_stays_as_it_is(tmp_path_factory: pytest.TempPathFactory, answer: str) -> None:
    template = Templates(tmp_path_factory.getbasetemp()).get("judge/pairwise", judge.VARIABLES)
    text = template.render(messages=MESSAGES, a=answer, b="THE SECOND", principle=HONEST)
    assert f"# Answer A\n{answer}\n\n# Answer B\nTHE SECOND" in text


@pytest.mark.parametrize(
    "text",
    [
        "{{ response.__class__ }}",
        "{{ response.__class__.__mro__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ principle.__init__.__globals__ }}",
        "{{ principle.applies_to.__func__ }}",
        "{{ '{0.__class__}'.format(response) }}",
        "{{ ([].append)(1) }}{{ messages.append(1) }}",
    ],
)
def test_a_template_cannot_reach_python(tmp_path: Path, text: str) -> None:
    with pytest.raises(TemplateError, match=r"t\.jinja:1: "):
        rendered(tmp_path, text, response="x", principle=HONEST, messages=[])


def test_a_field_that_a_value_lacks_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(tmp_path, "{{ principle.statment }}", principle=HONEST)
    assert "statment" in str(caught.value)
    assert "t.jinja:1: " in str(caught.value)


def test_what_cannot_be_filled_in_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"t\.jinja:1: cannot be filled in: "):
        rendered(tmp_path, "{{ response + 1 }}", response="x")


@pytest.mark.parametrize(
    ("text", "content", "shared"),
    [
        ("one {{ shared }}two", "one two", 4),
        ("\n\n one {{ shared }}two\n", "one two", 4),
        ("one two", "one two", 0),
        ("{{ shared }}one", "one", 0),
        ("one\n\n{{ shared }}\n", "one", 3),
        ("one {{ shared }}two {{ shared }}three", "one two three", 4),
        ("{% if response %}one {{ shared }}{% endif %}two", "one two", 4),
        ("{{ response }} {{ shared }}two", "é two", 2),
    ],
)
def test_the_mark_says_how_much_is_shared_and_is_never_seen(
    tmp_path: Path, text: str, content: str, shared: int
) -> None:
    put(tmp_path, "t.jinja", text)
    template = Templates(tmp_path).get("t.jinja", frozenset({"response"}))
    request = template.request(Sampling(temperature=0.0), response="é")
    assert request.messages == (Message("user", content),)
    assert request.shared == shared
    assert request.sampling == Sampling(temperature=0.0)
    assert template.render(response="é") == content


def test_every_shipped_template_is_known_here() -> None:
    assert set(shipped_names("prompts", ".jinja")) == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_template_says_the_principle_after_what_calls_share(tmp_path: Path, name: str) -> None:
    template = Templates(tmp_path).get(name, SHIPPED[name])
    values = {key: VALUES[key] for key in SHIPPED[name]}
    other = Principle("brief", "A rule of another kind.", "C", "R", "P")
    one, two = template.request(Sampling(), **values), template.request(Sampling(), **values | {"principle": other})
    first, second = one.messages[-1].content, two.messages[-1].content
    assert one.shared == two.shared > 0
    assert first[: one.shared] == second[: two.shared]
    assert HONEST.statement in first[one.shared :]
    assert HONEST.statement not in first[: one.shared]
    for key in SHIPPED[name] & {"response", "a", "b"}:
        assert str(VALUES[key]) in first[: one.shared]
    assert "messages" not in SHIPPED[name] or "User: Hi\n\nAssistant: Ho\n\nUser: And now?" in first[: one.shared]
    assert "\x00" not in first


def test_the_critics_two_templates_share_their_beginning(tmp_path: Path) -> None:
    templates = Templates(tmp_path)
    check, explain = (
        templates.get(f"critique/{name}", critic.VARIABLES).request(
            Sampling(), messages=MESSAGES, response="R", principle=HONEST
        )
        for name in ("check", "explain")
    )
    assert check.messages[-1].content[: check.shared] == explain.messages[-1].content[: explain.shared]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_template_has_no_holes(tmp_path: Path, name: str) -> None:
    """Optional parts of a principle may be empty."""
    bare = Principle("x", "The only words.")
    values = {key: VALUES[key] for key in SHIPPED[name]} | {"principle": bare}
    text = Templates(tmp_path).get(name, SHIPPED[name]).render(**values)
    assert "\n\n\n\n" not in text
    assert not text.endswith(":") or name == "judge/paper"


def digests(folder: Path, *names: str) -> dict[str, str]:
    templates = Templates(folder)
    for name in names:
        templates.get(name, ANY)
    return templates.digests


def test_a_digest_is_of_the_text_and_of_everything_it_includes(tmp_path: Path) -> None:
    put(tmp_path, "t.jinja", '{% include "part.jinja" %}')
    put(tmp_path, "part.jinja", "old")
    before = digests(tmp_path, "t.jinja")
    put(tmp_path, "part.jinja", "new")
    after = digests(tmp_path, "t.jinja")
    assert set(before) == set(after) == {"t.jinja", "part.jinja"}
    assert before["t.jinja"] == after["t.jinja"]
    assert before["part.jinja"] != after["part.jinja"]


def test_digests_are_under_names_without_the_machines_folders(tmp_path: Path) -> None:
    put(tmp_path, "mine/t.jinja", "x")
    assert set(digests(tmp_path, "mine/t.jinja", "judge/pairwise")) == {
        "mine/t.jinja", "judge/pairwise.jinja", "_dialogue.jinja",
    }  # fmt: skip


def test_two_files_of_one_name_both_count(tmp_path: Path) -> None:
    """A run whose critic and judge use templates of one name in two folders notices a change of either."""
    first, second = put(tmp_path, "x/t.jinja", "one"), put(tmp_path, "y/t.jinja", "two")
    base = tmp_path / "base"
    base.mkdir()
    names = (str(first), str(second))
    found = [digests(base, *names)]
    first.write_text("three")
    found.append(digests(base, *names))
    second.write_text("four")
    found.append(digests(base, *names))
    assert all(len(digest) == 2 for digest in found)
    assert found[0] != found[1] != found[2] != found[0]
    assert all(str(tmp_path) not in label for label in found[0])


def test_an_include_of_ones_own_goes_before_a_shipped_one(tmp_path: Path) -> None:
    put(tmp_path, "_dialogue.jinja", "MY DIALOGUE")
    text = (
        Templates(tmp_path).get("judge/pairwise", judge.VARIABLES).render(messages=(), a="1", b="2", principle=HONEST)
    )
    assert "MY DIALOGUE" in text
