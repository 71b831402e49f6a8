"""Training on a schedule as a real process: it survives a refusal and ends when it is told to."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.quick_task import csv

COMMAND = Path(sys.executable).with_name("weighbridge")
QUICK = f"{Path(__file__).parents[1] / 'support' / 'quick_task.py'}:QUICK"


def test_a_schedule_survives_a_refusal_and_ends_with_0_on_sigterm(tmp_path: Path) -> None:
    folder = tmp_path / "datasets"
    folder.mkdir()
    (folder / "time_to_dispatch_2021-07-01.csv").write_bytes(csv(seed=1))
    with subprocess.Popen(
        [COMMAND, "train", "--store", str(tmp_path), "--task", QUICK, "--every", "1s", "--json"],
        env={name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")}
        | {"WEIGHBRIDGE_NO_REPORT": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = json.loads(process.stdout.readline())
        # Hours that have nothing to do with their rows.
        header, *rows = csv(seed=2).decode().splitlines()
        hours = [row.partition(",")[0] for row in reversed(rows)]
        shuffled = [f"{hour},{row.partition(',')[2]}" for hour, row in zip(hours, rows, strict=True)]
        hidden = folder / "half-written"
        hidden.write_text("\n".join([header, *shuffled]))
        hidden.rename(folder / "time_to_dispatch_2021-07-02.csv")
        second = json.loads(process.stdout.readline())
        said = []
        for line in process.stderr:
            said.append(line)
            if "refused, and" in line:
                break
        process.send_signal(signal.SIGTERM)
        err = "".join(said) + process.communicate(timeout=60)[1]
    assert (first["outcome"], second["outcome"], process.returncode) == ("released", "rejected", 0), err
    assert f"refused, and {first['version']} stays live" in err
    assert "the next check for a new dataset is at" in err
    assert "Traceback" not in err
    assert [path.name for path in (tmp_path / "rejected").iterdir()] == [
        f"time_to_dispatch_{second['version']}.json"
    ]
