"""Who computes what: claims that processes lay on chunks, without anybody in charge.

A claim is a file that only one process can create; it names its owner. Each process keeps a beacon, a file that it
changes every few seconds. A claim is void once its owner's beacon is gone or stands still for `PATIENCE` seconds of
the observer's own clock (clocks of different machines are never compared), or if the owner ran on this machine and its
process has ended. Claims save work and nothing more: should two processes compute the same chunk, both write the same
numbers.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from types import TracebackType

from jaxnu.scan.files import Files, names, read, remove, write

FOLDER = ".sweep"
HEARTBEAT = 5.0
PATIENCE = 60.0


class Claims:
    """The claims of this process on the chunks of a store; entered while it works."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._held: set[str] = set()
        self._watched: dict[str, tuple[object, float]] = {}
        self._stop = threading.Event()
        self._beats = 0
        self._thread = threading.Thread(target=self._keep_beating, daemon=True)

    def __enter__(self) -> Claims:
        self._beat()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        with suppress(Exception):  # a store that is out of reach: the claims become void by themselves
            for name in list(self._held):
                self.release(name)
            remove(self._files, _beacon(self.owner))

    def take(self, name: str) -> bool:
        """Lay a claim; False if a living process has one."""
        if not self._create(name):
            if not self._is_void(name):
                return False
            remove(self._files, _claim(name))
            if not self._create(name):
                return False
        self._held.add(name)
        return True

    def release(self, name: str) -> None:
        """Give a claim back."""
        self._held.discard(name)
        remove(self._files, _claim(name))

    def others(self) -> bool:
        """Whether there are beacons of other processes that are not known to have ended."""
        return any(name != self.owner and not _has_ended(name) for name in names(self._files, f"{FOLDER}/beacons"))

    def _create(self, name: str) -> bool:
        try:
            write(self._files, _claim(name), self.owner, new=True)
        except FileExistsError:
            return False
        return True

    def _is_void(self, name: str) -> bool:
        owner = read(self._files, _claim(name))
        if owner is None or _has_ended(owner):
            return True
        beacon = read(self._files, _beacon(owner)) if owner else ""
        if beacon is None:
            return True
        seen, since = self._watched.get(name, (None, 0.0))
        if seen != (owner, beacon):
            self._watched[name] = ((owner, beacon), time.monotonic())
            return False
        return time.monotonic() - since > PATIENCE

    def _beat(self) -> None:
        self._beats += 1
        write(self._files, _beacon(self.owner), str(self._beats))

    def _keep_beating(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            with suppress(Exception):  # a full disk, a store that is out of reach: the work itself will say so
                self._beat()


def _claim(name: str) -> str:
    return f"{FOLDER}/claims/{name}"


def _beacon(owner: str) -> str:
    return f"{FOLDER}/beacons/{owner}"


def _has_ended(owner: str) -> bool:
    """Whether the owner is known to have ended: a process of this machine that is not there any more."""
    host, _, rest = owner.partition(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(rest.partition(":")[0]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        return False
    return False
