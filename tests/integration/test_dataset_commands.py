"""The commands for datasets: what they take, refuse and tell."""

import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from tests.support.commands import Command
from tests.support.quick_task import copy, csv, store_of_two, two_releases
from weighbridge.adapters.local.store import LocalStore
from weighbridge.domain.registry.dataset_view import FIRST_ROWS

TASK = "time_to_dispatch"


@pytest.fixture(name="command")
def datasets_command(command: Command) -> Command:
    """Runs a command of ``weighbridge datasets`` on the store ``store``."""
    return lambda *arguments: command("datasets", *arguments, "--store", "store")


def test_every_format_is_put_under_its_suffix_and_read_alike(command: Command, tmp_path: Path) -> None:
    text = csv()
    (tmp_path / "orders.csv").write_bytes(text)
    (tmp_path / "orders.csv.gz").write_bytes(gzip.compress(text))
    frame = pd.read_csv(tmp_path / "orders.csv")
    (tmp_path / "orders.csv.zst").write_bytes(pa.Codec("zstd").compress(text, asbytes=True))
    frame.to_parquet(tmp_path / "orders.parquet")
    (tmp_path / "wide.csv").write_bytes(text.decode().encode("utf-16"))
    shown = []
    names = ("orders.csv", "orders.csv.gz", "orders.csv.zst", "orders.parquet", "wide.csv")
    for day, name in enumerate(names, 1):
        suffix = name[name.index(".") :]
        done = command("put", name, "--at", f"2021-07-0{day}", "--json")
        assert (done.code, done.document["rows"]) == (0, 400), done.err
        key = f"datasets/{TASK}_2021-07-0{day}T00-00-00Z{suffix}"
        assert done.document["key"] == key
        assert (tmp_path / "store" / key).read_bytes() == (tmp_path / name).read_bytes()
        document = command("show", key, "--json").document
        assert document["timestamp"] == f"2021-07-0{day}T00:00:00Z"
        shown.append({name: document[name] for name in ("rows", "schema", "statistics", "first_rows")})
    assert shown == [shown[0]] * 5
    columns = list(shown[0]["first_rows"][0])
    assert shown[0]["first_rows"] == frame[columns].head(FIRST_ROWS).to_dict("records")
    assert command("show", "--json").document["key"] == f"datasets/{TASK}_2021-07-05T00-00-00Z.csv"


