"""From a location and its options to obstore's client."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import obstore
from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

from headrace.errors import InvalidInput
from headrace.storage.options import StoreOptions
from headrace.storage.uris import StoreUri

if TYPE_CHECKING:
    from obstore.store import AzureConfig, ClientConfig, GCSConfig, RetryConfig, S3Config

__all__ = ["CONNECT_SECONDS", "Client", "connect_client"]

Client: TypeAlias = S3Store | GCSStore | AzureStore | HTTPStore
CONNECT_SECONDS: Final = 5.0


def connect_client(location: StoreUri, options: StoreOptions, *, max_retries: int) -> Client:
    """A client of the bucket or web server; no request is sent.

    Raises:
        InvalidInput: It is no such place, or an option that it needs is missing.
    """
    timeout = timedelta(seconds=options.timeout_seconds)
    client_options: ClientConfig = {
        "timeout": timeout,
        "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, options.timeout_seconds)),
    }
    if options.allows_http or location.scheme == "http":
        client_options["allow_http"] = True
    retries: RetryConfig = {
        "max_retries": max_retries,
        "retry_timeout": 2 * timeout,
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
    }
    try:
        match location.scheme:
            case "s3":
                return S3Store(
                    location.bucket,
                    config=cast("S3Config", _config(location, options)),
                    client_options=client_options,
                    retry_config=retries,
                )
            case "gs":
                return GCSStore(
                    location.bucket,
                    config=cast("GCSConfig", _config(location, options)),
                    client_options=client_options,
                    retry_config=retries,
                )
            case "az":
                return AzureStore(
                    location.bucket,
                    config=cast("AzureConfig", _config(location, options)),
                    client_options=client_options,
                    retry_config=retries,
                )
            case "http" | "https":
                address = f"{location.scheme}://{location.bucket}"
                return HTTPStore(address, client_options=client_options, retry_config=retries)
    except obstore.exceptions.BaseError as error:
        reason = str(error).partition("\n")[0]
        hint = " Set AZURE_STORAGE_ACCOUNT_NAME." if "Account must be specified" in reason else ""
        raise InvalidInput(f"cannot open {location}: {reason}.{hint}") from error
    raise InvalidInput(f"{location} is not a remote location; expected s3://, gs://, az://, http:// or https://")


def _config(location: StoreUri, options: StoreOptions) -> dict[str, object]:
    secret = options.secret_access_key.get_secret_value() if options.secret_access_key else None
    token = options.session_token.get_secret_value() if options.session_token else None
    config: dict[str, object | None]
    match location.scheme:
        case "s3":
            endpoint = options.endpoint
            if endpoint is not None and options.path_style is False:
                protocol, _, host = endpoint.partition("://")
                endpoint = f"{protocol}://{location.bucket}.{host}"
            config = {
                "endpoint": endpoint,
                "region": options.region,
                "access_key_id": options.access_key_id,
                "secret_access_key": secret,
                "session_token": token,
                "virtual_hosted_style_request": None if options.path_style is None else not options.path_style,
                # One key at a time is deleted; not every gateway knows the bulk call.
                "disable_bulk_delete": True,
            }
        case "gs":
            config = {"base_url": options.endpoint, "bearer_token": token}
        case "az":
            config = {
                "endpoint": options.endpoint,
                "account_name": options.access_key_id,
                "account_key": secret,
                "token": token,
            }
        case _:
            return {}
    if options.anonymous:
        config["skip_signature"] = True
    return {name: value for name, value in config.items() if value is not None}
