"""How many predictions a second one core serves, beside a service written the way the article does it.

Every service runs by itself, pinned to one core, with wrk on another, in turn and over several rounds, so that
what else the machine does meets all of them alike. Prints JSON lines: one for each service and round, then the
medians with their ratios to the article's service in the same round. ``--rounds`` and ``--seconds`` change how
long it takes; ``--connections`` how many clients there are.

Needs wrk: ``apt-get install wrk``, ``brew install wrk``, or https://github.com/wg/wrk.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from weighbridge.domain.tasks.time_to_dispatch import simulate

HERE = Path(__file__).parent
COMMAND = str(Path(sys.executable).with_name("weighbridge"))
PATH = "/api/v0.1/time_to_dispatch"
BODY = b'{"product_code": "SKU001", "orders_placed": 10}'

#: A fixed set of different rows.
SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local bodies = {}
for i = 1, 256 do
  bodies[i] = string.format('{"product_code": "SKU00%d", "orders_placed": %d}', i % 5 + 1, i * 37 % 180)
end
local n = 0
request = function() n = n + 1; return wrk.format(nil, nil, nil, bodies[n % 256 + 1]) end
done = function(summary, latency)
  local e = summary.errors
  print(string.format("RESULT %d %d %d %d %d", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 1])
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed: apt-get install wrk, brew install wrk, or https://github.com/wg/wrk")
        sys.exit(2)
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), arguments)


def run(folder: Path, arguments: argparse.Namespace) -> None:
    dataset = folder / "dataset.csv"
    simulate(1000, seed=1).to_csv(dataset, index=False)
    (folder / "wrk.lua").write_text(SCRIPT)
    services = {
        "article": lambda port: [sys.executable, str(HERE / "article_service.py"), port, str(dataset)],
        "weighbridge, tree": weighbridge(folder, dataset, "TREE"),
        "weighbridge, forest by onnx": weighbridge(folder, dataset, "FOREST"),
        "weighbridge, neighbours by skops": weighbridge(folder, dataset, "NEIGHBOURS"),
        "constant": lambda port: [sys.executable, str(HERE / "constant_service.py"), port],
    }
    rounds: list[dict[str, dict[str, Any]]] = []
    for number in range(arguments.rounds):
        rounds.append({})
        for name, command in services.items():
            measured = measure(command, folder / "wrk.lua", arguments)
            rounds[-1][name] = measured
            print(json.dumps({"round": number, "service": name, **measured}), flush=True)
    for name in services:
        measured = {key: statistics.median(each[name][key] for each in rounds) for key in rounds[0][name]}
        ratios = {
            f"{key}_to_article": round(
                statistics.median(each[name][key] / each["article"][key] for each in rounds), 3
            )
            for key in rounds[0][name]
            if key.startswith(("requests", "p50", "p99"))
        }
        print(json.dumps({"median": name, **measured, **ratios}), flush=True)


def weighbridge(folder: Path, dataset: Path, task: str) -> Any:
    """A store with a release of one of the benchmark's tasks, and the command that serves it."""
    store = folder / task
    options = ["--store", str(store), "--task", f"{HERE / 'serving_tasks.py'}:{task}", "--log-level", "error"]
    put = [COMMAND, "datasets", "put", str(dataset), *options]
    for command in (put, [COMMAND, "train", *options]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return lambda port: [COMMAND, "serve", "--store", str(store), "--port", port, "--log-level", "error"]


def measure(command: Any, script: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*pinned(0), *command(str(port))], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        measured: dict[str, Any] = {"first_answer_seconds": round(first_answer(process, port, started), 3)}
        for connections in arguments.connections:
            before = cpu_seconds(process.pid)
            load = ["wrk", "-t1", f"-c{connections}", f"-d{arguments.seconds}", "-s", str(script)]
            said = subprocess.run(
                [*pinned(1), *load, f"http://127.0.0.1:{port}{PATH}"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            used = cpu_seconds(process.pid) - before
            found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", said)
            assert found is not None, said
            count, duration, p50, p99, errors = map(int, found.groups())
            assert errors == 0, said
            measured |= {
                f"requests_per_second_c{connections}": round(count / duration * 1e6),
                f"requests_per_cpu_second_c{connections}": round(count / used),
                f"p50_ms_c{connections}": p50 / 1000,
                f"p99_ms_c{connections}": p99 / 1000,
            }
        return measured | {"pss_mb": round(pss_mb(process.pid), 1)}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def first_answer(process: subprocess.Popen[bytes], port: int, started: float) -> float:
    while process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", PATH, BODY, {"Content-Type": "application/json"})
            assert connection.getresponse().status == 200
        except ConnectionError:
            time.sleep(0.005)
        else:
            return time.perf_counter() - started
        finally:
            connection.close()
    raise SystemExit(f"{process.args!r} ended with {process.returncode}")


def pinned(core: int) -> list[str]:
    """What pins a command to a core, where the machine has as many and the means to."""
    has_cores = (os.cpu_count() or 1) > 1 and shutil.which("taskset") is not None
    return ["taskset", "-c", str(core)] if has_cores else []


def cpu_seconds(pid: int) -> float:
    """User and system time of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pss_mb(pid: int) -> float:
    """The proportional share of memory of a process (Linux), in MB."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
