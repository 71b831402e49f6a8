"""The demo: a dataset, a model, predictions over HTTP, and a worse model refused; narrated as it runs."""

from __future__ import annotations

import json
import shlex
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from rich.console import Console

from weighbridge.domain import workflow
from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.store.artefacts import DATASETS, ArtefactRef
from weighbridge.domain.store.datasets import datasets_of
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate
from weighbridge.domain.workflow import Outcome
from weighbridge.entrypoints.cli.training_summary import print_training
from weighbridge.entrypoints.service.server import listen
from weighbridge.entrypoints.service.starting import load_service, server_of

if TYPE_CHECKING:
    from weighbridge.domain.serving.service import PredictionService
    from weighbridge.entrypoints.container import Container

_HOST = "127.0.0.1"
ROWS = 1000
SHUFFLED = ("SKU002", "SKU004")
REQUESTS = (
    {"product_code": "SKU001", "orders_placed": 10},
    {"product_code": "SKU001", "orders_placed": 100},
    {"product_code": "SKU005", "orders_placed": 100},
)


def run_demo(container: Container, store: str) -> None:
    """Make a dataset, train, serve and ask; then put in a worse dataset and see it refused.

    Every run makes other data and adds to the store what it makes, so it can be run on a store that is there
    already.

    Args:
        container: wired to the store.
        store: the store's address as it was given, for the commands to go on with.

    Raises:
        ConfigurationError: the model did not go live, because the store is held or has newer datasets.
        WeighbridgeError: as the workflows raise them.
    """
    say = Console(highlight=False, soft_wrap=True).print
    task = TIME_TO_DISPATCH

    say(f"[bold]1. A dataset of {ROWS:,} orders arrives in the store[/bold] {store}")
    # Each run on the same store has other data, and always the same in the same run.
    seed = sum(1 for _ in container.store().list(f"{DATASETS}/{TIME_TO_DISPATCH.name}_"))
    first = _put(container, seed, ())
    say(f"put       {first.key}\n")

    candidates = task.estimator.points
    say(f"[bold]2. Train: search {candidates:,} candidates, evaluate the best one, and publish it[/bold]")
    released = workflow.train_and_release(task, container.ports())
    print_training(released)
    if released.outcome is not Outcome.RELEASED or released.document["version"] != str(released.live):
        raise ConfigurationError(
            f"the model did not go live in {store}: its live model is held, or the store holds datasets from the "
            "future; run the demo on another store"
        )

    say("\n[bold]3. Serve it, and request predictions over HTTP[/bold]")
    service = load_service(container, task.name, wait=False)
    with _serving(container, service) as address:
        say(f"listening {address}")
        for request in REQUESTS:
            say(f"POST      {json.dumps(request)}\n          {json.dumps(_ask(address, request))}")

        say(f"\n[bold]4. A worse dataset arrives: the labels of {' and '.join(SHUFFLED)} are shuffled[/bold]")
        second = _put(container, seed + 1, SHUFFLED)
        say(f"put       {second.key}")
        refused = workflow.train_and_release(task, container.ports())
        print_training(refused)

        say("\n[bold]5. The service still predicts with the model that was released[/bold]")
        service.refresh()
        answer = _ask(address, REQUESTS[0])
        say(f"POST      {json.dumps(REQUESTS[0])}\n          {json.dumps(answer)}")
    expected = f"{task.name}/{released.document['version']}"
    if refused.outcome is not Outcome.REJECTED or answer["model_version"] != expected:
        raise AssertionError("the worse model was not kept out")

    option = "" if store == "./weighbridge-store" else f" --store {shlex.quote(store)}"
    say("\n[bold]Go on with[/bold]")
    say(f"  .venv/bin/weighbridge serve{option}          # or: make serve")
    say(
        f"  curl -H 'Content-Type: application/json' -d '{json.dumps(REQUESTS[0])}' "
        f"http://127.0.0.1:8000/api/v0.1/{task.name}"
    )
    say(f"  .venv/bin/weighbridge models list{option}")


def _put(container: Container, seed: int, shuffled: tuple[str, ...]) -> ArtefactRef:
    """Put a dataset under a time that no other has: names have whole seconds."""
    task, ports = TIME_TO_DISPATCH, container.ports()
    data = simulate(ROWS, seed, shuffled).to_csv(index=False).encode()
    taken = {at for at, _ in datasets_of(ports.store, task.name) if at is not None}
    while (now := ports.clock.now()).replace(microsecond=0) in taken:
        time.sleep(0.05)
    return workflow.put_dataset(task, ".csv", BytesIO(data), now, ports)[0]


@contextmanager
def _serving(container: Container, service: PredictionService) -> Iterator[str]:
    """Run the service in a thread on a free port; yields its address."""
    listener = listen(_HOST, 0)
    server = server_of(container, service, _HOST)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        # The socket listens already: a request made now waits until the server takes it.
        yield f"http://{_HOST}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def _ask(address: str, row: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - the address is our own
        f"{address}/api/v0.1/{TIME_TO_DISPATCH.name}",
        data=json.dumps(row).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - the address is our own
        answer: dict[str, Any] = json.load(reply)
        return answer
