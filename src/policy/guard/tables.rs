//! Holds every veto to its table in `tests/pairs/`, and all of them to the laws of a judge.

use std::path::PathBuf;

use proptest::prelude::*;

use crate::domain::Veto;
use crate::policy::judge::{Candidate, Finding, Settings, judge};

/// A row of a table: whether its veto must speak, and the pair.
struct Row {
    catch: bool,
    a: String,
    b: String,
}

fn table(name: &str) -> Vec<Row> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pairs").join(format!("{name}.tsv"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    let rows = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    rows.map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind @ ("catch" | "leave"), a, b] = fields[..] else { panic!("{name}: not a row: {line:?}") };
        Row { catch: kind == "catch", a: a.replace("\\n", "\n"), b: b.replace("\\n", "\n") }
    })
    .collect()
}

fn finding(a: &str, b: &str) -> Finding {
    found_at(1.0, a, b)
}

/// The tables of the two vetoes that give way to similarity are read below the bar where they do.
fn table_finding(veto: Veto, a: &str, b: &str) -> Finding {
    let gives_way = matches!(veto, Veto::Substitution | Veto::Scope);
    found_at(if gives_way { 0.875 } else { 1.0 }, a, b)
}

fn found_at(similarity: f32, a: &str, b: &str) -> Finding {
    judge(a, &[Candidate { prompt: b, similarity }], None, &Settings::default()).findings.remove(0)
}

