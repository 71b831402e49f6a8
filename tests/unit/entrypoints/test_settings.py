"""Settings: where they come from, in which order, and what is refused."""

import os

import pytest
from pydantic import SecretStr, ValidationError

from weighbridge.domain.errors import ConfigurationError
from weighbridge.entrypoints.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("WEIGHBRIDGE_") or name == "GIT_COMMIT_HASH":
            monkeypatch.delenv(name)


DEFAULTS = {
    "store": "./weighbridge-store",
    "task": "time_to_dispatch",
    "no_report": False,
    "no_page": False,
    "create_store": False,
    "refresh_seconds": 10.0,
    "max_body_bytes": 1 << 20,
    "max_batch_bytes": 1 << 27,
    "max_batch_rows": 5_000_000,
    "max_batch_decoded_bytes": 1 << 30,
    "max_dataset_bytes": 1 << 31,
    "max_dataset_rows": 100_000_000,
    "fall_back": False,
    "worker_seconds": 30.0,
    "root_path": "",
    "trusted_proxies": "",
    "store_anonymous": False,
    "store_requester_pays": False,
    "max_header_bytes": 1 << 14,
    "header_seconds": 20.0,
    "body_seconds": 30.0,
    "answer_seconds": 30.0,
    "max_client_batches": 8,
    "max_spool_bytes": 1 << 29,
    "allowed_hosts": "",
    "keep_alive_seconds": 65.0,
    "drain_seconds": 1.0,
    "shutdown_seconds": 30,
    "workers": 1,
    "access_log": False,
    "shadow": "",
    "prediction_log": False,
    "prediction_log_rate": 1.0,
    "prediction_log_seconds": 60.0,
    "prediction_log_rows": 10_000,
    "prediction_log_redact": "",
    "api_keys": SecretStr(""),
    "store_timeout_seconds": 20.0,
    "store_attempts": 4,
    "store_deadline_seconds": 300.0,
    "log_format": "text",
    "log_level": "info",
    "tracing": False,
    "git_commit_hash": None,
}

