"""A graph under construction: nodes, constants, and states that go in and come out of every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from volo_acquisition.errors import DecoderError, Reason

if TYPE_CHECKING:
    import onnx

__all__ = ["NEXT", "OPSET", "PRECISIONS", "GraphBuilder", "import_onnx"]

#: How weights may be kept.
PRECISIONS = ("float64", "float16", "int8")
#: Version of the operators' definitions.
OPSET = 18
#: Version of the file's layout that goes with it.
IR_VERSION = 8
#: A state's output is called like its input, with this after it.
NEXT = "_next"


def import_onnx() -> Any:
    """Return the package ``onnx``; only exporting needs it.

    Raises
    ------
    DecoderError
        If it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise DecoderError(
            "the package 'onnx' is not installed, without it nothing is exported",
            reason=Reason.NOT_FOUND,
            hint="pip install 'volo[train]'; running an exported file does not need it",
        ) from error
    return onnx


class GraphBuilder:
    """Collects nodes; a tensor is its name.

    Parameters
    ----------
    precision : {"float64", "float16", "int8"}
        How the weights of decoders are kept, see `weights`; filters and their states are in double in any case.

    Attributes
    ----------
    states : list of (str, dtype, shape)
        In the order in which they were asked for. All start as zeros.
    """

    def __init__(self, precision: str = "float64") -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision: got {precision!r}, allowed are {', '.join(PRECISIONS)}")
        self._onnx = import_onnx()
        self._precision = precision
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._n = 0
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self.states: list[tuple[str, np.dtype[Any], tuple[int, ...]]] = []

    def _name(self, kind: str) -> str:
        self._n += 1
        return f"{kind.lower()}_{self._n}"

    def _value(self, name: str, dtype: DTypeLike, shape: Sequence[int]) -> onnx.ValueInfoProto:
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        value: onnx.ValueInfoProto = self._onnx.helper.make_tensor_value_info(name, kind, list(shape))
        return value

    def input(self, name: str, dtype: DTypeLike, shape: Sequence[int]) -> str:
        """Declare an input and return it."""
        self._inputs.append(self._value(name, dtype, shape))
        return name

    def output(self, tensor: str, name: str, dtype: DTypeLike, shape: Sequence[int]) -> None:
        """Declare `tensor` an output called `name`."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [tensor], [name]))
        self._outputs.append(self._value(name, dtype, shape))

    def state(self, name: str, dtype: DTypeLike, shape: Sequence[int]) -> str:
        """Declare a state, which starts as zeros, and return its value before the step."""
        self.states.append((name, np.dtype(dtype), tuple(shape)))
        return self.input(name, dtype, shape)

    def next_state(self, name: str, tensor: str) -> None:
        """Say what the state `name` is after the step."""
        ((dtype, shape),) = [(dtype, shape) for known, dtype, shape in self.states if known == name]
        self.output(tensor, name + NEXT, dtype, shape)

    def started(self) -> str:
        """Return whether samples came before this step, shape (1,): False where filters start in steady state."""
        if not any(name == "started" for name, _, _ in self.states):
            self.state("started", np.bool_, (1,))
            self.next_state("started", self.constant(np.array([True])))
        return "started"

    def constant(self, values: NDArray[Any] | np.generic) -> str:
        """Return a constant; equal ones are kept once."""
        array = np.asarray(values, order="C")
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = name = self._name("const")
            self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return self._known[key]

    def weights(self, values: NDArray[np.float64]) -> str:
        """Return weights of a decoder as float64; kept in the graph's precision.

        In float16 they are scaled by their largest value, so that none overflows; in int8 each row, along the last
        axis, has a scale of its own.
        """
        array = np.ascontiguousarray(values, np.float64)
        if self._precision == "float64" or not array.size:
            return self.constant(array)
        rows = -1 if self._precision == "int8" and array.ndim else None
        top = np.abs(array).max(axis=rows, keepdims=True)
        top = np.where(top > 0.0, top, 1.0)
        if self._precision == "float16":
            kept, scale = (array / top).astype(np.float16), top
        else:
            kept, scale = np.rint(array / top * 127.0).astype(np.int8), top / 127.0
        return self.op("Mul", self.cast(self.constant(kept), np.float64), self.constant(scale))

    def ints(self, *values: int) -> str:
        """Return a constant of int64, shape (n_values,)."""
        return self.constant(np.array(values, np.int64))

    def op(self, kind: str, *inputs: str, **attributes: object) -> str:
        """Add a node with one output and return that."""
        name = self._name(kind)
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def inline(self, model: bytes, inputs: Mapping[str, str]) -> list[str]:
        """Put the graph of another model here, and return its outputs.

        Parameters
        ----------
        model : bytes
            An ONNX file of one graph, with initializers of its own and no branches.
        inputs : mapping of str to str
            The tensor here for each of its inputs.
        """
        graph = self._onnx.load_model_from_string(model).graph
        names = dict(inputs)
        for tensor in graph.initializer:
            names[tensor.name] = self.constant(self._onnx.numpy_helper.to_array(tensor))
        for node in graph.node:
            copy = self._onnx.NodeProto()
            copy.CopyFrom(node)
            for output in node.output:
                names[output] = self._name(node.op_type)
            del copy.input[:], copy.output[:]
            copy.input.extend(names[name] if name else "" for name in node.input)
            copy.output.extend(names[name] for name in node.output)
            copy.name = ""
            self._nodes.append(copy)
        return [names[value.name] for value in graph.output]

    def cast(self, tensor: str, dtype: DTypeLike) -> str:
        """Return `tensor` with another number format."""
        return self.op("Cast", tensor, to=self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def rows(self, tensor: str, start: int, stop: int | None = None) -> str:
        """Return the rows from `start` up to, not including, `stop`; negative numbers count from the end."""
        end = np.iinfo(np.int64).max if stop is None else stop
        return self.op("Slice", tensor, self.ints(start), self.ints(end), self.ints(0))

    def choose(
        self, condition: str, then: Callable[[], str], otherwise: Callable[[], str], dtype: DTypeLike, shape: list[int]
    ) -> str:
        """Return what `then` or `otherwise` builds; only the one that `condition`, shape (1,), names is computed."""
        return self.op(
            "If",
            condition,
            then_branch=self._branch(then, dtype, shape),
            else_branch=self._branch(otherwise, dtype, shape),
        )

    def _branch(self, build: Callable[[], str], dtype: DTypeLike, shape: list[int]) -> onnx.GraphProto:
        outer, self._nodes = self._nodes, []
        result = self._name("branch")
        self._nodes.append(self._onnx.helper.make_node("Identity", [build()], [result]))
        inner, self._nodes = self._nodes, outer
        graph: onnx.GraphProto = self._onnx.helper.make_graph(inner, result, [], [self._value(result, dtype, shape)])
        return graph

    def model(self, name: str, producer_version: str, metadata: dict[str, str]) -> onnx.ModelProto:
        """Return the whole as a model, checked."""
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, self._constants)
        model: onnx.ModelProto = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="volo",
            producer_version=producer_version,
        )
        helper.set_model_props(model, metadata)
        self._onnx.checker.check_model(model, full_check=True)
        return model
