"""Checks, before any runtime opens a model file, that it contains no more than this engine's exporters write.

ONNX can do far more than a model needs: read tensors from other files, loop forever, call operators of a plug-in, or request
any amount of memory. A file from elsewhere could use that against the engine. So the operators, their attributes and the sizes
that they compute with are limited to what `export_classifier` and `export_detector` write.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper

from vision_customization.engine.learning.errors import ArtifactError
from vision_customization.engine.learning.onnx_files.wire_format import PARTS_MAX, TooManyParts, check_parts
from vision_customization.engine.learning.pretrained.efficientnet import IR_VERSION, OPSET

IMAGE = "image"
"""The input of every model."""

NODES_MAX = 4096
NUMBER_MAX = 65_536
"""The greatest integer allowed in a constant or an attribute. Sizes are computed from these."""

_SCALE_MAX = 4.0
_RESIZED_MAX = 1 << 22
"""How many numbers an image may be resized to by a constant."""
_KEPT_MAX = 1000
_LARGE_INT = -(2**63)
"""For `Slice`, it means "to the very beginning"."""

_METADATA = frozenset({"labels", "licences", "thresholds", "tiles"})
_ITEM_BYTES: Mapping[int, int] = {TensorProto.FLOAT: 4, TensorProto.INT64: 8}
_OUTPUTS = (
    frozenset({"probabilities"}),
    frozenset({"probabilities", "novelty"}),
    frozenset({"boxes", "scores", "classes"}),
)
"""Of classifiers and of detectors."""

_ATTRIBUTES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            *("Add", "Sub", "Mul", "Div", "Min", "Max", "Mean", "Exp", "Erf", "Sqrt", "Round", "Clip", "Sigmoid"),
            *("Identity", "MatMul", "Gemm", "CumSum", "GatherND", "NonMaxSuppression", "Range", "Reshape", "Slice"),
            *("Squeeze", "Unsqueeze", "TopK"),
        ),
        frozenset(),
    ),
    **dict.fromkeys(("Concat", "Flatten", "Gather", "Softmax", "Split"), frozenset({"axis"})),
    **dict.fromkeys(("ReduceL2", "ReduceMax", "ReduceMean", "ReduceProd", "ReduceSum"), frozenset({"keepdims"})),
    **dict.fromkeys(("AveragePool", "MaxPool"), frozenset({"kernel_shape", "strides", "pads"})),
    "Cast": frozenset({"to"}),
    "Conv": frozenset({"auto_pad", "group", "kernel_shape", "pads", "strides"}),
    "ConstantOfShape": frozenset({"value"}),
    "LayerNormalization": frozenset({"axis", "epsilon"}),
    "LeakyRelu": frozenset({"alpha"}),
    "Resize": frozenset({"antialias", "mode"}),
    "Shape": frozenset({"start", "end"}),
    "Transpose": frozenset({"perm"}),
}
"""The operators that the exporters write, each with its attributes."""

_SIZES: Mapping[str, tuple[int, ...]] = {
    "ConstantOfShape": (0,),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
}
"""The inputs that determine the size of an output. They must not depend on the image's content."""

_COUNTED = "NonMaxSuppression"
"""The length of its output is the number of objects."""


def check_model_file(data: bytes) -> ModelProto:
    """The model in a file, after checking that it can only answer for an image.

    Args:
        data: the bytes of an ONNX file.

    Raises:
        ArtifactError: a part of the file is not one that this engine exports; the message names it.
    """
    try:
        foreign = check_parts(data)
        if foreign is not None:
            raise _refused(f"it contains {foreign}")
        model: ModelProto = ModelProto.FromString(data)
    except TooManyParts:
        raise _refused(f"it has more than {PARTS_MAX:,} parts") from None
    except (DecodeError, ValueError) as error:
        raise ArtifactError("it is not an ONNX file") from error
    if not model.HasField("graph"):
        raise ArtifactError("it is not an ONNX file")
    problem = next(_problems(model), None)
    if problem is not None:
        raise _refused(problem)
    return model