ENVIRONMENT = {
    "WEIGHBRIDGE_STORE": ("s3://bucket/prefix", "store", "s3://bucket/prefix"),
    "WEIGHBRIDGE_TASK": ("tasks.py:MINE", "task", "tasks.py:MINE"),
    "WEIGHBRIDGE_NO_REPORT": ("true", "no_report", True),
    "WEIGHBRIDGE_NO_PAGE": ("true", "no_page", True),
    "WEIGHBRIDGE_CREATE_STORE": ("1", "create_store", True),
    "WEIGHBRIDGE_REFRESH_SECONDS": ("0.5", "refresh_seconds", 0.5),
    "WEIGHBRIDGE_MAX_BODY_BYTES": ("4096", "max_body_bytes", 4096),
    "WEIGHBRIDGE_MAX_BATCH_BYTES": ("4096", "max_batch_bytes", 4096),
    "WEIGHBRIDGE_MAX_BATCH_ROWS": ("4096", "max_batch_rows", 4096),
    "WEIGHBRIDGE_MAX_BATCH_DECODED_BYTES": ("4096", "max_batch_decoded_bytes", 4096),
    "WEIGHBRIDGE_MAX_HEADER_BYTES": ("4096", "max_header_bytes", 4096),
    "WEIGHBRIDGE_HEADER_SECONDS": ("5", "header_seconds", 5.0),
    "WEIGHBRIDGE_BODY_SECONDS": ("2.5", "body_seconds", 2.5),
    "WEIGHBRIDGE_ANSWER_SECONDS": ("2.5", "answer_seconds", 2.5),
    "WEIGHBRIDGE_MAX_CLIENT_BATCHES": ("3", "max_client_batches", 3),
    "WEIGHBRIDGE_MAX_SPOOL_BYTES": ("4096", "max_spool_bytes", 4096),
    "WEIGHBRIDGE_MAX_DATASET_BYTES": ("4096", "max_dataset_bytes", 4096),
    "WEIGHBRIDGE_MAX_DATASET_ROWS": ("4096", "max_dataset_rows", 4096),
    "WEIGHBRIDGE_FALL_BACK": ("true", "fall_back", True),
    "WEIGHBRIDGE_WORKER_SECONDS": ("5", "worker_seconds", 5.0),
    "WEIGHBRIDGE_ROOT_PATH": ("/models", "root_path", "/models"),
    "WEIGHBRIDGE_TRUSTED_PROXIES": ("10.0.0.1", "trusted_proxies", "10.0.0.1"),
    "WEIGHBRIDGE_STORE_ANONYMOUS": ("true", "store_anonymous", True),
    "WEIGHBRIDGE_STORE_REQUESTER_PAYS": ("true", "store_requester_pays", True),
    "WEIGHBRIDGE_ALLOWED_HOSTS": ("a.example,b.example", "allowed_hosts", "a.example,b.example"),
    "WEIGHBRIDGE_KEEP_ALIVE_SECONDS": ("5", "keep_alive_seconds", 5.0),
    "WEIGHBRIDGE_DRAIN_SECONDS": ("2.5", "drain_seconds", 2.5),
    "WEIGHBRIDGE_SHUTDOWN_SECONDS": ("5", "shutdown_seconds", 5),
    "WEIGHBRIDGE_WORKERS": ("2", "workers", 2),
    "WEIGHBRIDGE_ACCESS_LOG": ("true", "access_log", True),
    "WEIGHBRIDGE_SHADOW": ("newest-unpromoted", "shadow", "newest-unpromoted"),
    "WEIGHBRIDGE_PREDICTION_LOG": ("true", "prediction_log", True),
    "WEIGHBRIDGE_PREDICTION_LOG_RATE": ("0.1", "prediction_log_rate", 0.1),
    "WEIGHBRIDGE_PREDICTION_LOG_SECONDS": ("5", "prediction_log_seconds", 5.0),
    "WEIGHBRIDGE_PREDICTION_LOG_ROWS": ("100", "prediction_log_rows", 100),
    "WEIGHBRIDGE_PREDICTION_LOG_REDACT": ("name,city", "prediction_log_redact", "name,city"),
    "WEIGHBRIDGE_API_KEYS": ("one,two", "api_keys", SecretStr("one,two")),
    "WEIGHBRIDGE_STORE_TIMEOUT_SECONDS": ("3", "store_timeout_seconds", 3.0),
    "WEIGHBRIDGE_STORE_ATTEMPTS": ("1", "store_attempts", 1),
    "WEIGHBRIDGE_STORE_DEADLINE_SECONDS": ("60", "store_deadline_seconds", 60.0),
    "WEIGHBRIDGE_LOG_FORMAT": ("json", "log_format", "json"),
    "WEIGHBRIDGE_LOG_LEVEL": ("error", "log_level", "error"),
    "WEIGHBRIDGE_TRACING": ("true", "tracing", True),
    "GIT_COMMIT_HASH": ("0a1b2c3", "git_commit_hash", "0a1b2c3"),
}


def test_the_defaults() -> None:
    assert load_settings({}).model_dump() == DEFAULTS
    assert load_settings(dict.fromkeys(DEFAULTS)).model_dump() == DEFAULTS


