"""What may leave the server of places and messages."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from headrace.service.http_api.public_text import PublicText

TEXT = PublicText("/srv/data/lake")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("lake /srv/data/lake has no dataset 'x'", "the lake has no dataset 'x'"),
        ("headrace dataset log /srv/data/lake::x", "headrace dataset log LAKE::x"),
        ("/srv/data/lake/datasets/u/log/1.json is missing", "datasets/u/log/1.json is missing"),
        ("/home/ann/part.csv:3: bad", "part.csv:3: bad"),
        ("cannot read 'file:///home/ann/größe.csv'", "cannot read 'größe.csv'"),
        ("s3://bucket/a/b.csv has half / of it, 1/2", "s3://bucket/a/b.csv has half / of it, 1/2"),
        ("", ""),
    ],
)
def test_message_names_no_path_of_the_machine(message: str, shown: str) -> None:
    assert TEXT.message(message) == shown


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("/srv/data/lake/datasets/u/objects/x.tar", "datasets/u/objects/x.tar"),
        ("/srv/data/lake", "LAKE"),
        ("/srv/data/lakeside/x", "x"),
        ("file:///home/ann/photos/", "photos"),
        ("s3://bucket/part.csv", "s3://bucket/part.csv"),
        ("https://ann:pw@host:8443/part.csv?X-Amz-Signature=secret#x", "https://host:8443/part.csv"),
        ("memory:rows", "memory:rows"),
        ("upload://rows.csv", "upload://rows.csv"),
    ],
)
def test_place_is_shown_without_what_is_private(place: str, shown: str) -> None:
    assert TEXT.place(place) == shown


def test_document_changes_its_places_only() -> None:
    document: JsonValue = {
        "message": "/as/written",
        "sources": [{"uri": "/home/a/b.csv", "size": 1}],
        "nested": {"container": "file:///c/d", "reason": "bad /e/f/g.csv"},
    }
    assert TEXT.document(document) == {
        "message": "/as/written",
        "sources": [{"uri": "b.csv", "size": 1}],
        "nested": {"container": "d", "reason": "bad g.csv"},
    }
