//! The verifier as an ONNX graph: the encoder of the default model, and upon the states of both texts' tokens a small
//! head that lays them side by side (after Parikh et al., 2016, <https://arxiv.org/abs/1606.01933>, and Chen et al.,
//! 2017, <https://arxiv.org/abs/1609.06038>).
//!
//! Each token of one text looks for its counterpart in the other; what differs between the two is read once more in
//! its own sentence, and pooled. What both sides found is joined in a way that does not tell which came first, so the
//! answer is the same whichever text is asked about the other.
//!
//! Inputs are those of a cross-encoder, one pair a run: `[CLS] a [SEP] b [SEP]`, types 0 and 1. Each text goes through
//! the encoder by itself, as the embedder sees it. Output `logits`, `[1, 1]`.

use super::bert::{Config, INPUTS, Linear, Tokens, Writer};
use super::format::AttributeProto;
use super::graph::{Axis, Graph, Value, signed};
use super::weights::Weights;
use super::{ExportError, Precision};

/// The head's weights: what `train.py` beside it wrote.
pub(in super::super) const HEAD: &[u8] = include_bytes!("../verifier/head.safetensors");

/// Layers whose states the head reads, the last one too: words by themselves, in their phrase, and in their sentence.
const LAYERS: [usize; 3] = [0, 3, 6];
/// Numbers of a token within the head.
const WIDTH: usize = 128;
const HEADS: usize = 4;
/// Of PyTorch's layer normalisation.
const EPSILON: f32 = 1e-5;

/// Writes the whole verifier.
pub(super) fn verifier(
    config: &Config,
    weights: &Weights<'_>,
    head: &Weights<'_>,
    precision: Precision,
) -> Result<Vec<u8>, ExportError> {
    if config.num_hidden_layers < LAYERS[2] {
        return Err(ExportError::Unsupported(format!("{} layers, the verifier reads 6", config.num_hidden_layers)));
    }
    let encoder = Writer { graph: Graph::default(), config, weights, precision };
    let mut writer = Head { encoder, weights: head };
    let texts = writer.texts();
    let [one, other] = [writer.tokens(&texts[0])?, writer.tokens(&texts[1])?];
    let (there, back) = (writer.side(&one, &other)?, writer.side(&other, &one)?);
    let logits = writer.verdict(&there, &back)?;
    Ok(writer.encoder.graph.finish(&INPUTS, &logits, "logits", &[Axis::Fixed(1), Axis::Fixed(1)]))
}

struct Head<'a> {
    encoder: Writer<'a>,
    weights: &'a Weights<'a>,
}

