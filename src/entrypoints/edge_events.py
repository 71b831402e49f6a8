"""Events of commands, processes and requests; ``logs.say`` logs them."""

from dataclasses import dataclass
from typing import ClassVar

from weighbridge.domain.events import Event, Severity


@dataclass(frozen=True, slots=True)
class ServiceListening(Event):
    """The service accepts requests at this address from now on."""

    name: ClassVar[str] = "service_listening"
    address: str

    def __str__(self) -> str:
        return f"listening on {self.address}, documented at /docs"


@dataclass(frozen=True, slots=True)
class ServiceOpen(Event):
    """No key is required at an address that other machines can reach."""

    name: ClassVar[str] = "service_open"
    severity: ClassVar[Severity] = "warning"
    host: str
    port: int

    def __str__(self) -> str:
        return (
            f"anyone who can reach {self.host} port {self.port} may request predictions and read records; "
            "set WEIGHBRIDGE_API_KEYS to restrict access"
        )


@dataclass(frozen=True, slots=True)
class WorkerEnded(Event):
    """A worker process ended by itself; another one replaces it."""

    name: ClassVar[str] = "worker_ended"
    severity: ClassVar[Severity] = "error"
    code: int

    def __str__(self) -> str:
        return f"a worker ended with code {self.code}; another one replaces it"


@dataclass(frozen=True, slots=True)
class WorkerStuck(Event):
    """A worker process did not run for so long that it is killed; another one replaces it."""

    name: ClassVar[str] = "worker_stuck"
    severity: ClassVar[Severity] = "error"
    pid: int
    seconds: float

    def __str__(self) -> str:
        return f"worker {self.pid} has not responded for {self.seconds:.0f} s: it is killed and replaced"


@dataclass(frozen=True, slots=True)
class LogLinesLost(Event):
    """Log lines were left out because they came faster than they could be written."""

    name: ClassVar[str] = "log_lines_lost"
    severity: ClassVar[Severity] = "warning"
    lines: int

    def __str__(self) -> str:
        return f"{self.lines:,} log lines were lost: they came faster than they could be written"


@dataclass(frozen=True, slots=True)
class RequestFailed(Event):
    """A request was answered with 500: a bug, whose traceback is beside it."""

    name: ClassVar[str] = "request_failed"
    severity: ClassVar[Severity] = "error"
    path: str
    request_id: str

    def __str__(self) -> str:
        return f"the request {self.request_id} to {self.path!r} failed; the traceback shows a bug"


@dataclass(frozen=True, slots=True)
class TemporaryFolderUnusable(Event):
    """The service starts, and large requests will be answered with 507."""

    name: ClassVar[str] = "temporary_folder_unusable"
    severity: ClassVar[Severity] = "warning"
    problem: str

    def __str__(self) -> str:
        return f"batches beyond 4 MiB will be refused: {self.problem}; set TMPDIR to a writable folder with room"


@dataclass(frozen=True, slots=True)
class SpoolFailed(Event):
    """A large request or answer could not be written to the temporary folder, and was answered with 507."""

    name: ClassVar[str] = "spool_failed"
    severity: ClassVar[Severity] = "error"
    problem: str

    def __str__(self) -> str:
        return f"a large request could not be kept in the temporary folder: {self.problem}; make room there"


@dataclass(frozen=True, slots=True)
class CommandFailed(Event):
    """A command, or a worker process, ends with an exit code because of this problem."""

    name: ClassVar[str] = "command_failed"
    severity: ClassVar[Severity] = "error"
    code: int
    problem: str

    def __str__(self) -> str:
        return self.problem