@pytest.mark.parametrize(("variable", "row"), ENVIRONMENT.items(), ids=ENVIRONMENT)
def test_each_setting_has_its_variable(
    variable: str, row: tuple[str, str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    text, name, value = row
    monkeypatch.setenv(variable, text)
    assert load_settings({}).model_dump() == DEFAULTS | {name: value}
    assert set(Settings.model_fields) == {name for _, name, _ in ENVIRONMENT.values()}


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_STORE", "./environment")
    monkeypatch.setenv("WEIGHBRIDGE_REFRESH_SECONDS", "3")
    monkeypatch.setenv("GIT_COMMIT_HASH", "0a1b2c3")
    given = {"store": "./given", "refresh_seconds": None, "git_commit_hash": "9f8e7d6"}
    assert load_settings(given).model_dump() == DEFAULTS | {
        "store": "./given",
        "refresh_seconds": 3.0,
        "git_commit_hash": "9f8e7d6",
    }


def test_other_variables_are_others_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_ROW", "{}")
    monkeypatch.setenv("STORE", "./elsewhere")
    assert load_settings({}).model_dump() == DEFAULTS


def test_settings_are_frozen() -> None:
    settings = load_settings({})
    with pytest.raises(ValidationError, match="frozen"):
        settings.store = "./elsewhere"
    assert settings.store == "./weighbridge-store"


BAD = {
    "unknown": ({"stroe": "./dir"}, "stroe (WEIGHBRIDGE_STROE) is './dir': Extra inputs are not permitted"),
    "refresh 0": ({"refresh_seconds": 0}, "refresh_seconds (WEIGHBRIDGE_REFRESH_SECONDS) is 0: Input should be "),
    "refresh nan": ({"refresh_seconds": "nan"}, "refresh_seconds (WEIGHBRIDGE_REFRESH_SECONDS) is 'nan': "),
    "refresh too seldom": ({"refresh_seconds": 86_401}, "is 86401: Input should be less than or equal to 86400"),
    "no body": ({"max_body_bytes": 0}, "max_body_bytes (WEIGHBRIDGE_MAX_BODY_BYTES) is 0: "),
    "timeout 0": ({"store_timeout_seconds": 0}, "(WEIGHBRIDGE_STORE_TIMEOUT_SECONDS) is 0: "),
    "timeout without end": ({"store_timeout_seconds": "inf"}, "(WEIGHBRIDGE_STORE_TIMEOUT_SECONDS) is 'inf': "),
    "timeout too long": ({"store_timeout_seconds": 3601}, "(WEIGHBRIDGE_STORE_TIMEOUT_SECONDS) is 3601: "),
    "no attempt": ({"store_attempts": 0}, "store_attempts (WEIGHBRIDGE_STORE_ATTEMPTS) is 0: "),
    "21 attempts": ({"store_attempts": 21}, "store_attempts (WEIGHBRIDGE_STORE_ATTEMPTS) is 21: "),
    "no sample": ({"prediction_log_rate": 0}, "(WEIGHBRIDGE_PREDICTION_LOG_RATE) is 0: "),
    "more than all": ({"prediction_log_rate": 1.1}, "(WEIGHBRIDGE_PREDICTION_LOG_RATE) is 1.1: "),
    "files too long": ({"prediction_log_seconds": 3601}, "(WEIGHBRIDGE_PREDICTION_LOG_SECONDS) is 3601: "),
    "no rows": ({"prediction_log_rows": 0}, "(WEIGHBRIDGE_PREDICTION_LOG_ROWS) is 0: "),
    "format": ({"log_format": "xml"}, "log_format (WEIGHBRIDGE_LOG_FORMAT) is 'xml': Input should be 'text' or "),
    "level": ({"log_level": "loud"}, "log_level (WEIGHBRIDGE_LOG_LEVEL) is 'loud': Input should be 'debug', "),
    "revision": ({"git_commit_hash": 5}, "git_commit_hash (GIT_COMMIT_HASH) is 5: Input should be a valid string"),
}


@pytest.mark.parametrize(("given", "says"), BAD.values(), ids=BAD)
def test_what_is_not_allowed_is_said_with_its_variable(given: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(given)
    assert str(caught.value).startswith("settings: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_ends_of_the_ranges_are_allowed() -> None:
    allowed = {
        "refresh_seconds": 86_400.0,
        "max_body_bytes": 1,
        "max_batch_bytes": 1,
        "max_batch_rows": 1,
        "max_batch_decoded_bytes": 1,
        "store_attempts": 20,
        "store_timeout_seconds": 3600.0,
        "max_header_bytes": 1,
        "keep_alive_seconds": 3600,
        "drain_seconds": 0.0,
        "shutdown_seconds": 1,
        "workers": 256,
        "prediction_log_seconds": 3600.0,
        "prediction_log_rows": 1_000_000,
    }
    assert load_settings(allowed).model_dump() == DEFAULTS | allowed


def test_every_fault_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_STORE_ATTEMPTS", "many")
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"log_format": "xml"})
    assert str(caught.value) == (
        "settings: store_attempts (WEIGHBRIDGE_STORE_ATTEMPTS) is 'many': Input should be a valid integer, unable "
        "to parse string as an integer; log_format (WEIGHBRIDGE_LOG_FORMAT) is 'xml': Input should be 'text' or "
        "'json'"
    )


def test_keys_are_separated_by_commas_and_never_shown() -> None:
    settings = load_settings({"api_keys": " secret-1, secret-2,,"})
    assert settings.keys == ("secret-1", "secret-2")
    assert load_settings({}).keys == ()
    assert "secret-" not in repr(settings)


def test_redacted_columns_are_separated_by_commas() -> None:
    assert load_settings({"prediction_log_redact": " name, city,,"}).redacted == ("name", "city")
    assert load_settings({}).redacted == ()


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, ""),
        ({"store": "s3://bucket/some prefix"}, " --store 's3://bucket/some prefix'"),
        ({"store": "./here", "task": "tasks.py:MINE"}, " --store ./here --task tasks.py:MINE"),
    ],
)
def test_commands_name_what_is_not_the_default(given: dict[str, str], options: str) -> None:
    assert load_settings(given).command_options == options
