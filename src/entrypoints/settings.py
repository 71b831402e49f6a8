"""Settings: every knob in one typed, frozen object, from options and the environment."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from weighbridge.domain.errors import ConfigurationError

PREFIX = "WEIGHBRIDGE_"


class Settings(BaseSettings):
    """What the container wires by. A setting without an option comes from ``WEIGHBRIDGE_<NAME>`` alone."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", populate_by_name=True)

    store: str = "./weighbridge-store"
    task: str = "time_to_dispatch"
    no_report: bool = False
    no_page: bool = False
    create_store: bool = False
    refresh_seconds: float = Field(10.0, gt=0, le=86_400)
    fall_back: bool = False
    max_body_bytes: int = Field(1 << 20, gt=0)
    max_batch_bytes: int = Field(1 << 27, gt=0)
    max_batch_rows: int = Field(5_000_000, gt=0)
    max_batch_decoded_bytes: int = Field(1 << 30, gt=0)
    max_dataset_bytes: int = Field(1 << 31, gt=0)
    max_dataset_rows: int = Field(100_000_000, gt=0)
    max_client_batches: int = Field(8, ge=1)
    max_spool_bytes: int = Field(1 << 29, gt=0)
    max_header_bytes: int = Field(1 << 14, gt=0)
    header_seconds: float = Field(20.0, gt=0, le=3600)
    body_seconds: float = Field(30.0, gt=0, le=3600)
    answer_seconds: float = Field(30.0, gt=0, le=3600)
    keep_alive_seconds: float = Field(65.0, gt=0, le=3600)
    drain_seconds: float = Field(1.0, ge=0, le=600)
    shutdown_seconds: int = Field(30, ge=1, le=3600)
    workers: int = Field(1, ge=1, le=256)
    worker_seconds: float = Field(30.0, ge=1, le=3600)
    access_log: bool = False
    shadow: str = ""
    prediction_log: bool = False
    prediction_log_rate: float = Field(1.0, gt=0, le=1)
    prediction_log_seconds: float = Field(60.0, gt=0, le=3600)
    prediction_log_rows: int = Field(10_000, gt=0, le=1_000_000)
    prediction_log_redact: str = ""
    api_keys: SecretStr = SecretStr("")
    allowed_hosts: str = ""
    root_path: str = Field("", pattern=r"^(/[A-Za-z0-9._~-]+)*$")
    trusted_proxies: str = ""
    store_timeout_seconds: float = Field(20.0, gt=0, le=3600)
    store_attempts: int = Field(4, ge=1, le=20)
    store_deadline_seconds: float = Field(300.0, gt=0, le=86_400)
    store_anonymous: bool = False
    store_requester_pays: bool = False
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    tracing: bool = False
    git_commit_hash: str | None = Field(None, validation_alias="GIT_COMMIT_HASH")

    @property
    def keys(self) -> tuple[str, ...]:
        """The API keys, which ``api_keys`` has separated by commas; none when the service is open."""
        return tuple(key.strip() for key in self.api_keys.get_secret_value().split(",") if key.strip())

    @property
    def command_options(self) -> str:
        """The options that a command for this store and task needs; empty where the defaults will do."""
        given = (("store", self.store), ("task", self.task))
        options = [
            f" --{name} {shlex.quote(value)}"
            for name, value in given
            if value != type(self).model_fields[name].default
        ]
        return "".join(options)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that ``allowed_hosts`` has separated by commas."""
        return tuple(name.strip() for name in self.allowed_hosts.split(",") if name.strip())

    @property
    def redacted(self) -> tuple[str, ...]:
        """The columns that ``prediction_log_redact`` has separated by commas."""
        return tuple(name.strip() for name in self.prediction_log_redact.split(",") if name.strip())


def load_settings(given: Mapping[str, Any]) -> Settings:
    """The settings, where what was given on the command line goes before the environment.

    Args:
        given: by the names of the settings; None stands for not given.

    Raises:
        ConfigurationError: a value is not allowed; the message names each with its environment variable.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        faults = "; ".join(
            f"{fault['loc'][0]} ({_variable(str(fault['loc'][0]))}) is {fault['input']!r}: {fault['msg']}"
            for fault in error.errors()
        )
        raise ConfigurationError(f"settings: {faults}") from error


def _variable(name: str) -> str:
    field = Settings.model_fields.get(name)
    alias = None if field is None else field.validation_alias
    return alias if isinstance(alias, str) else f"{PREFIX}{name.upper()}"
