"""The command line. Commands are named here and imported when they are used: ``--help`` loads nothing."""

from __future__ import annotations

import errno
import sys
from typing import Any

import click

from constitutional.cli.lazy import LazyGroup

COMMANDS = {
    "demo": "The whole loop on a tiny model, in minutes: generate, audit, train, evaluate.",
    "generate": "Make a preference dataset: respond, critique, revise, judge, pair.",
    "train": "Train a model on a run: SFT, DPO, IPO or both, with the labels' probabilities.",
    "iterate": "Rounds of generate, judge, pair, train, evaluate, each with the model of the one before.",
    "evaluate": "Compare models before and after on held-out prompts: did it work, and what did it cost?",
    "audit": "Measure a judge against human labels: accuracy, biases, calibration, and whether it may label.",
    "report": "Write a page with plots of a run, a training or an evaluation.",
    "view": "Read, search, compare and label a run's pairs in the browser.",
    "sample": "Write pairs of a run to a sheet, for people to label.",
    "watch": "Look for reward hacking and collapse in a run's labels.",
    "pairs": "Compare pairing strategies on a finished run, from its ledger: no model is asked.",
    "merge": "Make one dataset of several runs, with no prompt in it twice.",
    "export": "Write a dataset in the format of another trainer or tool.",
    "push": "Push a dataset or a trained model to the Hugging Face Hub.",
    "verify": "Check a dataset against its digests, and say which run made what.",
    "principles": "List, show, check, start and import constitutions.",
    "plugins": "List, show, check and start plugins.",
    "version": "Print the version.",
}

OF_PRINCIPLES = ("lint", "test", "diff", "explain", "stats", "import")
OF_THE_MACHINE = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EMFILE, errno.EIO, errno.EACCES, errno.EPERM,
    errno.ENAMETOOLONG,
)  # fmt: skip
"""What may be met wherever a file is written, and is nobody's mistake in the code."""
ELSEWHERE = {
    **{name: f"it is `constitutional principles {name}`" for name in OF_PRINCIPLES},
    **{
        name: f"it is `constitutional principles {name}` or `constitutional plugins {name}`"
        for name in ("list", "show")
    },
    "new": "it is `constitutional principles new` or `constitutional plugins new`",
    "init": "a file to start from comes of `constitutional principles new`",
    "check": "it is `constitutional plugins check`, or `constitutional principles lint`",
    "help": "it is `constitutional --help`, and --help behind any command",
    "run": "it is `constitutional generate`",
    "resume": "the command that began it goes on where it stopped; of a run it is `constitutional generate`",
    "metrics": "it is an option of `constitutional generate`: --metrics-port",
}
"""What people type who know other tools."""


@click.command(
    cls=LazyGroup,
    lines=COMMANDS,
    elsewhere=ELSEWHERE,
    module="constitutional.cli.{}",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(None, "-V", "--version", package_name="constitutional", message="%(version)s")
def cli() -> None:
    """Write principles in YAML, get a preference dataset you can trust.

    With no arguments, `constitutional generate` makes a small dataset with a tiny model of its own: no GPU, key or
    network.
    """


def main() -> None:
    """Run, and turn every expected error into one message and an exit code."""
    from constitutional.errors import EXIT_FAILURE, EXIT_INTERRUPTED, ConstitutionalError

    try:
        result: Any = cli.main(prog_name="constitutional", standalone_mode=False)
    except ConstitutionalError as error:
        _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "constitutional"
        _fail(f"{' '.join(error.format_message().split())} (see {path} --help)", error.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", EXIT_INTERRUPTED)
    except OSError as error:
        if error.errno not in OF_THE_MACHINE:
            raise
        _fail(f"{error.filename or 'a file'}: {error.strerror}; mend that and run the same command again", EXIT_FAILURE)
    sys.exit(result if isinstance(result, int) else 0)


def _fail(message: str, code: int) -> None:
    """A message may quote a server's answer or a line of a file: nothing in it is obeyed by the terminal."""
    from constitutional.core.plain import plain

    click.echo("\n".join(f"error: {plain(line)}" for line in message.splitlines()), err=True)
    sys.exit(code)