def _refused(problem: str) -> ArtifactError:
    return ArtifactError(
        f"{problem}. This engine accepts only models that an engine of the same or an older version has exported"
    )


def _problems(model: ModelProto) -> Iterator[str]:
    """The problems of the file, in the order in which they are found."""
    yield from _problems_of_the_frame(model)
    yield from _problems_of_the_weights(model.graph)
    yield from _problems_of_the_nodes(model.graph)


def _problems_of_the_frame(model: ModelProto) -> Iterator[str]:
    graph = model.graph
    if model.ir_version != IR_VERSION:
        yield f"its IR version is {model.ir_version}, expected {IR_VERSION}"
    opsets = [(opset.domain, opset.version) for opset in model.opset_import]
    for domain, version in opsets:
        if domain:
            yield f"it uses operators of the domain {_named(domain)}"
        elif version != OPSET:
            yield f"its operator set is {version}, expected {OPSET}"
    if opsets != [("", OPSET)]:
        yield f"it must name one operator set, {OPSET}"
    for entry in model.metadata_props:
        if entry.key not in _METADATA:
            yield f"its metadata has the unknown entry {_named(entry.key)}"
    if [value.name for value in graph.input] != [IMAGE] or not _is_an_image(graph.input[0]):
        yield f"its input is not `{IMAGE}`, uint8 [height, width, 3]"
    outputs = {value.name for value in graph.output}
    if outputs not in _OUTPUTS:
        yield f"its outputs are neither a classifier's nor a detector's ({_named(', '.join(sorted(outputs)))})"


def _is_an_image(value: ValueInfoProto) -> bool:
    tensor = value.type.tensor_type
    lengths = [dimension.dim_value for dimension in tensor.shape.dim]
    return bool(tensor.elem_type == TensorProto.UINT8) and lengths == [0, 0, 3]


def _problems_of_the_weights(graph: GraphProto) -> Iterator[str]:
    for tensor in graph.initializer:
        yield from _problems_of_a_tensor(tensor)


def _problems_of_a_tensor(tensor: TensorProto) -> Iterator[str]:
    name = _named(tensor.name)
    if tensor.external_data or tensor.data_location != TensorProto.DEFAULT:
        yield f"the tensor {name} is in another file"
        return
    item_bytes = _ITEM_BYTES.get(tensor.data_type)
    if item_bytes is None:
        yield f"the tensor {name} is neither of type float32 nor int64"
        return
    if any(length < 0 for length in tensor.dims):
        yield f"the tensor {name} has a negative length"
        return
    claimed = math.prod(tensor.dims) * item_bytes
    if claimed != len(tensor.raw_data):
        yield f"the tensor {name} claims {claimed:,} bytes but contains {len(tensor.raw_data):,}"
        return
    if tensor.data_type == TensorProto.INT64:
        numbers = numpy_helper.to_array(tensor).ravel().tolist()
        if any(abs(number) > NUMBER_MAX and number != _LARGE_INT for number in numbers):
            yield f"the tensor {name} contains a number beyond {NUMBER_MAX:,}"


def _problems_of_the_nodes(graph: GraphProto) -> Iterator[str]:
    if len(graph.node) > NODES_MAX:
        yield f"it has {len(graph.node):,} nodes, but at most {NODES_MAX:,} are allowed"
    constants = {tensor.name: tensor for tensor in graph.initializer}
    known = {*constants, IMAGE}
    measured = {IMAGE}
    """Values that depend on the image's content, and not only on its size."""
    counted: set[str] = set()
    """Values whose size depends on the image's content."""
    for node in graph.node:
        yield from _problems_of_a_node(node)
        inputs = [name for name in node.input if name]
        for name in inputs:
            if name not in known:
                yield f"the node {_named(node.name)} needs {_named(name)}, which no earlier node produces"
        if not set(inputs) - set(constants):
            yield f"the node {_named(node.name)} ({node.op_type}) computes only from constants"
        for position in _SIZES.get(node.op_type, ()):
            if position < len(node.input) and node.input[position] in measured | counted:
                yield f"the size of {_named(node.output[0])} ({node.op_type}) depends on the image's content"
        if node.op_type == "Resize":
            yield from _problems_of_a_resize(node, constants)
        if node.op_type == _COUNTED:
            if counted:
                yield f"it has a second {_COUNTED}"
            yield from _problems_of_a_suppression(node, constants)
        if known.intersection(node.output):
            yield f"the node {_named(node.name)} produces a value that another node has produced already"
        known.update(node.output)
        if node.op_type == _COUNTED or counted.intersection(inputs):
            counted.update(node.output)
        if measured.intersection(inputs) and node.op_type != "Shape":
            measured.update(node.output)