impl Head<'_> {
    /// The ids of each text, `[CLS] text [SEP]`.
    fn texts(&mut self) -> [Value; 2] {
        let [ids, _, types] = INPUTS;
        let graph = &mut self.encoder.graph;
        let [zero, one] = [graph.integers("zero", &[0]), graph.integers("one", &[1])];
        let by_token = vec![AttributeProto::int("start", 1), AttributeProto::int("end", 2)];
        let length = graph.node("Shape", &[ids], by_token);
        let second = graph.node("ReduceSum", &[types, &one], vec![AttributeProto::int("keepdims", 0)]);
        let first = graph.node("Sub", &[&length, &second], vec![]);
        let mut slice = |from: &str, to: &str| graph.node("Slice", &[ids, from, to, &one], vec![]);
        let [start, a, rest] = [slice(&zero, &one), slice(&zero, &first), slice(&first, &length)];
        let b = graph.node("Concat", &[&start, &rest], vec![AttributeProto::int("axis", 1)]);
        [a, b]
    }

    /// A text's tokens as the head sees them, `[1, tokens, WIDTH]`.
    fn tokens(&mut self, ids: &str) -> Result<Value, ExportError> {
        let width = self.encoder.config.hidden_size;
        let states = self.encoder.states(&Tokens { ids, types: None, mask: None })?;
        let scales = self.weights.vector("scale", LAYERS.len())?;
        let mut levels = Vec::with_capacity(LAYERS.len());
        for (layer, scale) in LAYERS.into_iter().zip(scales) {
            let name = format!("level.{layer}");
            levels.push(self.normalised(&name, &states[layer], &vec![scale; width], &vec![0.0; width]));
        }
        let all = self.joined(&levels);
        let all = self.dense("inp", &all, LAYERS.len() * width, WIDTH)?;
        let all = self.encoder.gelu("inp", &all);
        self.norm("n0", &all)
    }

    /// What the tokens of `one` have to say about their counterparts in `other`, pooled: `[1, 3 * WIDTH]`.
    fn side(&mut self, one: &str, other: &str) -> Result<Value, ExportError> {
        let (asking, asked) = (self.dense("match", one, WIDTH, WIDTH)?, self.dense("match", other, WIDTH, WIDTH)?);
        let found = self.attended(&asking, &asked, other, 4.0);
        let apart = self.node("Sub", &[one, &found]);
        let apart = self.node("Abs", &[&apart]);
        let alike = self.node("Mul", &[one, &found]);
        let compared = self.joined(&[one.to_owned(), found, apart, alike]);
        let compared = self.dense("cmp", &compared, 4 * WIDTH, WIDTH)?;
        let compared = self.encoder.gelu("cmp", &compared);
        let tokens = self.added("n1", one, &compared)?;

        let all = self.dense("qkv", &tokens, WIDTH, 3 * WIDTH)?;
        let [queries, keys, values] = self.encoder.graph.nodes("Split", &[&all], vec![AttributeProto::int("axis", -1)]);
        let context = self.attended(&queries, &keys, &values, 1.0);
        let context = self.dense("o", &context, WIDTH, WIDTH)?;
        let tokens = self.added("n2", &tokens, &context)?;

        let inner = self.dense("f1", &tokens, WIDTH, 2 * WIDTH)?;
        let inner = self.encoder.gelu("f1", &inner);
        let inner = self.dense("f2", &inner, 2 * WIDTH, WIDTH)?;
        let tokens = self.added("n3", &tokens, &inner)?;
        self.pooled(&tokens)
    }

    /// The tokens' sum by weights of their own, their mean, and the most of each number.
    fn pooled(&mut self, tokens: &str) -> Result<Value, ExportError> {
        let shares = self.dense("w", tokens, WIDTH, 1)?;
        let over_tokens = || AttributeProto::ints("axes", &[1]);
        let flat = || AttributeProto::int("keepdims", 0);
        let graph = &mut self.encoder.graph;
        let shares = graph.node("Softmax", &[&shares], vec![AttributeProto::int("axis", 1)]);
        let weighed = graph.node("Mul", &[&shares, tokens], vec![]);
        let one = graph.integers("one", &[1]);
        let sum = graph.node("ReduceSum", &[&weighed, &one], vec![flat()]);
        let mean = graph.node("ReduceMean", &[tokens], vec![over_tokens(), flat()]);
        let most = graph.node("ReduceMax", &[tokens], vec![over_tokens(), flat()]);
        Ok(self.joined(&[sum, mean, most]))
    }

    /// The logit, from what both sides found: a function of their sum and of how far they are apart.
    fn verdict(&mut self, there: &str, back: &str) -> Result<Value, ExportError> {
        let sum = self.node("Add", &[there, back]);
        let apart = self.node("Sub", &[there, back]);
        let apart = self.node("Abs", &[&apart]);
        let both = self.joined(&[sum, apart]);
        let inner = self.dense("p1", &both, 6 * WIDTH, WIDTH)?;
        let inner = self.encoder.gelu("p1", &inner);
        self.dense("p2", &inner, WIDTH, 1)
    }

    /// Each query's mix of `values`, by several heads. Scores are `sharpness` times as large as is usual.
    fn attended(&mut self, queries: &str, keys: &str, values: &str, sharpness: f32) -> Value {
        const HEAD_WIDTH: usize = WIDTH / HEADS;
        #[expect(clippy::cast_precision_loss, reason = "a head is a few dozen numbers wide")]
        let factor = sharpness / (HEAD_WIDTH as f32).sqrt();
        let graph = &mut self.encoder.graph;
        let by_head = graph.integers("by_head", &[0, 0, signed(HEADS), signed(HEAD_WIDTH)]);
        let rejoined = graph.integers("rejoined", &[0, 0, signed(WIDTH)]);
        let factor = graph.floats(&format!("sharpness.{sharpness}"), &[], &[factor]);
        let mut turned = |value: &str, order: &[i64]| {
            let value = graph.node("Reshape", &[value, &by_head], vec![]);
            graph.node("Transpose", &[&value], vec![AttributeProto::ints("perm", order)])
        };
        let queries = turned(queries, &[0, 2, 1, 3]);
        let keys = turned(keys, &[0, 2, 3, 1]);
        let values = turned(values, &[0, 2, 1, 3]);
        let scores = graph.node("MatMul", &[&queries, &keys], vec![]);
        let scores = graph.node("Mul", &[&scores, &factor], vec![]);
        let shares = graph.node("Softmax", &[&scores], vec![AttributeProto::int("axis", -1)]);
        let mixed = graph.node("MatMul", &[&shares, &values], vec![]);
        let mixed = graph.node("Transpose", &[&mixed], vec![AttributeProto::ints("perm", &[0, 2, 1, 3])]);
        graph.node("Reshape", &[&mixed, &rejoined], vec![])
    }

    fn added(&mut self, norm: &str, x: &str, more: &str) -> Result<Value, ExportError> {
        let sum = self.node("Add", &[x, more]);
        self.norm(norm, &sum)
    }

    fn norm(&mut self, name: &str, x: &str) -> Result<Value, ExportError> {
        let gains = self.weights.vector(&format!("{name}.weight"), WIDTH)?;
        let shifts = self.weights.vector(&format!("{name}.bias"), WIDTH)?;
        Ok(self.normalised(name, x, &gains, &shifts))
    }

    fn normalised(&mut self, name: &str, x: &str, gains: &[f32], shifts: &[f32]) -> Value {
        let graph = &mut self.encoder.graph;
        let gain = graph.floats(&format!("head.{name}.gain"), &[gains.len()], gains);
        let shift = graph.floats(&format!("head.{name}.shift"), &[shifts.len()], shifts);
        let attributes = vec![AttributeProto::int("axis", -1), AttributeProto::float("epsilon", EPSILON)];
        graph.node("LayerNormalization", &[x, &gain, &shift], attributes)
    }

    fn dense(&mut self, name: &str, x: &str, inputs: usize, outputs: usize) -> Result<Value, ExportError> {
        let layer = Linear::read(self.weights, name, inputs, outputs)?;
        Ok(self.encoder.dense(&format!("head.{name}"), x, &layer))
    }

    fn joined(&mut self, values: &[Value]) -> Value {
        let values: Vec<&str> = values.iter().map(|value| &**value).collect();
        self.encoder.graph.node("Concat", &values, vec![AttributeProto::int("axis", -1)])
    }

    fn node(&mut self, op: &str, inputs: &[&str]) -> Value {
        self.encoder.graph.node(op, inputs, vec![])
    }
}
