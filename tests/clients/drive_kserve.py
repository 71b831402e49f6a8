"""Drives a service with KServe's REST client; run by ``make test-clients`` in an environment of its own.

    python drive_kserve.py http://127.0.0.1:8000 ROWS

``ROWS`` is JSON: rows of features, and what the service's own route predicts for them.
"""

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, InferResponse, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

TASK = "time_to_dispatch"


def request_of(rows, *, is_binary, outputs=None):
    """A request for these rows, with tensors as bytes or as JSON."""
    orders = np.array([row["orders_placed"] for row in rows], np.float64)
    products = np.array([row["product_code"] for row in rows], object)
    inputs = [
        InferInput("orders_placed", list(orders.shape), "FP64"),
        InferInput("product_code", [len(rows), 1], "BYTES"),
    ]
    inputs[0].set_data_from_numpy(orders, binary_data=is_binary)
    inputs[1].set_data_from_numpy(products.reshape(-1, 1), binary_data=is_binary)
    return InferRequest(TASK, inputs, request_id="an-id", request_outputs=outputs)


async def drive(url, rows, expected):
    """Everything that the client can ask; fails on the first answer that is not as it must be."""
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=0)) as client:
        assert await client.is_server_live(url) is True
        assert await client.is_server_ready(url) is True
        assert await client.is_model_ready(url, TASK) is True
        assert await client.is_model_ready(url, "another") is False

        outputs = [
            None,
            [RequestedOutput("predict", {"binary_data": True})],
            [RequestedOutput("predict", {"binary_data": False})],
        ]
        for is_binary in (True, False):
            for wanted in outputs:
                request = request_of(rows, is_binary=is_binary, outputs=wanted)
                answer = await client.infer(url, request, model_name=TASK)
                assert isinstance(answer, InferResponse)
                assert answer.id == "an-id"
                assert answer.model_name == TASK
                assert answer.get_output_by_name("predict").as_numpy().tolist() == expected

        mixed = request_of(rows, is_binary=True)
        mixed.inputs[0].set_data_from_numpy(mixed.inputs[0].as_numpy(), binary_data=False)
        answer = await client.infer(url, mixed, model_name=TASK)
        assert answer.outputs[0].as_numpy().tolist() == expected

        plain = {"inputs": [{"name": "orders_placed", "shape": [1], "datatype": "INT64", "data": [1]}]}
        for data, name, status, said in [
            (plain, TASK, 400, "input 'product_code': missing"),
            (request_of(rows, is_binary=True), "another", 404, "there is no model 'another' here"),
        ]:
            error = await refusal(client.infer(url, data, model_name=name))
            assert error.response.status_code == status
            assert str(error).startswith(said), error


async def refusal(answer):
    """The error that a request is answered with."""
    try:
        await answer
    except httpx.HTTPStatusError as error:
        return error
    raise AssertionError("the request was not refused")


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    asyncio.run(drive(sys.argv[1], given["rows"], given["expected"]))
