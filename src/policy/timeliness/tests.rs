//! What the shipped weights make of some questions, and the law of the file's form.

use super::Timeliness::{self, Hours, Live, Minutes, None};
use super::{Weights, count, find, name, signs, timeliness};

#[test]
fn questions_are_what_people_take_them_for() {
    let table = [
        ("what is the weather right now", Live),
        ("What is the weather right now?", Live),
        ("What's the weather like in Bergen right now?", Live),
        ("what time is it", Live),
        ("Is the tunnel jammed at the moment?", Live),
        ("What is the weather in Turin?", Minutes),
        ("What happened in the news today?", Minutes),
        ("Is the subway running on time today?", Minutes),
        ("Who is the president of the United States?", Hours),
        ("What is the latest iPhone?", Hours),
        ("Who won the cup last year?", Hours),
        ("who wrote Hamlet", None),
        ("Who wrote Hamlet?", None),
        ("What is the capital of France?", None),
        ("How do I reset my password?", None),
        ("How do I get the current time in Java?", None),
        ("Write a poem about tonight's weather", None),
        ("my server is down right now, what should I check first", None),
        ("What is the meaning of \"right now\"?", None),
        ("", None),
        ("?", None),
    ];
    for (question, expected) in table {
        assert_eq!(timeliness(question), expected, "{question}: {:?}", find(question));
    }
}

#[test]
fn the_signs_of_a_finding_are_readable() {
    let found = find("what is the weather right now");
    assert_eq!(found.timeliness, Live);
    assert!(found.signs.iter().any(|sign| sign.contains("instant")), "{found:?}");
    assert!((found.odds.iter().sum::<f32>() - 1.0).abs() < 1e-5);
}

#[test]
fn a_long_prompt_is_judged_by_its_ends() {
    let material = "The committee met and spoke of many matters. ".repeat(200);
    assert_eq!(timeliness(&format!("{material}\nQuestion: what is the weather right now?")), Live);
    assert_eq!(signs(&"日".repeat(5000)).len(), signs(&"日".repeat(9000)).len());
}

#[test]
fn weights_read_back_and_refuse_what_they_do_not_know() {
    let shipped = Weights::shipped();
    assert_eq!(&Weights::read(&shipped.write()).unwrap(), shipped);
    assert_eq!(Weights::read("# a comment\n\n1 2 3 4 | no such sign").unwrap_err().0, 3);
    assert_eq!(Weights::read("1 2 3 | bias").unwrap_err().0, 1);
}

#[test]
fn no_sign_is_named_twice_and_every_word_of_a_class_is_its_own() {
    let names: std::collections::BTreeSet<_> = (0..count()).map(name).collect();
    assert_eq!(names.len(), count());
    assert_eq!(Timeliness::ALL.map(Timeliness::as_str), ["none", "hours", "minutes", "live"]);
}
