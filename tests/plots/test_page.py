from __future__ import annotations

from html.parser import HTMLParser

from constitutional.plots.page import POLICY, Table, bullets, figure, page, paragraph, section, table, verdict

NASTY = '</title><script>alert(1)</script><img src=x onerror=alert(2)> "&\x00'


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.said = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.said += data


def seen(text: str) -> Seen:
    parser = Seen()
    parser.feed(text)
    return parser


def test_judged_text_is_text_wherever_it_stands() -> None:
    content = Table((NASTY, NASTY), [(NASTY, NASTY)])
    made = page(
        NASTY, section(NASTY, paragraph(NASTY)), bullets([NASTY]), table(content), figure("<svg></svg>", NASTY, content),
        verdict(NASTY, good=True),
    )  # fmt: skip
    found = seen(made)
    assert not {"script", "img", "iframe", "link", "object"} & set(found.tags)
    assert not {"src", "href", "onerror", "onload"} & set(found.attributes)
    assert found.said.count("<script>alert(1)</script>") == 15


def test_a_page_allows_no_script_and_no_request() -> None:
    assert "default-src 'none'" in POLICY
    assert f'content="{POLICY.replace(chr(39), "&#x27;")}"' in page("t")


def test_numbers_stand_to_the_right_and_words_to_the_left() -> None:
    made = table(Table(("", "value", "meaning"), [("a", "0.5", "0 is no bias, they say"), ("b", "–", "x")]))
    assert '<td class="n">0.5</td>' in made
    assert "<td>x</td>" in made
    assert table(Table(("a", "b"), []))
