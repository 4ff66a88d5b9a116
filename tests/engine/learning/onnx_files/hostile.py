"""Model files as somebody would make them who wants more than an answer: changes to a file that this engine has exported."""

from collections.abc import Callable, Sequence

import numpy as np
from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, helper, numpy_helper

Change = Callable[[ModelProto], object]

PASSWORDS = "../../../../etc/passwd"


def external(tensor: TensorProto, *, flagged: bool = True) -> None:
    tensor.ClearField("raw_data")
    if flagged:
        tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=PASSWORDS)


def external_weights(model: ModelProto) -> None:
    external(model.graph.initializer[0])


def external_weights_without_the_flag(model: ModelProto) -> None:
    external(model.graph.initializer[0], flagged=False)


def external_attribute(model: ModelProto) -> None:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1])
    external(tensor)
    add(model, "ConstantOfShape", ["image"], ["read"], value=tensor)


def external_constant(model: ModelProto) -> None:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1])
    external(tensor)
    add(model, "Constant", [], ["read"], value=tensor)


def add(model: ModelProto, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: object) -> NodeProto:
    """The new node, which is the first: so it is found first."""
    model.graph.node.insert(
        0, helper.make_node(operator, list(inputs), list(outputs), name=f"hostile/{operator}", **attributes)
    )
    return model.graph.node[0]


def constant(model: ModelProto, name: str, values: object) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    return name


def body(*outputs: str) -> object:
    values = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in outputs]
    nodes = [helper.make_node("Identity", ["goes-on"], [name]) for name in outputs]
    inputs = [
        helper.make_tensor_value_info("turn", TensorProto.INT64, []),
        helper.make_tensor_value_info("goes-on", TensorProto.BOOL, []),
    ]
    return helper.make_graph(nodes, "body", inputs, values)


def endless_loop(model: ModelProto) -> None:
    add(model, "Loop", ["", "for-ever"], ["looped"], body=body("still-going"))


def branch(model: ModelProto) -> None:
    add(model, "If", ["either"], ["chosen"], then_branch=body("yes"), else_branch=body("no"))


def scan(model: ModelProto) -> None:
    add(model, "Scan", ["image"], ["scanned"], body=body("out"), num_scan_inputs=1)


def hidden_loop(model: ModelProto) -> None:
    """Inside an operator that is allowed."""
    node = add(model, "Softmax", ["image"], ["hidden"], axis=1)
    node.attribute.append(helper.make_attribute("axis", body("out")))


def function(model: ModelProto) -> None:
    model.functions.append(FunctionProto(name="Softmax", domain=""))


def function_call(model: ModelProto) -> None:
    add(model, "Mine", ["image"], ["called"]).domain = "local"


def sparse(model: ModelProto) -> None:
    model.graph.sparse_initializer.append(SparseTensorProto(dims=[2**40]))


def opset(domain: str, version: int) -> Change:
    return lambda model: model.opset_import.append(helper.make_opsetid(domain, version))


def other_opset(model: ModelProto) -> None:
    model.opset_import[0].version = 21


def plug_in(model: ModelProto) -> None:
    model.graph.node[0].domain = "com.microsoft"


def claim(*dims: int) -> Change:
    def change(model: ModelProto) -> None:
        tensor = model.graph.initializer[0]
        del tensor.dims[:]
        tensor.dims.extend(dims)

    return change


def strings(model: ModelProto) -> None:
    model.graph.initializer.append(TensorProto(name="words", data_type=TensorProto.STRING, string_data=[b"x"] * 3, dims=[3]))


def typed_data(model: ModelProto) -> None:
    """Numbers outside `raw_data`, whose length is not that of the shape."""
    model.graph.initializer.append(
        TensorProto(name="few", data_type=TensorProto.FLOAT, float_data=[1.0], dims=[100_000, 100_000])
    )


