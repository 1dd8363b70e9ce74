//! From settings to a running embedder: find or fetch the parts, load them, start the threads.

use std::path::PathBuf;
use std::sync::Arc;

use super::onnx::{self, Listed, OnnxModel, OnnxReranker};
use super::provision::{Home, Progress};
use super::recipe::{Recipe, RerankRecipe};
use super::rerank::{self, Model, OneByOne, PairModel, Reranker};
use super::settings::cores;
use super::worker::{Limits, QueuedEmbedder, TextModel};
use super::{Embedder, Settings};

/// Why there is no embedder. The server runs on without one and matches by equality only.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something is neither here nor to be had.
    #[error(
        "{what} is not to be had:\n{tried}\nRun `dejavu setup` where the network allows it and copy its DEJAVU_HOME \
         folder here, or name what you have by `semantic.runtime` (the ONNX Runtime library) and `semantic.model` (a \
         folder)."
    )]
    Missing {
        /// What is missing.
        what: String,
        /// Where it was looked for, one line each.
        tried: String,
    },
    /// The settings name a model that nobody knows.
    #[error("{0:?} is neither a folder nor a model that fastembed knows")]
    UnknownModel(String),
    /// The runtime library does not load.
    #[error("{path:?} cannot be used as ONNX Runtime: {why}")]
    Runtime {
        /// The library.
        path: PathBuf,
        /// What the loader said.
        why: String,
    },
    /// The model does not load.
    #[error("the embedding model {model} cannot be used: {why}")]
    Model {
        /// Its name or folder.
        model: String,
        /// What is wrong.
        why: String,
    },
    /// The system gave no thread for it.
    #[error("the embedder's threads cannot be started: {0}")]
    Threads(String),
}

/// Where the parts of an embedder are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provisioned {
    /// `DEJAVU_HOME`.
    pub home: PathBuf,
    /// The runtime library.
    pub runtime: PathBuf,
    /// The model's folder.
    pub model: PathBuf,
}

/// Brings the runtime library and the model here, where they are not, and starts the embedder: some hundred
/// milliseconds where all is here.
///
/// # Errors
/// When a part is not to be had, or is not usable.
pub async fn open(settings: &Settings, progress: Progress) -> Result<Arc<dyn Embedder>, OpenError> {
    let settings = settings.clone();
    blocking(move || start(&settings, progress)).await
}

/// Brings the runtime library and the model here without starting anything.
///
/// # Errors
/// When a part is not to be had.
pub async fn provision(settings: &Settings, progress: Progress) -> Result<Provisioned, OpenError> {
    let settings = settings.clone();
    blocking(move || {
        let home = Home::new(&settings, progress)?;
        let source = Source::of(&settings.model)?;
        let runtime = home.runtime(settings.runtime.as_deref())?;
        let model = source.folder(&home)?;
        Ok(Provisioned { home: home.root().to_path_buf(), runtime, model })
    })
    .await
}

/// Loads the reranker, if there is to be one; the runtime library, and the default model for the verifier, as
/// [`open()`] finds them.
///
/// # Errors
/// When the runtime or the default model is not to be had, or the folder holds no cross-encoder of one logit.
pub async fn open_reranker(
    settings: &rerank::Settings,
    embed: &Settings,
) -> Result<Option<Arc<dyn Reranker>>, OpenError> {
    let (settings, embed) = (settings.clone(), embed.clone());
    blocking(move || {
        let home = Home::new(&embed, Progress::Logged)?;
        let recipe = match &settings.model {
            Model::None => return Ok(None),
            Model::Folder(folder) => RerankRecipe::read(folder)?,
            Model::BuiltIn => RerankRecipe::verifier(&home.default_model()?, &home.exports(), Home::DEFAULT_WEIGHTS)?,
        };
        onnx::load_runtime(&home.runtime(embed.runtime.as_deref())?)?;
        let mut model = OnnxReranker::load(&recipe, cores(settings.threads))?;
        // The first run is its slowest, and shows whether it is a reranker at all.
        let unusable = |why| OpenError::Model { model: recipe.name.clone(), why };
        model.logit("a first text", "another text").map_err(unusable)?;
        tracing::info!(model = %recipe.name, "the reranker is ready");
        Ok(Some(Arc::new(OneByOne::new(model, settings.deadline.0)) as Arc<dyn Reranker>))
    })
    .await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    tokio::task::spawn_blocking(work).await.map_err(|why| OpenError::Threads(why.to_string()))?
}

/// Which kind of thing `semantic.model` names.
enum Source {
    Default,
    Folder(PathBuf),
    Listed(Listed),
}

impl Source {
    fn of(model: &str) -> Result<Self, OpenError> {
        const DEFAULT: [&str; 2] = ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"];
        let folder = PathBuf::from(model);
        if DEFAULT.iter().any(|name| name.eq_ignore_ascii_case(model)) {
            Ok(Self::Default)
        } else if folder.is_dir() {
            Ok(Self::Folder(folder))
        } else {
            onnx::listed(model).map(Self::Listed).ok_or_else(|| OpenError::UnknownModel(model.to_owned()))
        }
    }

    fn folder(&self, home: &Home) -> Result<PathBuf, OpenError> {
        match self {
            Self::Default => home.default_model(),
            Self::Folder(path) => Ok(path.clone()),
            Self::Listed(listed) => home.listed_model(listed),
        }
    }

    /// The sum of the weights, where finding the folder includes checking it.
    fn weights(&self) -> Option<&'static str> {
        match self {
            Self::Default => Some(Home::DEFAULT_WEIGHTS),
            Self::Folder(_) | Self::Listed(_) => None,
        }
    }

    fn listed(&self) -> Option<&Listed> {
        match self {
            Self::Listed(listed) => Some(listed),
            Self::Default | Self::Folder(_) => None,
        }
    }
}

fn start(settings: &Settings, progress: Progress) -> Result<Arc<dyn Embedder>, OpenError> {
    let home = Home::new(settings, progress)?;
    let source = Source::of(&settings.model)?;
    onnx::load_runtime(&home.runtime(settings.runtime.as_deref())?)?;
    let folder = source.folder(&home)?;
    let exports = home.exports();
    let (name, precision) = (&settings.model, settings.precision);
    let recipe = Recipe::read(name, &folder, precision, &exports, source.listed(), source.weights())?;

    let mut models = Vec::new();
    let mut dimension = 0;
    for _ in 0..settings.sessions.max(1) {
        let mut model = OnnxModel::load(&recipe, settings.cores())?;
        // The first run of a session is its slowest; it also tells the dimension.
        let unusable = |why| OpenError::Model { model: settings.model.clone(), why };
        let first = model.embed(&["a first text".into()]).map_err(unusable)?;
        dimension = first.first().map_or(0, |embedding| embedding.vector.dimension());
        models.push(model);
    }
    let aside = OnnxModel::load(&recipe, 1)?;
    let window = models.first().map_or(recipe.window, OnnxModel::window);
    let space = recipe.space(dimension, window);
    tracing::info!(model = %space.model, space = %space.id.0, dimension, window, "the embedder is ready");
    let limits = Limits { queue: settings.queue, deadline: settings.deadline.0, recent: settings.recent };
    let embedder =
        QueuedEmbedder::start(space, models, Some(aside), limits).map_err(|why| OpenError::Threads(why.to_string()))?;
    Ok(Arc::new(embedder))
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
