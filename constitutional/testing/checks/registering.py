"""Checks of every kind: it registers, lightly; its options are checked; its factory asks for nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from constitutional.errors import ConfigError
from constitutional.pipeline.strangers import lacking
from constitutional.plugins import BUILTIN, KINDS
from constitutional.testing.subject import BUILTIN_MODULE, THEIRS, Fault, NotApplicable, Subject
from constitutional.testing.workshop import Workshop

HEAVY = (
    "accelerate", "anthropic", "datasets", "jax", "matplotlib", "openai", "pandas", "peft", "pyarrow", "ray", "scipy",
    "sentence_transformers", "sklearn", "spacy", "tensorflow", "torch", "trackio", "transformers", "trl", "vllm", "wandb",
)  # fmt: skip
"""Packages that take a second or a gigabyte to import: they belong inside functions."""
MOST_CPU = 5.0
"""Seconds of computing that loading a plugin may take."""
LOADING = """\
import contextlib, importlib, io, json, sys, threading, time
import constitutional.plugins
network = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        network.append(event)
sys.addaudithook(watch)
before, threads, printed, began = set(sys.modules), threading.active_count(), io.StringIO(), time.process_time()
with contextlib.redirect_stdout(printed):
    module = importlib.import_module(sys.argv[1])
    for hook in sys.argv[2].split(","):
        if hasattr(module, hook):
            getattr(module, hook)(lambda name, factory, *, config=None: None)
new = {name.partition(".")[0] for name in set(sys.modules) - before}
seconds = time.process_time() - began
json.dump([sorted(new), network, printed.getvalue(), seconds, threading.active_count() - threads], sys.stdout)
"""


def registers(subject: Subject) -> None:
    """Under the kind and the name, with every hook spelt as it is."""
    if subject.kind not in KINDS:
        raise Fault(f"{subject.kind!r} is no kind of plugin: {', '.join(KINDS)}")
    ships = subject.module == BUILTIN_MODULE
    (own,) = (plugin for plugin in subject.host.plugins if plugin.name == (BUILTIN if ships else THEIRS[0]))
    if own.error:
        raise Fault(own.error)
    if own.notes:
        raise Fault(f"deprecated: {own.notes[0]}")
    if subject.name not in subject.host.names(subject.kind):
        offered = [f"{item.kind} {item.name}" for item in subject.host.registered() if item.distribution != BUILTIN]
        raise Fault(f"registers no {subject.kind} {subject.name!r}, but: {', '.join(offered) or 'nothing'}")


def loads_lightly(subject: Subject) -> None:
    """In a process of its own: no network, no heavy package, nothing printed, no thread left behind."""
    if subject.module is None or getattr(subject.plugin, "__spec__", True) is None:
        raise NotApplicable("its plugin is an object, not a module that can be imported by its name")
    if subject.module == BUILTIN_MODULE:
        raise NotApplicable("it ships, and the adapters of a run are loaded with it")
    place = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", LOADING, subject.module, ",".join(KINDS.values())],
        env=os.environ | place, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Fault(f"does not load in a fresh process: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
    new, network, printed, seconds, threads = json.loads(done.stdout)
    if heavy := sorted(set(new) & set(HEAVY)):
        raise Fault(f"imports {', '.join(heavy)} when it is loaded: import them inside the functions that use them")
    if network:
        raise Fault(f"uses the network when it is loaded ({network[0]}): wait until the factory's product is asked")
    if printed:
        raise Fault(f"prints when it is loaded, into the JSON of every command: {printed[:80]!r}")
    if threads > 0:
        raise Fault(f"starts {threads} threads when it is loaded: start them at the first question")
    if seconds > MOST_CPU:
        raise Fault(f"computes for {seconds:.1f} s when it is loaded: every command that asks for a name waits for it")


def checks_its_options(subject: Subject) -> None:
    """A misspelt option is an error and not silence; the given ones are valid; the schema can be shown."""
    registered = subject.registered
    try:
        registered.options(dict(subject.options), subject.kind)
    except ConfigError as error:
        raise Fault(f"refuses the options it is examined with: {error}") from error
    try:
        registered.options({**subject.options, "surely_no_option": 1}, subject.kind)
    except ConfigError:
        pass
    else:
        raise Fault('takes an option that it does not have: give its model ConfigDict(extra="forbid")')
    if registered.config is not None:
        json.dumps(registered.config.model_json_schema())


def makes_without_asking(subject: Subject) -> None:
    """A configuration is checked by making everything in it: no call, no work, and no event loop is running."""
    bench = Workshop(subject)
    try:
        made = bench.make()
    except Exception as error:
        raise Fault(f"the factory raises {type(error).__name__}: {error}") from error
    if bench.asked:
        raise Fault("the factory asks the model: ask when you are asked")
    _has_method(subject.kind, made)


def _has_method(kind: str, made: Any) -> None:
    problem = lacking(kind, made)
    if problem is not None:
        raise Fault(problem)