def _problems_of_a_node(node: NodeProto) -> Iterator[str]:
    """The problems of a single node."""
    if node.domain:
        yield f"it uses the operator {_named(node.op_type)} of the domain {_named(node.domain)}"
        return
    allowed = _ATTRIBUTES.get(node.op_type)
    if allowed is None:
        yield f"it uses the operator {_named(node.op_type)}"
        return
    for attribute in node.attribute:
        if attribute.name not in allowed or attribute.ref_attr_name:
            yield f"its operator {node.op_type} has the attribute {_named(attribute.name)}"
        elif not _is_a_small_value(attribute):
            yield f"the attribute {attribute.name} of its operator {node.op_type} has a value that is not allowed"
    if not node.output or not node.input:
        yield f"the node {_named(node.name)} ({node.op_type}) has no input or no output"


def _is_a_small_value(attribute: AttributeProto) -> bool:
    """Whether it is a number, a list of numbers or a word. Only `ConstantOfShape` has a tensor, with one number in it."""
    if attribute.type == AttributeProto.INT:
        return 0 <= attribute.i <= NUMBER_MAX
    if attribute.type == AttributeProto.INTS:
        return len(attribute.ints) <= 8 and all(0 <= number <= 64 for number in attribute.ints)
    if attribute.type == AttributeProto.TENSOR:
        tensor = attribute.t
        inline = not tensor.external_data and tensor.data_location == TensorProto.DEFAULT
        return inline and list(tensor.dims) == [1] and len(tensor.float_data) == 1 and not tensor.raw_data
    return attribute.type in (AttributeProto.FLOAT, AttributeProto.STRING)


def _problems_of_a_resize(node: NodeProto, constants: Mapping[str, TensorProto]) -> Iterator[str]:
    """Its scales must be small constants. Its sizes must be computed from the image's, or be small constants."""
    name, scales, sizes = _named(node.output[0]), *[*node.input, "", ""][2:4]
    tensor = constants.get(scales)
    small = tensor is not None and tensor.data_type == TensorProto.FLOAT and (numpy_helper.to_array(tensor) <= _SCALE_MAX).all()
    if scales and not small:
        yield f"the scales of {name} (Resize) are not constants of at most {_SCALE_MAX:g}"
    if sizes in constants and math.prod(numpy_helper.to_array(constants[sizes]).ravel().tolist()) > _RESIZED_MAX:
        yield f"the size of {name} (Resize) is a constant of more than {_RESIZED_MAX:,} numbers"


def _problems_of_a_suppression(node: NodeProto, constants: Mapping[str, TensorProto]) -> Iterator[str]:
    """The number of boxes that it keeps per class must be a small constant, because it compares each box with those."""
    most = constants.get(node.input[2]) if len(node.input) > 2 else None
    if most is None or not (numpy_helper.to_array(most) <= _KEPT_MAX).all():
        yield f"the number {_named(node.output[0])} ({_COUNTED}) keeps of a class is not a constant of at most {_KEPT_MAX:,}"


def _named(text: Any) -> str:  # noqa: ANN401 - a name out of a file
    """A name from the file, quoted and shortened for an error message."""
    shown = str(text)
    return repr(shown if len(shown) <= 60 else f"{shown[:57]}...")
