"""Drives a service with the protocol's own client; run by ``make test-clients`` in an environment of its own.

    python drive_open_inference.py http://127.0.0.1:8000 ROWS

``ROWS`` is JSON: rows of features, and what the service's own route predicts for them.
"""

import asyncio
import inspect
import json
import sys

from open_inference.openapi.client import AsyncOpenInferenceClient, OpenInferenceClient
from open_inference.openapi.errors import BadRequestError, NotFoundError
from open_inference.openapi.types import InferenceRequest, RequestInput, RequestOutput, TensorData

TASK = "time_to_dispatch"


def request_of(rows, **more):
    """A request for these rows; this client knows no binary tensors."""
    orders = [row["orders_placed"] for row in rows]
    products = [row["product_code"] for row in rows]
    inputs = [
        RequestInput(name="orders_placed", shape=[len(rows)], datatype="FP64", data=TensorData(__root__=orders)),
        RequestInput(
            name="product_code", shape=[len(rows), 1], datatype="BYTES", data=TensorData(__root__=products)
        ),
    ]
    return InferenceRequest(inputs=inputs, **more)


async def drive(client, rows, expected):
    """Everything that the client can ask; fails on the first answer that is not as it must be."""

    async def ask(method, *given, **named):
        answer = getattr(client, method)(*given, **named)
        return await answer if inspect.isawaitable(answer) else answer

    await ask("check_server_liveness")
    await ask("check_server_readiness")
    await ask("check_model_readiness", TASK)
    server = await ask("read_server_metadata")
    assert server.name == "weighbridge"
    assert "binary_tensor_data" in server.extensions
    model = await ask("read_model_metadata", TASK)
    assert [tensor.name for tensor in model.inputs] == ["orders_placed", "product_code"]
    (version,) = model.versions
    await ask("check_model_version_readiness", TASK, version)
    assert await ask("read_model_version_metadata", TASK, version) == model

    for request in (
        request_of(rows),
        request_of(rows, id="an-id", parameters={"anything": 1}, outputs=[RequestOutput(name="predict")]),
    ):
        for answer in (
            await ask("model_infer", TASK, request=request),
            await ask("model_version_infer", TASK, version, request=request),
        ):
            assert answer.model_name == TASK
            assert answer.model_version == version
            assert answer.id == request.id
            (output,) = answer.outputs
            assert (output.name, output.datatype, output.shape) == ("predict", "FP64", [len(rows)])
            assert output.data.__root__ == expected

    error = await refusal(NotFoundError, ask("check_model_version_readiness", TASK, "another"))
    assert "the live one is" in error.body["error"]
    error = await refusal(BadRequestError, ask("model_infer", TASK, request=InferenceRequest(inputs=[])))
    assert error.body["error"].startswith("input 'orders_placed': missing")


async def refusal(kind, answer):
    """The error that a request is answered with."""
    try:
        await answer
    except kind as error:
        return error
    raise AssertionError("the request was not refused")


if __name__ == "__main__":
    url, given = sys.argv[1], json.loads(sys.argv[2])
    asyncio.run(drive(OpenInferenceClient(base_url=url), given["rows"], given["expected"]))
    asyncio.run(drive(AsyncOpenInferenceClient(base_url=url), given["rows"], given["expected"]))
