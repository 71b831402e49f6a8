"""Drives a real service with a real client, which has an environment of its own.

    python -m tests.clients.run kserve build/clients/kserve/bin/python

The service is ``weighbridge serve`` on a store with two releases of the shipped task.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.quick_task import QUICK, copy, store_of_two
from weighbridge.adapters.local.store import LocalStore
from weighbridge.domain.tasks.time_to_dispatch import PRODUCTS

ROOT = Path(__file__).parents[2]
ROWS = [{"orders_placed": float(10 * place + 1), "product_code": code} for place, code in enumerate(PRODUCTS)]


def main(client: str, python: str) -> int:
    """Drive the service with ``client`` under the interpreter ``python``; its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        copy(store_of_two(), LocalStore(Path(folder)))
        with serving(folder) as url:
            given = json.dumps({"rows": ROWS, "expected": [predicted(url, row) for row in ROWS]})
            script = Path(__file__).with_name(f"drive_{client.replace('-', '_')}.py")
            done = subprocess.run([python, str(script), url, given], check=False)
    print(f"{client}: {'passed' if done.returncode == 0 else 'FAILED'}")
    return done.returncode


@contextmanager
def serving(store: str) -> Iterator[str]:
    """``weighbridge serve`` as a process, once it listens; its address."""
    command = str(Path(sys.executable).with_name("weighbridge"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
    process = subprocess.Popen(
        [command, "serve", "--store", store, "--port", "0"],
        env={**kept, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            found = re.search(r"listening on (http://127\.0\.0\.1:\d+)", line)
            if found:
                break
        else:
            raise SystemExit(f"the service ended with {process.wait()}")
        # What it says from here on must not fill the pipe.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield found[1]
    finally:
        process.terminate()
        process.wait()


def predicted(url: str, row: dict[str, object]) -> float:
    """What the service's own route predicts."""
    request = urllib.request.Request(
        f"{url}/api/v0.1/{QUICK.name}", json.dumps(row).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return float(json.load(response)["est_hours_to_dispatch"])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
