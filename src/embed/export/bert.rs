//! The BERT encoder as an ONNX graph (Devlin et al., 2018, <https://arxiv.org/abs/1810.04805>), the way
//! Hugging Face's `BertModel` computes it in inference.
//!
//! Inputs `input_ids`, `attention_mask` and `token_type_ids`, `[batch, sequence]` each; output `last_hidden_state`,
//! `[batch, sequence, hidden]`. Pooling is the reader's affair.

use std::borrow::Cow;

use serde::Deserialize;

use super::format::AttributeProto;
use super::graph::{Axis, Graph, Value, signed};
use super::quantise;
use super::weights::Weights;
use super::{ExportError, Precision};

/// What a BERT folder's `config.json` says that shapes the computation.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    model_type: Option<String>,
    pub(super) hidden_size: usize,
    intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    num_attention_heads: usize,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "tiny")]
    layer_norm_eps: f32,
}

fn absolute() -> String {
    "absolute".to_owned()
}

fn gelu() -> String {
    "gelu".to_owned()
}

const fn tiny() -> f32 {
    1e-12
}

impl Config {
    /// Refuses what this exporter would compute wrongly.
    pub(super) fn check(&self) -> Result<(), ExportError> {
        let unsupported = |what: String| Err(ExportError::Unsupported(what));
        match self.model_type.as_deref() {
            None | Some("bert") => {}
            Some(other) => return unsupported(format!("model_type {other:?}, only \"bert\" is known")),
        }
        if self.hidden_act != "gelu" {
            return unsupported(format!("hidden_act {:?}, only \"gelu\" is known", self.hidden_act));
        }
        if self.position_embedding_type != "absolute" {
            return unsupported(format!("position_embedding_type {:?}", self.position_embedding_type));
        }
        if self.num_attention_heads == 0 || !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return unsupported(format!("{} heads over {} numbers", self.num_attention_heads, self.hidden_size));
        }
        Ok(())
    }
}

/// What every model of this kind reads.
pub(super) const INPUTS: [&str; 3] = ["input_ids", "attention_mask", "token_type_ids"];

/// Writes the whole encoder.
pub(super) fn encoder(config: &Config, weights: &Weights<'_>, precision: Precision) -> Result<Vec<u8>, ExportError> {
    let mut writer = Writer { graph: Graph::default(), config, weights, precision };
    let [ids, _, types] = INPUTS;
    let mask = writer.mask();
    let states = writer.states(&Tokens { ids, types: Some(types), mask: Some(&mask) })?;
    let last = states.last().expect("what tokens are before the first layer is a state");
    let shape = [Axis::Named("batch"), Axis::Named("sequence"), Axis::Fixed(config.hidden_size)];
    Ok(writer.graph.finish(&INPUTS, last, "last_hidden_state", &shape))
}

/// What an encoder reads: values of `[batch, sequence]` each.
pub(super) struct Tokens<'a> {
    /// The tokens' numbers.
    pub(super) ids: &'a str,
    /// Which text of two each belongs to; the first, where this is `None`.
    pub(super) types: Option<&'a str>,
    /// What [`Writer::mask`] made of the padding; `None` where there is none.
    pub(super) mask: Option<&'a str>,
}

/// A graph being written, with what it is written from.
pub(super) struct Writer<'a> {
    pub(super) graph: Graph,
    pub(super) config: &'a Config,
    pub(super) weights: &'a Weights<'a>,
    pub(super) precision: Precision,
}

