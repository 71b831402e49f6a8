"""Reading tables out of artefacts."""

from __future__ import annotations

from abc import abstractmethod
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.data.schema import Schema
    from weighbridge.domain.store.artefacts import Artefact


class DatasetReader(Protocol):
    """Reads tables out of artefacts."""

    def read(self, artefact: Artefact, schema: Schema) -> pd.DataFrame:
        """The table in an artefact, as ``read_file`` reads it."""
        return self.read_file(artefact.ref.key, BytesIO(artefact.data), schema)

    @abstractmethod
    def read_file(self, key: str, file: BinaryIO, schema: Schema) -> pd.DataFrame:
        """The table in a file, as it is: nothing has been admitted yet.

        Args:
            key: of the artefact that the file is or will be; its suffix says the format (see
                ``artefacts.DATASET_SUFFIXES``).
            file: the whole of it, open for reading at any place; it stays open, and is left at any place.
            schema: names the columns that are text whatever they look like; it is not enforced here.

        Raises:
            DataError: no table can be read from these bytes.
        """
