"""The server: pages made here, behind a token, for this machine alone. Nothing on them comes from anywhere else."""

from __future__ import annotations

import hmac
import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from constitutional.core.digest import pair_id, random_for
from constitutional.errors import ConstitutionalError
from constitutional.ledger.labels import VERDICTS, Label
from constitutional.view.comparing import side_by_side
from constitutional.view.listing import FIELDS, KINDS, ORDERS, Item, Query
from constitutional.view.shelf import Shelved
from constitutional.view.shown import LONGEST, begin, shown
from constitutional.view.traces import Comparison, comparisons, ways

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
STATIC = {"app.js": "text/javascript", "style.css": "text/css", "icon.svg": "image/svg+xml"}
MOST_BYTES = 64_000
"""Of a label with its note."""
LONGEST_NOTE = 4_000

Page = Callable[[Request], Response]


class Viewer:
    """``annotator`` is who labels. The token stands in every address: who does not have it gets nothing."""

    def __init__(self, runs: list[Shelved], token: str, annotator: str) -> None:
        self.runs = runs
        self.token = token
        self.annotator = annotator
        self._pages = Environment(
            loader=PackageLoader("constitutional.view"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True,
        )  # fmt: skip
        self._pages.filters |= {"shown": shown, "begin": begin, "p": _p, "count": lambda number: f"{number:,}"}

    def app(self) -> Starlette:
        routes = [
            Route("/{token}/", self._page(self.home)),
            Route("/{token}/compare", self._page(self.compare)),
            Route("/{token}/compare/one", self._page(self.compare_one)),
            Route("/{token}/static/{name}", self._page(self.static)),
            Route("/{token}/{run:int}/", self._page(self.list)),
            Route("/{token}/{run:int}/live", self._page(self.live)),
            Route("/{token}/{run:int}/label", self._label, methods=["POST"]),
            Route("/{token}/{run:int}/text", self._page(self.text)),
            Route("/{token}/{run:int}/trace", self._page(self.trace)),
        ]
        return Starlette(routes=routes)

    def _page(self, page: Page) -> Page:
        def guarded(request: Request) -> Response:
            try:
                response = page(request) if self._may(request) else _nothing()
            except (ConstitutionalError, sqlite3.Error) as error:
                response = self._lost(str(error), 500)
            response.headers.update(HEADERS)
            return response

        return guarded

    def _may(self, request: Request) -> bool:
        """A name other than this machine's own in the request is a page elsewhere that had its name turned here."""
        host = request.headers.get("host", "").rpartition(":")[0] or request.headers.get("host", "")
        known = hmac.compare_digest(str(request.path_params["token"]).encode(), self.token.encode())
        return known and host in ("127.0.0.1", "localhost") and request.path_params.get("run", 0) < len(self.runs)

    # pages

    def home(self, request: Request) -> Response:
        if len(self.runs) == 1:
            return RedirectResponse(f"/{self.token}/0/")
        return self._html("home.html", request, runs=[(run, run.status()) for run in self.runs])

    def list(self, request: Request) -> Response:
        run, query = self._run(request), Query.of(request.query_params)
        lister, status = run.lister, run.status()
        if "kind" not in request.query_params and not status["pairs"] and status["status"] != "running":
            # An evaluation, or a run that nothing came of: there is something to see all the same.
            query = replace(query, kind="none")
        if query.label:
            lister.labelled = [label.pair for label in run.labels.all() if label.annotator == self.annotator]
        page = lister.page(query)
        said = run.labels.verdicts([item.pair for item in page.items if item.pair], self.annotator)
        last = page.items[-1] if page.more else None
        further = query.address(after="{:.17g},{}".format(*query.past(last).after or (0, 0))) if last else ""
        name = "rows.html" if request.query_params.get("part") else "list.html"
        blind = bool(request.query_params.get("blind"))
        return self._html(
            name, request, run=run, at=request.path_params["run"], query=query, page=page, said=said, further=further,
            choices=lister.choices(), kinds=lister.kinds(), status=status, orders=list(ORDERS), fields=FIELDS,
            all_kinds=list(KINDS), chosen=dict(query.words), first=query.after is None, blind=blind,
            link=query.address(blind="1" if blind else ""),
        )  # fmt: skip

    def trace(self, request: Request) -> Response:
        run, query = self._run(request), Query.of(request.query_params)
        trace = run.trace(request.query_params.get("prompt", ""))
        if trace is None:
            return self._lost("no such prompt in this run (it may have been made anew): go back to the list")
        found = comparisons(trace, run.constitution)
        n = _whole(request.query_params.get("n"), -1)
        item = run.lister.item(trace.prompt.id, n) or run.lister.item(trace.prompt.id, 0 if trace.pairs else -1)
        subject = next((one for one in found if one.pair is not None and item is not None and one.n == item.n), None)
        found.sort(key=lambda one: one is not subject)
        pair = pair_id(trace.prompt.messages, subject.left.text, subject.right.text) if subject else ""
        labels = run.labels.of_pair(pair) if pair else []
        blind = bool(request.query_params.get("blind")) and subject is not None
        mine = next((label for label in labels if label.annotator == self.annotator), None)
        flipped = random_for(0, pair, "side").random() < 0.5
        return self._html(
            "blind.html" if blind else "trace.html", request, run=run, at=request.path_params["run"], trace=trace,
            ways=list(ways(trace)), comparisons=found, subject=subject, pair=pair, mine=mine, labels=labels,
            principles={principle.id: principle for _, principle in run.constitution}, verdicts=VERDICTS, item=item,
            force={tier.id: tier.force for tier in run.constitution.tiers}, flipped=flipped,
            link=query.address(blind="1" if blind else ""), **self._beside(run, query, item, blind),
        )  # fmt: skip

    def _beside(self, run: Shelved, query: Query, item: Item | None, blind: bool) -> dict[str, str]:
        """Addresses of the next and the previous item of the list."""
        if item is None:
            return {"next": "", "before": ""}
        lister = run.lister
        if query.label:
            lister.labelled = [label.pair for label in run.labels.all() if label.annotator == self.annotator]
        found = {"next": lister.next(query, item), "before": lister.before(query, item)}
        return {name: self._address(one, query, blind) if one else "" for name, one in found.items()}

    def _address(self, item: Item, query: Query, blind: bool) -> str:
        return "trace?" + query.address(prompt=item.prompt_id, n=str(item.n), blind="1" if blind else "")

    def text(self, request: Request) -> Response:
        """One whole text, as text."""
        trace = self._run(request).trace(request.query_params.get("prompt", ""))
        name = request.query_params.get("name", "")
        texts = {response.id: response.text for response in trace.responses} if trace else {}
        if trace:
            texts |= {f"message/{at}": message.content for at, message in enumerate(trace.prompt.messages)}
        if name not in texts:
            return self._lost("no such text in this run")
        return PlainTextResponse(texts[name].encode("utf-8", "replace").decode())

    def compare(self, request: Request) -> Response:
        left, right = (self._named(request, name, at) for at, name in enumerate(("a", "b")))
        if left is None or right is None or len(self.runs) < 2:
            return self._lost("comparing takes two runs: constitutional view RUN RUN")
        differing = bool(request.query_params.get("differing"))
        after = _whole(request.query_params.get("after"), -1)
        rows, further = side_by_side(left.connection, right.connection, differing=differing, after=after)
        return self._html(
            "compare.html", request, rows=rows, further=further, differing=differing, runs=self.runs, first=after < 0,
            left=self.runs[left.at], right=self.runs[right.at], a=left.at, b=right.at,
        )  # fmt: skip

    def compare_one(self, request: Request) -> Response:
        from constitutional.view.diff import changes

        left, right = (self._named(request, name, at) for at, name in enumerate(("a", "b")))
        if left is None or right is None:
            return self._lost("comparing takes two runs: constitutional view RUN RUN")
        sides = []
        for one in (left, right):
            run = self.runs[one.at]
            trace = run.trace(request.query_params.get("prompt", ""))
            if trace is None:
                return self._lost("this prompt is not in both runs")
            sides.append((one.at, run, trace, comparisons(trace, run.constitution)))
        texts = [_final(trace_comparisons) for _, _, _, trace_comparisons in sides]
        changed = changes(texts[0], texts[1]) if all(texts) else []
        return self._html("compare_one.html", request, sides=sides, changed=changed, a=left.at, b=right.at)

    def _named(self, request: Request, name: str, otherwise: int) -> _Side | None:
        at = _whole(request.query_params.get(name), otherwise)
        return _Side(at, self.runs[at].lister.connection) if 0 <= at < len(self.runs) else None

    def live(self, request: Request) -> Response:
        return JSONResponse(self._run(request).status())

    def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in STATIC:
            return self._lost("no such file")
        return Response((files("constitutional.view") / "static" / name).read_bytes(), media_type=STATIC[name])

    # labels

    async def _label(self, request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        if not self._may(request) or not _own_origin(request):
            return _nothing()
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return JSONResponse({"problem": f"a label is {MOST_BYTES:,} bytes at most"}, 413, HEADERS)
        try:
            return await run_in_threadpool(self._put, self._run(request), body)
        except (ConstitutionalError, sqlite3.Error) as error:
            return JSONResponse({"problem": str(error)}, 500, HEADERS)

    def _put(self, run: Shelved, body: bytes) -> Response:
        try:
            given: dict[str, Any] = json.loads(body)
            prompt, n, verdict = str(given["prompt"]), int(given["n"]), str(given["verdict"])
            note, blind = str(given.get("note", ""))[:LONGEST_NOTE], bool(given.get("blind"))
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"problem": "a label names its prompt, which pair, and a verdict"}, 400, HEADERS)
        trace = run.trace(prompt)
        if trace is None or not 0 <= n < len(trace.pairs) or verdict not in (*VERDICTS, "none"):
            return JSONResponse({"problem": "no such pair in this run, or no such verdict"}, 404, HEADERS)
        pair = trace.pairs[n]
        name = pair_id(trace.prompt.messages, pair.chosen.text, pair.rejected.text)
        if verdict == "none":
            run.labels.drop(name, self.annotator)
        else:
            messages = tuple((message.role, message.content) for message in trace.prompt.messages)
            run.labels.put(
                Label(name, self.annotator, verdict, note, blind, messages, pair.chosen.text, pair.rejected.text)
            )
        return JSONResponse(
            {"pair": name, "verdict": verdict, "labelled": run.labels.count(self.annotator)}, 200, HEADERS
        )

    # parts

    def _run(self, request: Request) -> Shelved:
        return self.runs[int(request.path_params["run"])]

    def _html(self, name: str, request: Request, **more: Any) -> Response:
        root = f"/{self.token}"
        text = self._pages.get_template(name).render(
            root=root, annotator=self.annotator, all_runs=self.runs, longest=LONGEST, text_of=_text_of, **more
        )
        return HTMLResponse(text)

    def _lost(self, words: str, status: int = 404) -> Response:
        page = self._pages.get_template("lost.html").render(root=f"/{self.token}", words=words, all_runs=self.runs)
        return HTMLResponse(page, status)


class _Side:
    def __init__(self, at: int, connection: Any) -> None:
        self.at = at
        self.connection = connection


def _text_of(root: str, at: int, prompt_id: str, name: str) -> str:
    """Where a text stands alone, whole."""
    return f"{root}/{at}/text?{urlencode({'prompt': prompt_id, 'name': name})}"


def _final(found: list[Comparison]) -> str:
    return found[0].left.text if found else ""


def _nothing() -> Response:
    return PlainTextResponse("nothing here: open the address that `constitutional view` printed\n", 404, HEADERS)


def _own_origin(request: Request) -> bool:
    """A browser says where a form stands; a page of somebody else may not label."""
    origin = request.headers.get("origin")
    return origin is None or origin == f"http://{request.headers.get('host', '')}"


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _whole(text: str | None, otherwise: int) -> int:
    try:
        return int(text or "")
    except ValueError:
        return otherwise