impl Writer<'_> {
    /// What the tokens are before the first layer and after each, `[batch, sequence, hidden]`.
    pub(super) fn states(&mut self, tokens: &Tokens<'_>) -> Result<Vec<Value>, ExportError> {
        let mut hidden = self.embeddings(tokens)?;
        let mut states = vec![hidden.value.clone()];
        for layer in 0..self.config.num_hidden_layers {
            let name = format!("encoder.layer.{layer}");
            hidden = self.attention(&format!("{name}.attention"), &hidden, tokens.mask)?;
            hidden = self.feed_forward(&name, &hidden)?;
            states.push(hidden.value.clone());
        }
        Ok(states)
    }

    /// What is added to attention scores, `[batch, 1, 1, sequence]`: nothing for text, so much below zero for
    /// padding that its share after the softmax is exactly zero.
    fn mask(&mut self) -> Value {
        let axes = self.graph.integers("mask.axes", &[1, 2]);
        let one = self.graph.floats("mask.one", &[], &[1.0]);
        let never = self.graph.floats("mask.never", &[], &[-1e9]);
        let mask = self.graph.node("Unsqueeze", &["attention_mask", &axes], vec![]);
        let mask = self.graph.floated(&mask);
        let absent = self.graph.node("Sub", &[&one, &mask], vec![]);
        self.graph.node("Mul", &[&absent, &never], vec![])
    }

    /// Token, type and position embeddings, summed and normalised.
    fn embeddings(&mut self, tokens: &Tokens<'_>) -> Result<Hidden, ExportError> {
        let words = self.words(tokens.ids)?;
        let types = self.table("embeddings.token_type_embeddings.weight")?;
        let types = match tokens.types {
            Some(of) => self.graph.node("Gather", &[&types, of], vec![]),
            None => {
                let first = self.graph.integers("embeddings.first_type", &[0]);
                self.graph.node("Gather", &[&types, &first], vec![])
            }
        };
        let positions = self.table("embeddings.position_embeddings.weight")?;
        let zero = self.graph.integers("embeddings.zero", &[0]);
        let length = self.graph.node(
            "Shape",
            &[tokens.ids],
            vec![AttributeProto::int("start", 1), AttributeProto::int("end", 2)],
        );
        let positions = self.graph.node("Slice", &[&positions, &zero, &length, &zero], vec![]);
        let sum = self.graph.node("Add", &[&words, &types], vec![]);
        let sum = self.graph.node("Add", &[&sum, &positions], vec![]);
        self.layer_norm("embeddings.LayerNorm", &sum)
    }

    /// One row a token. The table is half of a small model, so in int8 it is kept in eight bits too.
    fn words(&mut self, ids: &str) -> Result<Value, ExportError> {
        const NAME: &str = "embeddings.word_embeddings.weight";
        if self.precision == Precision::Fp32 {
            let table = self.table(NAME)?;
            return Ok(self.graph.node("Gather", &[&table, ids], vec![]));
        }
        let width = self.config.hidden_size;
        let table = self.weights.table(NAME, width)?;
        let quantised = quantise::by_row(&table.data, width);
        let steps = self.graph.bytes(NAME, &[table.rows, width], &quantised.data);
        let scales = self.graph.floats(&format!("{NAME}.scales"), &[table.rows, 1], &quantised.scales);
        let steps = self.graph.node("Gather", &[&steps, ids], vec![]);
        let steps = self.graph.floated(&steps);
        let scales = self.graph.node("Gather", &[&scales, ids], vec![]);
        Ok(self.graph.node("Mul", &[&steps, &scales], vec![]))
    }

    fn table(&mut self, name: &str) -> Result<Value, ExportError> {
        let width = self.config.hidden_size;
        let table = self.weights.table(name, width)?;
        Ok(self.graph.floats(name, &[table.rows, width], &table.data))
    }

    /// Multi-head self-attention, its output projection, the residual and its normalisation.
    fn attention(&mut self, name: &str, hidden: &Hidden, mask: Option<&str>) -> Result<Hidden, ExportError> {
        let Config { hidden_size: width, num_attention_heads: heads, .. } = *self.config;
        let head = width / heads;

        // Queries, keys and values come from one multiplication. The scores' factor 1/sqrt(head) is put into the
        // queries' weights, where it costs nothing.
        #[expect(clippy::cast_precision_loss, reason = "a head is a few dozen numbers wide")]
        let factor = (head as f32).sqrt().recip();
        let mut joined = Linear::empty(width);
        for (part, factor) in [("query", factor), ("key", 1.0), ("value", 1.0)] {
            let name = format!("{name}.self.{part}");
            joined.append(&Linear::read(self.weights, &name, width, width)?, factor);
        }
        let all = self.linear(&format!("{name}.self"), &hidden.value, &joined, Some(&hidden.spread));
        let [queries, keys, values] = self.graph.nodes("Split", &[&all], vec![AttributeProto::int("axis", -1)]);

        let by_head = self.graph.integers(&format!("{name}.by_head"), &[0, 0, signed(heads), signed(head)]);
        let mut turned = |value: &str, order: &[i64]| {
            let value = self.graph.node("Reshape", &[value, &by_head], vec![]);
            self.graph.node("Transpose", &[&value], vec![AttributeProto::ints("perm", order)])
        };
        let queries = turned(&queries, &[0, 2, 1, 3]);
        let keys = turned(&keys, &[0, 2, 3, 1]);
        let values = turned(&values, &[0, 2, 1, 3]);

        let scores = self.graph.node("MatMul", &[&queries, &keys], vec![]);
        let scores = match mask {
            Some(mask) => self.graph.node("Add", &[&scores, mask], vec![]),
            None => scores,
        };
        let shares = self.graph.node("Softmax", &[&scores], vec![AttributeProto::int("axis", -1)]);
        let context = self.graph.node("MatMul", &[&shares, &values], vec![]);
        let context = self.graph.node("Transpose", &[&context], vec![AttributeProto::ints("perm", &[0, 2, 1, 3])]);
        let rejoined = self.graph.integers(&format!("{name}.rejoined"), &[0, 0, signed(width)]);
        let context = self.graph.node("Reshape", &[&context, &rejoined], vec![]);

        let output = format!("{name}.output");
        let dense = format!("{output}.dense");
        let projection = Linear::read(self.weights, &dense, width, width)?;
        let projected = self.linear(&dense, &context, &projection, None);
        let sum = self.graph.node("Add", &[&projected, &hidden.value], vec![]);
        self.layer_norm(&format!("{output}.LayerNorm"), &sum)
    }

    /// The two-layer perceptron with the exact (erf) GELU, the residual and its normalisation. The second layer is
    /// never quantised: what the GELU lets through spans too wide a range for eight bits, and this one layer made
    /// about half of the error (`docs/decisions/001-embedding-precision.md`).
    fn feed_forward(&mut self, name: &str, hidden: &Hidden) -> Result<Hidden, ExportError> {
        let Config { hidden_size: width, intermediate_size: wide, .. } = *self.config;
        let widen = format!("{name}.intermediate.dense");
        let narrow = format!("{name}.output.dense");

        let layer = Linear::read(self.weights, &widen, width, wide)?;
        let inner = self.linear(&widen, &hidden.value, &layer, Some(&hidden.spread));
        let inner = self.gelu(name, &inner);
        let layer = Linear::read(self.weights, &narrow, wide, width)?;
        let outer = self.dense(&narrow, &inner, &layer);
        let sum = self.graph.node("Add", &[&outer, &hidden.value], vec![]);
        self.layer_norm(&format!("{name}.output.LayerNorm"), &sum)
    }

    /// `x / 2 * (1 + erf(x / sqrt 2))`, in the shape that ONNX Runtime recognises and fuses.
    pub(super) fn gelu(&mut self, name: &str, x: &str) -> Value {
        let root = self.graph.floats(&format!("{name}.root"), &[], &[std::f32::consts::SQRT_2]);
        let one = self.graph.floats(&format!("{name}.one"), &[], &[1.0]);
        let half = self.graph.floats(&format!("{name}.half"), &[], &[0.5]);
        let inner = self.graph.node("Div", &[x, &root], vec![]);
        let inner = self.graph.node("Erf", &[&inner], vec![]);
        let inner = self.graph.node("Add", &[&inner, &one], vec![]);
        let product = self.graph.node("Mul", &[x, &inner], vec![]);
        self.graph.node("Mul", &[&product, &half], vec![])
    }

    fn layer_norm(&mut self, name: &str, x: &str) -> Result<Hidden, ExportError> {
        let width = self.config.hidden_size;
        let (gain, shift) = (format!("{name}.weight"), format!("{name}.bias"));
        let (gains, shifts) = (self.weights.vector(&gain, width)?, self.weights.vector(&shift, width)?);
        let gain = self.graph.floats(&gain, &[width], &gains);
        let shift = self.graph.floats(&shift, &[width], &shifts);
        let attributes =
            vec![AttributeProto::int("axis", -1), AttributeProto::float("epsilon", self.config.layer_norm_eps)];
        let value = self.graph.node("LayerNormalization", &[x, &gain, &shift], attributes);
        // Before gain and shift the numbers have mean 0 and deviation 1.
        let spread = gains.iter().zip(&shifts).map(|(gain, shift)| 3.0 * gain.abs() + shift.abs()).collect();
        Ok(Hidden { value, spread })
    }

    /// `x W + b` in the arithmetic of this export. `spread` says how large each of the inputs gets, where that is
    /// known.
    fn linear(&mut self, name: &str, x: &str, layer: &Linear, spread: Option<&[f32]>) -> Value {
        match self.precision {
            Precision::Fp32 => self.dense(name, x, layer),
            Precision::Int8 => self.quantised(name, x, layer, spread),
        }
    }

    /// `x W + b` in floating point.
    pub(super) fn dense(&mut self, name: &str, x: &str, layer: &Linear) -> Value {
        let weight = self.graph.floats(&format!("{name}.weight"), &[layer.inputs, layer.outputs], &layer.weight);
        let product = self.graph.node("MatMul", &[x, &weight], vec![]);
        self.bias(name, &product, layer)
    }

    /// `x W + b` in eight bits; the input's scale is found anew for each run (dynamic quantisation).
    fn quantised(&mut self, name: &str, x: &str, layer: &Linear, spread: Option<&[f32]>) -> Value {
        let name_of = |part: &str| format!("{name}.{part}");
        let (weight, x) = match spread {
            Some(spread) => {
                let balance = quantise::balance(spread, &layer.weight);
                let shrink: Vec<f32> = balance.iter().map(|factor| factor.recip()).collect();
                let shrink = self.graph.floats(&name_of("shrink"), &[layer.inputs], &shrink);
                (Cow::Owned(layer.grown(&balance)), self.graph.node("Mul", &[x, &shrink], vec![]))
            }
            None => (Cow::Borrowed(&layer.weight), x.to_owned()),
        };
        let columns = quantise::by_column(&weight, layer.outputs);
        let steps = self.graph.bytes(&name_of("weight"), &[layer.inputs, layer.outputs], &columns.data);
        let scales = self.graph.floats(&name_of("scales"), &[layer.outputs], &columns.scales);
        let zeros = self.graph.bytes(&name_of("zeros"), &[layer.outputs], &vec![0; layer.outputs]);
        let [x, scale, zero] = self.graph.nodes("DynamicQuantizeLinear", &[&x], vec![]);
        let sum = self.graph.node("MatMulInteger", &[&x, &steps, &zero, &zeros], vec![]);
        let sum = self.graph.floated(&sum);
        let scale = self.graph.node("Mul", &[&scale, &scales], vec![]);
        let product = self.graph.node("Mul", &[&sum, &scale], vec![]);
        self.bias(name, &product, layer)
    }

    fn bias(&mut self, name: &str, product: &str, layer: &Linear) -> Value {
        let bias = self.graph.floats(&format!("{name}.bias"), &[layer.outputs], &layer.bias);
        self.graph.node("Add", &[product, &bias], vec![])
    }
}

