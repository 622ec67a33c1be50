"""The service behind a bucket, asked without credentials: does it answer, how fast, by which clock, in which region."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

from headrace.storage.diagnosis.http_answers import Answer, AskHttp, NoAnswer
from headrace.storage.diagnosis.latencies import format_latency
from headrace.storage.diagnosis.results import Finding, Measured
from headrace.storage.diagnosis.running import Check
from headrace.storage.options import StoreOptions
from headrace.storage.uris import StoreUri

__all__ = ["ServiceChecks", "bucket_address"]

_NUM_REQUESTS = 3
_SLOW_SECONDS = 0.5
_DEFAULT_REGION = "us-east-1"
_AMAZON = ".amazonaws.com"
# S3, Google and Azure refuse signatures that are 15 minutes off. A clock that is kept right is off by less than a
# second, and the answer's date has whole seconds; a minute says that nobody keeps it, long before requests fail.
_REFUSED_SECONDS = 900
_KEPT_SECONDS = 60


def bucket_address(location: StoreUri, options: StoreOptions, environment: Mapping[str, str]) -> str | None:
    """The http(s) address of a bucket, container or file; None if the account is not known.

    Args:
        options: For S3 completed from the environment.
    """
    match location.scheme:
        case "s3":
            endpoint = options.endpoint or f"https://s3.{options.region or _DEFAULT_REGION}{_AMAZON}"
            if options.path_style is False:
                protocol, _, host = endpoint.partition("://")
                return f"{protocol}://{location.bucket}.{host.rstrip('/')}/"
        case "gs":
            endpoint = options.endpoint or "https://storage.googleapis.com"
        case "az":
            account = options.access_key_id or environment.get("AZURE_STORAGE_ACCOUNT_NAME")
            if options.endpoint is None and not account:
                return None
            endpoint = options.endpoint or f"https://{account}.blob.core.windows.net"
        case _:
            return str(location)
    return f"{endpoint.rstrip('/')}/{location.bucket}"


class ServiceChecks:
    """Endpoint, clock and region, from the same few unsigned requests."""

    def __init__(
        self,
        location: StoreUri,
        options: StoreOptions,
        *,
        environment: Mapping[str, str],
        ask: AskHttp,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._location = location
        self._options = options.with_s3_environment(environment) if location.scheme == "s3" else options
        self._given_region = options.region
        self._environment = environment
        self._ask = ask
        self._clock = clock
        self._answer: Answer | None = None
        self._answered_at = 0.0

    def checks(self) -> list[Check]:
        """Endpoint, clock, and for S3 region."""
        checks = [Check("endpoint", self._endpoint), Check("clock", self._check_clock, needs=("endpoint",))]
        return [*checks, Check("region", self._region, needs=("endpoint",))] if self._is_s3 else checks

    @property
    def _is_s3(self) -> bool:
        return self._location.scheme == "s3"

    def _endpoint(self) -> Finding:
        address = bucket_address(self._location, self._options, self._environment)
        if address is None:
            return Finding("fail", "the account is not known", remedy="Set AZURE_STORAGE_ACCOUNT_NAME.")
        host = "/".join(address.split("/")[:3])
        seconds = []
        try:
            for _ in range(_NUM_REQUESTS):
                self._answer = self._ask(
                    "HEAD", address, headers={}, timeout_seconds=min(10.0, self._options.timeout_seconds)
                )
                self._answered_at = self._clock()
                seconds.append(self._answer.seconds)
        except NoAnswer as error:
            return Finding(
                "fail", f"no answer from {host}", detail=str(error), measured={"endpoint": host},
                remedy="Check the address (AWS_ENDPOINT_URL, or the option endpoint), the network, and proxies."
                if self._is_s3
                else "Check the address, the network, and proxies.",
            )  # fmt: skip
        median = statistics.median(seconds)
        measured: Measured = {
            "endpoint": host,
            "seconds": median,
            "http_status": self._answer.status if self._answer else None,
        }
        value = f"{host}, {format_latency(median)}"
        if self._answer is not None and self._answer.status >= 500:
            return Finding(
                "warn", f"{host}: HTTP {self._answer.status}", measured=measured,
                detail="The service answers, but says that it is not well.", remedy="Wait, or ask who runs it.",
            )  # fmt: skip
        if median > _SLOW_SECONDS:
            return Finding(
                "warn", value, detail="A commit waits for about ten answers, one after the other.",
                remedy="Work from a machine near the bucket.", measured=measured,
            )  # fmt: skip
        return Finding("ok", value, measured=measured)

    def _check_clock(self) -> Finding:
        text = self._answer.headers.get("date") if self._answer is not None else None
        try:
            served_at = parsedate_to_datetime(text or "").timestamp() + 0.5  # the date has whole seconds
        except ValueError:
            return Finding("unknown", "the service names no time")
        travelled = self._answer.seconds / 2 if self._answer is not None else 0.0
        skew = self._answered_at - travelled - served_at
        value = "right to a second or two" if abs(skew) < 2 else f"{abs(skew):,.0f} s {'fast' if skew > 0 else 'slow'}"
        measured: Measured = {"skew_seconds": round(skew, 1)}
        remedy = "Set this machine's clock, and keep it right with NTP (Debian: apt install systemd-timesyncd)."
        if abs(skew) > _REFUSED_SECONDS:
            return Finding(
                "fail", value, detail="Signatures that are more than 15 minutes off are refused.", remedy=remedy,
                measured=measured,
            )  # fmt: skip
        if abs(skew) > _KEPT_SECONDS:
            return Finding(
                "warn", value, detail="Beyond 15 minutes signatures are refused; commits get wrong times today.",
                remedy=remedy, measured=measured,
            )  # fmt: skip
        return Finding("ok", value, measured=measured)

    def _region(self) -> Finding:
        asked = self._options.region or _DEFAULT_REGION
        source = (
            "the option"
            if self._given_region
            else next((name for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if self._environment.get(name)), "default")
        )
        actual = self._answer.headers.get("x-amz-bucket-region") if self._answer is not None else None
        measured: Measured = {"asked": asked, "actual": actual, "source": source}
        if actual is None:
            if self._options.endpoint is None or _AMAZON in self._options.endpoint:
                return Finding("unknown", f"{asked} ({source})", detail="The service did not say where the bucket is.")
            return Finding("ok", f"{asked} ({source}); the service names none", measured=measured)
        if actual != asked:
            return Finding(
                "fail", f"the bucket is in {actual}, not in {asked}",
                detail=f"{asked} comes from {source}." if source != "default" else "No region is set.",
                remedy=f"Set AWS_REGION={actual}, or the option region.", measured=measured,
            )  # fmt: skip
        return Finding("ok", f"{actual} ({source})", measured=measured)
