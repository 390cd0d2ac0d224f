"""Walks over everything that an ONNX model may nest: graphs, functions and tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx
from google.protobuf.message import Message

Body = onnx.GraphProto | onnx.FunctionProto
DEFAULT_DOMAINS = ("", "ai.onnx")


def operator_name(node: onnx.NodeProto) -> str:
    """What errors and the table of importers call an operator: with its domain if not ONNX's."""
    return node.op_type if node.domain in DEFAULT_DOMAINS else f"{node.domain}::{node.op_type}"


def bodies(proto: onnx.ModelProto) -> Iterator[Body]:
    """The graph, the functions, and every graph that a node of them holds."""
    waiting: list[Body] = [proto.graph, *proto.functions]
    while waiting:
        body = waiting.pop()
        yield body
        for attribute in _attributes(body):
            if attribute.HasField("g"):
                waiting.append(attribute.g)
            waiting.extend(attribute.graphs)


def tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor: initialisers, dense or sparse, and what nodes hold."""
    for body in bodies(proto):
        if isinstance(body, onnx.GraphProto):
            yield from body.initializer
            yield from _parts(body.sparse_initializer)
        for attribute in _attributes(body):
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield from _parts([attribute.sparse_tensor])
            yield from _parts(attribute.sparse_tensors)


def forget_notes(proto: onnx.ModelProto) -> None:
    """Take out what an exporter noted about its own work, such as places in the user's code."""
    del proto.metadata_props[:]
    for body in bodies(proto):
        for part in (body, *body.node, *body.value_info):
            del part.metadata_props[:]
            part.ClearField("doc_string")
        if isinstance(body, onnx.GraphProto):
            for part in (*body.input, *body.output, *body.initializer):
                del part.metadata_props[:]


def has_bad_text(proto: Message) -> bool:
    """Whether some text in the message is not UTF-8, which is noticed only when it is read."""
    waiting = [proto]
    try:
        while waiting:
            for field, value in waiting.pop().ListFields():
                values = value if field.is_repeated else [value]
                if field.message_type is not None:
                    waiting.extend(values)
                elif field.type == field.TYPE_STRING and not all(
                    isinstance(v, str) for v in values
                ):
                    return True
    except UnicodeDecodeError:
        return True
    return False


def _attributes(body: Body) -> Iterator[onnx.AttributeProto]:
    for node in body.node:
        yield from node.attribute
    if isinstance(body, onnx.FunctionProto):
        yield from body.attribute_proto


def _parts(sparse: Iterable[onnx.SparseTensorProto]) -> Iterator[onnx.TensorProto]:
    for tensor in sparse:
        yield tensor.values
        yield tensor.indices
