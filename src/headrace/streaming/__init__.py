"""Streams of samples for training: any snapshot or index, shuffled, exact on any topology."""

from headrace.streaming.batch import Batch
from headrace.streaming.dataset import StreamingDataset
from headrace.streaming.loader import DataLoader
from headrace.streaming.options import IndexOptions, ShuffleOptions
from headrace.streaming.provider import Provider
from headrace.streaming.samples import SampleContext

__all__ = [
    "Batch",
    "DataLoader",
    "IndexOptions",
    "Provider",
    "SampleContext",
    "ShuffleOptions",
    "StreamingDataset",
]
