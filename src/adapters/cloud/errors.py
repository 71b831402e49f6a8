"""What obstore says when something is wrong, and which error of ours it is."""

import obstore.exceptions as vendor

from weighbridge.domain.errors import (
    ArtefactNotFound,
    ConfigurationError,
    StoreDenied,
    StoreNotFound,
    StoreUnavailable,
    WeighbridgeError,
)

#: The longest part of what obstore says that is passed on.
_SAID = 300


def translate(error: Exception, url: str, subject: str, absent: type[WeighbridgeError]) -> WeighbridgeError:
    """The error to raise for what obstore raised: one line that names the store, the fault and the remedy.

    Args:
        error: as it was caught.
        url: of the store.
        subject: the key or prefix that was asked for, where there was one.
        absent: what it means that something is not there.
    """
    where, said = f"{url}: {subject}: " if subject else f"{url}: ", said_by(error)
    if "ContainerNotFound" in str(error) or "NoSuchBucket" in str(error):
        absent = StoreNotFound
    elif isinstance(error, vendor.PreconditionError):
        return ArtefactNotFound(f"{where}no longer in that revision")
    elif not isinstance(error, FileNotFoundError):
        return _translate_fault(error, where, said)
    if absent is StoreNotFound:
        return StoreNotFound(f"{url}: there is no such bucket or container; make it, or check its name")
    return absent(f"{where}not there, or no longer in that revision")


def is_final(error: Exception) -> bool:
    """Whether another attempt would change nothing."""
    return not isinstance(translate(error, "", "", ArtefactNotFound), StoreUnavailable) or isinstance(
        error, vendor.AlreadyExistsError
    )


def _translate_fault(error: Exception, where: str, said: str) -> WeighbridgeError:
    if isinstance(error, vendor.PermissionDeniedError | vendor.UnauthenticatedError):
        return StoreDenied(f"{where}access refused ({said}); check the credentials and what they may do")
    if "169.254.169.254" in str(error) or "metadata.google.internal" in str(error):
        # Where it finds no credentials, obstore asks the machine that it takes itself to run on.
        return StoreDenied(
            f"{where}there are no credentials ({said}); set AZURE_STORAGE_ACCOUNT_NAME and "
            "AZURE_STORAGE_ACCOUNT_KEY, or GOOGLE_APPLICATION_CREDENTIALS"
        )
    if isinstance(error, vendor.GenericError | vendor.JoinError | vendor.AlreadyExistsError):
        return StoreUnavailable(f"{where}{said}; check the network, then try again")
    return ConfigurationError(f"{where}{said}; check the store's address and the settings of its cloud")


def said_by(error: Exception) -> str:
    """The first of what obstore says: it goes on with the whole reply, and with its own structures."""
    said = " ".join(str(error).partition("\n\nDebug source")[0].partition("<?xml")[0].split()).rstrip(": ")
    return said if len(said) <= _SAID else f"{said[:_SAID]}..."
