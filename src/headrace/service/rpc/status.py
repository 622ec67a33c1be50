"""What an error is to a client of gRPC."""

from __future__ import annotations

import grpc

from headrace.errors import (
    AlreadyExists,
    Conflict,
    DataCorrupted,
    HeadraceError,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Unavailable,
)

__all__ = ["status_of"]

_CODES: tuple[tuple[type[HeadraceError], grpc.StatusCode], ...] = (
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
    (Conflict, grpc.StatusCode.ABORTED),
    (InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
    (DataCorrupted, grpc.StatusCode.DATA_LOSS),
    (PermissionDenied, grpc.StatusCode.PERMISSION_DENIED),
)


def status_of(error: HeadraceError) -> grpc.StatusCode:
    """The code that says whose fault it is, and whether to try again."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), grpc.StatusCode.UNKNOWN)
