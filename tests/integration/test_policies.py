"""The policies of deploy/policies: each role may do what it is for, on its own prefixes, and nothing else.

moto enforces actions and resources and no conditions, so those are compared by what they say.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config

from weighbridge.adapters.s3.store import S3Store
from weighbridge.domain.errors import StoreDenied

POLICIES = Path(__file__).parents[2] / "deploy/policies"
BUCKET, PREFIX = "my-bucket", "dispatch"
KINDS = ("datasets", "labels", "models", "promotions", "rejected", "trained", "reports", "predictions")

#: What each role reads, creates and removes.
ROLES: dict[str, tuple[set[str], set[str], set[str]]] = {
    "data-team": ({"datasets", "labels"}, {"datasets", "labels"}, set()),
    "trainer": (
        {"datasets", "models", "promotions", "rejected", "trained", "reports"},
        {"models", "promotions", "rejected", "trained", "reports"},
        set(),
    ),
    "promoter": ({"models", "promotions", "rejected", "reports"}, {"promotions"}, set()),
    # Whoever creates reads it too: after a lost reply, to tell its own object from another's.
    "service": ({"models", "promotions", "rejected", "reports", "predictions"}, {"predictions"}, set()),
    "auditor": (set(KINDS), set(), set()),
    "retention": (
        {"models", "promotions", "rejected", "trained", "reports"},
        set(),
        {"models", "rejected", "trained", "reports"},
    ),
}


def policy(role: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((POLICIES / f"{role}.json").read_text())
    return document


def without_conditions(document: dict[str, Any]) -> str:
    statements = [{name: one[name] for name in one if name != "Condition"} for one in document["Statement"]]
    return json.dumps({**document, "Statement": statements})


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, Any]]:
    """A client of S3 for each role, on a server that enforces their policies; and one that may do everything."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    code = "from moto.server import main; import sys; main(sys.argv[1:])"
    server = subprocess.Popen(
        [sys.executable, "-c", code, "-H", "127.0.0.1", "-p", str(port)],
        env={**os.environ, "MOTO_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        assert any("Running on" in line for line in server.stderr)

        def client(service: str, key: str, secret: str) -> Any:
            session = boto3.Session(key, secret, region_name="us-east-1")
            paths = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
            return session.client(service, endpoint_url=url, config=paths)

        root = client("s3", "testing", "testing")
        root.create_bucket(Bucket=BUCKET)
        for kind in KINDS:
            root.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{kind}/there", Body=b"1")
            root.put_object(Bucket=BUCKET, Key=f"elsewhere/{kind}/there", Body=b"1")
        iam = client("iam", "testing", "testing")
        found = {}
        for role in ROLES:
            iam.create_user(UserName=role)
            iam.put_user_policy(UserName=role, PolicyName=role, PolicyDocument=without_conditions(policy(role)))
            keys = iam.create_access_key(UserName=role)["AccessKey"]
            found[role] = client("s3", keys["AccessKeyId"], keys["SecretAccessKey"])
        # From here on moto lets nobody in who has no policy.
        httpx.post(f"{url}/moto-api/reset-auth", content=b"0", trust_env=False).raise_for_status()
        yield found
    finally:
        server.kill()
        server.wait()


def is_allowed(operation: Callable[[], object]) -> bool:
    try:
        operation()
    except StoreDenied:
        return False
    return True


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_it_is_for_and_nothing_else(clients: dict[str, Any], role: str) -> None:
    ours, elsewhere = (S3Store(clients[role], BUCKET, prefix) for prefix in (PREFIX, "elsewhere"))
    reads, creates, removes = ROLES[role]
    for kind in KINDS:
        # What is created is removed by nobody here, so each has a name of its own.
        new, there = f"{kind}/by-{role}", f"{kind}/there"
        assert is_allowed(lambda key=there: ours.read(key)) == (kind in reads), f"read {kind}"
        assert is_allowed(lambda key=new: ours.write(key, b"2")) == (kind in creates), f"create {kind}"
        assert is_allowed(lambda key=there: ours.delete(key)) == (kind in removes), f"remove {kind}"
        for operation in (elsewhere.read, elsewhere.delete, lambda key: elsewhere.write(key, b"2")):
            assert not is_allowed(lambda key=there, operate=operation: operate(key)), f"elsewhere, {kind}"


@pytest.mark.parametrize("role", ROLES)
def test_lists_are_of_a_role_s_own_prefixes_and_what_is_created_is_never_overwritten(role: str) -> None:
    reads, creates, removes = ROLES[role]
    (listing,) = [one for one in policy(role)["Statement"] if one["Action"] == "s3:ListBucket"]
    # The service reads what it logs, and has no need to look for it.
    listed = reads - creates if role == "service" else reads
    assert sorted(listing["Condition"]["StringLike"]["s3:prefix"]) == sorted(
        f"{PREFIX}/{kind}/*" for kind in listed
    )
    puts = [one for one in policy(role)["Statement"] if "s3:PutObject" in one["Action"]]
    assert [one["Condition"] for one in puts] == (
        [{"Null": {"s3:if-none-match": "false"}}, {"Bool": {"s3:ObjectCreationOperation": "false"}}]
        if creates
        else []
    )
    deleting = [one for one in policy(role)["Statement"] if "Delete" in json.dumps(one["Action"])]
    assert bool(deleting) == bool(removes)


def test_every_policy_is_of_a_role() -> None:
    assert sorted(path.stem for path in POLICIES.glob("*.json")) == sorted(ROLES)
