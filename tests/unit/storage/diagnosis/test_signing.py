"""Amazon's own example of a signed request."""

from __future__ import annotations

from datetime import UTC, datetime

from headrace.storage.diagnosis.signing import sign_get

_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def _sign(url: str, *, token: str | None = None) -> dict[str, str]:
    return sign_get(
        url,
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        secret_access_key=_SECRET,
        session_token=token,
        region="us-east-1",
        now=datetime(2013, 5, 24, tzinfo=UTC),
    )


def test_signature_is_that_of_amazons_example() -> None:
    """GET Bucket Lifecycle, https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html"""
    headers = _sign("https://examplebucket.s3.amazonaws.com/?lifecycle")
    assert headers["x-amz-date"] == "20130524T000000Z"
    assert headers["authorization"].endswith(
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
        "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
    )
    assert _SECRET not in str(headers)


def test_session_token_is_signed() -> None:
    headers = _sign("https://examplebucket.s3.amazonaws.com/?lifecycle", token="a token")
    assert headers["x-amz-security-token"] == "a token"
    assert "x-amz-date;x-amz-security-token" in headers["authorization"]