def huge_input(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1_000_000


def second_input(model: ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def other_output(model: ModelProto) -> None:
    model.graph.output[0].name = "secrets"


def huge_constant(model: ModelProto) -> None:
    constant(model, "many", [2**40])


def filled_from_constants(model: ModelProto) -> None:
    add(model, "ConstantOfShape", [constant(model, "sides", [60_000, 60_000])], ["filled"])


def counted_from_constants(model: ModelProto) -> None:
    add(model, "Range", [constant(model, name, value) for name, value in zip("abc", (0, 60_000, 1), strict=True)], ["n"])


def enlarged(model: ModelProto) -> None:
    add(model, "Resize", ["image", "", constant(model, "times", np.full(3, 1e4, np.float32))], ["enlarged"])


def enlarged_by_not_a_number(model: ModelProto) -> None:
    add(model, "Resize", ["image", "", constant(model, "times", np.full(3, np.nan, np.float32))], ["enlarged"])


def enlarged_to(model: ModelProto) -> None:
    add(model, "Resize", ["image", "", "", constant(model, "to", [60_000, 60_000, 3])], ["enlarged"])


def padded(model: ModelProto) -> None:
    add(model, "MaxPool", ["image"], ["padded"], kernel_shape=[1, 1], pads=[10**9] * 4)


def sized_by_content(operator: str, position: int) -> Change:
    def change(model: ModelProto) -> None:
        zero = constant(model, "hostile/zero", np.array(0, np.int64))
        inputs = [zero] * position + ["content"]
        nodes = [
            helper.make_node("Cast", ["image"], ["content"], to=TensorProto.INT64),
            helper.make_node(operator, inputs, ["sized"]),
        ]
        for node in reversed(nodes):
            model.graph.node.insert(0, node)

    return change


def sized_by_count(model: ModelProto) -> None:
    """As large as there are objects in the image."""
    nodes = [
        helper.make_node("Cast", ["image"], ["scores?"], to=TensorProto.FLOAT),
        helper.make_node("NonMaxSuppression", ["scores?", "scores?", constant(model, "most", [10])], ["found"]),
        helper.make_node("Shape", ["found"], ["count"]),
        helper.make_node("Mul", ["count", constant(model, "times", [60_000])], ["large"]),
        helper.make_node("ConstantOfShape", ["large"], ["filled"]),
    ]
    for node in reversed(nodes):
        model.graph.node.insert(0, node)


def many_nodes(model: ModelProto) -> None:
    model.graph.node.extend(helper.make_node("Identity", ["image"], [f"copy{index}"]) for index in range(5000))


def unknown_value(model: ModelProto) -> None:
    add(model, "Identity", ["from-nowhere"], ["copy"])


def given_twice(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Identity", ["image"], [model.graph.node[0].output[0]], name="again"))


def metadata(model: ModelProto) -> None:
    model.metadata_props.add(key="ort_config", value='{"session_options": {}}')


def training(model: ModelProto) -> None:
    model.training_info.add()


def quantization(model: ModelProto) -> None:
    model.graph.quantization_annotation.add(tensor_name="x")


def attribute_of_a_function(model: ModelProto) -> None:
    add(model, "Softmax", ["image"], ["copy"], axis=1)
    model.graph.node[0].attribute[0].ref_attr_name = "axis"


def tensor_attribute(model: ModelProto) -> None:
    add(model, "Identity", ["image"], ["copy"])
    large = helper.make_tensor("large", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    model.graph.node[0].attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR, t=large))


def kept_boxes(most: int) -> Change:
    def change(model: ModelProto) -> None:
        node = next((node for node in model.graph.node if node.op_type == "NonMaxSuppression"), None)
        if node is None:
            inputs = ["image", "image", constant(model, "hostile/most", [most])]
            add(model, "NonMaxSuppression", inputs, ["kept"])
        else:
            node.input[2] = constant(model, "hostile/most", [most])

    return change


def kept_boxes_as_computed(model: ModelProto) -> None:
    add(model, "NonMaxSuppression", ["image", "image", "image"], ["kept"])


def second_suppression(model: ModelProto) -> None:
    most = constant(model, "hostile/most", [10])
    for name in ("first", "second"):
        add(model, "NonMaxSuppression", ["image", "image", most], [name])


def value_info(model: ModelProto) -> None:
    model.graph.value_info.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]))


