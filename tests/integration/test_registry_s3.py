"""The registry on a bucket."""

from itertools import count

import pytest

from tests.integration.conftest import shared_client
from tests.support.registry_contract import RegistryContract
from weighbridge.adapters.s3.store import S3Store
from weighbridge.adapters.testing.store_contract import NewStore


class TestRegistryOnS3(RegistryContract):
    slowness = 12

    @pytest.fixture
    def new_store(self, bucket: str) -> NewStore:
        client, numbers = shared_client(), count()
        return lambda: S3Store(client, bucket, f"registry/{next(numbers)}")
