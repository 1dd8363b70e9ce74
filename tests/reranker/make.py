"""Makes model.onnx, the smallest thing that is a reranker: `pip install onnx && python make.py`.

It reads two texts together, as any cross-encoder does, and its one logit is 20 * (share - 0.45), where `share` is the
share of the tokens of the first text that the second has too. No weights: tests know what it must say.
"""

from pathlib import Path

from onnx import TensorProto, checker, helper, save

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def constant(name, kind, dims, values):
    return helper.make_tensor(name, kind, dims, values)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs, [output], **attributes)


nodes = [
    # Which tokens are of the first text, and which of the second.
    node("Cast", ["attention_mask"], "real", to=FLOAT),
    node("Cast", ["token_type_ids"], "second_or_padding", to=FLOAT),
    node("Mul", ["second_or_padding", "real"], "second"),
    node("Sub", ["real", "second"], "first"),
    # Which token of the first is which of the second.
    node("Unsqueeze", ["input_ids", "two"], "down"),
    node("Unsqueeze", ["input_ids", "one"], "across"),
    node("Equal", ["down", "across"], "equal"),
    node("Cast", ["equal"], "same", to=FLOAT),
    node("Unsqueeze", ["second", "one"], "second_across"),
    node("Mul", ["same", "second_across"], "met"),
    node("ReduceMax", ["met"], "found", axes=[2], keepdims=0),
    node("Mul", ["found", "first"], "found_of_first"),
    node("ReduceSum", ["found_of_first", "one"], "hits", keepdims=1),
    node("ReduceSum", ["first", "one"], "all", keepdims=1),
    node("Div", ["hits", "all"], "share"),
    node("Sub", ["share", "middle"], "above"),
    node("Mul", ["above", "steepness"], "logits"),
]
inputs = [
    helper.make_tensor_value_info(name, INT64, ["texts", "tokens"])
    for name in ("input_ids", "attention_mask", "token_type_ids")
]
graph = helper.make_graph(
    nodes,
    "share_of_tokens",
    inputs,
    [helper.make_tensor_value_info("logits", FLOAT, ["texts", 1])],
    [
        constant("one", INT64, [1], [1]),
        constant("two", INT64, [1], [2]),
        constant("middle", FLOAT, [], [0.45]),
        constant("steepness", FLOAT, [], [20.0]),
    ],
)
model = helper.make_model(graph, producer_name="dejavu", opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
checker.check_model(model)
save(model, Path(__file__).with_name("model.onnx"))
