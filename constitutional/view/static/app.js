// Keyboard, labels, and following a run. Everything works on text: nothing here makes HTML of data.
"use strict";

const body = document.body;
const page = body.dataset.page || "";
const find = (what) => document.querySelector(what);

function toast(words) {
  const place = find("#toast");
  place.textContent = words;
  place.classList.add("on");
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => place.classList.remove("on"), 2500);
}

function go(address) {
  if (address) window.location.href = address;
}

function turnBlind() {
  const address = new URL(window.location.href);
  if (body.dataset.blind === "1") address.searchParams.delete("blind");
  else address.searchParams.set("blind", "1");
  go(address.href);
}

// the list

function rows() {
  return Array.from(document.querySelectorAll(".row"));
}

function move(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("at"));
  const to = Math.min(all.length - 1, Math.max(0, at + by));
  if (at >= 0) all[at].classList.remove("at");
  all[to].classList.add("at");
  all[to].querySelector(".open").focus({ preventScroll: true });
  all[to].scrollIntoView({ block: "nearest" });
}

let counts = "";

async function follow() {
  let wait = 5000;
  try {
    const answer = await fetch(body.dataset.live, { cache: "no-store" });
    const now = await answer.json();
    const seen = JSON.stringify([now.pairs, now.none, now.dropped, now.reading]);
    if (find("#status").textContent !== now.status) {
      find("#status").textContent = now.status;
      find("#status").classList.toggle("go", now.status === "running");
    }
    if (counts && seen !== counts && body.dataset.first === "1") await refresh();
    counts = seen;
    wait = now.status === "running" || now.reading ? 1000 : 5000;
  } catch {
    toast("the viewer does not answer: is it still running?");
  }
  setTimeout(follow, wait);
}

async function refresh() {
  const address = new URL(window.location.href);
  address.searchParams.set("part", "1");
  const answer = await fetch(address, { cache: "no-store" });
  if (!answer.ok) return;
  const at = find(".row.at");
  // Escaped by the server, as everything that it sends; and the page's policy runs no script but this one.
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  find("#list").replaceChildren(...fresh.body.childNodes);
  if (at) {
    const again = document.getElementById(at.id);
    if (again) again.classList.add("at");
  }
}

// labels

async function say(verdict) {
  const place = find("#label");
  if (!place || !place.dataset.url) return;
  const blind = place.dataset.blind === "1";
  const again = find("#saved").dataset.verdict === verdict && !blind;
  const sent = {
    prompt: place.dataset.prompt,
    n: Number(place.dataset.n),
    verdict: again ? "none" : verdict,
    note: find("#note").value,
    blind,
  };
  try {
    const answer = await fetch(place.dataset.url, { method: "POST", body: JSON.stringify(sent) });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.problem || answer.status);
    const verdictNow = said.verdict === "none" ? "" : said.verdict;
    find("#saved").dataset.verdict = verdictNow;
    find("#saved").textContent = verdictNow ? (blind ? "saved" : `saved: ${verdictNow}`) : "not labelled";
    show();
    toast(verdictNow ? `saved (${said.labelled} labelled)` : "label taken back");
    if (blind) go(body.dataset.next || body.dataset.list);
  } catch (problem) {
    toast(`not saved: ${problem.message}`);
  }
}

function show() {
  const verdict = find("#saved") ? find("#saved").dataset.verdict : "";
  for (const button of document.querySelectorAll("[data-verdict][data-key]"))
    button.setAttribute("aria-pressed", String(Boolean(verdict) && button.dataset.verdict === verdict));
}

// keys and clicks

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "Escape" && typing) return event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || find("#help").open) return;
  const button = find(`[data-key="${CSS.escape(event.key)}"]`);
  const on = page === "list";
  const keys = {
    "?": () => find("#help").showModal(),
    "/": () => {
      if (on && find(".filters")) {
        find(".filters").open = true;
        find("[name=q]").focus();
      } else go(body.dataset.list);
    },
    j: () => (on ? move(1) : go(body.dataset.next)),
    k: () => (on ? move(-1) : go(body.dataset.before)),
    u: () => go(body.dataset.list),
    v: turnBlind,
    m: () => find("#note") && find("#note").focus(),
  };
  if (button) {
    event.preventDefault();
    button.click();
  } else if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("help" in button.dataset) find("#help").showModal();
  if (button.dataset.verdict) say(button.dataset.verdict);
});

const filter = find("#filter");
if (filter) {
  filter.addEventListener("change", (event) => {
    if (event.target.matches("select, [type=checkbox]")) filter.requestSubmit();
  });
  filter.addEventListener("submit", () => {
    for (const field of filter.elements) if (field.name && !field.value) field.disabled = true;
  });
  if (window.matchMedia("(min-width: 60rem)").matches) find(".filters").open = true;
}
if (body.dataset.live) follow();
if (find("#label")) {
  show();
  if (find("#note"))
    find("#note").addEventListener("change", () => {
      const verdict = find("#saved").dataset.verdict;
      if (verdict && find("#label").dataset.blind !== "1") {
        find("#saved").dataset.verdict = "";
        say(verdict);
      }
    });
}
