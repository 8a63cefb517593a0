"""The server as a process of its own: who may ask, what a page says, what a label leaves behind."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest

from constitutional.audit.labels import read_labels
from constitutional.audit.runs import human_labels
from constitutional.dataset.source import DatasetFolder
from constitutional.dataset.write import write_dataset
from constitutional.ledger import RunFolder
from constitutional.ledger.labels import LabelFile
from tests.plots.test_page import seen
from tests.support.processes import environment
from tests.support.runs import Run
from tests.support.viewer import Viewing, viewing
from tests.view.conftest import HOSTILE


def shown_pairs(text: str) -> list[str]:
    return re.findall(r'class="row" id="i(\d+)"', text)


def test_nobody_without_the_token_gets_anything(page: Viewing) -> None:
    root = page.address.rsplit("/", 2)[0] + "/"
    other = Viewing(root)
    for path in ("", "0/", "nothing/", "nothing/0/", "nothing/0/live", "nothing/static/app.js"):
        reply = other.get(path)
        assert reply.status == 404
        assert "constitutional view" in reply.text or reply.text == "Not Found"
        assert "question" not in reply.text
    assert other.post("nothing/0/label", {}).status == 404


def test_a_page_elsewhere_whose_name_was_turned_here_gets_nothing(page: Viewing) -> None:
    assert page.get("0/", Host="evil.example:80").status == 404
    assert page.post("0/label", {}, Origin="http://evil.example").status == 404
    assert page.get("0/", Host="localhost:1").status == 200


def test_it_listens_on_this_machine_alone(page: Viewing) -> None:
    port = urllib.parse.urlsplit(page.address).port
    own = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in own - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(ConnectionRefusedError), socket.create_connection((str(address), port), timeout=5):
            pass


@pytest.mark.parametrize("path", ["0/", "0/?kind=none", "0/?q=pwned", "compare", "0/trace?prompt=gone", "0/live"])
def test_every_page_forbids_scripts_but_its_own(page: Viewing, path: str) -> None:
    reply = page.get(path)
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["referrer-policy"] == "no-referrer"
    if path == "0/live":
        return
    found = seen(reply.text)
    assert found.tags.count("script") == 1
    assert not [name for name in found.attributes if name.startswith("on") or name == "style"]
    assert not re.search(r'(?:src|href)="(?:https?:)?//', reply.text)


def test_hostile_text_is_text_on_every_page(page: Viewing, done: tuple[Path, Run]) -> None:
    hostile = next(trace for trace in done[1].traces if trace.prompt.messages[-1].content == HOSTILE)
    for path in ("0/?q=pwned", f"0/trace?prompt={hostile.prompt.id}&n=0",
                 f"0/trace?prompt={hostile.prompt.id}&n=0&blind=1", f"compare/one?prompt={hostile.prompt.id}"):  # fmt: skip
        text = page.get(path).text
        assert "<img" not in text
        assert "<script>window" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "{{ 7 * 7 }}" in text


def test_a_megabyte_in_one_line_is_a_short_page_and_whole_elsewhere(page: Viewing, done: tuple[Path, Run]) -> None:
    huge = next(trace for trace in done[1].traces if len(trace.prompt.messages[-1].content) > 10**6)
    reply = page.get(f"0/trace?prompt={huge.prompt.id}")
    assert len(reply.text) < 400_000
    assert "all 1,200,005 characters" in reply.text
    whole = page.get(f"0/text?prompt={huge.prompt.id}&name=message/0")
    assert whole.text == huge.prompt.messages[-1].content
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"


def test_any_id_of_a_prompt_has_a_page(page: Viewing) -> None:
    listed = page.get("0/?q=gr%C3%B6%C3%9Fe").text
    (address,) = re.findall(r'href="[^"]*/(0/trace\?[^"]*)"', listed)
    assert "naïve rude größe" in page.get(address.replace("&amp;", "&")).text


def test_a_trace_shows_what_made_the_label(page: Viewing, done: tuple[Path, Run]) -> None:
    veto = next(trace for trace in done[1].traces if trace.pairs and trace.pairs[0].ruling.vetoed_by)
    text = page.get(f"0/trace?prompt={veto.prompt.id}&n=0").text
    assert "violates a principle of the hard tier <b>safe</b>" in text
    assert "<del>bad" in text
    assert re.search(r"Round 1: revised for bad.*?kept", text, re.DOTALL)
    assert text.count("<tr") >= 4


def test_blind_shows_no_label(page: Viewing, done: tuple[Path, Run]) -> None:
    trace = next(trace for trace in done[1].traces if trace.pairs)
    text = page.get(f"0/trace?prompt={trace.prompt.id}&n=0&blind=1").text
    main = text.partition("<main>")[2].partition("<dialog")[0]
    assert trace.pairs[0].chosen.text in main
    assert "chosen" not in main.replace('data-verdict="', "")
    assert "Round" not in main


def test_two_runs_side_by_side(page: Viewing) -> None:
    everything = shown_pairs(page.get("compare?a=0&b=1").text)
    differing = page.get("compare?a=0&b=1&differing=1").text
    assert 0 < len(shown_pairs(differing)) < len(everything) == 25
    assert "nothing to revise" in differing or "nothing_to_revise" in differing
    assert "bad thing" not in differing


def test_a_run_that_is_no_run_says_so() -> None:
    command = [sys.executable, "-m", "constitutional", "view", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "error: nowhere is no run folder: there is no such folder; `constitutional generate` makes one\n",
    )


def test_a_label_goes_to_the_file_to_the_audit_and_into_the_dataset(done: tuple[Path, Run], tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(done[0], folder)
    traces = [trace for trace in done[1].traces if trace.pairs and len(trace.pairs[0].rejected.text) < 1000][:5]
    said = dict(zip((trace.prompt.id for trace in traces), ("agree", "flip", "tie", "both-bad", "skip"), strict=True))
    with viewing(folder, annotator="Zoë") as viewer:
        for prompt, verdict in said.items():
            reply = viewer.post("0/label", {"prompt": prompt, "n": 0, "verdict": verdict, "note": "so", "blind": True})
            assert (reply.status, reply.json["verdict"]) == (200, verdict)
        assert len(shown_pairs(viewer.get("0/?label=yes").text)) == 5
        bad = [{"prompt": "gone", "n": 0, "verdict": "agree"}, {"prompt": traces[0].prompt.id, "n": 9, "verdict": "agree"},
               {"prompt": traces[0].prompt.id, "n": 0, "verdict": "<script>"}]  # fmt: skip
        assert [viewer.post("0/label", one).status for one in bad] == [404, 404, 404]
        assert viewer.post("0/label", {}).status == 400
        assert viewer.post("0/label", b"not json").status == 400
        assert viewer.post("0/label", b"x" * 100_000).status == 413
    labels = list(LabelFile.of(folder).all())
    assert {(one.annotator, one.note, one.blind) for one in labels} == {("Zoë", "so", True)}
    read = read_labels([str(folder / "labels.db")], tmp_path)
    assert (len(read.pairs), read.unlabelled) == (4, 1)
    assert {pair.a.text: pair.votes["Zoë"] for pair in read.pairs} == {
        trace.pairs[0].chosen.text: share for trace, share in zip(traces, (1.0, 0.0, 0.5, 0.5), strict=False)
    }
    write_dataset(RunFolder(folder), complete=True)
    rows = {row["prompt_id"]: row["human_label"] for row in DatasetFolder.find(folder).rows("preference", "train")}
    assert [rows[trace.prompt.id] for trace in traces] == [1.0, 0.0, 0.5, 0.5, None]
    assert sum(value is not None for value in rows.values()) == 4
    assert not write_dataset(RunFolder(folder), complete=True), "nothing was said since"
    assert len(human_labels(read.pairs)) == 4


def test_a_label_that_is_taken_back_is_gone(done: tuple[Path, Run], tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(done[0], folder)
    name = next(trace.prompt.id for trace in done[1].traces if trace.pairs)
    with viewing(folder) as viewer:
        for verdict in ("agree", "none"):
            assert viewer.post("0/label", {"prompt": name, "n": 0, "verdict": verdict}).status == 200
    assert list(LabelFile.of(folder).all()) == []


def test_ctrl_c_is_how_it_ends(done: tuple[Path, Run]) -> None:
    import signal

    command = [sys.executable, "-m", "constitutional", "view", str(done[0]), "--port", "0", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert Viewing(address).get("0/live").status == 200
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, "error" in said, "Traceback" in said) == (0, False, False)


def test_a_port_that_is_taken_says_so(done: tuple[Path, Run], page: Viewing) -> None:
    port = str(urllib.parse.urlsplit(page.address).port)
    command = [sys.executable, "-m", "constitutional", "view", str(done[0]), "--port", port]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert ended.returncode == 2
    assert ended.stderr == f"error: --port {port}: Address already in use: choose another, or 0 for any\n"
