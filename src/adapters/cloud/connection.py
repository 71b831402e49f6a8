"""Opening a bucket of Google Cloud Storage or a container of Azure Blob Storage.

Needs the extra ``cloud``. Credentials and endpoints are those of the standard variables (``GOOGLE_*``,
``AZURE_STORAGE_*``) that obstore reads.
"""

from datetime import timedelta
from typing import Any

try:
    import obstore.exceptions as vendor
    from obstore.store import AzureStore, GCSStore
except ImportError as error:
    from weighbridge.domain.errors import ConfigurationError

    raise ConfigurationError("gs:// and az:// need the extra 'cloud': pip install 'weighbridge[cloud]'") from error

from weighbridge.adapters.cloud.errors import said_by
from weighbridge.adapters.cloud.store import ATTEMPTS, DEADLINE, ObjectStore
from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.system import EventSink


def connect(
    scheme: str,
    bucket: str,
    prefix: str = "",
    *,
    timeout: float = 20,
    attempts: int = ATTEMPTS,
    deadline: float = DEADLINE,
    events: EventSink | None = None,
) -> ObjectStore:
    """A store on a bucket or container; nothing is sent yet.

    Args:
        scheme: ``gs`` or ``az``.
        bucket: its name.
        prefix: the folder within it; empty for all of it.
        timeout: seconds to wait for each piece of a reply.
        attempts: how often a request is sent in all, with jittered exponential back-off between.
        deadline: seconds in which an operation is done or has failed.
        events: told of each attempt that is not the first.

    Raises:
        ConfigurationError: the settings in the environment name an account or an endpoint that cannot be.
    """
    vendor_store: Any = {"gs": GCSStore, "az": AzureStore}[scheme]
    url = f"{scheme}://{bucket}/{prefix}"
    try:
        client = vendor_store(
            bucket,
            client_options={
                "allow_http": True,  # where the endpoint that was set has it
                "connect_timeout": timedelta(seconds=min(5, timeout)),
                "read_timeout": timedelta(seconds=timeout),
                "timeout": timedelta(seconds=deadline),
            },
            retry_config={"max_retries": 0},  # what obstore tries again it does not tell
        )
    except (vendor.BaseError, ValueError) as error:
        raise ConfigurationError(
            f"{url}: {said_by(error)}; check its name and the settings of its cloud"
        ) from error
    return ObjectStore(client, url, prefix, attempts=attempts, deadline=deadline, events=events)
