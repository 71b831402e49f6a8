"""The whole story, told by a real process in an empty folder; and told again."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from weighbridge.entrypoints.cli.record_texts import reasons_of

COMMAND = Path(sys.executable).with_name("weighbridge")
STEPS = [
    "1. A dataset of 1,000 orders arrives in the store {store}",
    "2. Train: search 1,620 candidates, evaluate the best one, and publish it",
    "3. Serve it, and request predictions over HTTP",
    "4. A worse dataset arrives: the labels of SKU002 and SKU004 are shuffled",
    "5. The service still predicts with the model that was released",
    "Go on with",
]


def tell(folder: Path, *arguments: str) -> str:
    """Run the demo in ``folder``; returns its story."""
    done = subprocess.run(
        [COMMAND, "demo", *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def chapters(story: str, store: str) -> list[list[str]]:
    """The lines below each heading."""
    lines = [line for line in story.splitlines() if line]
    at = [lines.index(step.format(store=store)) for step in STEPS]
    assert at == sorted(at)
    assert at[0] == 0
    return [lines[start + 1 : end] for start, end in zip(at, [*at[1:], len(lines)], strict=True)]


def answers(lines: list[str]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each request with its answer."""
    return [
        (json.loads(line.removeprefix("POST")), json.loads(below))
        for line, below in pairwise(lines)
        if line.startswith("POST")
    ]


def kinds(store: Path) -> Counter[str]:
    return Counter(
        f"{path.parent.relative_to(store)} {path.suffix}" for path in store.rglob("*") if path.is_file()
    )


def check(story: str, store: Path, told_as: str) -> str:
    """Assert that the story holds together and agrees with the store; returns the version that it made."""
    put, trained, served, refused, after, commands = chapters(story, told_as)
    first = put[0].split()[-1]
    second = refused[0].split()[-1]
    assert (store / first).is_file()
    assert (store / second).is_file()

    assert trained[0] == "verdict   Released"
    assert f"dataset   {first} (1,000 rows)" in trained
    assert sum(line.startswith("check     passed: ") for line in trained) == 3
    (version,) = [line.removeprefix("live      ") for line in trained if line.startswith("live")]
    record = json.loads((store / f"models/time_to_dispatch_{version}.json").read_text())
    assert record["dataset"]["key"] == first
    assert record["training"]["search"]["points"] == 1620

    assert served[0].startswith("listening http://127.0.0.1:")
    asked = answers(served)
    qualified = f"time_to_dispatch/{version}"
    assert [answer["model_version"] for _, answer in asked] == [qualified] * 3
    few, many, other = (answer["est_hours_to_dispatch"] for _, answer in asked)
    assert few < many < other

    assert refused[1].startswith("verdict   Refused: ")
    assert f"dataset   {second} (1,000 rows)" in refused
    assert f"live      {version}" in refused
    rejected = [json.loads(path.read_text()) for path in (store / "rejected").iterdir()]
    (told,) = [one for one in rejected if one["dataset"]["key"] == second]
    reasons = [text for _, text in reasons_of(told)]
    assert [line[10:] for line in refused if line.startswith(("error ", "warning "))] == reasons
    assert reasons[0].startswith("r2 ")

    assert answers(after) == asked[:1]
    assert len(commands) == 3
    return version


def test_the_story_is_told_and_can_be_told_again_on_the_same_store(tmp_path: Path) -> None:
    story = tell(tmp_path)
    store = tmp_path / "weighbridge-store"
    assert [path.name for path in tmp_path.iterdir()] == [store.name]
    first = check(story, store, "./weighbridge-store")
    once = Counter(
        {
            "datasets .csv": 2,
            "models .onnx": 1,
            "models .json": 1,
            "promotions .json": 1,
            "rejected .json": 1,
            "reports .html": 2,
            "trained .json": 2,
        }
    )
    assert kinds(store) == once
    assert "weighbridge serve          # or: make serve" in story
    assert "--store" not in story

    url = store.as_uri()
    again = tell(tmp_path, "--store", url)
    second = check(again, store, url)
    assert second > first
    assert kinds(store) == once + once
    assert len(re.findall(rf"weighbridge (?:serve|models list) --store {re.escape(url)}", again)) == 2
