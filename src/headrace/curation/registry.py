"""Finding operators by name: the built-in ones, those of installed packages, those registered in the process."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from headrace.curation.operator import Operator
from headrace.errors import AlreadyExists, InvalidInput
from headrace.schema.near_misses import near_miss_or_known

__all__ = ["BUILT_IN", "ENTRY_POINT_GROUP", "find_operator", "operator_names", "register_operator"]

ENTRY_POINT_GROUP: Final = "headrace.operators"

_PLACE = "headrace.curation.operators"

BUILT_IN: Final[dict[str, str]] = {
    "dedup.hamming": f"{_PLACE}.dedup_hamming:dedup_hamming",
    "dedup.minhash": f"{_PLACE}.dedup_minhash:dedup_minhash",
    "dedup.semantic": f"{_PLACE}.dedup_semantic:dedup_semantic",
    "encode.image": f"{_PLACE}.encode_image:encode_image",
    "encode.text": f"{_PLACE}.encode_text:encode_text",
    "encode.vector": f"{_PLACE}.encode_vector:encode_vector",
    "exact.duplicates": f"{_PLACE}.exact_duplicates:exact_duplicates",
    "identity.assign": f"{_PLACE}.identity_assign:identity_assign",
    "image.blur": f"{_PLACE}.image_blur:image_blur",
    "image.entropy": f"{_PLACE}.image_entropy:image_entropy",
    "image.exposure": f"{_PLACE}.image_exposure:image_exposure",
    "image.phash": f"{_PLACE}.image_phash:image_phash",
    "image.resize": f"{_PLACE}.image_resize:image_resize",
    "image.size": f"{_PLACE}.image_size:image_size",
    "image.thumbnail": f"{_PLACE}.image_thumbnail:image_thumbnail",
    "image.verify": f"{_PLACE}.image_verify:image_verify",
    "prompt.assemble": f"{_PLACE}.prompt_assemble:prompt_assemble",
    "score.similarity": f"{_PLACE}.score_similarity:score_similarity",
    "select.mix": f"{_PLACE}.select_mix:select_mix",
    "select.quantile": f"{_PLACE}.select_quantile:select_quantile",
    "select.stratified": f"{_PLACE}.select_stratified:select_stratified",
    "select.top_k": f"{_PLACE}.select_top_k:select_top_k",
    "select.where": f"{_PLACE}.select_where:select_where",
    "text.language": f"{_PLACE}.text_language:text_language",
    "text.length": f"{_PLACE}.text_length:text_length",
    "text.repetition": f"{_PLACE}.text_repetition:text_repetition",
    "text.tokens": f"{_PLACE}.text_tokens:text_tokens",
}
"""Where each built-in operator is defined; imported when it is asked for."""

# Operators are code, so a process that is started anew registers its own again.
_registered: dict[str, Operator[..., Any]] = {}


def find_operator(name: str) -> Operator[..., Any]:
    """The operator of this name.

    Raises:
        InvalidInput: There is none, names the nearest; or a package's operator cannot be loaded.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        built_in: Operator[..., Any] = getattr(import_module(module), attribute)
        return built_in
    if name in _registered:
        return _registered[name]
    point = _entry_points().get(name)
    if point is None:
        raise InvalidInput(f"there is no operator {name!r}.{near_miss_or_known(name, operator_names())}")
    return _load(point)


def operator_names() -> list[str]:
    """All names that `find_operator` knows, sorted."""
    return sorted({*BUILT_IN, *_registered, *_entry_points()})


def register_operator(new: Operator[..., Any]) -> Operator[..., Any]:
    """Make an operator known by name in this process; packages use the entry point group `headrace.operators`.

    Registering a function of the same name and module again replaces it (notebooks do that).

    Raises:
        InvalidInput: Not an operator.
        AlreadyExists: A built-in operator or another function has that name.
    """
    if not isinstance(new, Operator):
        raise InvalidInput(f"{new!r} is no operator; decorate the function with @operator")
    name = new.spec.name
    taken = BUILT_IN.get(name) or (_place(_registered[name]) if name in _registered else None)
    if taken is not None and taken != _place(new):
        raise AlreadyExists(f"operator {name} is taken by {taken}; give yours another name")
    _registered[name] = new
    return new


def _place(known: Operator[..., Any]) -> str:
    return f"{known.spec.function.__module__}:{known.spec.function.__qualname__}"


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name not in BUILT_IN}


def _load(point: EntryPoint) -> Operator[..., Any]:
    try:
        loaded = point.load()
    except Exception as error:
        raise InvalidInput(
            f"operator {point.name} cannot be loaded from {point.value}: {error}; reinstall or remove that package"
        ) from error
    if not isinstance(loaded, Operator):
        raise InvalidInput(f"operator {point.name}: {point.value} is no function decorated with @operator")
    if loaded.spec.name != point.name:
        raise InvalidInput(
            f"operator {point.name}: {point.value} calls itself {loaded.spec.name!r}; use one name for both"
        )
    return loaded