def test_a_dataset_is_shown_to_people(command: Command, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(
        "hours_to_dispatch,product_code,orders_placed\n1.5,SKU002,1\n2,SKU001,2\n4,SKU001,3\n"
    )
    assert command("put", "orders.csv", "--at", "2021-07-03T23:05:32Z").code == 0
    key = f"datasets/{TASK}_2021-07-03T23-05-32Z.csv"
    for named in ("newest", key, key.partition("/")[2]):
        done = command("show", named)
        assert done.code == 0, done.err
        told = [line.split(maxsplit=1) for line in done.out.splitlines() if line]
        assert told[:3] == [["FIELD", "VALUE"], ["key", key], ["timestamp", "2021-07-03T23:05:32Z"]]
        assert ["rows", "3"] in told
        assert ["levels", "SKU001 2, SKU002 1"] in told
        assert ["quartiles", "1 | 1 | 2 | 3 | 3"] in told
        assert ["quartiles", "1.5 | 1.5 | 2 | 4 | 4"] in told
        assert ["mean", "2, standard deviation 0.816497"] in told
        assert [line.split() for line in done.out.splitlines()[-4:]] == [
            ["orders_placed", "product_code", "hours_to_dispatch"],
            ["1.0", "SKU002", "1.5"],
            ["2.0", "SKU001", "2.0"],
            ["3.0", "SKU001", "4.0"],
        ]


def test_a_dataset_that_is_not_there_or_not_admissible_is_not_shown(command: Command, tmp_path: Path) -> None:
    (tmp_path / "store/datasets").mkdir(parents=True)
    done = command("show", "nowhere.csv")
    assert (done.code, done.out) == (2, "")
    assert "there is no dataset 'nowhere.csv' in file://" in done.err
    assert done.err.rstrip().endswith("'weighbridge datasets list' shows those there are")
    assert command("show").code == 4
    key = f"datasets/{TASK}_2021-07-03.csv"
    (tmp_path / "store" / key).write_bytes(b"")
    done = command("show")
    assert done.code == 4
    assert f"{key}: 1 problem" in done.err
    assert "the object is empty (0 bytes); upload it again, whole" in done.err


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.csv", csv().replace(b"hours", b",hours", 1), "has no name, as an index has that was written"),
        ("a.csv", "é".encode("latin-1"), "if it is Latin-1, make it UTF-8"),
        ("a.csv.gz", gzip.compress(csv())[:-9], "no gzip can be read"),
        ("a.csv.zst", csv(), "no zstd can be read"),
        ("a.parquet", csv(), "no Parquet can be read"),
    ],
)
def test_what_cannot_be_admitted_is_not_put(
    command: Command, tmp_path: Path, name: str, data: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(data)
    done = command("put", name)
    assert (done.code, done.out) == (4, "")
    assert says in done.err
    assert list((tmp_path / "store").rglob("*")) == []


def test_the_name_says_whose_dataset_it_is(command: Command, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_bytes(csv())
    at = ("--at", "2021-07-03", "--json")
    assert command("put", "orders.csv", "--name", TASK, *at).document["key"].startswith(f"datasets/{TASK}_2021")
    other = ("--task", "weighbridge.domain.tasks.time_to_dispatch:TIME_TO_DISPATCH", "--name", "orders_2")
    assert command("put", "orders.csv", *other, *at).document["key"].startswith("datasets/orders_2_2021-07")
    for wrong in (["--name", "nowhere"], [*other[:2], "--name", "No Task"]):
        done = command("put", "orders.csv", *wrong, *at)
        assert (done.code, done.out) == (2, "")


def test_times_of_any_year_are_listed_newest_first_and_names_without_one_last(
    command: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "store/datasets"
    folder.mkdir(parents=True)
    times = ("9999-12-31T23:59:59.5", "2021-07-03 02|00|00+05:00", "2021-07-02", "0001-01-01", "today")
    for text in times:
        (folder / f"{TASK}_{text}.csv").write_bytes(csv(9))
    listed = command("list", "--json").document
    assert [one["key"] for one in listed] == [f"datasets/{TASK}_{text}.csv" for text in times]
    assert [one["timestamp"] for one in listed][1:] == [
        "2021-07-02T21:00:00Z",
        "2021-07-02T00:00:00Z",
        "0001-01-01T00:00:00Z",
        None,
    ]
    lines = command("list").out.splitlines()
    assert [line.partition("  ")[0] for line in lines] == [
        "TIME",
        "9999-12-31 23:59:59Z",
        "2021-07-02 21:00:00Z",
        "2021-07-02 00:00:00Z",
        "0001-01-01 00:00:00Z",
        "unreadable name",
    ]


def test_the_releases_of_a_dataset_are_listed_with_it(command: Command, tmp_path: Path) -> None:
    copy(store_of_two(), LocalStore(tmp_path / "store", create=True))
    first, live = two_releases()
    listed = {one["key"]: one["releases"] for one in command("list", "--json").document}
    # A copy has revisions of its own.
    assert listed == {
        one.record.dataset.key: [{"version": str(one.version), "same_revision": False, "same_size": True}]
        for one in (first, live)
    }
    assert f"{first.version}\n" in command("list").out
    with (tmp_path / "store" / live.record.dataset.key).open("ab") as file:
        file.write(b"\n")
    (tmp_path / "store" / first.version.record_key).write_text("{}")
    done = command("list")
    assert done.code == 0
    assert "a release may be missing here" in done.err
    assert f"{live.version} (before it was replaced)\n" in done.out
    assert str(first.version) not in done.out
