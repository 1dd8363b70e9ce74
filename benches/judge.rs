//! The decision alone: eight candidates of 64 tokens each, all near enough to be read, as in the worst lookup.
//!
//! `cargo bench --bench judge` prints, first, the percentiles of 20,000 single decisions, no two of which see the same
//! prompts, and then criterion's estimates.

use std::hint::black_box;
use std::time::Instant;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dejavu::policy::judge::{self, Candidate, Settings, judge};
use fastrand::Rng;

/// What people write, in as many ways as there are choices in brackets: some are other wordings, some other questions.
/// 52 to 60 words, which are 60 to 69 tokens to all-MiniLM-L6-v2, 65 on average. In the last two, a frame stands around a
/// part that varies.
const SCENES: [&str; 8] = [
    "I run a small bakery with [3|4|two] ovens, and since last [spring|autumn] the [rye|wheat|white] bread that we bake \
     on weekday mornings [comes out|turns out|is] [wet|sticky|raw] in the middle while the crust is already dark. The \
     flour [comes from the same mill as before|has not changed]. [What could be the reason for this|Why does this \
     happen], and how do I [change the temperature|adjust the baking time]?",
    "Our [Postgres|MySQL] database has grown to [300|200] gigabytes, and the nightly backup now takes [six|seven] hours. \
     The server has [plenty of|enough] memory but only slow disks. [How can I|What is the best way to] make the backup \
     [faster|smaller] without stopping the service? We [already compress it|use replication], and [our customers \
     complain|my boss complains] when [queries|reports] become slow in the [morning|night].",
    "[I want to travel|I am planning a trip] from [Lisbon|Madrid] to [Tokyo|Osaka] in [October|May] with my two children, \
     who are [five|six] and nine years old. [Could you suggest|Please recommend] a plan for [ten|twelve] days that is \
     not too tiring, with [museums|parks] and some [quiet places|beaches]? We like [trains|hiking], do not eat \
     [meat|fish], and would [rather|prefer to] spend [less|little] than [4000|5000] euros.",
    "[Explain|Can you explain] how [a vaccine|an antibiotic] works to somebody who [never studied|knows nothing of] \
     biology. Start with what the body does when a [virus|germ] enters it for the [first|second] time, then say what the \
     [injection|medicine] changes, and why some people [feel ill|get a fever] afterwards. [Avoid|Do not use] foreign \
     words, give one [everyday|simple] example, and end with what is still [unknown|not understood].",
    "My landlord [has not repaired|refuses to repair] the [heating|boiler] for [three|five] weeks although I [wrote to \
     him|called him] several times, and it is [winter|cold]. [Am I allowed to|May I] pay [less rent|no rent] until it \
     [works|is fixed] again, and do I have to [tell him|announce it] [before|first]? I live in [Vienna|Berlin], my \
     contract [runs|lasts] for another year, and I [would like|want] to stay in the flat if [possible|I can].",
    "Write a function in [Python|JavaScript] that [reads|parses] a [CSV|JSON] file with [customer|order] records, \
     [removes|drops] those without an email address, sorts the rest by [date|name], and [writes|saves] them to a new \
     file. It should [handle|cope with] files that are [larger than memory|very large], report how many records were \
     [removed|kept], and [raise an error|stop] when the file does not [exist|open]. Add [tests|comments], please.",
    "You are the help desk of a shop for garden tools. Answer politely, in at most three sentences, and name the page of \
     the manual where the customer can read more. If you do not know the answer, say so and give our phone number.\n\
     Question: [How do I|How can I|What is the way to] [sharpen|clean|oil] the [blade|chain] of my [old|electric|new] \
     [mower|saw|trimmer] [at home|before winter]?",
    "Classify the following message of a guest of our hotel as praise, complaint or question, and give the department that \
     should answer it: reception, kitchen, cleaning or management. Answer with two words and nothing else.\n\
     Message: \"The [room|bath] was [clean|dirty|cold] and the [breakfast|dinner] was [good|late|too small], [but|and] \
     the [pool|sauna] was [closed|crowded] on [both|most] days of our stay.\"",
];

/// The scene with one alternative taken of each choice: the one numbered in `taken`, which the first prompt fills, or
/// for one choice in four another.
fn written(scene: &str, taken: &mut Vec<usize>, rng: &mut Rng) -> String {
    let mut text = String::with_capacity(400);
    for (nth, part) in scene.split('[').enumerate() {
        let Some((choice, rest)) = part.split_once(']') else {
            text.push_str(part);
            continue;
        };
        let alternatives: Vec<&str> = choice.split('|').collect();
        let known = taken.get(nth - 1).copied();
        let at = known.filter(|_| rng.u8(..4) > 0).unwrap_or_else(|| rng.usize(..alternatives.len()));
        if known.is_none() {
            taken.push(at);
        }
        text.push_str(alternatives[at]);
        text.push_str(rest);
    }
    text
}

/// A prompt and eight others near it, none of which is the same.
fn asked(nth: usize, rng: &mut Rng) -> (String, [String; 8]) {
    let scene = SCENES[nth % SCENES.len()];
    let mut taken = Vec::new();
    let asked = written(scene, &mut taken, rng);
    let mut another = || std::iter::repeat_with(|| written(scene, &mut taken, rng)).find(|other| *other != asked);
    let others = std::array::from_fn(|_| another().expect("there are always more"));
    (asked, others)
}

fn near(others: &[String]) -> Vec<Candidate<'_>> {
    others.iter().map(|prompt| Candidate { prompt, similarity: 0.97 }).collect()
}

/// The decision's cost by the length of the prompts.
fn decisions(c: &mut Criterion) {
    judge::prepare();
    let settings = Settings::default();
    let mut rng = Rng::with_seed(64);
    let mut words = 0;
    let mut micros: Vec<f64> = (0..20_000)
        .map(|nth| {
            let (asked, others) = asked(nth, &mut rng);
            words += asked.split_whitespace().count();
            let candidates = near(&others);
            let started = Instant::now();
            black_box(judge(black_box(&asked), &candidates, None, &settings));
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    let at = |share: usize| micros[micros.len() * share / 1000];
    println!(
        "eight candidates of 64 tokens ({} words): p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us",
        words / micros.len(),
        at(500),
        at(990),
        at(999)
    );

    let traffic: Vec<_> = (0..800).map(|nth| asked(nth, &mut rng)).collect();
    let mut turns = traffic.iter().cycle();
    c.bench_function("judge: 8 candidates of 64 tokens", |b| {
        b.iter_batched(
            || turns.next().map(|(asked, others)| (asked, near(others))).expect("a cycle never ends"),
            |(asked, candidates)| judge(asked, &candidates, None, &settings),
            BatchSize::SmallInput,
        );
    });
    let short = [Candidate { prompt: "How do I switch off dark mode in the app?", similarity: 0.97 }; 8];
    c.bench_function("judge: 8 candidates of 10 words", |b| {
        b.iter(|| judge(black_box("How do I switch on dark mode in the app?"), &short, None, &settings));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50);
    targets = decisions
}
criterion_main!(benches);
