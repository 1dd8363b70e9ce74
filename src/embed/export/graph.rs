//! Building a computation node by node, without naming each intermediate value by hand.

use std::collections::HashSet;

use bytes::Bytes;
use prost::Message;

use super::format::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, element,
};

/// The edition of ONNX's operators that exported graphs are written in; 17 is the first with `LayerNormalization`.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// The name of a value that flows through a graph.
pub(super) type Value = String;

/// A computation under construction.
#[derive(Debug, Default)]
pub(super) struct Graph {
    graph: GraphProto,
    constants: HashSet<String>,
}

/// How long an axis of a result is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Axis {
    /// As the run has it; the name is shared with the axes of the inputs.
    Named(&'static str),
    /// Always so.
    Fixed(usize),
}

impl Graph {
    /// Adds an operation with one output.
    pub(super) fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> Value {
        let output = format!("{op}_{}", self.graph.node.len());
        self.push(op, inputs, vec![output.clone()], attributes);
        output
    }

    /// Adds an operation with `N` outputs.
    pub(super) fn nodes<const N: usize>(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> [Value; N] {
        let at = self.graph.node.len();
        let outputs = std::array::from_fn(|i| format!("{op}_{at}_{i}"));
        self.push(op, inputs, outputs.to_vec(), attributes);
        outputs
    }

    fn push(&mut self, op: &str, inputs: &[&str], output: Vec<Value>, attribute: Vec<AttributeProto>) {
        self.graph.node.push(NodeProto {
            name: format!("{op}_{}", self.graph.node.len()),
            op_type: op.to_owned(),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output,
            attribute,
        });
    }

    /// Adds a constant of 32-bit floats.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], data: &[f32]) -> Value {
        let raw = data.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        self.constant(name, dims, element::FLOAT, raw)
    }

    /// Adds a constant of 8-bit integers.
    pub(super) fn bytes(&mut self, name: &str, dims: &[usize], data: &[i8]) -> Value {
        self.constant(name, dims, element::INT8, data.iter().map(|x| x.cast_unsigned()).collect())
    }

    /// Adds a constant list of 64-bit integers, as shapes and axes are written.
    pub(super) fn integers(&mut self, name: &str, data: &[i64]) -> Value {
        let raw = data.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(name, &[data.len()], element::INT64, raw)
    }

    /// A constant stands in the file once, however often it is added.
    fn constant(&mut self, name: &str, dims: &[usize], data_type: i32, raw: Vec<u8>) -> Value {
        if !self.constants.insert(name.to_owned()) {
            return name.to_owned();
        }
        self.graph.initializer.push(TensorProto {
            dims: dims.iter().map(|&n| signed(n)).collect(),
            data_type,
            name: name.to_owned(),
            raw_data: Bytes::from(raw),
        });
        name.to_owned()
    }

    /// Turns numbers of one type into floats.
    pub(super) fn floated(&mut self, value: &str) -> Value {
        self.node("Cast", &[value], vec![AttributeProto::int("to", element::FLOAT.into())])
    }

    /// Closes the computation: it reads `inputs`, each a `[batch, sequence]` matrix of 64-bit integers, and its result
    /// `value`, of the given shape, is called `output`. Returns the file's bytes.
    pub(super) fn finish(mut self, inputs: &[&str], value: &str, output: &str, shape: &[Axis]) -> Vec<u8> {
        self.push("Identity", &[value], vec![output.to_owned()], Vec::new());
        self.graph.name = "encoder".to_owned();
        let by_token = || [Axis::Named("batch"), Axis::Named("sequence")].map(dimension).to_vec();
        self.graph.input = inputs.iter().map(|name| tensor(name, element::INT64, by_token())).collect();
        self.graph.output = vec![tensor(output, element::FLOAT, shape.iter().copied().map(dimension).collect())];
        ModelProto {
            ir_version: IR_VERSION,
            producer_name: "dejavu".to_owned(),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        }
        .encode_to_vec()
    }
}

/// A length as the format writes it.
pub(super) fn signed(length: usize) -> i64 {
    i64::try_from(length).expect("no axis of a tensor in memory is longer than an i64 can say")
}

fn dimension(axis: Axis) -> DimensionProto {
    match axis {
        Axis::Named(name) => DimensionProto { dim_value: None, dim_param: Some(name.to_owned()) },
        Axis::Fixed(length) => DimensionProto { dim_value: Some(signed(length)), dim_param: None },
    }
}

fn tensor(name: &str, elem_type: i32, dim: Vec<DimensionProto>) -> ValueInfoProto {
    let tensor_type = Some(TensorTypeProto { elem_type, shape: Some(TensorShapeProto { dim }) });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}
