"""The OpenAPI document is complete and true: Schemathesis finds nothing in what the service answers."""

import json
import subprocess
import sys
from pathlib import Path

from hypothesis import settings

from tests.support.asgi_client import ask
from tests.support.http_service import app_of, service_of_two, serving

COMMAND = str(Path(sys.executable).with_name("schemathesis"))

#: More of them where Hypothesis is told to try more.
EXAMPLES = max(settings().max_examples // 3, 10)


def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    with serving(service_of_two(), api_keys="a-key") as client:
        arguments = [str(client.base_url.join("/openapi.json")), "--checks=all", "--seed=1"]
        arguments += [f"--max-examples={EXAMPLES}", "--request-timeout=60", "--no-color"]
        arguments += ["--header", "X-API-Key: a-key"]
        done = subprocess.run(
            [COMMAND, "run", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout


def test_every_operation_says_what_it_answers_in_which_form() -> None:
    """Whatever routes there are: no answer without a description, and without a schema where it has a body."""
    for keys in ("", "a-key"):
        document = json.loads(ask(app_of(api_keys=keys)[0], "GET", "/openapi.json").body)
        operations = {
            f"{method} {path}": operation
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        ids = [operation["operationId"] for operation in operations.values()]
        assert len(set(ids)) == len(ids)
        for name, operation in operations.items():
            assert operation["summary"], name
            assert operation["description"], name
            responses = operation["responses"]
            assert {"200", "431"} <= set(responses), name
            assert ("401" in responses) == ("security" in operation), name
            if "requestBody" in operation:
                # The inference protocol has one status for whatever is wrong with a request.
                refusals = {"400"} if " /v2/" in name else {"415", "422", "503"}
                assert {"408", "413"} | refusals <= set(responses), name
            for status, response in responses.items():
                assert response["description"], (name, status)
                assert response["headers"]["X-Request-Id"] == {"$ref": "#/components/headers/X-Request-Id"}
                for media_type, content in response["content"].items():
                    assert content["schema"], (name, status, media_type)
            assert "WWW-Authenticate" in responses.get("401", {"headers": ["WWW-Authenticate"]})["headers"]
