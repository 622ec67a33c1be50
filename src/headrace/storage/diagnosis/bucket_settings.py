"""Versioning and object lock of an S3 bucket, by requests signed here: the store's client asks for objects only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from headrace.storage.diagnosis.http_answers import Answer, AskHttp, NoAnswer
from headrace.storage.diagnosis.results import Finding, Measured
from headrace.storage.diagnosis.running import Check
from headrace.storage.diagnosis.service import bucket_address
from headrace.storage.diagnosis.signing import sign_get
from headrace.storage.options import StoreOptions
from headrace.storage.uris import StoreUri

__all__ = ["BucketSettings"]

_TAG = r"<(?:\w+:)?{}[^>]*>\s*([^<]*?)\s*</"


class BucketSettings:
    """Asks for `?versioning` and `?object-lock`; says "unknown" where it may not or cannot ask.

    Args:
        is_probed: Whether conditional puts are tried as well, which answers what versioning makes doubtful.
    """

    def __init__(
        self,
        location: StoreUri,
        options: StoreOptions,
        *,
        environment: Mapping[str, str],
        ask: AskHttp,
        is_probed: bool,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._location = location
        self._options = options.with_s3_environment(environment)
        self._environment = environment
        self._ask = ask
        self._is_probed = is_probed
        self._now = now

    def checks(self, *, needs: tuple[str, ...]) -> list[Check]:
        """Versioning and object lock."""
        return [
            Check("versioning", self._versioning, needs=needs),
            Check("object lock", self._object_lock, needs=needs),
        ]

    def _versioning(self) -> Finding:
        answer = self._get("versioning", right="s3:GetBucketVersioning")
        if isinstance(answer, Finding):
            return answer
        # "VersioningConfiguration"; moto names it otherwise, and a service that ignores the question sends a listing.
        if answer.status != 200 or re.search(rb"<(\w+:)?\w*Versioning", answer.body) is None:
            return Finding("unknown", "the service does not tell", measured={"http_status": answer.status})
        state = _text(answer, "Status") or "Off"
        measured: Measured = {"versioning": state}
        if state == "Enabled" and not self._is_probed and not self._is_amazon:
            return Finding(
                "warn", "on",
                detail="Some gateways ignore conditional puts in such buckets, and commits would be lost.",
                remedy="Run this without --read-only, which tries it.", measured=measured,
            )  # fmt: skip
        if state == "Enabled":
            return Finding(
                "warn", "on",
                detail="Old versions of deleted objects stay: they cost space, and purge refuses to run here.",
                remedy="Switch versioning off, and let a lifecycle rule remove noncurrent versions.", measured=measured,
            )  # fmt: skip
        return Finding("ok", "suspended" if state == "Suspended" else "off", measured=measured)

    def _object_lock(self) -> Finding:
        answer = self._get("object-lock", right="s3:GetBucketObjectLockConfiguration")
        if isinstance(answer, Finding):
            return answer
        if answer.status == 404 and _text(answer, "Code") == "ObjectLockConfigurationNotFoundError":
            return Finding("ok", "off", measured={"object_lock": False})
        if answer.status != 200 or b"ObjectLockConfiguration" not in answer.body:
            return Finding("unknown", "the service does not tell", measured={"http_status": answer.status})
        if (mode := _text(answer, "Mode")) is None:
            return Finding("ok", "on, without a default retention", measured={"object_lock": True, "mode": None})
        period = next(
            (f"{_text(answer, unit)} {unit.lower()}" for unit in ("Days", "Years") if _text(answer, unit)), ""
        )
        return Finding(
            "warn", f"on: {mode.lower()}, {period}",
            detail="Every object is kept so long, the small ones of probes and whatever is collected too.",
            remedy="Keep the lake in a bucket without a default retention, unless you want just this.",
            measured={"object_lock": True, "mode": mode},
        )  # fmt: skip

    @property
    def _is_amazon(self) -> bool:
        return self._options.endpoint is None or ".amazonaws.com" in self._options.endpoint

    def _get(self, setting: str, *, right: str) -> Answer | Finding:
        """The service's answer, or why there is none."""
        key, secret, token = (
            self._options.access_key_id,
            self._options.secret_access_key,
            self._options.session_token,
        )
        if key is None or secret is None:
            verb = "get-bucket-versioning" if setting == "versioning" else "get-object-lock-configuration"
            return Finding(
                "unknown", "not asked",
                detail="Only with a key from options or environment can this be asked.",
                remedy=f"aws s3api {verb} --bucket {self._location.bucket}",
            )  # fmt: skip
        address = f"{bucket_address(self._location, self._options, self._environment)}?{setting}"
        headers = sign_get(
            address,
            access_key_id=key,
            secret_access_key=secret.get_secret_value(),
            session_token=token.get_secret_value() if token is not None else None,
            region=self._options.region or "us-east-1",
            now=self._now(),
        )
        try:
            answer = self._ask(
                "GET", address, headers=headers, timeout_seconds=min(10.0, self._options.timeout_seconds)
            )
        except NoAnswer as error:
            return Finding("unknown", "no answer", detail=str(error))
        if answer.status in {401, 403}:
            return Finding(
                "unknown", "these credentials may not ask",
                remedy=f"Allow {right}, or ask whoever owns the bucket.", measured={"http_status": answer.status},
            )  # fmt: skip
        return answer


def _text(answer: Answer, tag: str) -> str | None:
    found = re.search(_TAG.format(tag), answer.body.decode("utf-8", "replace"))
    return found[1] or None if found else None
