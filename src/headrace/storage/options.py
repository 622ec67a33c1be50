"""How to reach a bucket: region, endpoint, credentials, time limits."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from headrace.errors import InvalidInput

__all__ = ["StoreOptions"]


class StoreOptions(BaseModel):
    """What is not part of a URI. An option that is given wins over the environment; unknown ones are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: str | None = Field(
        default=None,
        min_length=1,
        description="Region of an S3 bucket; else AWS_REGION, AWS_DEFAULT_REGION, us-east-1.",
    )
    endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/@?#]+(/[^@?#]*)?$",
        description="Address of an S3-compatible service (else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_ENDPOINT), "
        "or base address of a stand-in for Google or Azure.",
    )
    access_key_id: str | None = Field(
        default=None,
        min_length=1,
        description="S3: access key id (else AWS_ACCESS_KEY_ID). az: account name (else AZURE_STORAGE_ACCOUNT_NAME).",
    )
    secret_access_key: SecretStr | None = Field(
        default=None,
        description="S3: secret key (else AWS_SECRET_ACCESS_KEY). az: account key (else AZURE_STORAGE_ACCOUNT_KEY).",
    )
    session_token: SecretStr | None = Field(
        default=None,
        description="S3: session token (else AWS_SESSION_TOKEN). gs, az: OAuth bearer token.",
    )
    anonymous: bool = Field(default=False, description="Send unsigned requests, for public buckets.")
    timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="Longest time for one request including its body or one part of an upload. Retries come on top.",
    )
    max_retries: int = Field(
        default=4, ge=0, le=20, description="Further attempts after a failed request, with growing random pauses."
    )
    path_style: bool | None = Field(
        default=None,
        description="Write the bucket into the path (True) or the host name (False) of S3 requests; unset: path.",
    )
    allow_http: bool | None = Field(
        default=None,
        description="Allow unencrypted connections; unset: only to an endpoint that is given as http://.",
    )

    @model_validator(mode="after")
    def _check_pairs(self) -> StoreOptions:
        if self.secret_access_key is not None and self.access_key_id is None:
            raise ValueError("secret_access_key is given without access_key_id")
        if self.allow_http is False and self.endpoint is not None and self.endpoint.startswith("http://"):
            raise ValueError(f"endpoint {self.endpoint} is http://, but allow_http is false")
        return self

    @classmethod
    def of(cls, options: StoreOptions | Mapping[str, object] | None) -> StoreOptions:
        """Validated options from what a caller handed in.

        Raises:
            InvalidInput: Names each wrong option and never shows its value, which may be a secret.
        """
        if isinstance(options, StoreOptions):
            return options
        try:
            return cls.model_validate({} if options is None else dict(options))
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in problem['loc']) or 'options'}: {problem['msg']}"
                for problem in error.errors(include_input=False, include_url=False)
            )
            known = ", ".join(cls.model_fields)
            raise InvalidInput(f"store options are wrong: {problems}. Known options: {known}") from None

    def with_s3_environment(self, environment: Mapping[str, str] | None = None) -> StoreOptions:
        """These options, completed by the usual AWS variables; a variable set to nothing counts as unset."""
        variables = os.environ if environment is None else environment

        def first(*names: str) -> str | None:
            return next((variables[name] for name in names if variables.get(name)), None)

        found: dict[str, object] = {name: getattr(self, name) for name in self.model_fields_set}
        if self.region is None:
            found["region"] = first("AWS_REGION", "AWS_DEFAULT_REGION")
        if self.endpoint is None:
            found["endpoint"] = first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
        # Credentials belong together: a key from here must not meet a secret or token from there.
        if self.access_key_id is None and not self.anonymous:
            found["access_key_id"] = first("AWS_ACCESS_KEY_ID")
            found["secret_access_key"] = first("AWS_SECRET_ACCESS_KEY")
            if self.session_token is None:
                found["session_token"] = first("AWS_SESSION_TOKEN")
        if found.get("access_key_id") is None and found.get("secret_access_key") is not None:
            raise InvalidInput("AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not; set both or neither")
        if found.get("access_key_id") is not None and found.get("secret_access_key") is None:
            raise InvalidInput(
                "an access key id is set without its secret; set AWS_SECRET_ACCESS_KEY or secret_access_key"
            )
        return StoreOptions.of(found)

    @property
    def allows_http(self) -> bool:
        """Whether unencrypted connections may be opened."""
        if self.allow_http is not None:
            return self.allow_http
        return self.endpoint is not None and self.endpoint.startswith("http://")
