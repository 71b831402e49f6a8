"""``weighbridge models``: tables, documents and exit codes, over a store of files."""

import re
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import START, SettableClock
from tests.support.commands import Command, Done
from tests.support.quick_task import QUICK, copy, store_of_two, two_releases
from tests.support.reasons import errors
from tests.support.record_rules import count_valid_records, valid_record
from tests.support.registry_contract import make_record
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.registry.releases import ModelVersion

TASK = QUICK.name
OLD, LIVE = (str(release.version) for release in two_releases())


class Place:
    """A folder with a store of two releases and two refusals in it."""

    def __init__(self, run: Command) -> None:
        self._run = run
        self.store = LocalStore(Path("weighbridge-store"), create=True)
        copy(store_of_two(), self.store)
        self.registry = StoreRegistry(self.store, SettableClock())
        self.refused = [self._refuse(seconds) for seconds in (0, 60)]

    def _refuse(self, seconds: int) -> str:
        record = make_record(b"bad", START + timedelta(seconds=seconds), TASK, Verdict.REJECT)
        reasons = errors("r2 0.5 is below its error threshold 0.8", *["a check failed"] * (seconds // 30))
        record = replace(record, decision=replace(record.decision, reasons=reasons))
        self.registry.refuse(record)
        return record.version

    def __call__(self, *arguments: str) -> Done:
        return self._run("models", *arguments)

    def table(self, *arguments: str) -> list[list[str]]:
        """The cells of each line."""
        return self(*arguments).table

    def live(self) -> tuple[str, bool]:
        promotion = self.registry.live(TASK)
        return str(promotion.version), promotion.hold


@pytest.fixture
def place(command: Command) -> Place:
    return Place(command)


def test_the_list_marks_what_is_live_and_held(place: Place) -> None:
    header, first, second = place.table("list")
    assert header == ["VERSION", "LIVE", "HOLD", "WHEN", "VERDICT", "METRICS", "DATASET"]
    assert first[:3] == [LIVE, "live", "2021-07-03 09:00:00"]
    assert first[-1] == two_releases()[1].record.dataset.key
    assert second[:2] == [OLD, "2021-07-03 02:00:00"]
    assert re.fullmatch(
        r"r2 0\.\d{4}, mean_absolute_error \d\.\d{4}, root_mean_squared_error \d\.\d{4}", first[-2]
    )
    assert place("rollback", "--reason", "worse", "--hold").code == 0
    assert [line[:3] for line in place.table("list")[1:]] == [
        [LIVE, "2021-07-03 09:00:00", "release"],
        [OLD, "live", "hold"],
    ]
    marks = [(one["version"], one["live"], one["hold"]) for one in place("list", "--json").document]
    assert marks == [(LIVE, False, False), (OLD, True, True)]


def test_the_list_has_a_limit_and_says_what_is_beyond_it(place: Place) -> None:
    for limit, listed, more in (("1", [LIVE], 1), ("2", [LIVE, OLD], 0), ("0", [LIVE, OLD], 0)):
        done = place("list", "--limit", limit)
        assert [line.split()[0] for line in done.out.splitlines()[1:]] == listed
        assert (f"{more} older ones are not listed; --limit 0 lists them all" in done.err) is bool(more)
        assert [one["version"] for one in place("list", "--limit", limit, "--json").document] == listed
    assert place("list", "--limit", "-1").code == 2


def test_refusals_are_listed_with_their_first_reason(place: Place) -> None:
    header, *lines = place.table("list", "--rejected")
    assert header == ["VERSION", "WHEN", "REASON", "DATASET"]
    early, late = place.refused
    assert lines == [
        [
            late,
            "2021-07-03 23:06:32",
            "r2 0.5 is below its error threshold 0.8 (and 2 more)",
            f"datasets/{TASK}_2021-07-01.csv",
        ],
        [
            early,
            "2021-07-03 23:05:32",
            "r2 0.5 is below its error threshold 0.8",
            f"datasets/{TASK}_2021-07-01.csv",
        ],
    ]
    documents = place("list", "--rejected", "--json").document
    assert [valid_record(document)["version"] for document in documents] == [late, early]
    assert [place("show", version, "--json").document for version in (late, early)] == documents


def test_a_record_that_cannot_be_read_hides_no_other(place: Place) -> None:
    key = f"models/{TASK}_{LIVE}.json"
    place.store.delete(key)
    place.store.write(key, b"{")
    lines = place.table("list")
    assert lines[1][:3] == [LIVE, "live", "unreadable"]
    assert f"the record '{key}' in" in lines[1][3]
    assert lines[2][0] == OLD
    problem, whole = place("list", "--json").document
    assert problem.keys() == {"version", "problem", "live", "hold"}
    assert whole["version"] == OLD
    rejected = f"rejected/{TASK}_{place.refused[0]}.json"
    place.store.delete(rejected)
    place.store.write(rejected, b"[]")
    assert place.table("list", "--rejected")[2][1].startswith("unreadable: the record 'rejected/")
    assert len(place("list", "--rejected", "--json").document) == 2


def test_a_record_is_laid_out_for_people(place: Place) -> None:
    shown = dict(line[:2] for line in place.table("show", "live"))
    assert shown["version"] == LIVE
    assert shown["verdict"] == "Released"
    assert re.match(r"since 2021-07-03 \d\d:00:00, by .*: trained on datasets/", shown["live"])
    assert "hold" not in shown
    assert shown["split"] == "320 rows to train on, 80 to test on, seed 42"
    assert re.fullmatch(r"0\.\d+ \(error 0\.8, warning 0\.9\)", shown["r2"])
    assert re.fullmatch(rf"0\.\d+ of {OLD} on the same rows, against 0\.\d+", shown["live r2"])
    assert shown["rules"] == "14 of 14 passed"
    assert shown["golden rows"] == "10"
    assert "live" not in dict(line[:2] for line in place.table("show", OLD))
    assert dict(line[:2] for line in place.table("show", OLD))["not compared"] == "nothing is live"

    lines = place.table("show", place.refused[1])
    told = [line[1].partition(" Next: ") for line in lines if line[0] == "error"]
    assert [text for text, _, _ in told] == [
        "r2 0.5 is below its error threshold 0.8.",
        *["a check failed."] * 2,
    ]
    assert all(step for _, _, step in told)
    assert dict(line[:2] for line in lines)["model"] == "not kept (onnx, 3 bytes)"


def test_two_records_are_compared(place: Place) -> None:
    header, *lines = place.table("diff", OLD, "live")
    assert header == ["", "SECTION", "FIELD", OLD, LIVE]
    marked = {tuple(line[1:3]) for line in lines if line[0] == "*"}
    assert {("metrics", "r2"), ("dataset", "key"), ("dataset", "sha256")} <= marked
    assert ["", "libraries", "python", *[sys.version.split()[0]] * 2] in lines
    document = place("diff", OLD, "live", "--json").document
    assert (document["a"], document["b"]) == (OLD, LIVE)
    assert {(one["section"], one["field"]) for one in document["fields"] if one["differs"]} == marked
    # What was refused can be compared with what is live.
    refused = place("diff", "live", place.refused[0], "--json").document["fields"]
    assert {"section": "decision", "field": "verdict", "a": "release", "b": "reject", "differs": True} in refused
    assert place("diff", "live", "2021-01-01T00-00-00Z-00000000").code == 2


def test_a_hold_is_released_once(place: Place) -> None:
    assert place("rollback", "--reason", "worse", "--hold").code == 0
    assert place.live() == (OLD, True)
    assert dict(line[:2] for line in place.table("show", "live"))["hold"] == (
        "later trainings publish without promoting"
    )
    done = place("release-hold", "--reason", "it is mended")
    assert (done.code, done.out) == (
        0,
        f"{OLD} stays live and is not held any more: later trainings promote themselves\n",
    )
    assert place.live() == (OLD, False)
    promotions = len(list(place.store.list("promotions/")))
    document = valid_record(place("release-hold", "--reason", "again", "--json").document, "promotion")
    assert (document["version"], document["hold"], document["reason"]) == (OLD, False, "it is mended")
    assert place("release-hold", "--reason", "again").out == f"nothing to do: {OLD} is live and not held\n"
    assert len(list(place.store.list("promotions/"))) == promotions
    assert place("release-hold").code == 2
    assert count_valid_records(place.store) == 2 + 2 + promotions


def test_a_rollback_passes_over_what_was_pruned_and_says_so(place: Place) -> None:
    place.store.delete(f"models/{TASK}_{OLD}.json")
    done = place("rollback", "--reason", "worse")
    assert done.code == 2
    assert f"skipped {OLD}, which was live before: it has been pruned" in done.err
    assert f"nothing of {TASK} was live before {LIVE} that has not been pruned" in done.err
    assert place.live() == (LIVE, False)


def test_what_holds_and_what_does_not(place: Place) -> None:
    done = place("verify")
    assert (done.code, done.out) == (0, f"ok     models/{TASK}_{LIVE}.json\n")
    assert place("verify", OLD).code == place("verify", place.refused[0]).code == 0
    everything = place("verify", "--all", "--json")
    assert everything.code == 0
    keys = {ref.key for kind in ("models", "rejected", "promotions") for ref in place.store.list(f"{kind}/")}
    assert {one["key"] for one in everything.document["verified"]} == {
        key for key in keys if key.endswith(".json")
    }
    assert everything.document["holds"] is True

    model = f"models/{TASK}_{OLD}.onnx"
    place.store.delete(model)
    place.store.write(model, b"other")
    done = place("verify", "--all")
    assert done.code == 4
    assert f"FAULTY models/{TASK}_{OLD}.json\n       the bytes of '{model}' are not those" in done.out
    assert "1 of 6 records are damaged: " in done.err
    assert place("verify", "live").code == 0
    faulty = place("verify", OLD, "--json")
    assert (faulty.code, faulty.document["holds"]) == (4, False)
    assert place("verify", OLD, "--all").code == 2
    assert place("verify", "2021-01-01T00-00-00Z-00000000").code == 2


def test_a_release_is_exported_after_it_was_verified(place: Place) -> None:
    done = place("export", "live", "--format", "onnx", "out/live")
    assert done.code == 0
    assert done.out == (f"exported {LIVE} to out/live: README.md, model.onnx, record.json, requirements.txt\n")
    document = place("export", OLD, "out/old", "--json").document
    assert (document["version"], document["folder"]) == (OLD, "out/old")
    assert sorted(path.relative_to("out/old").as_posix() for path in Path("out/old").rglob("*.*")) == [
        name for name in document["files"] if name != "MLmodel"
    ]
    for arguments in (["live", "--format", "skops", "x"], ["live", "out/live"], [place.refused[0], "x"]):
        assert place("export", *arguments).code == 2
    model = f"models/{TASK}_{OLD}.onnx"
    place.store.delete(model)
    place.store.write(model, b"other")
    done = place("export", OLD, "x")
    assert done.code == 4
    assert "are not those that were published" in done.err
    assert not Path("x").exists()


def told(removed: str, freed: str, planned: list[dict[str, Any]], place: Place) -> list[str]:
    """The lines about a pruning: each key with its size, and all sizes together."""
    sizes = {key: place.store.read(key).ref.size for one in planned for key in one["keys"]}
    lines = [
        line
        for one in planned
        for line in (
            f"{removed} {one['kind']} {one['version']}:",
            *(f"  {key} ({sizes[key]:,} bytes)" for key in one["keys"]),
        )
    ]
    return [*lines, f"{freed} {sum(sizes.values()):,} bytes"]


def test_old_ones_are_pruned(place: Place) -> None:
    before = sorted(ref.key for ref in place.store.list("models/"))
    rejected = [f"rejected/{TASK}_{version}.json" for version in place.refused]
    # One rollback from the live one goes to the old one: it stays as well.
    dry = place("prune", "--keep", "1", "--older-than", "90d", "--dry-run")
    assert dry.code == 0
    planned = place("prune", "--keep", "1", "--dry-run", "--json").document["removed"]
    assert [(one["version"], one["kind"], one["keys"][0]) for one in planned] == [
        (version, "refusal", key) for version, key in zip(place.refused, rejected, strict=True)
    ]
    assert dry.out.splitlines() == told("would remove", "would free", planned, place)
    assert [ref.key for ref in place.store.list("rejected/")] == rejected
    size = sum(place.store.read(key).ref.size for one in planned for key in one["keys"])
    document = place("prune", "--keep", "1", "--yes", "--json").document
    assert document == {"dry_run": False, "removed": planned, "bytes": size}
    assert list(place.store.list("rejected/")) == []
    assert sorted(ref.key for ref in place.store.list("models/")) == before
    assert place("prune").out == "nothing to remove\n"

    # After a rollback the release that was rolled back from is the newest; that alone keeps it.
    assert place("rollback", "--reason", "worse").code == 0
    version = ModelVersion.parse(TASK, LIVE)
    newer = make_record(b"newer", version.created + timedelta(days=1), TASK)
    place.registry.publish(b"newer", newer)
    planned = place("prune", "--keep", "1", "--dry-run", "--json").document["removed"]
    assert [(one["version"], one["kind"], one["keys"][:1]) for one in planned] == [
        (LIVE, "release", [f"models/{TASK}_{LIVE}.json"])
    ]
    assert f"models/{TASK}_{LIVE}.onnx" in planned[0]["keys"]
    expected = told("removed", "freed", planned, place)
    assert place("prune", "--keep", "1", "--yes").out.splitlines() == expected
    assert place.live() == (OLD, False)
    assert len(list(place.store.list("datasets/"))) == 2
    assert place("prune", "--older-than", "soon").code == 2
    assert place("prune", "--keep", "0").code == 2


def test_every_command_has_an_example(place: Place) -> None:
    for name in (
        *("list", "show", "diff", "promote", "rollback", "release-hold"),
        *("verify", "export", "prune"),
    ):
        page = place(name, "--help")
        assert (page.code, page.err) == (0, "")
        assert f"Example: weighbridge models {name}" in page.out
