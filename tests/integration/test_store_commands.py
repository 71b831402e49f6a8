"""``weighbridge store check`` on real servers, and what becomes of writes to one that overwrites."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import MotoServer, s3_client, shared_client
from tests.support.commands import Command
from tests.support.quick_task import csv
from weighbridge.adapters.s3.client import open_client
from weighbridge.adapters.s3.store import S3Store
from weighbridge.domain.errors import ArtefactExists, ConfigurationError


class Overwrites(MotoServer):
    """A server that does not know If-None-Match, as some did not for years."""

    def answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ.pop("HTTP_IF_NONE_MATCH", None)
        return super().answer(environ, start_response)


@pytest.fixture
def overwriting(moto_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of such a server."""
    server = Overwrites()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        yield moto_bucket
    server.stop()


def keys(bucket: str) -> dict[str, bytes]:
    client = s3_client()
    found = client.list_objects_v2(Bucket=bucket).get("Contents", ())
    return {one["Key"]: client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found}


def test_a_bucket_is_fit_and_left_as_it_was(command: Command, bucket: str) -> None:
    S3Store(shared_client(), bucket, "p").write("scratch/of-others", b"1")
    code, out, err = command("store", "check", f"s3://{bucket}/p")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["OPERATION", "MS", "RESULT"]
    assert all(line.endswith(" ok") for line in lines[1:10])
    assert lines[10:] == [
        "lacks versions: what is deleted, or overwritten by others, is gone",
        f"s3://{bucket}/p is fit for use",
    ]
    assert keys(bucket) == {"p/scratch/of-others": b"1"}


def test_versions_are_no_lack(command: Command, moto_bucket: str) -> None:
    s3_client().put_bucket_versioning(Bucket=moto_bucket, VersioningConfiguration={"Status": "Enabled"})
    code, out, err = command("store", "check", f"s3://{moto_bucket}", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert (document["fit"], document["lacks"], document["left_behind"]) == (True, [], [])
    assert [step["problem"] for step in document["steps"]] == [None] * 9


def test_a_folder_is_fit_and_left_as_it_was(command: Command, tmp_path: Path) -> None:
    assert command("store", "check", str(tmp_path))[0] == 0
    assert list(tmp_path.iterdir()) == []
    assert command("store", "check", tmp_path.as_uri())[0] == 0
    code, out, err = command("store", "check", str(tmp_path / "nowhere"))
    assert (code, out) == (2, "")
    assert "there is no such folder" in err


def test_a_server_that_does_not_answer(
    command: Command, aws_on_moto: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setenv("WEIGHBRIDGE_STORE_ATTEMPTS", "1")
    code, out, err = command("store", "check", "s3://bucket")
    assert (code, out) == (75, "")
    assert "then try again" in err.splitlines()[-1]


def test_a_server_that_overwrites_is_told(command: Command, overwriting: str) -> None:
    code, out, err = command("store", "check", f"s3://{overwriting}")
    assert code == 2
    assert "create without overwriting" in out
    assert "LACKS, AND NEEDS, conditional writes: it overwrites what is there" in out
    assert err.rstrip().endswith("is not fit for use: fix what is listed above, or use another store")
    assert keys(overwriting) == {}


def test_nothing_is_published_on_a_server_that_overwrites(
    command: Command, overwriting: str, tmp_path: Path
) -> None:
    (tmp_path / "orders.csv").write_bytes(csv())
    key = "datasets/time_to_dispatch_2021-07-03T00-00-00Z.csv"
    s3_client().put_object(Bucket=overwriting, Key=key, Body=b"first")
    put = ("datasets", "put", str(tmp_path / "orders.csv"), "--at", "2021-07-03", "--store", f"s3://{overwriting}")
    code, out, err = command(*put)
    assert (code, out) == (2, "")
    assert "exists already and is left as it is" in err
    assert keys(overwriting) == {key: b"first"}
    code, out, err = command(*put[:4], "2021-07-04", *put[5:])
    assert (code, out) == (2, "")
    assert "the server ignores If-None-Match: it overwrites what it is told to create" in err
    assert keys(overwriting) == {key: b"first"}


def test_the_proof_costs_two_requests_once(moto_server: MotoServer, moto_bucket: str) -> None:
    moto_server.requests.clear()
    store = S3Store(shared_client(), moto_bucket, "p", trusted=False)
    assert list(store.list("models/")) == []
    store.write("models/a", b"1")
    store.write("models/b", b"1")
    asked = [f"{one.partition(' ')[0]} {one.partition('?')[0][-1]}" for one in moto_server.requests]
    assert asked[1:] == ["HEAD a", "PUT a", "PUT a", "PUT b"]
    assert keys(moto_bucket) == {"p/models/a": b"1", "p/models/b": b"1"}
    with pytest.raises(ArtefactExists, match="models/a exists already"):
        S3Store(shared_client(), moto_bucket, "p", trusted=False).write("models/a", b"2")
    assert store.read("models/a").data == b"1"


def test_a_proof_that_breaks_off_is_made_up_for(moto_server: MotoServer, moto_bucket: str) -> None:
    def breaks_off(environ: dict[str, Any], moto: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("500 Internal Server Error", [])
        return [b""]

    store = S3Store(shared_client(1), moto_bucket, trusted=False)
    moto_server.faults[:] = [None, None, breaks_off]
    store.write("models/a", b"1")
    moto_server.requests.clear()
    store.write("models/b", b"1")
    store.write("models/c", b"1")
    asked = [f"{one.partition(' ')[0]} {one.partition('?')[0][-1]}" for one in moto_server.requests]
    assert asked == ["HEAD b", "PUT b", "PUT b", "PUT c"]


def test_a_server_that_overwrites_is_refused_again_and_again(overwriting: str) -> None:
    store = S3Store(open_client(), overwriting, trusted=False)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="ignores If-None-Match"):
            store.write("models/a", b"1")
    assert keys(overwriting) == {}
