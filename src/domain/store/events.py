"""Facts about the store, its requests and its datasets."""

from dataclasses import dataclass
from typing import ClassVar

from weighbridge.domain.events import Event, Severity


@dataclass(frozen=True, slots=True)
class DatasetNameUnreadable(Event):
    """A name in the datasets folder belongs to the task and does not tell a time."""

    name: ClassVar[str] = "dataset_name_unreadable"
    severity: ClassVar[Severity] = "warning"
    key: str

    def __str__(self) -> str:
        return (
            f"skipped '{self.key}': its name does not end in a timestamp and .csv or .parquet, "
            "such as 2021-07-03T23:05:32.csv"
        )


@dataclass(frozen=True, slots=True)
class DatasetFolderSkipped(Event):
    """A folder is named like a dataset that is newer than the newest file."""

    name: ClassVar[str] = "dataset_folder_skipped"
    severity: ClassVar[Severity] = "warning"
    key: str

    def __str__(self) -> str:
        return (
            f"skipped '{self.key}': it is newer than the newest dataset, and a folder; put its rows into one file "
            "with that name"
        )


@dataclass(frozen=True, slots=True)
class DatasetChosen(Event):
    """The newest dataset was found."""

    name: ClassVar[str] = "dataset_chosen"
    key: str
    size: int

    def __str__(self) -> str:
        return f"the newest dataset is '{self.key}' ({self.size:,} bytes)"


@dataclass(frozen=True, slots=True)
class StoreRetried(Event):
    """A request to the store failed and is retried."""

    name: ClassVar[str] = "store_retried"
    severity: ClassVar[Severity] = "debug"
    operation: str
    reason: str

    def __str__(self) -> str:
        return f"retrying a request to the store: {self.operation} ended with {self.reason}"
