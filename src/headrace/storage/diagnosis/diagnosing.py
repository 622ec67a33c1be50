"""All checks that fit a place, run in order, with everything removed that they wrote."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.errors import InvalidInput
from headrace.storage.diagnosis.credentials import check_credentials
from headrace.storage.diagnosis.folders import FolderChecks
from headrace.storage.diagnosis.http_answers import AskHttp, ask_http
from headrace.storage.diagnosis.machine import machine_checks
from headrace.storage.diagnosis.objects import ObjectChecks
from headrace.storage.diagnosis.results import CheckResult, Diagnosis, Finding
from headrace.storage.diagnosis.running import Check, run_checks
from headrace.storage.locations import Locations
from headrace.storage.opening import open_store
from headrace.storage.store import ObjectStore
from headrace.storage.uris import StoreUri

if TYPE_CHECKING:
    from headrace.storage.options import StoreOptions

__all__ = ["diagnose", "diagnose_store"]

_PATIENCE_SECONDS = 15.0
_KINDS = {
    "file": "a folder of this machine",
    "memory": "memory of this process",
    "s3": "a bucket, S3",
    "gs": "a bucket, Google Cloud Storage",
    "az": "a container, Azure Blob Storage",
    "http": "a file on a web server, read only",
    "https": "a file on a web server, read only",
}


def diagnose(
    uri: str | Path | None = None,
    *,
    options: StoreOptions | Mapping[str, object] | None = None,
    is_read_only: bool = False,
    environment: Mapping[str, str] | None = None,
    ask: AskHttp = ask_http,
) -> Diagnosis:
    """Check a place that is to hold a lake, or this machine where no place is named.

    Writes a few small objects and one of 8 MiB under fresh keys and removes them, unless `is_read_only`. What is wrong
    becomes a result; only wrong options raise. Time limits are shorter than usual where none are given.

    Args:
        options: Region, endpoint and credentials, as for `headrace.connect`.
        environment: By default that of the process.
        ask: How requests go out that the store itself does not offer.
    """
    if uri is None:
        return Diagnosis(None, is_read_only, run_checks(machine_checks(), is_read_only=is_read_only))
    try:
        location = StoreUri.parse(uri)
    except InvalidInput as error:
        # The text itself may hold credentials.
        refused = CheckResult("location", Finding("fail", "not understood", remedy=error.message))
        return Diagnosis("", is_read_only, [refused])
    place = Check("location", lambda: Finding("ok", _KINDS[location.scheme], measured={"scheme": location.scheme}))
    if location.is_local:
        return _diagnose_folder(location, place, is_read_only=is_read_only)
    if location.scheme == "memory":
        return _diagnose(
            str(location), [place], ObjectChecks(open_store(location)), needs=(), is_read_only=is_read_only
        )
    return _diagnose_remote(
        location,
        place,
        options=options,
        is_read_only=is_read_only,
        environment=os.environ if environment is None else environment,
        ask=ask,
    )


def diagnose_store(store: ObjectStore, *, is_read_only: bool = False) -> Diagnosis:
    """The checks that any store can be put to: list, write, read, delete, conditional puts, throughput."""
    return _diagnose(store.uri, [], ObjectChecks(store), needs=(), is_read_only=is_read_only)


def _diagnose(
    uri: str, before: Sequence[Check], objects: ObjectChecks, *, needs: tuple[str, ...], is_read_only: bool
) -> Diagnosis:
    try:
        results = run_checks([*before, *objects.checks(needs=needs)], is_read_only=is_read_only)
    finally:
        left = objects.clean_up()
    return Diagnosis(uri, is_read_only, [*results, *_left_behind(left)])


def _diagnose_folder(location: StoreUri, place: Check, *, is_read_only: bool) -> Diagnosis:
    folder = FolderChecks(location.path)
    before = [place, *folder.place_checks(), *folder.disk_checks(needs=("folder",))]
    objects = ObjectChecks(open_store(location), trial_store=folder.trial_store())
    try:
        found = _diagnose(str(location), before, objects, needs=("folder",), is_read_only=is_read_only)
    finally:
        left = folder.clean_up()
    return Diagnosis(found.uri, is_read_only, [*found.results, *_left_behind(left)])


def _diagnose_remote(
    location: StoreUri,
    place: Check,
    *,
    options: StoreOptions | Mapping[str, object] | None,
    is_read_only: bool,
    environment: Mapping[str, str],
    ask: AskHttp,
) -> Diagnosis:
    # Costs 100 ms, so only those pay who use it.
    from headrace.storage.diagnosis.bucket_settings import BucketSettings
    from headrace.storage.diagnosis.service import ServiceChecks
    from headrace.storage.options import StoreOptions

    given = StoreOptions.of(options)
    hasty = {
        name: value
        for name, value in {"timeout_seconds": _PATIENCE_SECONDS, "max_retries": 1}.items()
        if name not in given.model_fields_set
    }
    given = given.model_copy(update=hasty)
    service = [place, *ServiceChecks(location, given, environment=environment, ask=ask).checks()]
    if location.is_read_only:
        store, key = Locations(given).open(str(location))
        file = Check("read", lambda: _read_file(store, key), needs=("endpoint",))
        return Diagnosis(str(location), is_read_only, run_checks([*service, file], is_read_only=is_read_only))
    store = open_store(location, options=given)
    credentials = Check(
        "credentials",
        lambda: check_credentials(
            location.scheme,
            given,
            environment=environment,
            home=Path.home(),
            try_request=lambda: next(iter(store.list("")), None),
        ),
        needs=("endpoint",),
    )
    needs = ("endpoint", "region", "credentials")
    before = [*service, credentials]
    if location.scheme == "s3":
        settings = BucketSettings(location, given, environment=environment, ask=ask, is_probed=not is_read_only)
        before += settings.checks(needs=needs)
    return _diagnose(str(location), before, ObjectChecks(store), needs=needs, is_read_only=is_read_only)


def _read_file(store: ObjectStore, key: str) -> Finding:
    if not key:
        return Finding("skip", "not tried: the address names no file")
    found = store.stat(key)
    if found is None:
        return Finding("fail", "not found", remedy=f"{store.uri}/{key} does not exist; check the address.")
    store.get_ranges(key, [(0, min(1024, found.size))])
    return Finding("ok", f"{found.size:,} bytes", measured={"num_bytes": found.size})


def _left_behind(names: Sequence[str]) -> list[CheckResult]:
    if not names:
        return []
    finding = Finding(
        "warn",
        f"{len(names)} left behind",
        detail=f"Written by this diagnosis and not removed: {', '.join(names)}",
        remedy="Remove them when you can. Readers of a lake pass over them.",
        measured={"num_left": len(names)},
    )
    return [CheckResult("clean-up", finding)]