/// What flows from block to block: a value that a layer normalisation made, and how large each of its numbers gets
/// (three deviations), as its gain and shift tell.
struct Hidden {
    value: Value,
    spread: Vec<f32>,
}

/// A dense layer, its weights `[inputs, outputs]` row by row, as `MatMul` wants them.
pub(super) struct Linear {
    inputs: usize,
    outputs: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Linear {
    fn empty(inputs: usize) -> Self {
        Self { inputs, outputs: 0, weight: Vec::new(), bias: Vec::new() }
    }

    /// Reads a PyTorch layer, whose weights are `[outputs, inputs]`.
    pub(super) fn read(weights: &Weights<'_>, name: &str, inputs: usize, outputs: usize) -> Result<Self, ExportError> {
        let stored = weights.matrix(&format!("{name}.weight"), outputs, inputs)?;
        let bias = weights.vector(&format!("{name}.bias"), outputs)?;
        let weight = (0..inputs).flat_map(|i| (0..outputs).map(move |o| (i, o))).map(|(i, o)| stored[o * inputs + i]);
        Ok(Self { inputs, outputs, weight: weight.collect(), bias })
    }

    /// The weights, each input's times its factor.
    fn grown(&self, factors: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks_exact(self.outputs).zip(factors);
        rows.flat_map(|(row, factor)| row.iter().map(move |weight| weight * factor)).collect()
    }

    /// Puts another layer's outputs, times `factor`, after this one's.
    fn append(&mut self, other: &Self, factor: f32) {
        let scaled = |numbers: &[f32]| numbers.iter().map(|x| x * factor).collect::<Vec<f32>>();
        let mut weight = Vec::with_capacity(self.weight.len() + other.weight.len());
        for row in 0..self.inputs {
            weight.extend_from_slice(&self.weight[row * self.outputs..][..self.outputs]);
            weight.extend(scaled(&other.weight[row * other.outputs..][..other.outputs]));
        }
        self.weight = weight;
        self.bias.extend(scaled(&other.bias));
        self.outputs += other.outputs;
    }
}
