"""Triton's client, as it is installed, over a real socket: both its kinds, in all their modes."""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import tritonclient.http as sync
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException

from tests.support.http_service import service_of_two, serving
from tests.support.quick_task import QUICK
from weighbridge.domain.model.predictor import columns_of_rows
from weighbridge.domain.tasks.time_to_dispatch import PRODUCTS

NAME = QUICK.name
ROWS = 7
#: To be copied: the client writes into what it is given.
KEY = MappingProxyType({"X-API-Key": "a-key"})
COMPRESSIONS = (None, "gzip", "deflate")

#: What the client can ask beyond predictions and what the protocol has; and what it is told.
NOT_OFFERED: list[tuple[str, tuple[Any, ...], str, str]] = [
    ("load_model", (NAME,), "400", "cannot load: the live model is the one that was promoted last"),
    ("unload_model", (NAME,), "400", "cannot unload: the live model is the one that was promoted last"),
    ("get_inference_statistics", (), "404", "not offered here: statistics"),
    ("get_inference_statistics", (NAME,), "404", "not offered here: statistics"),
    ("get_trace_settings", (), "404", "not offered here: trace"),
    ("update_trace_settings", (NAME, {"trace_rate": "1"}), "404", "not offered here: trace"),
    ("get_log_settings", (), "404", "not offered here: logging"),
    ("update_log_settings", ({"log_info": True},), "404", "not offered here: logging"),
    ("get_system_shared_memory_status", (), "404", "not offered here: system shared memory"),
    ("register_system_shared_memory", ("a", "/a", 8), "404", "not offered here: system shared memory"),
    ("unregister_system_shared_memory", (), "404", "not offered here: system shared memory"),
    ("get_cuda_shared_memory_status", (), "404", "not offered here: CUDA shared memory"),
    ("get_model_metadata", (NAME, "1"), "404", "version '1' of"),
    ("get_model_config", ("another",), "404", "there is no model 'another' here"),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a service that asks for a key."""
    with serving(service_of_two(), api_keys="a-key") as client:
        yield client.base_url.netloc.decode()


@pytest.fixture(scope="module")
def expected() -> list[float]:
    """What the live model itself predicts for the rows of ``inputs``."""
    model = service_of_two().loaded
    assert model is not None
    rows = [{"orders_placed": float(10 * place), "product_code": PRODUCTS[place % 5]} for place in range(ROWS)]
    found: list[float] = model.predictor.predict(columns_of_rows(rows)).tolist()
    return found


def inputs(
    *, is_binary: bool = True, is_column: bool = False, kind: str = "FP64", rows: int = ROWS
) -> list[sync.InferInput]:
    """The same rows as tensors of several kinds."""
    numbers = {"FP64": np.float64, "FP32": np.float32, "FP16": np.float16, "INT64": np.int64, "UINT8": np.uint8}
    shape = [rows, 1] if is_column else [rows]
    made = [sync.InferInput("orders_placed", shape, kind), sync.InferInput("product_code", shape, "BYTES")]
    orders = (10 * np.arange(rows)).astype(numbers[kind]).reshape(shape)
    products = np.array([PRODUCTS[place % 5] for place in range(rows)], object).reshape(shape)
    made[0].set_data_from_numpy(orders, binary_data=is_binary)
    made[1].set_data_from_numpy(products, binary_data=is_binary)
    return made


def sequence_of(kinds: Any) -> Iterator[dict[str, Any]]:
    """Ways to ask for the same: every encoding of tensors with every compression."""
    outputs = (None, [sync.InferRequestedOutput("predict", True)], [sync.InferRequestedOutput("predict", False)])
    for is_binary, wanted, up, down in itertools.product((True, False), outputs, COMPRESSIONS, COMPRESSIONS):
        yield {
            "model_name": NAME,
            "inputs": inputs(is_binary=is_binary, kind=next(kinds), is_column=is_binary),
            "outputs": wanted,
            "request_id": "an-id",
            "request_compression_algorithm": up,
            "response_compression_algorithm": down,
            "headers": dict(KEY),
        }


def kinds_of_numbers() -> Iterator[str]:
    return itertools.cycle(("FP64", "FP32", "FP16", "INT64", "UINT8"))


def check(result: sync.InferResult, expected: list[float]) -> None:
    assert result.as_numpy("predict").tolist() == expected
    assert result.get_response()["model_name"] == NAME
    assert result.get_response()["id"] == "an-id"


def refusal(error: InferenceServerException) -> tuple[str, str]:
    return error.status(), error.message()


def test_the_client_gets_every_answer_in_every_mode(address: str, expected: list[float]) -> None:
    with sync.InferenceServerClient(address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready(NAME, headers=dict(KEY))
        assert not client.is_model_ready(NAME)
        assert not client.is_model_ready("another", headers=dict(KEY))
        assert "binary_tensor_data" in client.get_server_metadata(headers=dict(KEY))["extensions"]
        metadata = client.get_model_metadata(NAME, headers=dict(KEY))
        (version,) = metadata["versions"]
        assert client.is_model_ready(NAME, version, headers=dict(KEY))
        assert client.get_model_metadata(NAME, version, headers=dict(KEY)) == metadata
        assert client.get_model_config(NAME, version, headers=dict(KEY))["input"][0]["data_type"] == "TYPE_FP64"
        (model,) = client.get_model_repository_index(headers=dict(KEY))
        assert (model["version"], model["state"]) == (version, "READY")
        for asked in sequence_of(kinds_of_numbers()):
            check(client.infer(**asked), expected)
        # What other servers heed is passed over.
        more = {
            "priority": 1,
            "timeout": 1000,
            "sequence_id": 3,
            "sequence_start": True,
            "parameters": {"mine": 1},
        }
        check(client.infer(NAME, inputs(), version, request_id="an-id", headers=dict(KEY), **more), expected)
        assert client.infer(NAME, inputs(rows=0), headers=dict(KEY)).as_numpy("predict").shape == (0,)
        many = client.infer(NAME, inputs(rows=20_000), headers=dict(KEY)).as_numpy("predict")
        assert many.shape == (20_000,)
        assert many[:ROWS].tolist() == expected


def test_the_client_asks_for_several_things_at_once(address: str, expected: list[float]) -> None:
    with sync.InferenceServerClient(address, concurrency=4) as client:
        asked = list(sequence_of(kinds_of_numbers()))[:8]
        for waiting in [client.async_infer(**each) for each in asked]:
            check(waiting.get_result(), expected)


def test_the_client_is_told_what_it_cannot_have(address: str) -> None:
    with sync.InferenceServerClient(address) as client:
        for method, given, status, said in NOT_OFFERED:
            with pytest.raises(InferenceServerException) as caught:
                getattr(client, method)(*given, headers=dict(KEY))
            assert caught.value.status() == status, method
            assert caught.value.message().startswith(said), method
        with pytest.raises(InferenceServerException) as caught:
            client.infer(NAME, inputs())
        assert refusal(caught.value)[0] == "401"
        with pytest.raises(InferenceServerException) as caught:
            client.infer(NAME, inputs()[:1], response_compression_algorithm="gzip", headers=dict(KEY))
        assert refusal(caught.value)[1].startswith("input 'product_code': missing")
        with pytest.raises(InferenceServerException) as caught:
            client.infer(
                NAME, inputs(), outputs=[sync.InferRequestedOutput("predict", class_count=2)], headers=dict(KEY)
            )
        assert refusal(caught.value) == ("400", "output 'predict': classification is not offered")


def test_the_asynchronous_client_gets_the_same(address: str, expected: list[float]) -> None:
    async def drive() -> None:
        async with aio.InferenceServerClient(address) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready(NAME, headers=dict(KEY))
            (version,) = (await client.get_model_metadata(NAME, headers=dict(KEY)))["versions"]
            assert (await client.get_model_repository_index(headers=dict(KEY)))[0]["version"] == version
            answers = [client.infer(**asked) for asked in sequence_of(kinds_of_numbers())]
            for result in await asyncio.gather(*answers):
                check(result, expected)
            for method, given, status, said in NOT_OFFERED:
                error = await refused(getattr(client, method), given)
                assert error.status() == f"{status}", method
                assert error.message().startswith(said), method

    async def refused(method: Callable[..., Awaitable[Any]], given: tuple[Any, ...]) -> InferenceServerException:
        with pytest.raises(InferenceServerException) as caught:
            await method(*given, headers=dict(KEY))
        return caught.value

    asyncio.run(drive())


def test_the_examples_of_the_documentation_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "inference-protocol.md").read_text("utf-8")
    (command,) = re.findall(r"curl -d '(.*?)' http://127\.0\.0\.1:8000(\S+)", text, re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    with serving(service_of_two()) as client:
        # As curl sends it.
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = client.post(command[1], content=command[0].encode(), headers=form).json()
        exec(code.replace("127.0.0.1:8000", client.base_url.netloc.decode()), {})
    assert answer["id"] == "42"
    printed = f"{answer['model_version']} {np.array(answer['outputs'][0]['data'])}\n"
    assert capsys.readouterr().out == printed
