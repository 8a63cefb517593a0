"""The Ray cluster of a run: joined where there is one, else started on this machine, and left when the run ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from constitutional.config.run import RunConfig
from constitutional.errors import ConfigError, MissingExtraError, first_line
from constitutional.pipeline.ray.replica import Replica

GPU_PROVIDERS = ("vllm:", "transformers:")


class Cluster:
    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._connected = False
        self._remote: Any = None
        self._stdout = contextlib.redirect_stdout(sys.stderr)
        """Ray reports lost processes there, and standard output is for results."""

    async def join(self) -> None:
        ray = _ray()
        self._stdout.__enter__()
        if not ray.is_initialized():
            before = signal.getsignal(signal.SIGTERM)
            await asyncio.to_thread(self._connect, ray)
            signal.signal(signal.SIGTERM, before)
        settings = self._config.ray
        gpus = self._gpus(ray) if settings.gpus is None else settings.gpus
        self._remote = ray.remote(Replica).options(
            num_cpus=settings.cpus, num_gpus=gpus, max_restarts=0, max_concurrency=100_000
        )

    def actor(self, config: str, base: str, constitution: str) -> Any:
        """A new ``Replica``, which begins as soon as the cluster has room for it."""
        return self._remote.remote(config, base, constitution)

    async def leave(self, actors: Sequence[Any]) -> None:
        """Ends those too."""
        ray = _ray()
        for actor in actors:
            with contextlib.suppress(Exception):
                ray.kill(actor)
        if self._connected:
            await asyncio.to_thread(ray.shutdown)
        self._stdout.__exit__(None, None, None)

    def _connect(self, ray: Any) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        address = self._config.ray.address or os.environ.get("RAY_ADDRESS")
        quiet = {"configure_logging": True, "logging_level": logging.ERROR, "log_to_driver": False}
        try:
            if address:
                ray.init(address=address, **quiet)
            else:
                # As many as were asked for, also on a machine with fewer cores: they share them.
                wanted = max(os.cpu_count() or 1, round(self._config.ray.replicas * self._config.ray.cpus))
                ray.init(num_cpus=wanted, include_dashboard=False, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            where = f"the Ray cluster at {address}" if address else "Ray on this machine"
            raise ConfigError(f"engine: ray: {where} cannot be reached: {first_line(error)}") from error
        self._connected = True

    def _gpus(self, ray: Any) -> float:
        """One where a replica loads a model and the cluster has any."""
        loads = any(model.name.startswith(GPU_PROVIDERS) for model in self._config.models.values())
        return 1.0 if loads and ray.cluster_resources().get("GPU", 0) else 0.0


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError.naming("ray", "ray") from error
    return ray
