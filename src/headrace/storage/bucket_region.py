"""In which region a bucket lies, asked without credentials."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from email.message import Message
from typing import IO

__all__ = ["find_bucket_region"]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def find_bucket_region(bucket: str, *, endpoint: str, timeout_seconds: float) -> str | None:
    """The region that the service names in `x-amz-bucket-region`; it does so even when it refuses the request.

    None if the service does not say or does not answer.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
    """
    # The endpoint is http(s): the options check it.
    request = urllib.request.Request(f"{endpoint.rstrip('/')}/{bucket}", method="HEAD")  # noqa: S310
    headers: Message | None
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=timeout_seconds) as answer:
            headers = answer.headers
    except urllib.error.HTTPError as error:
        with error:
            headers = error.headers
    except (OSError, http.client.HTTPException, ValueError):
        return None
    region = headers.get("x-amz-bucket-region") if headers is not None else None
    return str(region) if region else None
