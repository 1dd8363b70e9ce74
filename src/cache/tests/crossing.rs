//! Nothing crosses a scope: the law, on random requests.

use proptest::prelude::*;

use super::house::{Ask, House, ask, target};
use crate::cache::Lookup;
use crate::domain::{Directives, Location, Namespace};

/// Few values each, so that requests meet.
fn asks() -> impl Strategy<Value = Ask> {
    let model = prop::sample::select(vec![("ollama", "llama3"), ("ollama", "qwen"), ("openai", "llama3")]);
    let who = prop::sample::select(vec![("ada", ""), ("ada", "test"), ("bob", ""), ("bob", "test")]);
    let prompt = prop::sample::select(vec!["How do I reset my password?", "How can I reset my password?"]);
    let frame = prop::sample::select(vec!["be brief", "be verbose"]);
    (model, who, prompt, frame).prop_map(|((upstream, model), (tenant, namespace), prompt, frame)| {
        ask(prompt).with(|ask| {
            ask.tenant = tenant;
            ask.namespace = namespace;
            ask.directives = Directives { namespace: Namespace(namespace.into()), ..Directives::default() };
            ask.frame = frame;
            ask.targets = vec![target(upstream, model, Location::Local)];
        })
    })
}

/// Everything that must be equal before words are compared.
fn scope(ask: &Ask) -> String {
    format!("{} {} {} {:?}", ask.tenant, ask.namespace, ask.frame, ask.targets)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_answer_is_served_in_its_own_scope_and_nowhere_else(asks in prop::collection::vec(asks(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::open().await;
            house.embedder.place("How can I reset my password?", "How do I reset my password?", 0.97);
            let mut answered = std::collections::HashSet::new();
            for ask in &asks {
                let scope = scope(ask);
                match house.lookup(ask).await {
                    Lookup::Hit(hit) => {
                        assert_eq!(super::house::text(&hit.entry), scope);
                        assert!(answered.contains(&scope));
                    }
                    Lookup::Miss(ticket) => {
                        assert!(answered.insert(scope.clone()), "the scope has an answer to this question");
                        ticket.fill(ask.filling(&scope)).await.unwrap();
                    }
                    other => panic!("{:?}", super::house::said(&other)),
                }
            }
        });
    }
}
