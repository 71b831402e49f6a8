"""Predicting files and folders from the command line: local ones, in a bucket, side by side, and interrupted."""

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.integration.conftest import s3_client
from tests.support.http_service import service_of_two
from tests.support.quick_task import QUICK, copy, store_of_two, two_releases
from weighbridge.adapters.local.store import LocalStore
from weighbridge.domain.serving.row_predictor import RowPredictor
from weighbridge.domain.tasks.time_to_dispatch import simulate
from weighbridge.entrypoints.batch.file_prediction import FileOutcome
from weighbridge.entrypoints.batch.folder_prediction import predict_files, worst_code
from weighbridge.entrypoints.cli.main import app

NAME = "est_hours_to_dispatch"
COMMAND = str(Path(sys.executable).with_name("weighbridge"))
VERSION = two_releases()[1].version.qualified


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("store")
    copy(store_of_two(), LocalStore(root, create=False))
    return str(root)


@pytest.fixture
def run(store: str) -> Callable[..., tuple[int, str]]:
    """The command in this process: its exit code, and what it prints."""

    def run_it(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["predict", "--store", store, *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout

    return run_it


def rows(count: int = 300, seed: int = 0) -> pa.Table:
    frame = simulate(count, seed)
    features = {name: frame[name].tolist() for name in QUICK.schema.feature_names}
    return pa.table({"id": [f"order {place}" for place in range(count)], **features})


def expected(table: pa.Table) -> list[float]:
    loaded = service_of_two().loaded
    assert loaded is not None
    predictor = RowPredictor(loaded)
    only = table.select(list(QUICK.schema.feature_names)).to_pylist()
    return [float(predictor.predict(loaded.schema.admit_row(row)).answer) for row in only]


def write(table: pa.Table, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix in (".arrow", ".feather"):
        feather.write_feather(table, path)
    elif path.suffix == ".ndjson":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    elif path.suffix == ".json":
        path.write_text(json.dumps(table.to_pydict()))
    elif path.suffix == ".gz":
        sink = pa.BufferOutputStream()
        arrow_csv.write_csv(table, sink)
        path.write_bytes(gzip.compress(sink.getvalue().to_pybytes()))
    else:
        arrow_csv.write_csv(table, path)
    return path


def read(path: Path) -> dict[str, list[object]]:
    if path.suffix == ".parquet":
        return dict(pq.read_table(path).to_pydict())
    if path.suffix in (".arrow", ".feather"):
        return dict(feather.read_table(path).to_pydict())
    if path.suffix == ".ndjson":
        return dict(pa.Table.from_pylist([json.loads(line) for line in path.open()]).to_pydict())
    if path.suffix == ".json":
        found = json.loads(path.read_text())
        assert found["model_version"] == VERSION
        by_column = found["predictions"]
        return dict(by_column if isinstance(by_column, dict) else pa.Table.from_pylist(by_column).to_pydict())
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    columns = list(zip(*csv.reader(text.decode().splitlines()), strict=True))
    return {name: [_number(cell) for cell in cells] for name, *cells in columns}


def _number(cell: str) -> object:
    try:
        return float(cell)
    except ValueError:
        return cell


SUFFIXES = [".csv", ".csv.gz", ".parquet", ".feather", ".arrow", ".ndjson", ".json"]


@pytest.mark.parametrize("sent", SUFFIXES)
def test_a_file_of_any_format_becomes_one_of_any_format(
    run: Callable[..., tuple[int, str]], tmp_path: Path, sent: str
) -> None:
    table = rows(50)
    source = write(table, tmp_path / f"in{sent}")
    for wanted in SUFFIXES if sent == ".csv" else sorted({sent, ".parquet"}):
        target = tmp_path / f"out{wanted}"
        code, printed = run(str(source), str(target))
        assert (code, printed) == (0, f"predicted 50 rows: '{target}'\n")
        found = read(target)
        assert {*found} == {"id", *QUICK.schema.feature_names, NAME}
        assert found[NAME] == expected(table)
        assert {name: found[name] for name in table.column_names} == table.to_pydict()
    if sent != ".csv":
        return
    bare = tmp_path / "bare.parquet"
    assert run(str(source), str(bare), "--no-echo")[0] == 0
    assert read(bare) == {NAME: expected(table)}
    assert pq.read_schema(bare).metadata[b"model_version"].decode() == VERSION


def test_what_is_there_is_replaced_only_when_told(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    source, target = write(rows(9), tmp_path / "in.csv"), tmp_path / "out.csv"
    target.write_text("precious")
    with pytest.raises(Exception, match="exists already, and is left as it is; --overwrite replaces it"):
        run(str(source), str(target))
    assert target.read_text() == "precious"
    assert run(str(source), str(target), "--overwrite")[0] == 0
    assert read(target)[NAME] == expected(rows(9))
    folder = tmp_path / "folder"
    folder.mkdir()
    assert run(str(source), str(folder))[0] == 0
    assert [path.name for path in folder.iterdir()] == ["in.csv"]
    assert run(source.as_uri(), (tmp_path / "new" / "out.csv").as_uri())[0] == 0
    assert read(tmp_path / "new" / "out.csv") == read(target)


def test_bad_rows(run: Callable[..., tuple[int, str]], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = tmp_path / "in.csv"
    source.write_text("orders_placed,product_code\n10,SKU001\nx,SKU009\n20,SKU002\n")
    target = tmp_path / "out.csv"
    assert run(str(source), str(target)) == (4, "")
    assert not list(tmp_path.glob("*out*"))
    assert not list(tmp_path.glob(".*"))
    code, printed = run(str(source), str(target), "--on-error", "skip", "--json")
    assert code == 0
    one = {"input": str(source), "output": str(target), "rows": 3, "skipped": 1, "error": None}
    assert json.loads(printed) == {"model_version": VERSION, "rows": 3, "skipped": 1, "files": [one]}
    found = read(target)
    assert [value == "" for value in found[NAME]] == [False, True, False]
    assert str(found["problem"][1]).startswith("orders_placed: expected a number not below 0 (found 'x')")


@pytest.mark.parametrize("workers", [None, "2"])
def test_a_file_that_fails_keeps_no_other_from_being_done(
    run: Callable[..., tuple[int, str]], tmp_path: Path, workers: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    names = ["a.csv", "b.parquet", "sub/c.ndjson"]
    tables = {name: rows(20 + place, place) for place, name in enumerate(names)}
    for name, table in tables.items():
        write(table, source / name)
    (source / "bad.csv").write_text("orders_placed,product_code\n1,SKU009\n")
    (source / "readme.txt").write_text("no table")
    (source / ".hidden.csv").write_text("nothing")
    arguments = [str(source), str(target), "--json", *(["--workers", workers] if workers else [])]
    code, printed = run(*arguments)
    assert code == 4
    files = {Path(one["input"]).relative_to(source).as_posix(): one for one in json.loads(printed)["files"]}
    assert [*files] == ["a.csv", "b.parquet", "bad.csv", "sub/c.ndjson"]
    assert "expected one of" in files["bad.csv"]["error"]
    assert files["bad.csv"]["output"] is None
    written = sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())
    assert written == names
    for name, table in tables.items():
        assert read(target / name)[NAME] == expected(table)
        assert files[name]["rows"] == len(table)


def test_files_on_a_cluster(
    run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed

    monkeypatch.chdir(tmp_path)
    write(rows(20), tmp_path / "in" / "a.csv")
    (tmp_path / "in" / "bad.csv").write_text("orders_placed,product_code\n1,SKU009\n")
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(protocol="tcp", host="127.0.0.1", **options) as cluster:
        address = cluster.scheduler_address
        code, printed = run("in", "out", "--dask", address, "--json")
    assert code == 4
    files = json.loads(printed)["files"]
    assert [Path(one["input"]).name for one in files] == ["a.csv", "bad.csv"]
    assert "expected one of" in files[1]["error"]
    assert read(tmp_path / "out" / "a.csv")[NAME] == expected(rows(20))


def test_files_in_a_bucket(run: Callable[..., tuple[int, str]], tmp_path: Path, moto_bucket: str) -> None:
    client, table = s3_client(), rows(40)
    body = write(table, tmp_path / "in.parquet").read_bytes()
    for key in ("in/a.parquet", "in/sub/b.parquet"):
        client.put_object(Bucket=moto_bucket, Key=key, Body=body)
    where = f"s3://{moto_bucket}"
    assert run(f"{where}/in/a.parquet", f"{where}/one.csv")[0] == 0
    assert run(f"{where}/in/", f"{where}/out")[0] == 0
    for key in ("one.csv", "out/a.parquet", "out/sub/b.parquet"):
        copied = tmp_path / key.replace("/", "_")
        copied.write_bytes(client.get_object(Bucket=moto_bucket, Key=key)["Body"].read())
        assert read(copied)[NAME] == expected(table)
    for target, says in ((f"{where}/one.csv", "exists already"), (f"{where}/two.csv", None)):
        if says:
            with pytest.raises(Exception, match=says):
                run(f"{where}/in/a.parquet", target)
        else:
            assert run(f"{where}/in/a.parquet", target)[0] == 0
    with pytest.raises(Exception, match="there is no such file"):
        run(f"{where}/nothing.csv", f"{where}/three.csv")
    assert run(f"{where}/in/a.parquet", f"{where}/one.csv", "--overwrite")[0] == 0


def test_what_cannot_be_asked_for(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    source = str(write(rows(3), tmp_path / "in.csv"))
    for arguments, says in (
        ([], "give INPUT and OUTPUT"),
        ([source], "give INPUT and OUTPUT"),
        ([source, "out.csv", "--row", "{}"], "give INPUT and OUTPUT"),
        ([source, str(tmp_path / "out.txt")], "is no table"),
        ([str(tmp_path / "none.csv"), str(tmp_path / "out.csv")], "No such file"),
        ([source, "ftp://host/out.csv"], "is not the address of a file"),
        ([source, str(tmp_path / "out.csv"), "--dask", "tcp://127.0.0.1:1"], "is not a folder"),
        (
            [str(tmp_path), str(tmp_path / "o"), "--dask", "tcp://127.0.0.1:1", "--workers", "2"],
            "cannot go together",
        ),
    ):
        with pytest.raises(Exception, match=says):
            run(*arguments)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(Exception, match="there is no file to predict"):
        run(str(empty), str(tmp_path / "o"))


def test_the_exit_code_of_many_is_that_which_most_wants_a_person() -> None:
    def outcomes(*codes: int) -> list[FileOutcome]:
        return [FileOutcome("a", "b", code=code) for code in codes]

    assert [worst_code(outcomes(*codes)) for codes in ((), (0, 0), (75, 4), (4, 2), (75, 0), (2, 1, 75))] == [
        0, 0, 4, 2, 75, 1,
    ]  # fmt: skip
    assert list(predict_files([], 2, None)) == []


@pytest.mark.parametrize("many", [False, True])
def test_an_interrupt_leaves_nothing_half_written(store: str, tmp_path: Path, many: bool) -> None:
    count = 3_000_000
    rng = np.random.default_rng(0)
    orders = pa.array(rng.normal(90, 20, count).round(6).clip(0))
    table = pa.table({"orders_placed": orders, "product_code": pa.array(["SKU001"] * count)})
    source = tmp_path / "in" / "a.parquet"
    write(table, source)
    target = tmp_path / "out"
    if many:
        (tmp_path / "in" / "b.parquet").hardlink_to(source)
        arguments = [str(source.parent), str(target), "--workers", "2"]
    else:
        target.mkdir()
        arguments = [str(source), str(target / "a.csv")]
    process = subprocess.Popen(
        [COMMAND, "predict", "--store", store, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("WEIGHBRIDGE_")},
    )
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if any(target.rglob(".*.tmp")):
            break
        threading.Event().wait(0.005)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    written = [path for path in target.rglob("*") if path.is_file()]
    assert len(written) <= many
    # Of several files one may have been done before.
    assert [pq.read_metadata(path).num_rows for path in written] == [count] * len(written)
    assert "Traceback" not in said