#[test]
fn every_veto_catches_and_leaves_alone_what_its_table_says() {
    let mut faults = Vec::new();
    for veto in Veto::ALL {
        let rows = table(veto.as_str());
        for catch in [true, false] {
            let count = rows.iter().filter(|row| row.catch == catch).count();
            assert!(count >= 10, "{}: only {count} rows of this kind: catch = {catch}", veto.as_str());
        }
        for row in rows {
            let finding = table_finding(*veto, &row.a, &row.b);
            if finding.vetoes.contains(veto) != row.catch {
                let must = if row.catch { "must catch" } else { "must leave" };
                faults.push(format!("{} {must} {:?} | {:?}: {:?}", veto.as_str(), row.a, row.b, finding.objections));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn nothing_speaks_against_plain_rewordings() {
    let refused: Vec<_> = table("rewordings")
        .iter()
        .map(|row| (row.a.clone(), row.b.clone(), finding(&row.a, &row.b).objections))
        .filter(|(_, _, objections)| !objections.is_empty())
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Of a suite: near-misses, how many are accepted, rewordings, how many are kept. The similarities stand with the pairs
/// (all-MiniLM-L6-v2), so that no embedder is needed here.
fn tally(suite: &str) -> [usize; 4] {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pairs").join(suite);
    let text = std::fs::read_to_string(path).unwrap();
    let [mut near_misses, mut accepted, mut rewordings, mut kept] = [0; 4];
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "three decimals")]
        let similarity = row["similarity"].as_f64().unwrap() as f32;
        let candidates = [Candidate { prompt: row["b"].as_str().unwrap(), similarity }];
        let taken = judge(row["a"].as_str().unwrap(), &candidates, None, &Settings::default()).chosen.is_some();
        let same = row["same"].as_bool().unwrap();
        let (all, of_them) = if same { (&mut rewordings, &mut kept) } else { (&mut near_misses, &mut accepted) };
        *all += 1;
        *of_them += usize::from(taken);
    }
    [near_misses, accepted, rewordings, kept]
}

#[test]
fn the_shipped_default_holds_its_goal_on_the_projects_own_suite() {
    let [near_misses, accepted, rewordings, kept] = tally("suite.jsonl");
    assert!(accepted * 100 <= near_misses * 5, "{accepted} of {near_misses} near-misses accepted");
    assert!(kept * 100 >= rewordings * 75, "{kept} of {rewordings} rewordings kept");
}

/// What stands of the free phrasings whose errors were read.
#[test]
fn free_phrasings_keep_their_figures() {
    let [near_misses, accepted, rewordings, kept] = tally("phrasings.jsonl");
    assert!(accepted * 100 <= near_misses * 2, "{accepted} of {near_misses} near-misses accepted");
    assert!(kept * 100 >= rewordings * 44, "{kept} of {rewordings} rewordings kept");
}

/// These suites are kept aside: no rule and no list may be made from their errors, or they tell nothing any more.
#[test]
fn what_was_not_tuned_on_keeps_its_figures() {
    for (suite, least) in [("aside.jsonl", 70), ("apart.jsonl", 68), ("phrasings-aside.jsonl", 38)] {
        let [near_misses, accepted, rewordings, kept] = tally(suite);
        assert!(accepted * 100 <= near_misses * 5, "{suite}: {accepted} of {near_misses} near-misses accepted");
        assert!(kept * 100 >= rewordings * least, "{suite}: {kept} of {rewordings} rewordings kept");
    }
}

/// Every prompt of every table.
fn prompts() -> Vec<String> {
    let names = Veto::ALL.iter().map(|veto| veto.as_str()).chain(["rewordings"]);
    names.flat_map(table).flat_map(|row| [row.a, row.b]).collect()
}

#[test]
fn a_prompt_always_matches_itself() {
    for prompt in prompts() {
        assert_eq!(finding(&prompt, &prompt).against, None, "{prompt}");
    }
}

/// What a word is does not hang on what was read before it: here the second reading found `o'neil` looked up.
#[test]
fn a_prompt_is_read_alike_the_first_time_and_the_second() {
    let prompt = "Where did O'Neil live before O'Neil's house was built?";
    assert_eq!(finding(prompt, prompt).against, None, "{:?}", finding(prompt, prompt).objections);
}

#[test]
fn judging_is_symmetric() {
    for row in Veto::ALL.iter().flat_map(|veto| table(veto.as_str())).chain(table("rewordings")) {
        let sorted = |mut vetoes: Vec<Veto>| {
            vetoes.sort_unstable();
            vetoes
        };
        let (ab, ba) = (finding(&row.a, &row.b), finding(&row.b, &row.a));
        assert_eq!(sorted(ab.vetoes), sorted(ba.vetoes), "{} | {}", row.a, row.b);
    }
}

/// The prompt with everything changed that says nothing: case, white space, punctuation at its end, Unicode form.
fn disguised(prompt: &str, how: usize) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    match how {
        0 => prompt.to_lowercase(),
        1 => prompt.replace(' ', "  \t "),
        2 => format!("  {}!!  ", prompt.trim_end_matches(['?', '.', '!'])),
        3 => prompt.nfd().collect(),
        _ => prompt.to_uppercase(),
    }
}

#[test]
fn a_disguise_is_no_difference() {
    let mut faults = Vec::new();
    for prompt in prompts().into_iter().filter(|prompt| !prompt.contains('\n')) {
        for how in 0..5 {
            let other = disguised(&prompt, how);
            let objections = finding(&prompt, &other).objections;
            if !objections.is_empty() {
                faults.push(format!("{prompt:?} | {other:?}: {objections:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

proptest! {
    #[test]
    fn any_text_matches_itself_and_is_judged_alike_both_ways(a in "\\PC{0,60}", b in "\\PC{0,60}") {
        prop_assert_eq!(finding(&a, &a).against, None);
        let sorted = |mut vetoes: Vec<Veto>| { vetoes.sort_unstable(); vetoes };
        prop_assert_eq!(sorted(finding(&a, &b).vetoes), sorted(finding(&b, &a).vetoes));
    }

    #[test]
    fn any_sentence_matches_itself_in_disguise(
        words in prop::collection::vec("[a-z]{1,9}|[0-9]{1,4}|how|what|not|the|to|from", 1..14),
        how in 0_usize..5,
    ) {
        let prompt = words.join(" ");
        prop_assert_eq!(finding(&prompt, &disguised(&prompt, how)).objections, vec![]);
    }

    #[test]
    fn a_callers_floor_only_tightens(similarity in -1.0_f32..=1.0, floor in prop::option::of(-1.0_f32..=1.0)) {
        let candidates = [Candidate { prompt: "How tall is Mount Fuji?", similarity }];
        let chosen = |floor| judge("What is the height of Mount Fuji?", &candidates, floor, &Settings::default()).chosen;
        prop_assert!(chosen(floor).is_none() || chosen(None).is_some());
    }
}
