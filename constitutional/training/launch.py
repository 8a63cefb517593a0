"""Several processes: the same training through ``accelerate launch``, with a configuration of ours or the user's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from constitutional.errors import ConfigError, MissingExtraError, RunStoppedError, near_matches
from constitutional.training.folder import OutFolder, write_json
from constitutional.training.settings import TrainSettings, as_json

CONFIGS = Path(__file__).parent / "configs"
LAUNCH = "launch.json"


def shipped() -> dict[str, Path]:
    return {path.stem: path for path in sorted(CONFIGS.glob("*.yaml"))}


def config_path(name: str) -> Path:
    """A shipped configuration by its name, or the user's file."""
    known = shipped()
    if name in known:
        return known[name]
    if Path(name).is_file():
        return Path(name)
    raise ConfigError(f"--config {name}: no such file, and none of ours{near_matches(name, known)}")


def launch_command(settings: TrainSettings, file: Path) -> list[str]:
    """What is run: every process reads the settings from ``file``."""
    name = settings.launcher_config or ("cpu" if settings.cpu else "fsdp2")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config_path(name))]
    if name in shipped() and name != "cpu" and (gpus := _gpus()):
        command += ["--num_processes", str(gpus)]
    return [*command, "-m", "constitutional.training.launched", str(file)]


def settings_file(settings: TrainSettings) -> Path:
    return OutFolder(Path(settings.out).expanduser()).part / LAUNCH


def launch(settings: TrainSettings) -> bool:
    """Runs the processes to their end: False where Ctrl-C ended them. Each process has the settings of this one."""
    file = settings_file(settings)
    command = launch_command(settings, file)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, as_json(settings.but(launcher=None, launcher_config=None, fresh=False)))
    asked = False

    def note(*_: object) -> None:
        nonlocal asked
        asked = True  # the processes are in this one's group and hear it too

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        process = subprocess.Popen(command, env=os.environ | {"ACCELERATE_LOG_LEVEL": "ERROR"})
        code = process.wait()
    except FileNotFoundError as error:
        raise MissingExtraError.naming("accelerate", "train") from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        return False
    if code != 0:
        raise RunStoppedError(
            f"the launched training ended with exit code {code}: see what its processes said above; the same command "
            "again goes on from the last checkpoint"
        )
    return True


def _gpus() -> int:
    import torch

    return int(torch.cuda.device_count())
