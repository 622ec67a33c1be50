"""The gRPC server: the calls, reflection in both versions, and health."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from headrace.errors import Unavailable
from headrace.service.rpc import data_management_pb2 as wire
from headrace.service.rpc.servicer import DataManagementServicer

__all__ = ["RpcServer"]

_REFLECTION = "grpc.reflection.v1.ServerReflection"
_MESSAGE_BYTES = 4 << 20  # of a request, as the reference has it
_ANSWER_BYTES = 64 << 20  # summaries of datasets with many commits
_NUM_THREADS = 16
_MOST_CALLS = 1_024
"""At once; more are told that the server is busy."""


class RpcServer:
    """Listens from `start` to `stop`."""

    def __init__(self, servicer: DataManagementServicer, *, host: str, port: int) -> None:
        """
        Raises:
            Unavailable: The port is taken, or not ours to take.
        """
        self._health = health.HealthServicer()
        self._server = grpc.server(
            ThreadPoolExecutor(_NUM_THREADS, thread_name_prefix="grpc"),
            maximum_concurrent_rpcs=_MOST_CALLS,
            options=[
                ("grpc.max_receive_message_length", _MESSAGE_BYTES),
                ("grpc.max_send_message_length", _ANSWER_BYTES),
                ("grpc.so_reuseport", 0),
            ],
        )
        service = wire.DESCRIPTOR.services_by_name["DataManagementService"]
        names = (service.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME, _REFLECTION)
        mirror = reflection.ReflectionServicer(names, _pool_with_reflection())
        self._server.add_generic_rpc_handlers((_handlers(service, servicer), _reflection_handlers(mirror)))
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(mirror, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self.port: int = self._server.add_insecure_port(place)
        except RuntimeError as error:
            raise Unavailable(f"gRPC cannot listen at {place}: {error}. Choose another --grpc-port") from error
        self._names = names

    def start(self) -> None:
        """Answer from now on."""
        self._server.start()
        self._tell(health_pb2.HealthCheckResponse.SERVING)

    def stop(self, drain_seconds: float) -> None:
        """Say that it ends, take no call any more, and let those that run end."""
        self._tell(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._server.stop(drain_seconds).wait()

    def _tell(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", *self._names):
            self._health.set(name, status)


def _handlers(service: ServiceDescriptor, servicer: DataManagementServicer) -> grpc.GenericRpcHandler:
    handlers: dict[str, grpc.RpcMethodHandler] = {}
    for method in service.methods:
        make: Callable[..., grpc.RpcMethodHandler] = (
            grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        )
        request = message_factory.GetMessageClass(method.input_type)
        handlers[method.name] = make(
            getattr(servicer, method.name),
            request_deserializer=request.FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


def _reflection_handlers(mirror: reflection.ReflectionServicer) -> grpc.GenericRpcHandler:
    """Version 1 is version 1alpha under another name, byte for byte."""
    handler = grpc.stream_stream_rpc_method_handler(
        mirror.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=lambda answer: answer.SerializeToString(),
    )
    handlers: Mapping[str, Any] = {"ServerReflectionInfo": handler}
    return grpc.method_handlers_generic_handler(_REFLECTION, handlers)


def _pool_with_reflection() -> descriptor_pool.DescriptorPool:
    """What reflection describes: our service, health, and both versions of itself."""
    pool = descriptor_pool.DescriptorPool()
    for file in (*wire.DESCRIPTOR.dependencies, wire.DESCRIPTOR, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR):
        pool.AddSerializedFile(file.serialized_pb)
    renamed = descriptor_pb2.FileDescriptorProto.FromString(reflection_pb2.DESCRIPTOR.serialized_pb)
    renamed.name, renamed.package = "grpc/reflection/v1/reflection.proto", "grpc.reflection.v1"
    for field in [field for message in renamed.message_type for field in message.field if field.type_name]:
        field.type_name = field.type_name.replace(".v1alpha.", ".v1.")
    for method in renamed.service[0].method:
        method.input_type = method.input_type.replace(".v1alpha.", ".v1.")
        method.output_type = method.output_type.replace(".v1alpha.", ".v1.")
    pool.AddSerializedFile(renamed.SerializeToString())
    return pool
