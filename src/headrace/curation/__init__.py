"""Curation: declared steps from raw data to training data, each on rows that keep their identity."""

from headrace.curation.hamming import hamming_distances
from headrace.curation.media import Media
from headrace.curation.operator import Operator, operator
from headrace.curation.operator_spec import OperatorSpec
from headrace.curation.registry import find_operator, operator_names, register_operator
from headrace.curation.results import Drop, Replace
from headrace.curation.settings import Column, Condition

# Bound here and not by a lazy `__getattr__`, because `operator` shares its name with its module, which would win.
# None of these modules imports numpy, pyarrow, pydantic or OpenCV before it is used; a test holds them to it.
__all__ = [
    "Column",
    "Condition",
    "Drop",
    "Media",
    "Operator",
    "OperatorSpec",
    "Replace",
    "find_operator",
    "hamming_distances",
    "operator",
    "operator_names",
    "register_operator",
]
