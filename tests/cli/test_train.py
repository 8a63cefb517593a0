"""`constitutional train` from the outside: the plan, the result, and messages instead of tracebacks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from constitutional.training.settings import TrainSettings
from tests.cli.conftest import Cli
from tests.support.tiny_model import make_tiny_model
from tests.training.planted import pair, write, write_dataset

pytest.importorskip("trl")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("train") / "tiny")


SMALL = ("--out", "out", "--cpu", "--lr", "1e-3", "--micro-batch", "16", "--batch", "16")


def test_the_plan_says_what_would_be_done(cli: Cli, tiny: Path) -> None:
    rows = [*(pair(number) for number in range(60)), pair(1), pair(2) | {"p_chosen": None}]
    write(Path("data") / "preference" / "train.jsonl", rows)
    made = cli("train", "data", "--model", str(tiny), *SMALL, "--dry-run")
    assert made.code == 0
    lines = made.out.splitlines()
    assert lines[1] == "loss dpo, beta 0.1, labels soft, lr 0.001"
    assert {" ".join(line.split()) for line in lines[2:4]} == {
        "not trained on: duplicate 1",
        "not trained on: bad_label 1",
    }
    assert "4 steps" in lines[4]
    assert "GiB of memory" in lines[4]
    assert sorted(path.name for path in Path().iterdir()) == ["data"]
    plan = cli("train", "data", "--model", str(tiny), *SMALL, "--dry-run", "--json").json
    (stage,) = plan["stages"]
    assert (stage["rows"] + stage["held_out"], stage["steps"], plan["command"]) == (60, 4, None)
    assert stage["tokens"] > 60 * stage["longest"]


def test_a_launch_is_shown_before_it_is_done(cli: Cli, tiny: Path) -> None:
    write_dataset(Path("data"), 40)
    for name in ("fsdp2", "zero3", "ddp", "cpu"):
        more = ("--launcher", "accelerate", "--config", name, "--dry-run", "--json")
        command = cli("train", "data", "--model", str(tiny), *SMALL, *more).json["command"]
        assert command[1:4] == ["-m", "accelerate.commands.launch", "--config_file"]
        assert Path(command[4]).name == f"{name}.yaml"
        assert command[-3:] == ["-m", "constitutional.training.launched", "out.part/launch.json"]
    wrong = cli(
        "train", "data", "--model", str(tiny), *SMALL, "--launcher", "accelerate", "--config", "fsdp", "--dry-run"
    )
    assert (wrong.code, wrong.errors) == (
        2,
        ["error: --config fsdp: no such file, and none of ours; did you mean 'fsdp2'?"],
    )


def test_a_training_its_progress_and_its_result(cli: Cli, tiny: Path) -> None:
    write_dataset(Path("data"), 60)
    made = cli("train", "data", "--model", str(tiny), *SMALL, "--json")
    assert (made.code, made.json["status"], made.json["out"]) == (0, "complete", "out")
    assert made.json["rows"]["preference"]["read"] == 60
    assert any("held-out loss" in line for line in made.err.splitlines())
    again = cli("train", "data", "--model", str(tiny), *SMALL, "--quiet")
    assert (again.code, again.err) == (0, "")
    assert again.out.splitlines()[0] == "out: done already; --fresh trains again in a new folder"
    other = cli("train", "data", "--model", str(tiny), *SMALL, "--beta", "0.5")
    assert (other.code, other.errors[:2]) == (
        2,
        ["error: out holds another training; changed since:", "error:   beta: 0.1 → 0.5"],
    )


def test_the_terminal_says_which_fired_and_the_exit_code_that_one_stopped_it(cli: Cli, tiny: Path) -> None:
    write_dataset(Path("data"), 60)
    wanted = (
        "train", "data", "--model", str(tiny), "--out", "out", "--cpu", "--lr", "1e-2", "--micro-batch", "16", "--batch",
        "16", "--sample-tokens", "8", "--samples", "4", "--guard", "kl=stop:2", "--guard", "spike=off",
    )  # fmt: skip
    made = cli(*wanted, "--quiet")
    lines = [" ".join(line.split()) for line in made.out.splitlines()]
    assert made.code == 3
    assert any(line.startswith("ended early: guard kl: ") for line in lines)
    assert "guard action threshold worst seen fired" in lines
    assert any(line.startswith("kl stop 2 ") and "step" in line for line in lines)
    assert "spike off 10 off" in lines
    assert cli(*wanted, "--quiet").code == 3, "done, and what it was stays so"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nowhere",), 2, "nowhere: no such file or folder"),
        (("data", "--loss", "dpoo"), 2, "no loss named 'dpoo'; did you mean 'dpo'?"),
        (("data", "--stage", "sft,dqo"), 2, "no stage named 'dqo'"),
        (("data", "--stage", "sft"), 1, "data: nothing to train on: it has no sft rows"),
        (("data", "--model", "./gone"), 1, "no such folder; give a model folder or a Hub name"),
        (("data", "--report-to", "wandb"), 1, "--report-to wandb: wandb is not installed: pip install wandb"),
        (("data", "--launcher", "slurm"), 2, "--launcher slurm: there is one launcher, accelerate"),
        (("data", "--config", "fsdp2"), 2, "--config is of --launcher accelerate"),
        (("data", "--guard", "kll=stop"), 2, "no guard named 'kll'; did you mean 'kl'?"),
        (("data", "--guard", "kl=stop:far"), 2, "--guard kl=stop:far: 'far' is no number"),
        (("data", "--beta", "swep"), 2, "--beta swep: a number, or sweep"),
        (("data", "--beta", "sweep", "--samples", "0"), 2, "--beta sweep: KL is measured on samples"),
        (("data", "--beta", "sweep", "--stage", "sft"), 2, "--beta sweep: it is of the stage dpo"),
        (("data", "--share-prompts", "--stage", "sft"), 2, "--share-prompts: it is of the stage dpo"),
        (("data", "--beta", "nan"), 2, "--beta: must be a number, this is nan"),
        (("data", "--model", "openai:gpt"), 1, "openai:gpt: no weights that could be trained; give a model folder"),
        (("data", "--alpha", "0.5"), 2, "--alpha is of --loss hybrid, and would change nothing here"),
        (("data", "--temperature", "2"), 2, "--temperature is of --stage grpo or rloo, and would change nothing here"),
        (("data", "--helpful", "one.jsonl"), 2, "--helpful is of --stage sft, and would change nothing here"),
        (("data", "--lora-alpha", "9"), 2, "--lora-alpha is of --lora, and would change nothing here"),
        (("data", "--optimizer", "sgdd"), 2, "no optimizer named 'sgdd'; did you mean 'sgd'?"),
        (("data", "--schedule", "cosin"), 2, "no schedule named 'cosin'; did you mean 'cosine'"),
        (("data", "--seed", "-1"), 2, "--seed: must be at least 0, this is -1"),
        (("data", "--warmup", "-1"), 2, "--warmup: must be at least 0, this is -1"),
        (("one.jsonl",), 1, "only 1 row of 1 can be used"),
    ],
)
def test_a_message_and_no_traceback(cli: Cli, tiny: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    write_dataset(Path("data"), 20)
    write(Path("one.jsonl"), [pair(1)])
    made = cli("train", *arguments, *(() if "--model" in arguments else ("--model", str(tiny))), *SMALL)
    assert (made.code, made.out) == (code, "")
    assert message in made.err
    assert not Path("out").exists()


def test_every_setting_can_be_said_on_the_command_line(cli: Cli) -> None:
    from constitutional.cli.train import command

    flags = {parameter.name for parameter in command.params} - {"dry_run", "as_json", "quiet"}
    by_rounds = {"reference_model"}  # `iterate --reference` says it, round by round
    assert flags - {"stage"} | {"stages", "sweep"} | by_rounds == set(TrainSettings.__dataclass_fields__)


def test_nothing_heavy_is_imported_before_the_data_is_known_to_be_good(tmp_path: Path) -> None:
    data = write(tmp_path / "one.jsonl", [pair(1)])
    script = (
        "import sys\nfrom constitutional.cli import cli\n"
        f"try:\n    cli.main(['train', {str(data)!r}, '--model', 'a/b', '--out', 'out'], standalone_mode=False)\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
        "print([name for name in ('torch', 'transformers', 'trl', 'datasets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.split("\n")[:2] == ["NothingToTrainOnError", "[]"]
