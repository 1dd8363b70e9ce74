//! Identical requests at the same time: one upstream call, and nobody wedged by what becomes of it.

use futures_util::future::join_all;

use crate::harness::{Answer, FakeUpstream, Gate, TestApp};

#[tokio::test]
async fn identical_requests_at_once_make_one_upstream_call() {
    let gate = Gate::new();
    let app = TestApp::with(FakeUpstream::openai().reply(Answer::text("one two").behind(&gate))).await;
    let asking = join_all((0..20).map(|_| app.chat("Count").send()));
    let opening = async {
        gate.reached().await;
        gate.open();
    };
    let (replies, ()) = tokio::join!(asking, opening);
    assert!(replies.iter().all(|reply| reply.said() == "one two"));
    assert_eq!(app.upstream().calls(), 1);
    let leaders = replies.iter().filter(|reply| reply.outcome() == "MISS").count();
    assert_eq!(leaders, 1, "{:?}", replies.iter().map(|reply| reply.outcome().to_owned()).collect::<Vec<_>>());
}

#[tokio::test]
async fn followers_receive_the_stream_as_it_comes() {
    let gate = Gate::new();
    let app = TestApp::with(FakeUpstream::openai().reply(Answer::text("one two three").pause_after(2, &gate))).await;
    let mut leader = app.chat("Count").stream(true).open().await;
    leader.read_until("one").await;
    gate.reached().await;
    let mut follower = app.chat("Count").stream(true).open().await;
    assert_eq!(follower.headers["x-cache-status"], "COLLAPSED");
    assert_eq!(follower.headers["cache-status"], "dejavu; fwd=miss; collapsed");
    follower.read_until("one").await;
    gate.open();
    for live in [leader, follower] {
        assert!(live.rest().await.unwrap().ends_with("[DONE]\n\n"));
    }
    assert_eq!(app.upstream().calls(), 1);
}

#[tokio::test]
async fn a_follower_of_another_shape_gets_the_whole_answer() {
    let gate = Gate::new();
    let upstream = FakeUpstream::openai().reply("hello").reply(Answer::text("one two").pause_after(2, &gate));
    let app = TestApp::with(upstream).await;
    // A model's first answer tells its version, which is part of a request's identity.
    app.chat("Hello").send().await;
    let leader = app.chat("Count").stream(true).open().await;
    gate.reached().await;
    let follower = app.chat("Count").send();
    let opening = async {
        // Nothing tells from outside that the follower waits, so it may also come when all is done: both are right.
        gate.open();
    };
    let (follower, ()) = tokio::join!(follower, opening);
    assert_eq!(follower.said(), "one two");
    assert_eq!(follower.json()["object"], "chat.completion");
    assert!(["COLLAPSED", "HIT"].contains(&follower.outcome()));
    leader.rest().await.unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_does_not_lose_the_recording() {
    for stream in [false, true] {
        let gate = Gate::new();
        let upstream = FakeUpstream::openai().reply("hello").reply(Answer::text("one two").pause_after(1, &gate));
        let app = TestApp::with(upstream).await;
        app.chat("Hello").send().await;
        let asking = app.chat("Count").stream(stream).open();
        let leaving = async {
            gate.reached().await;
        };
        // Whichever comes first, the request is dropped while the answer is under way.
        tokio::select! {
            live = asking => { gate.reached().await; drop(live); }
            () = leaving => {}
        }
        gate.open();
        let warm = app.chat("Count").send().await;
        assert_eq!(warm.said(), "one two");
        assert!(["HIT", "COLLAPSED"].contains(&warm.outcome()), "{}", warm.outcome());
        assert_eq!(app.upstream().calls(), 2);
    }
}

#[tokio::test]
async fn a_leaders_failure_frees_its_followers() {
    let gate = Gate::new();
    let upstream =
        FakeUpstream::openai().reply(Answer::text("lost").behind(&gate).cut_after(0)).reply("found").always("again");
    let app = TestApp::with(upstream).await;
    let asking = join_all((0..5).map(|_| app.chat("Count").send()));
    let opening = async {
        gate.reached().await;
        gate.open();
    };
    let (replies, ()) = tokio::join!(asking, opening);
    for reply in &replies {
        assert!(reply.status == 502 || reply.cut || ["found", "again"].contains(&reply.said().as_str()), "{reply:?}");
    }
    assert!(["found", "again"].contains(&app.chat("Count").send().await.said().as_str()));
}

#[tokio::test]
async fn requests_that_differ_in_any_field_do_not_collapse() {
    let gate = Gate::new();
    let app = TestApp::with(FakeUpstream::openai().always(Answer::text("x").behind(&gate))).await;
    let asking = join_all((0..3).map(|seed| app.chat("Count").field("seed", seed).send()));
    let opening = async {
        gate.reached_by(3).await;
        gate.open();
    };
    let (replies, ()) = tokio::join!(asking, opening);
    assert!(replies.iter().all(|reply| reply.outcome() == "MISS"));
    assert_eq!(app.upstream().calls(), 3);
}
