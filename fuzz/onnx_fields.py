"""Mutations of any field of a protobuf message."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from fuzz.bytes import FLOATS, NUMBERS, TEXTS, mutate_bytes

_INTEGERS = {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64}
_REALS = {FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE}


def mutate_fields(rng: np.random.Generator, model: Message) -> None:
    """Change one field somewhere in the message."""
    message: Message = model
    while True:
        fields = message.ListFields()
        if not fields:
            return
        field, value = fields[rng.integers(len(fields))]
        if field.message_type is None or rng.random() < 0.12:
            break
        if not field.is_repeated:
            message = value
        elif len(value):
            message = value[rng.integers(len(value))]
    if field.is_repeated:
        _mutate_repeated(rng, field, value)
    elif rng.random() < 0.15:
        message.ClearField(field.name)
    elif field.message_type is None:
        _set(message, field, _other(rng, field, value))


def _set(message: Message, field: FieldDescriptor, value: Any) -> None:
    try:
        setattr(message, field.name, value)
    except (ValueError, TypeError):  # out of the field's range
        message.ClearField(field.name)


def _mutate_repeated(rng: np.random.Generator, field: FieldDescriptor, values: Any) -> None:
    place = int(rng.integers(len(values)))
    how = rng.choice(["remove", "repeat", "swap", "change", "clear"], p=[0.2, 0.2, 0.2, 0.35, 0.05])
    if how == "remove":
        del values[place]
    elif how == "repeat":
        for _ in range(int(rng.choice([1, 1, 1, 2, 60]))):
            values.append(values[place])
    elif how == "swap":
        kept = list(values)
        rng.shuffle(kept)  # type: ignore[arg-type]
        copies = [_copied(item) for item in kept]
        del values[:]
        values.extend(copies)
    elif how == "clear":
        del values[:]
    elif field.message_type is None:
        try:
            values[place] = _other(rng, field, values[place])
        except (ValueError, TypeError):
            del values[place]


def _copied(item: Any) -> Any:
    if not isinstance(item, Message):
        return item
    copy = type(item)()
    copy.CopyFrom(item)
    return copy


def _other(rng: np.random.Generator, field: FieldDescriptor, value: Any) -> Any:
    if field.type in _INTEGERS:
        return int(NUMBERS[rng.integers(len(NUMBERS))]) if rng.random() < 0.7 else value + 1
    if field.type == FieldDescriptor.TYPE_ENUM:
        return int(rng.integers(0, 28))
    if field.type in _REALS:
        return FLOATS[rng.integers(len(FLOATS))]
    if field.type == FieldDescriptor.TYPE_STRING:
        return TEXTS[rng.integers(len(TEXTS))]
    if field.type == FieldDescriptor.TYPE_BYTES:
        return mutate_bytes(rng, value)[1] if value else b"\xff\xfe"
    return value
