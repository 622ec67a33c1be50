"""Where things lie: one URI syntax for folders, buckets, web addresses and memory."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast
from urllib.parse import quote, unquote

from headrace.errors import InvalidInput
from headrace.schema.near_misses import did_you_mean, nearest
from headrace.storage.keys import check_key

__all__ = ["Scheme", "StoreUri"]

Scheme = Literal["file", "s3", "gs", "az", "http", "https", "memory"]

_SCHEMES: Final[tuple[Scheme, ...]] = ("file", "s3", "gs", "az", "http", "https", "memory")
# Names that other tools use for the same stores.
_OTHER_NAMES: Final[dict[str, Scheme]] = {
    "s3a": "s3",
    "s3n": "s3",
    "gcs": "gs",
    "azure": "az",
    "abfs": "az",
    "abfss": "az",
    "adl": "az",
    "wasb": "az",
    "wasbs": "az",
    "mem": "memory",
    "ram": "memory",
}
_WITH_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_ONE_SLASH = re.compile(r"(s3|gs|az|https?|memory|file):(/[^/].*|[^/].*)?", re.IGNORECASE | re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_UNQUOTED_IN_HTTP = "/!$&'()*+,;=:@~-._"


@dataclass(frozen=True, slots=True)
class StoreUri:
    """A parsed address; `str()` gives the canonical text, which parses to the same address again.

    `path` holds plain characters without slashes at the ends, except for scheme "file", where it is an
    absolute path of this machine. Only http(s) and file:// texts are percent-encoded; in s3://, gs://, az://
    and memory:// every character stands for itself.
    """

    scheme: Scheme
    bucket: str  # bucket, container, host with port, or name of the memory; empty for files
    path: str

    @classmethod
    def parse(cls, text: str | Path) -> StoreUri:
        """Read `s3://`, `gs://`, `az://`, `http(s)://`, `memory://`, `file://` or a path of this machine.

        Raises:
            InvalidInput: Unknown scheme, missing bucket, credentials inside the text, or `..` in a remote key.
        """
        if isinstance(text, Path):
            if match := _ONE_SLASH.fullmatch(str(text)):
                raise InvalidInput(
                    f"Path({str(text)!r}) was a {match[1]}:// address before Path() removed a slash; pass it as a str"
                )
            return cls._of_local_path(str(text))
        if not text.strip():
            raise InvalidInput("a location is empty; expected a path or a URI such as s3://bucket/folder")
        if "\0" in text:
            raise InvalidInput(f"location {text!r} contains a NUL character")
        match = _WITH_SCHEME.fullmatch(text)
        if match is None:
            if one_slash := _ONE_SLASH.fullmatch(text):
                rest = _without_secrets((one_slash[2] or "").lstrip("/"))
                raise InvalidInput(
                    f"location {one_slash[1].lower()}:{rest} has a scheme but not '://'; "
                    f'did you mean "{one_slash[1].lower()}://{rest}"? Write ./ before the name of a file that begins so'
                )
            return cls._of_local_path(text)
        scheme, rest = match[1].lower(), match[2]
        if scheme not in _SCHEMES:
            raise InvalidInput(_unknown_scheme(scheme))
        known = cast("Scheme", scheme)
        if known == "file":
            return cls._of_file_uri(rest)
        if known in {"http", "https"}:
            return cls._of_web_address(known, rest)
        return cls._of_bucket(known, rest)

    @classmethod
    def _of_local_path(cls, text: str) -> StoreUri:
        if text == "~" or text.startswith("~/"):
            text = os.path.expanduser(text)
        return cls("file", "", os.path.abspath(text))

    @classmethod
    def _of_file_uri(cls, rest: str) -> StoreUri:
        host, slash, path = rest.partition("/")
        if host not in {"", "localhost"}:
            raise InvalidInput(
                f'file URI names the host {_without_secrets(host)!r}; expected three slashes, as in "file:///data/lake"'
            )
        if not slash:
            raise InvalidInput('file URI has no path; expected an absolute one, as in "file:///data/lake"')
        path = unquote("/" + path, errors="surrogateescape")
        if "\0" in path:
            raise InvalidInput(f"location file://{rest!r} contains a NUL character")
        return cls("file", "", os.path.abspath("/" + path.lstrip("/")))

    @classmethod
    def _of_web_address(cls, scheme: Scheme, rest: str) -> StoreUri:
        host, _, path = rest.partition("/")
        if "@" in host or ("@" in rest and not _HOST.fullmatch(host)):  # a password may hold a slash
            raise InvalidInput(_credentials_inside(scheme))
        if "?" in rest or "#" in rest:
            address = re.split(r"[?#]", rest)[0]
            raise InvalidInput(
                f"{scheme}://{address} goes on with '?' or '#', which cannot be read by range or named in lineage; "
                "expected a plain address. Download a signed address first and hand in the file"
            )
        if not _HOST.fullmatch(host):
            raise InvalidInput(f"{scheme}:// needs a host name, got {host!r}; expected {scheme}://host[:port]/path")
        try:
            decoded = unquote(path, errors="strict")
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{scheme}://{rest} is percent-encoded, but not as UTF-8") from error
        return cls(scheme, host.lower(), _checked_path(decoded, text=f"{scheme}://{rest}"))

    @classmethod
    def _of_bucket(cls, scheme: Scheme, rest: str) -> StoreUri:
        bucket, _, path = rest.partition("/")
        if scheme == "memory" and not bucket:
            bucket = "default"
        if "@" in bucket or ("@" in rest and not _BUCKET.fullmatch(bucket)):  # a secret key may hold a slash
            raise InvalidInput(_credentials_inside(scheme))
        if not bucket:
            raise InvalidInput(f"{scheme}://{rest} names no bucket; expected {scheme}://bucket/folder")
        if not _BUCKET.fullmatch(bucket):
            raise InvalidInput(
                f"{scheme}:// names the bucket {bucket!r}; expected letters, digits, '.', '-' and '_' up to a slash"
            )
        return cls(scheme, bucket, _checked_path(path, text=f"{scheme}://{rest}"))

    def __str__(self) -> str:
        if self.scheme == "file":
            return self.path
        path = self.path
        if self.scheme in {"http", "https"}:
            path = quote(path, safe=_UNQUOTED_IN_HTTP)
        return f"{self.scheme}://{self.bucket}" + (f"/{path}" if path else "")

    @property
    def is_local(self) -> bool:
        """Whether it is a path of this machine."""
        return self.scheme == "file"

    @property
    def is_read_only(self) -> bool:
        """Whether nothing can ever be written there."""
        return self.scheme in {"http", "https"}

    @property
    def name(self) -> str:
        """The last segment: a file's name; empty for a bucket's root."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> StoreUri:
        """The folder around it; a root is its own parent."""
        if self.scheme == "file":
            return StoreUri("file", "", os.path.dirname(self.path))
        return StoreUri(self.scheme, self.bucket, self.path.rpartition("/")[0])

    @property
    def root(self) -> StoreUri:
        """The bucket or host alone; `/` for files."""
        return StoreUri(self.scheme, self.bucket, "/" if self.scheme == "file" else "")

    def join(self, *segments: str) -> StoreUri:
        """The address of `segments` below this one; each may hold slashes, none may lead out."""
        key = "/".join(segments)
        if not key:
            return self
        check_key(key)
        if self.scheme == "file":
            return StoreUri("file", "", os.path.join(self.path, key))
        return StoreUri(self.scheme, self.bucket, f"{self.path}/{key}" if self.path else key)


def _checked_path(path: str, *, text: str) -> str:
    path = path.removesuffix("/")
    if not path:
        return ""
    for segment in path.split("/"):
        if segment in {"", ".", ".."}:
            raise InvalidInput(
                f"{text} has the segment {segment!r}; expected names separated by single slashes, without '.' or '..'"
            )
    return path


def _unknown_scheme(scheme: str) -> str:
    near = _OTHER_NAMES.get(scheme)
    if near is None:
        close = nearest(scheme, _SCHEMES)
        near = cast("Scheme", close[0]) if close else None
    known = ", ".join(f"{name}://" for name in _SCHEMES)
    if near is None:
        return f'unknown scheme "{scheme}"; expected a path or one of {known}'
    return f'unknown scheme "{scheme}".{did_you_mean([near])} Known are {known}'


def _credentials_inside(scheme: str) -> str:
    # The text itself is left out on purpose: messages end up in logs.
    return (
        f"a {scheme}:// location holds credentials before '@'; addresses are stored in logs and lineage, so put them "
        "into the environment (for S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or into the store options"
    )


def _without_secrets(text: str) -> str:
    return "…" if "@" in text else text
