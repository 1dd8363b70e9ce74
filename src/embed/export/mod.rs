//! A BERT model in safetensors, as sentence-transformers saves it, becomes an ONNX file.
//!
//! So does the verifier, which is such a model twice with a head of our own ([`Kind::Verifier`]).

mod bert;
mod format;
mod graph;
mod quantise;
mod verifier;
mod weights;

use super::Precision;

pub(super) use verifier::HEAD;

/// Why a model cannot be exported.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportError {
    /// The file is not what it should be.
    #[error("the model's files cannot be read: {0}")]
    Unreadable(String),
    /// A tensor is not there.
    #[error("the model has no tensor {0}")]
    Missing(String),
    /// A tensor has another shape than `config.json` says.
    #[error("tensor {name} has shape {found:?}, {expected:?} was expected")]
    Shape {
        /// Its name.
        name: String,
        /// As `config.json` has it.
        expected: Vec<usize>,
        /// As the file has it.
        found: Vec<usize>,
    },
    /// The architecture differs from what the exporter can write.
    #[error("this model cannot be exported: {0}")]
    Unsupported(String),
}

/// What is written of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The encoder: a text's tokens in, their vectors out.
    Encoder,
    /// The encoder twice, and the verifier's head over both: a pair of texts in, a logit out.
    Verifier,
}

/// Writes the ONNX file of a BERT model, from the bytes of its `config.json` and `model.safetensors`.
pub(super) fn bert(
    kind: Kind,
    config: &[u8],
    safetensors: &[u8],
    precision: Precision,
) -> Result<Vec<u8>, ExportError> {
    let config: bert::Config =
        serde_json::from_slice(config).map_err(|why| ExportError::Unreadable(format!("config.json: {why}")))?;
    config.check()?;
    let weights = weights::Weights::open(safetensors)?;
    match kind {
        Kind::Encoder => bert::encoder(&config, &weights, precision),
        Kind::Verifier => verifier::verifier(&config, &weights, &weights::Weights::plain(HEAD)?, precision),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"model_type": "bert", "hidden_size": 4, "intermediate_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "hidden_act": "gelu"}"#;

    /// A safetensors file of zeros: its header's length (8 bytes, little endian), the header, the data.
    fn zeros(tensors: &[(&str, &[usize])]) -> Vec<u8> {
        let mut entries = serde_json::Map::new();
        let mut end = 0;
        for (name, shape) in tensors {
            let start = end;
            end += shape.iter().product::<usize>() * 4;
            let entry = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]});
            entries.insert((*name).to_owned(), entry);
        }
        let header = serde_json::Value::Object(entries).to_string();
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        file.resize(file.len() + end, 0);
        file
    }

    fn refusal(config: &str, weights: &[u8]) -> String {
        bert(Kind::Encoder, config.as_bytes(), weights, Precision::Fp32).unwrap_err().to_string()
    }

    #[test]
    fn what_would_be_computed_wrongly_is_refused_by_name() {
        for (from, to, said) in [
            ("\"bert\"", "\"xlm-roberta\"", "model_type \"xlm-roberta\""),
            ("\"gelu\"", "\"relu\"", "hidden_act \"relu\""),
            ("\"num_attention_heads\": 2", "\"num_attention_heads\": 3", "3 heads over 4 numbers"),
            ("\"hidden_act\"", "\"position_embedding_type\": \"relative_key\", \"hidden_act\"", "relative_key"),
        ] {
            let refused = refusal(&CONFIG.replace(from, to), &[]);
            assert!(refused.contains(said), "{refused}");
        }
    }

    #[test]
    fn a_file_that_does_not_fit_its_configuration_is_refused_by_tensor() {
        assert!(refusal(CONFIG, b"no safetensors").contains("cannot be read"));
        assert!(refusal(CONFIG, &zeros(&[])).contains("no tensor embeddings.word_embeddings.weight"));
        let narrow = zeros(&[("bert.embeddings.word_embeddings.weight", &[10, 3])]);
        let refused = refusal(CONFIG, &narrow);
        assert!(refused.contains("has shape [10, 3], [10, 4] was expected"), "{refused}");
        let short = zeros(&[("embeddings.word_embeddings.weight", &[10, 4])]);
        assert!(refusal(CONFIG, &short).contains("no tensor embeddings.token_type_embeddings.weight"));
    }
}
