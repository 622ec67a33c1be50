"""What the errors of obstore mean, in words of the user's world."""

from __future__ import annotations

import re
from dataclasses import dataclass

from obstore.exceptions import (
    BaseError,
    GenericError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)

from headrace.errors import HeadraceError, InvalidInput, NotFound, PermissionDenied, Unavailable

__all__ = ["RemoteFailure", "describe_failure"]

_STATUS = re.compile(r"status code: (\d{3})|status: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9._-]{1,80})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,400})</Message>")
_REGION = re.compile(r"<Region>([a-z0-9-]{1,40})</Region>")
_BUCKET_MISSING = {"NoSuchBucket", "ContainerNotFound", "InvalidBucketName"}
_REFUSED = {
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "AuthenticationFailed",
}
# Where the default credentials are asked for when none were given.
_CREDENTIAL_SERVICES = (
    "latest/api/token",
    "security-credentials",
    "computeMetadata",
    "metadata/identity",
    "token request",
    "Missing credentials",
)


@dataclass(frozen=True, slots=True)
class RemoteFailure:
    """One failed request, taken apart. The text that obstore gives holds addresses and is not passed on."""

    status: int | None  # HTTP status, None if no answer came
    service_code: str | None  # the store's own name for it, such as "NoSuchBucket"
    service_message: str | None
    bucket_region: str | None  # where the bucket is, if the answer said so
    is_range_refused: bool  # the server cannot, or the object is too short to, answer a byte range
    is_redirect: bool
    lacks_credentials: bool
    is_timeout: bool
    is_connect_error: bool

    @classmethod
    def of(cls, error: Exception) -> RemoteFailure:
        """Take an exception of obstore apart."""
        text = str(error)
        first = text.partition("\n\nDebug source:")[0]
        status = _STATUS.search(first) or _STATUS.search(text)
        code, message, region = _CODE.search(first), _MESSAGE.search(first), _REGION.search(first)
        status_number = int(status[1] or status[2]) if status else None
        return cls(
            status=status_number,
            service_code=code[1] if code else None,
            service_message=message[1].strip() if message else None,
            bucket_region=region[1] if region else None,
            is_range_refused=isinstance(error, NotSupportedError) or status_number == 416 or "object was only" in first,
            is_redirect=status_number in {301, 307} or "LOCATION" in first,
            lacks_credentials=any(part in first for part in _CREDENTIAL_SERVICES),
            is_timeout="TimedOut" in text or "kind: Timeout" in text or "operation timed out" in text,
            is_connect_error="kind: Connect" in text,
        )

    @property
    def is_missing_bucket(self) -> bool:
        """Whether the bucket, not just the key, does not exist."""
        return self.service_code in _BUCKET_MISSING

    @property
    def reason(self) -> str:
        """A short phrase: the store's own words where it gave any."""
        if self.service_code is not None:
            said = f": {self.service_message}" if self.service_message else ""
            return f"{self.service_code}{said}"
        if self.status is not None:
            return f"HTTP status {self.status}"
        if self.is_timeout:
            return "no answer in time"
        if self.is_connect_error:
            return "no connection"
        return "the request failed"


def describe_failure(error: Exception, *, uri: str, bucket_uri: str, action: str, attempts: int) -> HeadraceError:
    """The error to raise for a failed request.

    Args:
        uri: What was to be read or written.
        action: A verb for the message, such as "read".
        attempts: How often the request was tried at most.
    """
    failure = RemoteFailure.of(error)
    if failure.lacks_credentials:
        return PermissionDenied(
            f"cannot {action} {uri}: no credentials were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or "
            "the variables of your cloud), or the option anonymous=True for a public bucket"
        )
    if failure.is_missing_bucket:
        return NotFound(
            f"bucket {bucket_uri} does not exist or is not a valid name; create it, or check the URI and endpoint"
        )
    if isinstance(error, FileNotFoundError) or failure.status == 404:
        return NotFound(f"object {uri} does not exist")
    if (
        isinstance(error, PermissionDeniedError | UnauthenticatedError)
        or failure.status in {401, 403}
        or failure.service_code in _REFUSED
    ):
        return PermissionDenied(
            f"the store refuses to {action} {uri} ({failure.reason}). Check the credentials and the bucket's policy"
        )
    if isinstance(error, InvalidPathError | ValueError):
        return InvalidInput(f"cannot {action} {uri}: the store does not take this key")
    if isinstance(error, GenericError | BaseError):
        if failure.status is not None and 400 <= failure.status < 500 and failure.status not in {408, 409, 425, 429}:
            return InvalidInput(f"the store rejects the request to {action} {uri} ({failure.reason})")
        tries = f" after up to {attempts} attempts" if attempts > 1 else ""
        return Unavailable(f"cannot {action} {uri}: {failure.reason}{tries}. Trying again is safe")
    return Unavailable(f"cannot {action} {uri}: {type(error).__name__}. Trying again is safe")
