"""Files in a bucket behind a proxy that injects faults: the promise of the store is that of files."""

import resource
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.integration.conftest import s3_client
from tests.support.faultproxy import Fault
from tests.support.faulty_servers import PATIENT, Setting, client_of
from weighbridge.adapters.s3 import transfers
from weighbridge.adapters.s3.files import S3Files
from weighbridge.domain.errors import ConfigurationError, StoreUnavailable

DATA = b"product_code,orders_placed\nSKU001,10\n" * 50
OTHER = b"of others"


@pytest.fixture(params=[1 << 25, 500], ids=["in one piece", "in pieces"])
def _pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "PIECE_BYTES", request.param)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)


def files_of(setting: Setting, attempts: int = 1, deadline: float = PATIENT) -> S3Files:
    client = client_of(setting.proxy.url, attempts, PATIENT)
    return S3Files(client, setting.bucket, deadline=deadline, events=setting.retries)


def content(setting: Setting, key: str) -> bytes | None:
    try:
        reply = s3_client().get_object(Bucket=setting.bucket, Key=key)
    except s3_client().exceptions.NoSuchKey:
        return None
    data: bytes = reply["Body"].read()
    return data


def put(files: S3Files, name: str, data: bytes, *, overwrite: bool = False) -> None:
    with files.write(name, overwrite=overwrite) as file:
        file.write(data)


def got(files: S3Files, name: str) -> bytes:
    with files.read(name) as file:
        return file.read()


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.FLIPPED, Fault.TRUNCATED_HEAD, Fault.LATENCY])
@pytest.mark.parametrize("by", ["us", "others"])
def test_a_read_that_comes_broken_is_asked_for_again(setting: Setting, fault: Fault, by: str) -> None:
    files = files_of(setting)
    if by == "us":
        put(files, "in/a.csv", DATA)
    else:
        s3_client().put_object(Bucket=setting.bucket, Key="in/a.csv", Body=DATA)
    setting.proxy.plan(fault, operation="get")
    assert got(files, "in/a.csv") == DATA
    assert ("get", fault) in setting.proxy.met


def test_a_read_that_stays_damaged_is_no_answer(setting: Setting) -> None:
    files = files_of(setting)
    put(files, "in/a.csv", DATA)
    setting.proxy.plan(*[Fault.FLIPPED] * 9, operation="get")
    with pytest.raises(StoreUnavailable, match=r"in/a\.csv came damaged 4 times"):
        got(files, "in/a.csv")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.TRUNCATED_HEAD])
def test_a_write_whose_reply_is_lost_is_a_success(setting: Setting, fault: Fault, overwrite: bool) -> None:
    files = files_of(setting)
    if overwrite:
        s3_client().put_object(Bucket=setting.bucket, Key="out.csv", Body=OTHER)
    setting.proxy.plan(fault, operation="put")
    put(files, "out.csv", DATA, overwrite=overwrite)
    assert ("put", fault) in setting.proxy.met
    assert content(setting, "out.csv") == DATA


def test_what_arrives_damaged_is_no_success(setting: Setting) -> None:
    setting.proxy.plan(Fault.FLIPPED_UPLOAD, operation="put")
    with pytest.raises(StoreUnavailable):
        put(files_of(setting), "out.csv", DATA)
    assert content(setting, "out.csv") is None


def test_what_another_wrote_meanwhile_is_left_as_it_is(setting: Setting) -> None:
    files = files_of(setting)
    writing = files.write("out.csv", overwrite=False)
    writing.__enter__().write(DATA)
    s3_client().put_object(Bucket=setting.bucket, Key="out.csv", Body=OTHER)
    with pytest.raises(ConfigurationError, match=r"out\.csv exists already, .*--overwrite replaces it"):
        writing.__exit__(None, None, None)
    assert content(setting, "out.csv") == OTHER


@pytest.mark.parametrize("operation", ["read", "write", "exists", "below"])
def test_a_reply_that_is_dripped_ends_at_the_deadline(setting: Setting, operation: str) -> None:
    files = files_of(setting, deadline=0.3)
    s3_client().put_object(Bucket=setting.bucket, Key="in/a.csv", Body=DATA)
    setting.proxy.plan(*[Fault.DRIPPED] * 4)
    operations: dict[str, Any] = {
        "read": partial(got, files, "in/a.csv"),
        "write": partial(put, files, "out.csv", DATA, overwrite=True),
        "exists": partial(files.exists, "in/a.csv"),
        "below": lambda: list(files.below("in")),
    }
    with pytest.raises(StoreUnavailable, match=r"no whole answer within 0\.3 seconds"):
        operations[operation]()
    setting.settle()


@pytest.mark.usefixtures("_pieces")
def test_large_files_go_in_pieces(setting: Setting) -> None:
    files = files_of(setting, attempts=2)
    put(files, "in/a.csv", DATA)
    assert got(files, "in/a.csv") == content(setting, "in/a.csv") == DATA
    put(files, "empty.csv", b"")
    assert got(files, "empty.csv") == b""
    with pytest.raises(ConfigurationError, match="exists already"):
        put(files, "in/a.csv", OTHER)
    put(files, "in/a.csv", OTHER * 100, overwrite=True)
    assert got(files, "in/a.csv") == OTHER * 100
    assert sorted(files.below("in")) == ["a.csv"]
    with pytest.raises(ConfigurationError, match="there is no such file"):
        got(files, "nothing.csv")


@pytest.fixture
def _full_disk() -> Iterator[None]:
    """No file may have more than some bytes, which fails as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("_full_disk")
def test_a_full_disk_is_told(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    from weighbridge.adapters.s3 import files as module

    monkeypatch.setattr(module, "_MEMORY_BYTES", 100)
    files = files_of(setting)
    s3_client().put_object(Bucket=setting.bucket, Key="in/a.csv", Body=DATA)
    for operation in (partial(got, files, "in/a.csv"), partial(put, files, "out.csv", DATA)):
        with pytest.raises(StoreUnavailable, match=r"make room in the folder for temporary files \(TMPDIR\)"):
            operation()
    assert content(setting, "out.csv") is None
