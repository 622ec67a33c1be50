"""Where the credentials for a place come from. Names of variables and files only, never a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from headrace.errors import HeadraceError, PermissionDenied
from headrace.storage.diagnosis.results import Finding
from headrace.storage.options import StoreOptions
from headrace.storage.uris import Scheme

__all__ = ["check_credentials", "find_credentials"]

# What obstore asks when no key is given, in its order.
_S3_SERVICES = (
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "the web identity of AWS_WEB_IDENTITY_TOKEN_FILE"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "the container's role"),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "the container's role"),
)
_GOOGLE_VARIABLES = (
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
)
_GOOGLE_FILE = ".config/gcloud/application_default_credentials.json"
_AZURE_VARIABLES = (
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
)


def find_credentials(scheme: Scheme, options: StoreOptions, environment: Mapping[str, str], home: Path) -> str | None:
    """Words for where the credentials were found; None if only the machine's own service can have any."""
    if options.anonymous:
        return "none: unsigned requests were asked for"
    if options.access_key_id is not None or (scheme != "s3" and options.session_token is not None):
        return "the options"

    def first(names: tuple[str, ...]) -> str | None:
        return next((name for name in names if environment.get(name)), None)

    match scheme:
        case "s3":
            if environment.get("AWS_ACCESS_KEY_ID"):
                token = " with AWS_SESSION_TOKEN" if environment.get("AWS_SESSION_TOKEN") else ""
                return f"AWS_ACCESS_KEY_ID{token}"
            return next((words for name, words in _S3_SERVICES if environment.get(name)), None)
        case "gs":
            return first(_GOOGLE_VARIABLES) or (f"~/{_GOOGLE_FILE}" if (home / _GOOGLE_FILE).exists() else None)
        case "az":
            return first(_AZURE_VARIABLES)
        case _:
            return "none needed"


def check_credentials(
    scheme: Scheme,
    options: StoreOptions,
    *,
    environment: Mapping[str, str],
    home: Path,
    try_request: Callable[[], object],
) -> Finding:
    """Whether there are any. What they allow is seen by the checks that use them."""
    if scheme == "s3":
        options.with_s3_environment(environment)  # raises for half a pair
    source = find_credentials(scheme, options, environment, home)
    if source is not None:
        return Finding("ok", f"from {source}" if not source.startswith("none") else source, measured={"source": source})
    try:
        try_request()
    except PermissionDenied as error:
        if "no credentials" in error.message:
            return Finding("fail", "none found", detail=_profile_note(scheme, home), remedy=_REMEDIES[scheme])
    except HeadraceError:
        return Finding("unknown", "none in options or environment", detail="The machine's own were asked for.")
    return Finding("ok", "from the machine's own service", measured={"source": "machine"})


def _profile_note(scheme: Scheme, home: Path) -> str | None:
    if scheme == "s3" and (home / ".aws" / "credentials").exists():
        return (
            "~/.aws/credentials exists, but profiles are not read. "
            'In bash: eval "$(aws configure export-credentials --format env)"'
        )
    return None


_REMEDIES = {
    "s3": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role.",
    "gs": "Set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or give this machine one.",
    "az": "Set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or give this machine an identity.",
}
