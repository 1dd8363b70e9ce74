//! Applying a changed configuration file to the running server, whole or not at all.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;

use super::embedder::Bringer;
use super::live::LiveUpstreams;
use crate::cache::Engine;
use crate::config::{self, Config};
use crate::domain::Mode;
use crate::serve::{self, Reload, Reloaded};
use crate::telemetry::Prices;
use crate::upstream::Fleet;

/// Reads the file again and puts what changed to work.
pub(super) struct Reloader {
    file: Option<PathBuf>,
    current: Mutex<Config>,
    engine: Arc<Engine>,
    upstreams: Arc<LiveUpstreams>,
    embedder: Bringer,
    /// Weak, since the parts hold the reloader: a cycle would keep the data folder locked after a shutdown.
    shared: OnceLock<Weak<ArcSwap<serve::Parts>>>,
}

impl Reloader {
    pub(super) fn new(
        file: Option<PathBuf>,
        current: Config,
        engine: Arc<Engine>,
        upstreams: Arc<LiveUpstreams>,
        embedder: Bringer,
    ) -> Self {
        Self { file, current: Mutex::new(current), engine, upstreams, embedder, shared: OnceLock::new() }
    }

    /// Names the parts that a reload replaces.
    pub(super) fn takes_effect_in(&self, shared: &serve::Shared) {
        // Called once, by `start`.
        let _ = self.shared.set(Arc::downgrade(shared));
    }

    fn apply(&self, wished: Config) -> Result<Reloaded, String> {
        let mut current = self.current.lock();
        let done = compare(&current, &wished);
        if current.upstream != wished.upstream || current.route != wished.route {
            let fleet = Fleet::new(&wished.upstream, &wished.route).map_err(|error| error.to_string())?;
            self.upstreams.replace(fleet);
        }
        self.engine.configure(wished.engine());
        if let Some(shared) = self.shared.get().and_then(Weak::upgrade) {
            shared.rcu(|parts| serve::Parts {
                tenants: parts.tenants.shared_by(wished.cache.share),
                settings: wished.server.clone(),
                admin: wished.admin.clone(),
                replay: wished.replay,
                prices: Prices::new(&wished.price),
                key_headers: wished.server.extra_key_headers(),
                ..(**parts).clone()
            });
        }
        *current = wished;
        Ok(done)
    }
}

#[async_trait]
impl Reload for Reloader {
    async fn reload(&self) -> Result<Reloaded, String> {
        let file = self.file.as_deref().ok_or("the server was started without a configuration file")?;
        let wished = config::load(Some(file)).map_err(|error| error.to_string())?;
        let semantic = (wished.cache.mode == Mode::Semantic).then(|| wished.semantic.clone());
        let before = self.current.lock().semantic.reranker.model();
        let done = self.apply(wished)?;
        if let Some(semantic) = semantic {
            let (embed, reranker) = (semantic.embed(), semantic.reranker.model());
            self.embedder.bring(&embed).await;
            if reranker != before || self.engine.readings().is_none() {
                self.embedder.bring_reranker(&reranker, &embed).await;
            }
        }
        Ok(done)
    }
}

/// Which sections differ, and which of the differences wait for a restart.
fn compare(before: &Config, after: &Config) -> Reloaded {
    let mut done = Reloaded::default();
    let mut changed = |name: &str, differs: bool| {
        if differs {
            done.changed.push(name.to_owned());
        }
    };
    changed("server", before.server != after.server);
    changed("admin", before.admin != after.admin);
    changed("replay", before.replay != after.replay);
    changed("store", before.store != after.store);
    changed("cache", before.cache != after.cache);
    changed("semantic", before.semantic != after.semantic);
    changed("versions", before.versions != after.versions);
    changed("log", before.log != after.log);
    changed("upstream", before.upstream != after.upstream);
    changed("route", before.route != after.route);
    changed("price", before.price != after.price);
    changed("canary", before.canary != after.canary);

    let mut waits = |name: &str, differs: bool| {
        if differs {
            done.needs_restart.push(name.to_owned());
        }
    };
    let limits = |config: &Config| serve::Limits::from(&config.server);
    waits("server.listen", before.server.listen != after.server.listen);
    waits("server limits", limits(before) != limits(after));
    waits("admin.listen", before.admin.listen != after.admin.listen);
    waits("store.path", before.store.path != after.store.path);
    waits("cache.hot_bytes", before.cache.hot_bytes != after.cache.hot_bytes);
    waits("semantic model", before.semantic.embed() != after.semantic.embed());
    waits("versions.poll", before.versions.poll != after.versions.poll);
    waits("canary", before.canary != after.canary);
    waits("log", before.log != after.log);
    done
}
