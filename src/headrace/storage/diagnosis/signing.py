"""Signatures of requests to S3, for what the store's own client does not offer.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from urllib.parse import quote, urlsplit

__all__ = ["sign_get"]

_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"


def sign_get(
    url: str,
    *,
    access_key_id: str,
    secret_access_key: str,
    session_token: str | None,
    region: str,
    now: datetime,
) -> dict[str, str]:
    """Headers that sign a GET of `url`, an address with at most a query of names without values.

    Args:
        url: With its path percent-encoded already.
        now: In UTC.
    """
    parts = urlsplit(url)
    moment, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    headers = {"host": parts.netloc, "x-amz-content-sha256": _EMPTY_SHA256, "x-amz-date": moment}
    if session_token is not None:
        headers["x-amz-security-token"] = session_token
    names = ";".join(sorted(headers))
    query = "&".join(sorted(f"{quote(name, safe='-_.~')}=" for name in parts.query.split("&") if name))
    request = "\n".join(
        [
            "GET",
            parts.path or "/",
            query,
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            _EMPTY_SHA256,
        ]
    )
    scope = f"{day}/{region}/s3/aws4_request"
    to_sign = "\n".join([_ALGORITHM, moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret_access_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    del headers["host"]  # the client writes it
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={access_key_id}/{scope},SignedHeaders={names},Signature={signature}"
    )
    return headers
