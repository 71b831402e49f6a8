"""What a run is given to keep to itself is in nothing that it prints, however much it is told to say."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.conftest import s3_client
from tests.support.followed_docs import in_process
from tests.support.quick_task import csv

QUICK = f"{Path(__file__).parents[1] / 'support' / 'quick_task.py'}:QUICK"
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "the+secret/of-the-store",
    "AWS_SESSION_TOKEN": "the-token-of-the-session",
    "WEIGHBRIDGE_API_KEYS": "the-first-api-key, the-second-api-key",
}
KEYS = ["the+secret/of-the-store", "the-token-of-the-session", "the-first-api-key", "the-second-api-key"]
LOUD = ["--debug", "--log-format", "json"]


@pytest.fixture
def store(moto_bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket with a dataset; the environment leads there, and has the secrets."""
    monkeypatch.setattr(logging.getLogger("werkzeug"), "disabled", True)
    s3_client().put_object(Bucket=moto_bucket, Key="datasets/time_to_dispatch_2021-07-03.csv", Body=csv())
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WEIGHBRIDGE_STORE", f"s3://{moto_bucket}")
    monkeypatch.setenv("WEIGHBRIDGE_NO_REPORT", "1")
    monkeypatch.setenv("WEIGHBRIDGE_ACCESS_LOG", "true")
    monkeypatch.setenv("WEIGHBRIDGE_DRAIN_SECONDS", "0")
    return f"s3://{moto_bucket}"


def lines(printed: str) -> list[dict[str, Any]]:
    """The log, of which every line is JSON."""
    return [json.loads(line) for line in printed.splitlines()]


def assert_secret_free(*printed: str) -> None:
    for text in printed:
        assert text
        for key in KEYS:
            assert key not in text


def serve_and_ask() -> tuple[str, list[int]]:
    """Run the service and ask with each key, with a wrong one, and with a right one for nonsense."""
    command = [str(Path(sys.executable).with_name("weighbridge")), "serve", "--port", "0", *LOUD]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert server.stdout is not None
    said, statuses = "", []
    try:
        for line in server.stdout:
            said += line
            if found := re.search(r"listening on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            pytest.fail(said)
        with httpx.Client(base_url=found[1], trust_env=False, timeout=60) as client:
            row = {"product_code": "SKU001", "orders_placed": 10}
            for headers, body in (
                ({"X-API-Key": "the-first-api-key"}, row),
                ({"Authorization": "Bearer the-second-api-key"}, row),
                ({"X-API-Key": "the-first-api-key"}, {"nonsense": 1}),
                ({"X-API-Key": "wrong"}, row),
            ):
                statuses.append(client.post("/api/v0.1/time_to_dispatch", json=body, headers=headers).status_code)
            statuses.append(client.get("/metrics").status_code)
    finally:
        server.send_signal(signal.SIGTERM)
        said += server.communicate(timeout=60)[0]
    return said, statuses


def test_nothing_that_a_run_prints_has_the_keys_it_was_given(store: str, tmp_path: Path) -> None:
    code, trained = in_process(["weighbridge", "train", "--task", QUICK, "--json", *LOUD])
    assert code == 0, trained
    assert_secret_free(trained)
    before, _, document = trained.partition("\n{\n")
    log = lines(before)
    assert [line["event"] for line in log] == [
        "dataset_chosen",
        "dataset_admitted",
        "search_finished",
        "model_released",
        "model_promoted",
    ]
    assert json.loads("{\n" + document)["outcome"] == "released"

    code, shown = in_process(["weighbridge", "models", "show", "live", *LOUD])
    assert code == 0, shown
    code, refused = in_process(["weighbridge", "models", "show", "live", "--store", f"{store}-not-there", *LOUD])
    assert code == 2
    assert "traceback" in lines(refused)[0]

    served, statuses = serve_and_ask()
    assert_secret_free(served)
    assert statuses == [200, 200, 422, 401, 200]
    log = lines(served)
    events = Counter(line.get("event") for line in log)
    assert (events["model_loaded"], events["request"]) == (1, 5)
    # Each is said once.
    assert len({line["message"] for line in log}) == len(log)
    assert_secret_free(shown, refused)
    written = [entry["Key"] for entry in s3_client().list_objects_v2(Bucket=store[5:])["Contents"]]
    for key in written:
        data = s3_client().get_object(Bucket=store[5:], Key=key)["Body"].read()
        assert not [secret for secret in KEYS if secret.encode() in data], key
    assert os.environ["AWS_SESSION_TOKEN"] == KEYS[1]


def test_a_setting_that_is_wrong_does_not_take_the_keys_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, "WEIGHBRIDGE_REFRESH_SECONDS": "0", "WEIGHBRIDGE_WORKERS": "no"}.items():
        monkeypatch.setenv(name, value)
    code, printed = in_process(["weighbridge", "train", *LOUD])
    assert code == 2
    assert_secret_free(printed)
