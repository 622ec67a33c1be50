"""Transforms: from stored values to what a model takes. Each is a frozen, picklable callable on samples."""

from headrace.datasets.images.decode_options import DecodeOptions
from headrace.streaming.transforms.add_constant import AddConstant
from headrace.streaming.transforms.center_crop import CenterCrop
from headrace.streaming.transforms.choose_field import ChooseField
from headrace.streaming.transforms.class_name_to_id import ClassNameToId
from headrace.streaming.transforms.convert_dtype import ConvertDtype
from headrace.streaming.transforms.decode_image import DecodeImage
from headrace.streaming.transforms.decode_text import DecodeText
from headrace.streaming.transforms.drop_fields import DropFields
from headrace.streaming.transforms.ensure_fields import EnsureFields
from headrace.streaming.transforms.extract_subfield import ExtractSubfield
from headrace.streaming.transforms.fit_tokens import FitTokens
from headrace.streaming.transforms.gather_fields import GatherFields
from headrace.streaming.transforms.gunzip_field import GunzipField
from headrace.streaming.transforms.image_to_tensor import ImageToTensor
from headrace.streaming.transforms.keep_fields import KeepFields
from headrace.streaming.transforms.load_array import LoadArray
from headrace.streaming.transforms.merge_dict import MergeDict
from headrace.streaming.transforms.normalise import IMAGENET_MEAN, IMAGENET_STD, Normalise
from headrace.streaming.transforms.one_hot import OneHot
from headrace.streaming.transforms.parse_json import ParseJson
from headrace.streaming.transforms.presets import image_pipeline, latent_pipeline, metadata_pipeline
from headrace.streaming.transforms.random_area_crop import RandomAreaCrop
from headrace.streaming.transforms.random_crop import RandomCrop
from headrace.streaming.transforms.random_flip import RandomFlip
from headrace.streaming.transforms.read_file import ReadFile
from headrace.streaming.transforms.rename_fields import RenameFields
from headrace.streaming.transforms.resize_image import ResizeImage
from headrace.streaming.transforms.sample_latent import SampleLatent
from headrace.streaming.transforms.to_channels_first import ToChannelsFirst
from headrace.streaming.transforms.verify_image import VerifyImage

__all__ = [
    "AddConstant",
    "CenterCrop",
    "ChooseField",
    "ClassNameToId",
    "ConvertDtype",
    "DecodeImage",
    "DecodeOptions",
    "DecodeText",
    "DropFields",
    "EnsureFields",
    "ExtractSubfield",
    "FitTokens",
    "GatherFields",
    "GunzipField",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "ImageToTensor",
    "KeepFields",
    "LoadArray",
    "MergeDict",
    "Normalise",
    "OneHot",
    "ParseJson",
    "RandomAreaCrop",
    "RandomCrop",
    "RandomFlip",
    "ReadFile",
    "RenameFields",
    "ResizeImage",
    "SampleLatent",
    "ToChannelsFirst",
    "VerifyImage",
    "image_pipeline",
    "latent_pipeline",
    "metadata_pipeline",
]
