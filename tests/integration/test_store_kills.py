"""A write to a local store that is killed, or has its folder taken away, between any two of its system calls."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import weighbridge.adapters.local.store

SOURCE = Path(weighbridge.adapters.local.store.__file__).parents[2]
DATA = b"product_code,orders_placed\n" * 20_000

#: Writes in children, which it follows from system call to system call as a debugger does: it acts at the first
#: stop of the first child, at the second of the second one, and so on, until a child ends before its turn.
DRIVER = """
import ctypes, json, os, shutil, signal, sys
from pathlib import Path
import weighbridge.adapters.local.store
from weighbridge.adapters.local.store import LocalStore
from weighbridge.domain.errors import ArtefactExists, StoreNotFound, StoreUnavailable

place, action, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
DATA = (b"product_code,orders_placed\\n" * 20_000)[:size]
TRACEME, SYSCALL, SETOPTIONS, SYSGOOD, EXITKILL = 0, 24, 0x4200, 1, 0x100000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long

def ptrace(request, pid=0, data=0):
    if libc.ptrace(request, pid, None, data) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")

def child(root):
    code = 1
    # Only this thread is followed: what waits for another with a deadline does its work itself.
    weighbridge.adapters.local.store.within = lambda seconds, operation, thread: operation()
    try:
        ptrace(TRACEME)
        os.kill(os.getpid(), signal.SIGSTOP)
        LocalStore(root).write("datasets/a", DATA)
        code = 0
    except (StoreNotFound, StoreUnavailable):
        code = 75
    finally:
        os._exit(code)

def follow(pid, number, act):
    # Its exit code, once it has come to the number-th stop of its system calls, or has ended.
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status):
        raise OSError("nobody may trace here")
    ptrace(SETOPTIONS, pid, SYSGOOD | EXITKILL)
    stops, came = 0, False
    while True:
        try:
            ptrace(SYSCALL, pid)
        except ProcessLookupError:
            pass  # it was killed
        _, status = os.waitpid(pid, 0)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status), came
        if os.WSTOPSIG(status) == signal.SIGTRAP | 0x80:
            stops += 1
            if stops == number:
                came = True
                act(pid)

def state(root):
    # What others see, and what the next writes come to.
    store = LocalStore(root)
    listed = [(ref.key, ref.size, store.read(ref).data == DATA) for ref in store.list("datasets/")]
    left = [path.name for path in (root / "datasets").glob(".*")] if (root / "datasets").exists() else []
    said = []
    for key in ("datasets/a", "datasets/b"):
        try:
            store.write(key, DATA)
            said.append("written")
        except ArtefactExists:
            said.append("exists")
    after = [(ref.key, store.read(ref).data == DATA) for ref in store.list("datasets/")]
    return {"listed": listed, "left": len(left), "next": said, "after": after}

found, number = [], 0
while True:
    number += 1
    root = place / str(number)
    root.mkdir()
    pid = os.fork()
    if pid == 0:
        child(root)
    act = {"kill": lambda pid: os.kill(pid, signal.SIGKILL), "remove": lambda _: shutil.rmtree(root)}[action]
    code, came = follow(pid, number, act)
    if not came:
        break
    found.append({"code": code, "exists": root.exists()} | (state(root) if root.exists() else {}))
    shutil.rmtree(root, ignore_errors=True)
print(json.dumps({"points": found, "last": code}))
"""


def driven(place: Path, action: str, size: int) -> list[dict[str, Any]]:
    if sys.platform != "linux":
        pytest.skip("to follow system calls like this is Linux's")
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(place), action, str(size)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "nobody may trace here" in done.stderr:
        pytest.skip("this system lets nobody follow system calls")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["last"] == 0
    points: list[dict[str, Any]] = found["points"]
    print(f"{len(points)} points")
    return points


@pytest.mark.parametrize("size", [0, len(DATA)])
def test_a_write_may_be_killed_between_any_two_system_calls(tmp_path: Path, size: int) -> None:
    points = driven(tmp_path, "kill", size)
    # It makes its file, writes it, brings it to the disk, gives it its name, and so on: each call is two stops.
    assert len(points) >= 30
    assert {point["code"] for point in points} == {-9}
    listed = [point["listed"] for point in points]
    assert all(each in ([], [["datasets/a", size, True]]) for each in listed)
    # Not there until it is, and from then on for ever.
    assert listed == sorted(listed)
    assert listed[0] == []
    assert listed[-1] != []
    for point in points:
        assert point["left"] <= 1
        assert point["next"] == ["exists" if point["listed"] else "written", "written"]
        assert point["after"] == [["datasets/a", True], ["datasets/b", True]]


def test_the_folder_of_a_write_may_vanish_between_any_two_system_calls(tmp_path: Path) -> None:
    points = driven(tmp_path, "remove", 1000)
    assert len(points) >= 30
    # In the end it was written, before the folder went; in between the store says that it is not there.
    codes = [point["code"] for point in points]
    assert set(codes) <= {0, 75}
    assert codes[0] == 75
    assert not any(point["exists"] for point in points)


#: Fills a file system of its own, of 256 kB, and makes it read-only in the end.
FULL = """
import json, subprocess, sys
from pathlib import Path
from weighbridge.adapters.local.store import LocalStore
from weighbridge.domain.errors import StoreDenied, StoreUnavailable

root, said = Path(sys.argv[1]), {}
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(root)], check=True)
store = LocalStore(root)
store.write("datasets/a", b"a" * 150_000)

def refused(name, error, operation):
    try:
        operation()
    except error as caught:
        said[name] = str(caught)

refused("full", StoreUnavailable, lambda: store.write("datasets/b", b"b" * 150_000))
said["files"] = sorted(path.name for path in (root / "datasets").iterdir())
said["listed"] = [(ref.key, ref.size) for ref in store.list("datasets/")]
store.delete("datasets/a")
store.write("datasets/b", b"b" * 150_000)
subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
refused("write", StoreDenied, lambda: store.write("datasets/c", b"c"))
refused("delete", StoreDenied, lambda: store.delete("datasets/b"))
said["read"] = len(store.read("datasets/b").data)
print(json.dumps(said))
"""


def test_a_full_disk_and_a_read_only_one(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("to mount a file system for oneself needs unshare")
    done = subprocess.run(
        [unshare, "--user", "--map-root-user", "--mount", sys.executable, "-c", FULL, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if "unshare" in done.stderr or "'mount'" in done.stderr:
        pytest.skip("this system lets nobody mount a file system for oneself")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["full"].endswith("datasets/b: no space left on device; make room on the disk and try again")
    assert said["files"] == ["a"]
    assert said["listed"] == [["datasets/a", 150_000]]
    for name in ("write", "delete"):
        assert "read-only file system; check the owner and the permissions" in said[name]
    assert said["read"] == 150_000
