"""Reads what a file's graph is made of straight from the bytes, before any library is trusted with them.

An ONNX file is one protobuf message. This module knows the few fields that a refusal depends on (numbers as in
``onnx.proto``) and skips the rest; nothing is unpacked, and no code in the file can run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["ModelOutline", "Tensor", "WireError", "outline"]

#: A message that holds more fields than this is not worth reading.
MAX_FIELDS = 1_000_000
#: Graphs inside graphs, at most.
MAX_DEPTH = 24
_EXTERNAL = 1
#: A field's value: a number, or the bytes of a text, an array or a message.
_Value = int | memoryview


class WireError(ValueError):
    """Bytes that are no ONNX model; the message says why."""


#: Number format (TensorProto.DataType) and shape of an input or output; a size that is not fixed is 0.
Tensor = tuple[int, tuple[int, ...]]


@dataclass(slots=True)
class ModelOutline:
    """What a model is made of.

    Attributes
    ----------
    domains : set of str
        Of its operators, those inside branches included.
    operators : set of str
        Kinds of its nodes, those inside branches included.
    n_nodes : int
        Nodes, those inside branches included.
    inputs, outputs : dict
        Of the graph.
    metadata : dict
        The texts of its metadata.
    external : bool
        Whether a tensor lies outside the file.
    n_functions : int
        Functions and training graphs, which a chain has none of.
    """

    domains: set[str] = field(default_factory=set)
    operators: set[str] = field(default_factory=set)
    n_nodes: int = 0
    inputs: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    external: bool = False
    n_functions: int = 0


def outline(data: bytes) -> ModelOutline:
    """Return what the model in `data` is made of.

    Raises
    ------
    WireError
        If the bytes are no ONNX model.
    """
    return _Reader().model(memoryview(data))


class _Reader:
    def __init__(self) -> None:
        self._n_fields = 0
        self._found = ModelOutline()

    def model(self, data: memoryview) -> ModelOutline:
        n_graphs = 0
        for number, value in self._fields(data):
            if number == 7:
                n_graphs += 1
                self._graph(_message(value), 0)
            elif number == 8:
                self._found.domains.add(self._text(_message(value), 1))
            elif number == 14:
                entry = _message(value)
                self._found.metadata[self._text(entry, 1)] = self._text(entry, 2)
            elif number in (20, 25):
                self._found.n_functions += 1
        if n_graphs != 1:
            raise WireError(f"it holds {n_graphs} graphs instead of one")
        return self._found

    def _graph(self, data: memoryview, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise WireError(f"its graphs are nested more than {MAX_DEPTH} deep")
        for number, value in self._fields(data):
            if number == 1:
                self._node(_message(value), depth)
            elif number == 5:
                self._tensor(_message(value))
            elif number == 15:
                self._sparse(_message(value))
            elif number in (11, 12) and depth == 0:
                name, tensor = self._value_info(_message(value))
                (self._found.inputs if number == 11 else self._found.outputs)[name] = tensor

    def _node(self, data: memoryview, depth: int) -> None:
        self._found.n_nodes += 1
        domain = ""
        for number, value in self._fields(data):
            if number == 7:
                domain = _text(value)
            elif number == 4:
                self._found.operators.add(_text(value))
            elif number == 5:
                self._attribute(_message(value), depth)
        self._found.domains.add(domain)

    def _attribute(self, data: memoryview, depth: int) -> None:
        for number, value in self._fields(data):
            if number in (5, 10):
                self._tensor(_message(value))
            elif number in (6, 11):
                self._graph(_message(value), depth + 1)
            elif number in (22, 23):
                self._sparse(_message(value))

    def _sparse(self, data: memoryview) -> None:
        for number, value in self._fields(data):
            if number in (1, 2):
                self._tensor(_message(value))

    def _tensor(self, data: memoryview) -> None:
        for number, value in self._fields(data):
            if number == 13 or (number == 14 and value == _EXTERNAL):
                self._found.external = True

    def _value_info(self, data: memoryview) -> tuple[str, Tensor]:
        name, kind, shape = "", 0, []
        for number, value in self._fields(data):
            if number == 1:
                name = _text(value)
            elif number == 2:
                for type_number, tensor in self._fields(_message(value)):
                    if type_number != 1:
                        continue
                    for part, content in self._fields(_message(tensor)):
                        if part == 1 and isinstance(content, int):
                            kind = content
                        elif part == 2:
                            shape += [self._size(_message(d)) for k, d in self._fields(_message(content)) if k == 1]
        return name, (kind, tuple(shape))

    def _size(self, data: memoryview) -> int:
        sizes = [value for number, value in self._fields(data) if number == 1 and isinstance(value, int)]
        return sizes[-1] if sizes else 0

    def _text(self, data: memoryview, wanted: int) -> str:
        texts = [_text(value) for number, value in self._fields(data) if number == wanted]
        return texts[-1] if texts else ""

    def _fields(self, data: memoryview) -> Iterator[tuple[int, _Value]]:
        at = 0
        while at < len(data):
            self._n_fields += 1
            if self._n_fields > MAX_FIELDS:
                raise WireError(f"it has more than {MAX_FIELDS} fields")
            key, at = _varint(data, at)
            number, kind = key >> 3, key & 7
            value: _Value
            if kind == 0:
                value, at = _varint(data, at)
            elif kind in (1, 2, 5):
                if kind == 2:
                    size, at = _varint(data, at)
                else:
                    size = 8 if kind == 1 else 4
                if size > len(data) - at:
                    raise WireError("it ends too early")
                value, at = data[at : at + size], at + size
            else:
                raise WireError("its bytes are no fields")
            if number == 0:
                raise WireError("its bytes are no fields")
            yield number, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for k in range(10):
        if at + k >= len(data):
            raise WireError("it ends too early")
        byte = data[at + k]
        value |= (byte & 0x7F) << (7 * k)
        if byte < 0x80:
            return value, at + k + 1
    raise WireError("its bytes are no fields")


def _message(value: _Value) -> memoryview:
    if isinstance(value, int):
        raise WireError("a number stands where a message should")
    return value


def _text(value: _Value) -> str:
    try:
        return bytes(_message(value)).decode()
    except UnicodeDecodeError as error:
        raise WireError("a name in it is no text") from error
