"""Faults that no server can play, put into a process from outside: its PYTHONPATH begins with this folder.

DNS: while the file ``$FAULTY/dns`` is there no name is resolved, and each try leaves a byte in ``$FAULTY/tries``; else
``models.test`` is this machine. Clock: with ``$FAULTY/clock`` the time of day jumps by a day, forth and back, again and
again; the monotonic clock does not, as on a real machine."""

import os
import socket
import time

_folder = os.environ.get("FAULTY", "")
_real_lookup, _real_time, _asked = socket.getaddrinfo, time.time, 0


def _lookup(host, *arguments, **more):  # type: ignore[no-untyped-def]
    name = host.decode() if isinstance(host, bytes) else host
    if name == "models.test":
        if os.path.exists(os.path.join(_folder, "dns")):
            with open(os.path.join(_folder, "tries"), "ab") as file:
                file.write(b".")
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        host = "127.0.0.1"
    return _real_lookup(host, *arguments, **more)


def _time() -> float:
    global _asked
    _asked += 1
    return _real_time() + (0, 86400, -86400, 86400 * 365)[_asked // 7 % 4]


if _folder:
    socket.getaddrinfo = _lookup
    if os.path.exists(os.path.join(_folder, "clock")):
        time.time = _time
