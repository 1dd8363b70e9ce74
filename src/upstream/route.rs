//! Which upstreams a model name leads to. Pure.

use std::sync::Arc;

use super::settings::{RouteSettings, split_target};
use crate::domain::{Lifetimes, Pattern};

/// All routes, in the order of the configuration.
#[derive(Debug, Default)]
pub(super) struct Routes(Vec<Route>);

#[derive(Debug)]
struct Route {
    /// The pattern as written.
    name: Arc<str>,
    pattern: Pattern,
    to: Vec<(usize, Option<Arc<str>>)>,
    strip_prefix: bool,
    lifetimes: Lifetimes,
}

/// One upstream to ask, by its place in the configuration, and the model name to ask it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) upstream: usize,
    pub(super) model: Arc<str>,
}

/// Where a request may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// In failover order.
    pub(super) legs: Vec<Leg>,
    /// What the route says about how long its answers live.
    pub(super) lifetimes: Lifetimes,
    /// The route's pattern.
    pub(super) route: Arc<str>,
}

impl Routes {
    /// `upstream` finds an upstream's place by its name; targets without one are left out, since validation has
    /// named them already.
    pub(super) fn new(settings: &[RouteSettings], upstream: impl Fn(&str) -> Option<usize>) -> Self {
        let route = |route: &RouteSettings| Route {
            name: route.model.as_str().into(),
            pattern: Pattern::new(&route.model),
            to: route
                .to
                .iter()
                .map(|to| split_target(to))
                .filter_map(|(name, model)| Some((upstream(name)?, model.map(Arc::from))))
                .collect(),
            strip_prefix: route.strip_prefix,
            lifetimes: Lifetimes {
                ttl: route.ttl.map(|ttl| ttl.0),
                stale_while_revalidate: route.stale_while_revalidate.map(|window| window.0),
                stale_if_error: route.stale_if_error.map(|window| window.0),
            },
        };
        Self(settings.iter().map(route).collect())
    }

    /// Whether nothing was configured, so that every model goes to the first fitting upstream.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first route that takes this model.
    pub(super) fn find(&self, model: &str) -> Option<Way> {
        let route = self.0.iter().find(|route| route.pattern.matches(model))?;
        Some(route.way(model))
    }

    /// Whether every model goes the same way, under its own name.
    pub(super) fn treat_all_alike(&self) -> bool {
        let alike = |route: &Route| route.pattern.takes_all() && route.to.iter().all(|(_, named)| named.is_none());
        self.0.first().is_none_or(alike)
    }

    /// The route for requests that name no model: the first one that takes every model.
    pub(super) fn catch_all(&self) -> Option<Way> {
        let route = self.0.iter().find(|route| route.pattern.takes_all())?;
        Some(route.way(""))
    }
}

impl Route {
    fn way(&self, model: &str) -> Way {
        Way { legs: self.legs(model), lifetimes: self.lifetimes, route: Arc::clone(&self.name) }
    }

    fn legs(&self, model: &str) -> Vec<Leg> {
        let prefix = if self.strip_prefix { self.pattern.prefix() } else { None };
        let asked = prefix.and_then(|prefix| model.strip_prefix(prefix)).unwrap_or(model);
        let leg = |(upstream, named): &(usize, Option<Arc<str>>)| Leg {
            upstream: *upstream,
            model: named.clone().unwrap_or_else(|| Arc::from(asked)),
        };
        self.to.iter().map(leg).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::Lasting;

    fn routes(table: &[(&str, &[&str], bool)]) -> Routes {
        let settings: Vec<_> = table
            .iter()
            .map(|(model, to, strip_prefix)| RouteSettings {
                model: (*model).to_owned(),
                to: to.iter().map(|to| (*to).to_owned()).collect(),
                strip_prefix: *strip_prefix,
                ttl: Some(Lasting::seconds(model.len() as u64)),
                stale_if_error: Some(Lasting::seconds(60)),
                ..RouteSettings::default()
            })
            .collect();
        Routes::new(&settings, |name| ["ollama", "openai"].iter().position(|known| *known == name))
    }

    fn legs(routes: &Routes, model: &str) -> Vec<(usize, String)> {
        let way = routes.find(model).unwrap();
        way.legs.into_iter().map(|leg| (leg.upstream, leg.model.to_string())).collect()
    }

    #[test]
    fn the_first_match_wins_and_its_targets_keep_their_order() {
        let routes = routes(&[("local/*", &["ollama", "openai:gpt-4o-mini"], true), ("*", &["openai"], false)]);
        assert_eq!(legs(&routes, "local/llama3:8b"), [(0, "llama3:8b".into()), (1, "gpt-4o-mini".into())]);
        assert_eq!(legs(&routes, "local"), [(1, "local".into())]);
        let local = routes.find("local/x").unwrap();
        let lifetimes = Lifetimes {
            ttl: Some(Duration::from_secs(7)),
            stale_while_revalidate: None,
            stale_if_error: Some(Duration::from_secs(60)),
        };
        assert_eq!((local.lifetimes, &*local.route), (lifetimes, "local/*"));
        assert_eq!(routes.catch_all().unwrap().legs, [Leg { upstream: 1, model: "".into() }]);
    }

    #[test]
    fn a_model_of_a_target_may_hold_colons() {
        assert_eq!(legs(&routes(&[("x", &["ollama:llama3:8b"], false)]), "x"), [(0, "llama3:8b".into())]);
    }

    #[test]
    fn without_a_match_there_is_no_route() {
        let routes = routes(&[("gpt-*", &["openai"], false)]);
        assert!(routes.find("llama3").is_none());
        assert!(routes.catch_all().is_none());
    }
}
