"""Precedence, pairs and secrets of store options."""

from __future__ import annotations

import pickle

import pytest

from headrace.errors import InvalidInput
from headrace.storage.options import StoreOptions

_ENVIRONMENT = {
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-2",
    "AWS_ENDPOINT_URL": "http://generic:1",
    "AWS_ENDPOINT_URL_S3": "http://special:2",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "hunter2",
    "AWS_SESSION_TOKEN": "token",
}


def _secret(options: StoreOptions) -> str | None:
    return None if options.secret_access_key is None else options.secret_access_key.get_secret_value()


def test_environment_fills_what_is_not_given() -> None:
    options = StoreOptions().with_s3_environment(_ENVIRONMENT)
    assert (options.region, options.endpoint, options.access_key_id) == ("eu-west-1", "http://special:2", "id")
    assert _secret(options) == "hunter2"
    assert options.session_token is not None
    assert options.allows_http


def test_given_options_win_over_the_environment() -> None:
    options = StoreOptions.of(
        {"region": "x", "endpoint": "https://mine", "access_key_id": "a", "secret_access_key": "b", "max_retries": 1}
    ).with_s3_environment(_ENVIRONMENT)
    assert (options.region, options.endpoint, options.access_key_id, _secret(options)) == (
        "x",
        "https://mine",
        "a",
        "b",
    )
    assert options.session_token is None  # the environment's token belongs to the environment's key
    assert options.max_retries == 1
    assert not options.allows_http


def test_anonymous_takes_no_credentials_from_the_environment() -> None:
    options = StoreOptions(anonymous=True).with_s3_environment(_ENVIRONMENT)
    assert options.access_key_id is None
    assert options.secret_access_key is None


def test_second_names_and_empty_variables() -> None:
    options = StoreOptions().with_s3_environment(
        {"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-2", "AWS_ENDPOINT": "http://e"}
    )
    assert (options.region, options.endpoint) == ("eu-west-2", "http://e")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"AWS_ACCESS_KEY_ID": "id"}, "AWS_SECRET_ACCESS_KEY"),
        ({"AWS_SECRET_ACCESS_KEY": "s"}, "AWS_ACCESS_KEY_ID"),
        ({"AWS_ENDPOINT_URL": "ftp://x"}, "endpoint"),
    ],
)
def test_environment_that_is_half_set_is_refused(environment: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        StoreOptions().with_s3_environment(environment)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regoin": "x"}, "regoin"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"max_retries": -1}, "max_retries"),
        ({"endpoint": "http://user:hunter2@host"}, "endpoint"),
        ({"secret_access_key": "hunter2"}, "access_key_id"),
        ({"endpoint": "http://host", "allow_http": False}, "allow_http"),
        ({"access_key_id": ["hunter2"]}, "access_key_id"),
    ],
)
def test_wrong_options_are_named_without_their_values(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        StoreOptions.of(options)
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "timeout_seconds" in str(caught.value)


def test_secrets_are_not_printed_but_travel_to_workers() -> None:
    options = StoreOptions.of({"access_key_id": "id", "secret_access_key": "hunter2", "session_token": "hunter2"})
    assert "hunter2" not in repr(options) + str(options)
    assert pickle.loads(pickle.dumps(options)) == options


def test_of_passes_options_through() -> None:
    options = StoreOptions(region="x")
    assert StoreOptions.of(options) is options
    assert StoreOptions.of(None) == StoreOptions()
