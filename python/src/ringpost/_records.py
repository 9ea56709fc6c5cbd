"""Records of a fixed size: ctypes.Structure, with the description that ringpost gives them."""

from __future__ import annotations

import ctypes
from typing import Any

_SCALARS = {
    ctypes.c_bool: "bool",
    ctypes.c_int8: "i8",
    ctypes.c_uint8: "u8",
    ctypes.c_int16: "i16",
    ctypes.c_uint16: "u16",
    ctypes.c_int32: "i32",
    ctypes.c_uint32: "u32",
    ctypes.c_int64: "i64",
    ctypes.c_uint64: "u64",
    ctypes.c_float: "f32",
    ctypes.c_double: "f64",
}


def layout_of(record: type[ctypes.Structure]) -> str:
    """The description of a structure: what stands beside the data, and what readers compare.

    A text is `c_char * n`. A list is two members: a count, `<name>_count` of `c_uint32`, and then
    an array. A structure within another has its own description.
    """
    members = []
    counts = {}
    for name, kind, *_ in record._fields_:
        offset = getattr(record, name).offset
        if name.endswith("_count") and kind is ctypes.c_uint32:
            counts[name[: -len("_count")]] = offset
        elif issubclass(kind, ctypes.Array) and not _is_text(kind):
            if name not in counts:
                raise TypeError(f"{record.__name__}.{name}: an array needs {name}_count before it")
            count = counts.pop(name)
            members.append(f"{name}:[{_item(kind._type_)};{kind._length_}]@{count}/{offset}")
        else:
            members.append(f"{name}:{_item(kind)}@{offset}")
    if counts:
        raise TypeError(f"{record.__name__}: no array of the name {next(iter(counts))}")
    return f"{{{','.join(members)}}}{ctypes.sizeof(record)}"


def _is_text(kind: Any) -> bool:
    return kind._type_ is ctypes.c_char


def _item(kind: Any) -> str:
    if issubclass(kind, ctypes.Structure):
        return layout_of(kind)
    if issubclass(kind, ctypes.Array):
        return f"text[{kind._length_}]"
    if kind in _SCALARS:
        return _SCALARS[kind]
    raise TypeError(f"there is no type for {kind.__name__}")


def as_record(record: type[ctypes.Structure], payload: bytes) -> ctypes.Structure:
    """A record in these bytes; members that its writer did not know yet are zeros."""
    return record.from_buffer_copy(payload.ljust(ctypes.sizeof(record), b"\0"))


def as_dict(record: ctypes.Structure) -> dict[str, Any]:
    """A record as plain values: texts are str, lists have as many items as their count says."""
    values = {}
    for name, kind, *_ in record._fields_:
        value = getattr(record, name)
        if name.endswith("_count") and hasattr(record, name[: -len("_count")]):
            continue
        values[name] = _plain(value, getattr(record, f"{name}_count", 0))
    return values


def _plain(value: Any, count: int) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, ctypes.Structure):
        return as_dict(value)
    if isinstance(value, ctypes.Array):
        return [_plain(item, 0) for item in value[: min(count, len(value))]]
    return value
