"""Each alert fires on what it is for, and not on a quiet day: promtool evaluates the rules of deploy/ over series.

The series are named and labelled as the service names and labels them: ``test_deploy`` compares both.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.test_deploy import alerts

#: The buckets of latencies of the one pod.
BUCKET = "weighbridge_http_request_duration_seconds_bucket"

#: What is scraped of one healthy pod, a sample a minute for three hours.
QUIET = {
    'weighbridge_ready{instance="a"}': "1x180",
    'weighbridge_refresh_failing{instance="a"}': "0x180",
    'weighbridge_last_refresh_success_timestamp{instance="a"}': "0+60x180",
    'weighbridge_http_requests_total{instance="a",method="POST",route="/api/v0.1/t",status="200"}': "0+600x180",
    f'{BUCKET}{{instance="a",route="/api/v0.1/t",le="0.25"}}': "0+600x180",
    f'{BUCKET}{{instance="a",route="/api/v0.1/t",le="+Inf"}}': "0+600x180",
    # Batches take their time, and nobody is woken for it.
    f'{BUCKET}{{instance="a",route="/api/v0.1/t/batch",le="0.25"}}': "0x180",
    f'{BUCKET}{{instance="a",route="/api/v0.1/t/batch",le="2.5"}}': "0+60x180",
    f'{BUCKET}{{instance="a",route="/api/v0.1/t/batch",le="+Inf"}}': "0+60x180",
    f'{BUCKET}{{instance="a",route="/readyz",le="0.001"}}': "0+12x180",
    f'{BUCKET}{{instance="a",route="/readyz",le="+Inf"}}': "0+12x180",
    # One worker that ended is replaced, and that is that.
    'weighbridge_events_total{instance="a",event="worker_ended"}': "0x100 1x80",
    'weighbridge_log_lines_lost_total{instance="a"}': "0x180",
    'weighbridge_prediction_log_lost_total{instance="a"}': "0x180",
    'weighbridge_prediction_log_failing{instance="a"}': "0x180",
    'weighbridge_dataset_age_seconds{instance="a"}': "3600+60x180",
    'weighbridge_rows_predicted_total{instance="a"}': "0+600x180",
    'weighbridge_inputs_outside_training_range_total{instance="a",feature="x"}': "0+6x180",
    'kube_job_status_failed{job_name="weighbridge-train-1"}': "0x180",
}

#: What is different when each alert has to fire, and at which minute it does; None for a series that is gone.
TROUBLE: dict[str, tuple[str, dict[str, str | None]]] = {
    "WeighbridgeAbsent": ("10m", {name: None for name in QUIET if "weighbridge_" in name}),
    "WeighbridgeNotReady": ("10m", {'weighbridge_ready{instance="a"}': "0x180"}),
    "WeighbridgeRefreshFailing": ("15m", {'weighbridge_refresh_failing{instance="a"}': "1x180"}),
    "WeighbridgeRefreshStalled": (
        "20m",
        {'weighbridge_last_refresh_success_timestamp{instance="a"}': "0+60x5 300x175"},
    ),
    "WeighbridgeErrors": (
        "15m",
        {'weighbridge_http_requests_total{instance="a",method="POST",route="/r",status="500"}': "0+10x180"},
    ),
    "WeighbridgeSlow": (
        "20m",
        {
            f'{BUCKET}{{instance="a",route="/api/v0.1/t",le="0.25"}}': ("0+580x180"),
            f'{BUCKET}{{instance="a",route="/api/v0.1/t",le="0.5"}}': ("0+600x180"),
        },
    ),
    "WeighbridgeSlowBatches": (
        "70m",
        {
            f'{BUCKET}{{instance="a",route="/api/v0.1/t/batch",le="2.5"}}': ("0x180"),
            f'{BUCKET}{{instance="a",route="/api/v0.1/t/batch",le="5.0"}}': ("0+6x180"),
            f'{BUCKET}{{instance="a",route="/api/v0.1/t/batch",le="10.0"}}': ("0+60x180"),
        },
    ),
    "WeighbridgeProbesSlow": (
        "20m",
        {
            f'{BUCKET}{{instance="a",route="/readyz",le="0.001"}}': "0x180",
            f'{BUCKET}{{instance="a",route="/readyz",le="2.5"}}': "0+12x180",
        },
    ),
    "WeighbridgeWorkersDying": (
        "20m",
        {'weighbridge_events_total{instance="a",event="worker_ended"}': "0x10 1 2 3 4 5 5x160"},
    ),
    "WeighbridgeLogLinesLost": ("50m", {'weighbridge_log_lines_lost_total{instance="a"}': "0x10 0+100x170"}),
    "WeighbridgePredictionsLost": ("12m", {'weighbridge_prediction_log_lost_total{instance="a"}': "0x10 30x170"}),
    "WeighbridgePredictionLogFailing": ("15m", {'weighbridge_prediction_log_failing{instance="a"}': "1x180"}),
    "WeighbridgeOldData": ("90m", {'weighbridge_dataset_age_seconds{instance="a"}': "700000+60x180"}),
    "WeighbridgeDataFromTheFuture": ("5m", {'weighbridge_dataset_age_seconds{instance="a"}': "-100000+60x180"}),
    "WeighbridgeInputsOutsideTrainingRange": (
        "150m",
        {'weighbridge_inputs_outside_training_range_total{instance="a",feature="x"}': "0+60x180"},
    ),
    "WeighbridgeTrainingFailed": ("5m", {'kube_job_status_failed{job_name="weighbridge-train-1"}': "1x180"}),
}


def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return found


def firing(folder: Path, at: str, series: dict[str, str | None]) -> str:
    """What promtool says of the rules when no alert is expected at that time: those that fire."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "weighbridge", "rules": alerts()}]}))
    expected = [{"eval_time": at, "alertname": rule["alert"], "exp_alerts": []} for rule in alerts()]
    test: dict[str, Any] = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": values} for name, values in series.items() if values is not None
                ],
                "alert_rule_test": expected,
            }
        ],
    }
    (folder / "test.yaml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [promtool(), "test", "rules", "test.yaml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    told = done.stdout + done.stderr
    assert ("SUCCESS" in told) == (done.returncode == 0), told
    assert done.returncode == 0 or "alertname:" in told, told
    return told


def test_every_alert_has_its_trouble() -> None:
    assert sorted(TROUBLE) == sorted(rule["alert"] for rule in alerts())


@pytest.mark.parametrize("at", ["1m", "60m", "110m", "170m"])
def test_no_alert_fires_on_a_quiet_day(tmp_path: Path, at: str) -> None:
    assert "SUCCESS" in firing(tmp_path, at, dict(QUIET))


@pytest.mark.parametrize("name", TROUBLE)
def test_an_alert_fires_on_its_trouble_and_no_other_does(tmp_path: Path, name: str) -> None:
    at, different = TROUBLE[name]
    told = firing(tmp_path, at, {**QUIET, **different})
    fired = [rule["alert"] for rule in alerts() if f"alertname: {rule['alert']}," in told]
    assert fired == [name], told
