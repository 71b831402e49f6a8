"""What the records in a store have to look like."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal, Protocol, TypeAlias

#: The kinds of records that have rules of their own.
RecordKind: TypeAlias = Literal["release", "promotion"]


class RecordRules(Protocol):
    """What the records in a store have to look like."""

    @abstractmethod
    def faults(self, kind: RecordKind, document: object) -> list[str]:
        """Everything about a record that is not as it has to be, in words; nothing when all is well.

        Args:
            kind: ``release`` for the record of a release or of a refusal.
            document: as it was read, whatever it is.
        """


class NoRules(RecordRules):
    """Allows every record."""

    def faults(self, kind: RecordKind, document: object) -> list[str]:  # noqa: ARG002
        """Nothing, whatever the document is."""
        return []


NO_RULES = NoRules()
