//! What a model server that speaks OpenAI's dialect says of the models it serves, where it says anything that tells
//! one build from another: vLLM and SGLang in `/v1/models`, llama.cpp there and in `/props`.
//!
//! vLLM's and llama.cpp's `created` is the time of asking, and vLLM's `permission` has a new id each time: neither says
//! anything. The `root` says which weights a name stands for, `meta` what they look like, `max_model_len` and the
//! template how they are run. Weights replaced under the same path are not seen by any of them.
//! <https://docs.vllm.ai/en/latest/serving/openai_compatible_server/>,
//! <https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>

use serde::Deserialize;
use serde_json::{Map, Value};

use super::tags::Tags;

/// A list of models as a server gives it.
#[derive(Debug, Default)]
pub(super) struct Listing {
    models: Vec<Served>,
}

#[derive(Debug)]
struct Served {
    name: String,
    maker: Maker,
    /// What it says of the model, but for what changes by itself.
    about: Map<String, Value>,
}

/// A server that can be known by what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Vllm,
    Sglang,
    LlamaCpp,
}

impl Maker {
    fn of(owner: &str) -> Option<Self> {
        match owner {
            "vllm" => Some(Self::Vllm),
            "sglang" => Some(Self::Sglang),
            "llamacpp" => Some(Self::LlamaCpp),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::LlamaCpp => "llamacpp",
        }
    }
}

impl Listing {
    /// Reads the answer of `GET /v1/models`. Models of other makers are left out: their lists say nothing of builds.
    pub(super) fn read(body: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            data: Vec<Map<String, Value>>,
        }
        const OF_THE_MOMENT: &[&str] = &["created", "permission", "status"];
        let list: List = serde_json::from_slice(body)?;
        let served = |mut about: Map<String, Value>| {
            let maker = Maker::of(about.get("owned_by")?.as_str()?)?;
            let name = about.get("id")?.as_str()?.to_owned();
            about.retain(|key, _| !OF_THE_MOMENT.contains(&key.as_str()));
            Some(Served { name, maker, about })
        };
        Ok(Self { models: list.data.into_iter().filter_map(served).collect() })
    }

    /// Whether `/props` tells more.
    pub(super) fn has_props(&self) -> bool {
        self.models.iter().any(|served| served.maker == Maker::LlamaCpp)
    }

    /// The models with their versions; `props` is what llama.cpp's `/props` says, if it was asked.
    pub(super) fn tags(self, props: Option<&Props>) -> Tags {
        // llama.cpp answers with the one model it has, whatever it is asked for.
        let any_name = self.models.len() == 1 && self.has_props();
        let version = |Served { name, maker, about }: Served| {
            let mut hash = blake3::Hasher::new();
            // Written and read in order: the same words have the same digest.
            hash.update(Value::Object(about).to_string().as_bytes());
            if let (Maker::LlamaCpp, Some(props)) = (maker, props) {
                for part in [&props.model_path, &props.chat_template, &props.build_info] {
                    hash.update(&[0]).update(part.as_bytes());
                }
            }
            (name, format!("{}-{}", maker.as_str(), &hash.finalize().to_hex()[..16]))
        };
        Tags::of(self.models.into_iter().map(version), any_name)
    }
}

/// What llama.cpp says of itself in `GET /props`, as far as it bears on answers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Props {
    model_path: String,
    chat_template: String,
    build_info: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(models: &str, props: Option<&str>) -> Vec<(String, String)> {
        let props = props.map(|props| serde_json::from_str::<Props>(props).unwrap());
        let tags = Listing::read(models.as_bytes()).unwrap().tags(props.as_ref());
        tags.versions().map(|(name, version)| (name.to_owned(), version.0.to_string())).collect()
    }

    fn vllm(created: u64, root: &str) -> String {
        format!(
            r#"{{"object":"list","data":[{{"id":"chat","object":"model","created":{created},"owned_by":"vllm",
            "root":"{root}","parent":null,"max_model_len":8192,"permission":[{{"id":"modelperm-{created}"}}]}}]}}"#
        )
    }

    fn llama(created: u64, size: u64) -> String {
        format!(
            r#"{{"object":"list","data":[{{"id":"model.gguf","object":"model","created":{created},
            "owned_by":"llamacpp","meta":{{"n_params":8030261312,"size":{size}}}}}]}}"#
        )
    }

    #[test]
    fn vllm_is_known_by_its_root_and_not_by_the_time_of_asking() {
        let first = versions(&vllm(1, "org/model"), None);
        assert_eq!(first.len(), 1);
        assert!(first[0].0 == "chat" && first[0].1.starts_with("vllm-"), "{first:?}");
        assert_eq!(first, versions(&vllm(2, "org/model"), None));
        assert_ne!(first, versions(&vllm(1, "org/tuned"), None));
    }

    #[test]
    fn llama_cpp_is_known_by_its_weights_its_template_and_its_build() {
        let props = |template: &str, build: &str| {
            format!(
                r#"{{"model_path":"/m.gguf","chat_template":"{template}","build_info":"{build}","is_sleeping":true}}"#
            )
        };
        let first = versions(&llama(1, 5), Some(&props("t", "b1")));
        assert_eq!(first, versions(&llama(9, 5), Some(&props("t", "b1"))));
        for other in [
            versions(&llama(1, 6), Some(&props("t", "b1"))),
            versions(&llama(1, 5), Some(&props("u", "b1"))),
            versions(&llama(1, 5), Some(&props("t", "b2"))),
            versions(&llama(1, 5), None),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn llama_cpp_has_one_model_for_every_name() {
        let tags = Listing::read(llama(1, 5).as_bytes()).unwrap().tags(None);
        assert!(tags.version("gpt-3.5-turbo").is_some());
        assert_eq!(tags.version("gpt-3.5-turbo"), tags.version("model.gguf"));
        let vllm = Listing::read(vllm(1, "r").as_bytes()).unwrap().tags(None);
        assert_eq!(vllm.version("another"), None);
    }

    #[test]
    fn a_list_that_says_nothing_of_builds_gives_no_version() {
        let list =
            r#"{"object":"list","data":[{"id":"gpt-4o","object":"model","created":1715367049,"owned_by":"system"}]}"#;
        assert_eq!(versions(list, None), []);
        assert_eq!(versions("{}", None), []);
        assert!(Listing::read(b"not found").is_err());
    }
}