HOSTILE: dict[str, tuple[Change, str]] = {
    "external weights": (external_weights, "is in another file"),
    "external weights without the flag": (external_weights_without_the_flag, "is in another file"),
    "an external attribute": (external_attribute, "attribute value of its operator ConstantOfShape"),
    "an external constant": (external_constant, "uses the operator 'Constant'"),
    "an endless loop": (endless_loop, "contains a graph"),
    "a branch": (branch, "contains a graph"),
    "a scan": (scan, "contains a graph"),
    "a loop as another's attribute": (hidden_loop, "contains a graph"),
    "a function": (function, "contains a function"),
    "many boxes kept": (kept_boxes(60_000), "is not a constant of at most 1,000"),
    "as many boxes kept as a pixel says": (kept_boxes_as_computed, "is not a constant of at most 1,000"),
    "two suppressions": (second_suppression, "has a second NonMaxSuppression"),
    "descriptions of values": (value_info, "contains descriptions of values"),
    "a loop without its body": (lambda model: add(model, "Loop", ["image"], ["looped"]), "uses the operator 'Loop'"),
    "a call of a function": (function_call, "operator 'Mine' of the domain 'local'"),
    "an attribute of a function": (attribute_of_a_function, "operator Softmax has the attribute 'axis'"),
    "a domain": (opset("ai.onnx.ml", 3), "operators of the domain 'ai.onnx.ml'"),
    "a second operator set": (opset("", 19), "must name one operator set, 19"),
    "another operator set": (other_opset, "operator set is 21, expected 19"),
    "another IR version": (lambda model: setattr(model, "ir_version", 10), "IR version is 10, expected 9"),
    "an operator of a plug-in": (plug_in, "of the domain 'com.microsoft'"),
    "a huge initialiser": (claim(2**40), "claims 8,796,093,022,208 bytes but contains"),
    "a huge shape": (claim(2**31, 2**31, 2**31), "claims .* bytes but contains"),
    "a shape that overflows": (claim(2**62, 4), "claims .* bytes but contains"),
    "a negative length": (claim(-1), "has a negative length"),
    "numbers elsewhere": (typed_data, "claims 40,000,000,000 bytes but contains 0"),
    "a sparse tensor": (sparse, "contains sparse tensors"),
    "texts": (strings, "contains texts"),
    "doubles": (lambda model: constant(model, "doubles", [0.5]), "neither of type float32 nor int64"),
    "a huge number": (huge_constant, "contains a number beyond 65,536"),
    "a huge input": (huge_input, "input is not `image`, uint8"),
    "a second input": (second_input, "input is not `image`, uint8"),
    "another output": (other_output, "neither a classifier's nor a detector's"),
    "a huge tensor of constants": (filled_from_constants, "computes only from constants"),
    "a huge range of constants": (counted_from_constants, "computes only from constants"),
    "a huge scale": (enlarged, "scales of 'enlarged' .Resize. are not constants of at most 4"),
    "a scale that is not a number": (enlarged_by_not_a_number, "scales of 'enlarged' .Resize. are not constants of at most 4"),
    "a huge size": (enlarged_to, "size of 'enlarged' .Resize. is a constant"),
    "huge padding": (padded, "attribute pads of its operator MaxPool has a value that is not allowed"),
    "a range as long as a pixel says": (sized_by_content("Range", 1), "depends on the image's content"),
    "a tensor as large as a pixel says": (sized_by_content("ConstantOfShape", 0), "depends on the image's content"),
    "a shape that a pixel says": (sized_by_content("Reshape", 1), "depends on the image's content"),
    "a size that a pixel says": (sized_by_content("Resize", 3), "depends on the image's content"),
    "a tensor as large as there are objects": (sized_by_count, "depends on the image's content"),
    "too many nodes": (many_nodes, "nodes, but at most 4,096 are allowed"),
    "a value from nowhere": (unknown_value, "needs 'from-nowhere', which no earlier node produces"),
    "a value given twice": (given_twice, "produces a value that another node has produced already"),
    "an attribute that the operator does not have": (tensor_attribute, "operator Identity has the attribute 'value'"),
    "settings of the runtime": (metadata, "unknown entry 'ort_config'"),
    "training information": (training, "contains training information"),
    "quantization annotations": (quantization, "contains quantization annotations"),
}
"""By what each adds to a file: the change, and what the refusal says."""
