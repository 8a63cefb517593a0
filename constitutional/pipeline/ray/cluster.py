"""The Ray cluster of a run: joined where there is one, else started on this machine, and left when the run ends."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from constitutional.config.run import RunConfig
from constitutional.errors import ConfigError, MissingExtraError, first_line
from constitutional.pipeline.ray.replica import Replica

ANSWERS = 10.0
"""Seconds that a cluster has to take a connection and to greet. Ray itself tries for minutes."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
"""How HTTP/2 begins, which Ray speaks: these words, and settings, to which a server answers with its own."""
SETTINGS = 4
GPU_PROVIDERS = ("vllm:", "transformers:")


class Cluster:
    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._connected = False
        self._own = False
        """It was started for this run, and gets no more nodes."""
        self._remote: Any = None
        self._stdout = contextlib.redirect_stdout(sys.stderr)
        """Ray reports lost processes there, and standard output is for results."""
        self._needs: dict[str, float] = {}
        self.room = config.ray.replicas
        """How many replicas the nodes hold that are there, were they empty; as of the last ``look``."""

    async def join(self) -> None:
        ray = _ray()
        self._stdout.__enter__()
        if not ray.is_initialized():
            await self._initialise(ray)
        settings = self._config.ray
        gpus = self._gpus(ray) if settings.gpus is None else settings.gpus
        self._needs = {kind: need for kind, need in (("CPU", settings.cpus), ("GPU", gpus)) if need}
        await self.look()
        if self._own and not self.room:
            raise ConfigError(
                f"engine: ray: a replica takes {self.needs}, and this machine has less: lower `ray.cpus` or `ray.gpus`, or "
                "name a cluster with `ray.address`"
            )
        self._remote = ray.remote(Replica).options(
            num_cpus=settings.cpus, num_gpus=gpus, max_restarts=0, max_concurrency=100_000
        )

    def actor(self, config: str, base: str, constitution: str) -> Any:
        """A new ``Replica``, which begins as soon as the cluster has room for it."""
        return self._remote.remote(config, base, constitution)

    @property
    def needs(self) -> str:
        """What one replica takes."""
        return " and ".join(f"{need:g} {kind}" for kind, need in self._needs.items()) or "nothing"

    async def look(self) -> None:
        """What nodes there are now: an autoscaler may have added some."""
        nodes = await asyncio.to_thread(_ray().nodes)
        if self._needs:
            self.room = sum(fitting(node["Resources"], self._needs) for node in nodes if node["Alive"])

    async def leave(self, actors: Sequence[Any]) -> None:
        """Ends those too."""
        ray = _ray()
        for actor in actors:
            with contextlib.suppress(Exception):
                ray.kill(actor)
        if self._connected:
            await asyncio.to_thread(ray.shutdown)
        self._stdout.__exit__(None, None, None)

    async def _initialise(self, ray: Any) -> None:
        """Cancelled, it leaves a cluster that does not answer to itself, and ends a Ray that it began to start."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        address = self._config.ray.address or os.environ.get("RAY_ADDRESS")
        self._own = not address
        before = signal.getsignal(signal.SIGTERM)
        try:
            if address:
                await knock(address)
            connect = functools.partial(self._connect, ray, address)
            # What Ray starts here dies with the thread that started it: that one has to last as long as the loop.
            connecting = asyncio.ensure_future(asyncio.to_thread(connect)) if self._own else _apart(connect)
            try:
                await asyncio.shield(connecting)
            except asyncio.CancelledError:
                if self._own:
                    await asyncio.wait([connecting])
                raise
        except (OSError, ValueError, RuntimeError) as error:
            if not address:
                raise ConfigError(f"engine: ray: Ray does not start on this machine: {first_line(error)}") from error
            raise ConfigError(
                f"engine: ray: the Ray cluster at {address} cannot be reached: {first_line(error).rstrip('.')}. Is "
                "`ray start --head` running there? If it asks for a token, set RAY_AUTH_MODE=token here too. Without "
                "`ray.address` and RAY_ADDRESS the run starts a Ray of its own"
            ) from error
        finally:
            signal.signal(signal.SIGTERM, before)

    def _connect(self, ray: Any, address: str | None) -> None:
        quiet = {"configure_logging": True, "logging_level": logging.ERROR, "log_to_driver": False}
        if address:
            ray.init(address=address, **quiet)
        else:
            # As many as were asked for, also on a machine with fewer cores: they share them.
            wanted = max(os.cpu_count() or 1, round(self._config.ray.replicas * self._config.ray.cpus))
            # "local": without it Ray joins whatever other Ray runs here, another run's also.
            ray.init(address="local", num_cpus=wanted, include_dashboard=False, **quiet)
        self._connected = True

    def _gpus(self, ray: Any) -> float:
        """One where a replica loads a model and the cluster has any."""
        loads = any(model.name.startswith(GPU_PROVIDERS) for model in self._config.models.values())
        return 1.0 if loads and ray.cluster_resources().get("GPU", 0) else 0.0


async def knock(address: str) -> None:
    """Raise OSError where nobody takes a connection at ``host:port``, or nobody that speaks as Ray does. Of other addresses
    Ray itself finds out."""
    host, _, port = address.rpartition(":")
    if "/" in address or not host or not port.isdigit():
        return
    try:
        async with asyncio.timeout(ANSWERS):
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            try:
                if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
                    return
                writer.write(PREFACE)
                greeting = await reader.read(9)
            finally:
                writer.close()
    except TimeoutError as error:
        raise OSError(f"no answer in {ANSWERS:g} s") from error
    if greeting[3:4] != bytes([SETTINGS]):
        raise OSError("what answers there is no Ray cluster (`ray start --head` says its port, 6379 by default)")


def _apart(work: Callable[[], None]) -> asyncio.Future[None]:
    """In a thread that the end of the process does not wait for."""
    done: Future[None] = Future()
    done.set_running_or_notify_cancel()

    def do() -> None:
        try:
            work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=do, name="ray-init", daemon=True).start()
    return asyncio.wrap_future(done)


def fitting(has: Mapping[str, float], needs: Mapping[str, float]) -> int:
    """How many that take so much a node holds."""
    return min(int(has.get(kind, 0) / need + 1e-9) for kind, need in needs.items())


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError.naming("ray", "ray") from error
    return ray
