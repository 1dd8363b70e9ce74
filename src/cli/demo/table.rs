//! The demo's tables: what was asked, what happened and why, how long it took, what it saved.

use std::time::Duration;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, Table,
    TableStyle, Width, presets,
};

use super::script::Scene;
use super::stage::{Asked, Line};

/// Widths of the columns, in characters, the space around their text included.
const WIDTHS: [u16; 5] = [43, 44, 10, 10, 8];

/// A light frame without lines inside.
const FRAME: TableStyle = TableStyle::new()
    .top_border(LineStyle::new('┌', '─', '─', '┐'))
    .header_lines(ContentLineStyle::none().left('│').right('│'))
    .header_separator(LineStyle::new('├', '─', '─', '┤'))
    .content_lines(ContentLineStyle::none().left('│').right('│'))
    .bottom_border(LineStyle::new('└', '─', '─', '┘'));

/// A scene's heading.
pub(super) fn heading(number: usize, scene: &Scene) -> Table {
    let mut table = bare();
    table.add_row([Cell::new(format!("{number}. {}", scene.title)).add_attribute(Attribute::Bold)]);
    table.add_row([Cell::new(format!("   {}", scene.about)).add_attribute(Attribute::Dim)]);
    table
}

/// What came of a scene's requests.
pub(super) fn scene(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_style(FRAME).set_header(["asked", "what happened, and why", "took", "saved", "tokens"]);
    if table.width().is_some_and(|terminal| terminal < WIDTHS.iter().sum::<u16>() + 2) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        // The same in every scene, so that the eye finds them.
        table.set_constraints(WIDTHS.map(|width| ColumnConstraint::Absolute(Width::Fixed(width))));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for line in lines {
        match line {
            Line::Note(note) => table.add_row([Cell::new(format!("- {note} -")).fg(Color::Magenta)]),
            Line::Asked(asked) => table.add_row(row(asked)),
        };
    }
    table
}

/// The sums over the whole show.
pub(super) fn totals(lines: &[Line]) -> Table {
    let tally = Tally::of(lines);
    let mut table = Table::new();
    table.load_style(FRAME);
    let waited = format!("{} instead of {}", duration(tally.waited), duration(tally.waited + tally.time_saved));
    let written = format!("{} instead of {}", tally.written, tally.written + tally.tokens_saved);
    let answered = format!(
        "{} of {} ({} by the same words, {} by meaning, {} shared in flight)",
        tally.exact + tally.semantic + tally.shared,
        tally.requests,
        tally.exact,
        tally.semantic,
        tally.shared
    );
    for (what, figure) in [
        ("answered without the model", answered),
        ("traps refused, each by its veto", tally.vetoed.to_string()),
        ("time the apps waited", waited),
        ("tokens the model wrote", written),
    ] {
        table.add_row([Cell::new(what), Cell::new(figure).add_attribute(Attribute::Bold)]);
    }
    table
}

/// What went otherwise than it should have.
pub(super) fn faults(lines: &[Line]) -> Vec<String> {
    let asked = lines.iter().filter_map(|line| match line {
        Line::Asked(asked) => Some(asked),
        Line::Note(_) => None,
    });
    asked.filter_map(|asked| Some(format!("{:?}: {}", asked.exchange.ask.prompt, asked.fault.as_ref()?))).collect()
}

fn bare() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

fn row(asked: &Asked) -> [Cell; 5] {
    let exchange = &asked.exchange;
    let manner = exchange.ask.manner();
    let prompt =
        if manner.is_empty() { exchange.ask.prompt.to_owned() } else { format!("{} ({manner})", exchange.ask.prompt) };
    let prompt = if asked.count > 1 { format!("{} x {prompt}", asked.count) } else { prompt };
    let (mut happened, colour) = happened(asked);
    if exchange.ask.stream {
        happened = format!("{happened}\nfirst words after {}", duration(exchange.first));
    }
    if let Some(fault) = &asked.fault {
        happened = format!("{happened}\nWRONG: {fault}");
    }
    let happened = match colour {
        _ if asked.fault.is_some() => Cell::new(happened).fg(Color::Red),
        Some(colour) => Cell::new(happened).fg(colour),
        None => Cell::new(happened),
    };
    let [time, tokens] = saved(asked);
    [Cell::new(prompt), happened, Cell::new(duration(exchange.took)), time, tokens]
}

fn happened(asked: &Asked) -> (String, Option<Color>) {
    let exchange = &asked.exchange;
    let reason = exchange.reason.as_deref();
    match (&*exchange.status, exchange.matched.as_deref(), reason) {
        ("HIT", Some("semantic"), _) => {
            let similarity = exchange.similarity.as_deref().unwrap_or("?");
            let original = asked.answer_to.unwrap_or("?");
            (format!("semantic hit {similarity}\nasked before: {original}"), Some(Color::Green))
        }
        ("HIT", _, _) => ("exact hit".to_owned(), Some(Color::Green)),
        ("STALE", _, _) => ("stale hit, renewed in the background".to_owned(), Some(Color::Green)),
        ("COLLAPSED", _, _) => ("shared the answer in flight".to_owned(), Some(Color::Green)),
        ("MISS", _, None | Some("below-threshold")) => ("asked the model".to_owned(), None),
        ("MISS" | "BYPASS", _, Some(reason)) => {
            let colour = reason.starts_with("veto-").then_some(Color::Cyan);
            (format!("asked the model: {reason}\n{}", in_words(reason)).trim_end().to_owned(), colour)
        }
        (status, _, reason) => (format!("{status} {}", reason.unwrap_or_default()), None),
    }
}

/// The reasons that the show is about, for people.
fn in_words(reason: &str) -> &'static str {
    match reason {
        "veto-antonym" => "one says the opposite of the other",
        "veto-direction" => "the same parts in reversed roles",
        "veto-order" => "the same words in another order",
        "veto-negation" => "one of them is negated",
        "veto-number" => "their numbers differ",
        "veto-ordinal" => "another place in the ranking",
        "veto-unit" => "their units differ",
        "model-changed" => "the old build's answer is not served",
        "live" => "it holds for this moment only",
        _ => "",
    }
}

/// Time and tokens, where there is something to speak of.
fn saved(asked: &Asked) -> [Cell; 2] {
    let (time, tokens) = (asked.time_saved * asked.count, asked.tokens_saved * u64::from(asked.count));
    // Those who share an answer in flight wait as long as the one who asked, or a hair less.
    let time = if time < Duration::from_millis(100) { String::new() } else { duration(time) };
    [Cell::new(time), Cell::new(if tokens == 0 { String::new() } else { tokens.to_string() })]
}

/// Three digits, whatever the size.
fn duration(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    match millis {
        ..9.995 => format!("{millis:.2} ms"),
        ..99.95 => format!("{millis:.1} ms"),
        ..999.5 => format!("{millis:.0} ms"),
        _ => format!("{:.2} s", millis / 1000.0),
    }
}

#[derive(Debug, Default)]
struct Tally {
    requests: u32,
    exact: u32,
    semantic: u32,
    shared: u32,
    vetoed: u32,
    waited: Duration,
    time_saved: Duration,
    written: u64,
    tokens_saved: u64,
}

impl Tally {
    fn of(lines: &[Line]) -> Self {
        let mut tally = Self::default();
        for line in lines {
            let Line::Asked(asked) = line else { continue };
            let exchange = &asked.exchange;
            tally.requests += asked.count;
            tally.waited += exchange.took * asked.count;
            tally.time_saved += asked.time_saved * asked.count;
            tally.tokens_saved += asked.tokens_saved * u64::from(asked.count);
            if exchange.asked_the_model() {
                tally.written += exchange.tokens;
            }
            let vetoed = exchange.reason.as_deref().is_some_and(|reason| reason.starts_with("veto-"));
            match (&*exchange.status, exchange.matched.as_deref()) {
                ("HIT" | "STALE", Some("semantic")) => tally.semantic += asked.count,
                ("HIT" | "STALE", _) => tally.exact += asked.count,
                ("COLLAPSED", _) => tally.shared += asked.count,
                _ if vetoed => tally.vetoed += asked.count,
                _ => {}
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::Exchange;
    use super::super::script::{Ask, Call};
    use super::*;

    fn asked(status: &str, matched: Option<&str>, reason: Option<&str>, count: u32) -> Line {
        let ask = Ask { prompt: "Why?", call: Call::Ollama, stream: true, key: "k", headers: &[] };
        let exchange = Exchange {
            ask,
            status: status.to_owned(),
            matched: matched.map(str::to_owned),
            similarity: Some("0.9731".to_owned()),
            reason: reason.map(str::to_owned),
            first: Duration::from_millis(2),
            took: Duration::from_millis(4),
            text: "So.".to_owned(),
            tokens: 10,
        };
        let hit = status != "MISS";
        Line::Asked(Box::new(Asked {
            exchange,
            count,
            answer_to: hit.then_some("How come?"),
            time_saved: if hit { Duration::from_secs(1) } else { Duration::ZERO },
            tokens_saved: if hit { 10 } else { 0 },
            fault: None,
        }))
    }

    #[test]
    fn a_row_says_what_happened_and_why() {
        let table = scene(&[
            asked("MISS", None, Some("veto-antonym"), 1),
            asked("HIT", Some("semantic"), None, 1),
            asked("COLLAPSED", None, None, 7),
            Line::Note("time passes".to_owned()),
        ])
        .to_string();
        for part in [
            "Why? (Ollama API, streamed)",
            "asked the model: veto-antonym",
            "one says the opposite of the other",
            "semantic hit 0.9731",
            "first words after 2.00 ms",
            "asked before: How come?",
            "1.00 s       10",
            "7 x Why?",
            "7.00 s       70",
            "- time passes -",
        ] {
            assert!(table.contains(part), "{part} in\n{table}");
        }
    }

    #[test]
    fn totals_count_requests_not_lines() {
        let table = totals(&[
            asked("MISS", None, None, 1),
            asked("MISS", None, Some("veto-number"), 1),
            asked("HIT", Some("exact"), None, 1),
            asked("COLLAPSED", None, None, 7),
        ])
        .to_string();
        for part in [
            "8 of 10 (1 by the same words, 0 by meaning, 7 shared in flight)",
            "20 instead of 100",
            "40.0 ms instead of 8.04 s",
        ] {
            assert!(table.contains(part), "{part} in\n{table}");
        }
    }

    #[test]
    fn durations_have_three_digits() {
        for (micros, text) in
            [(4120, "4.12 ms"), (41_234, "41.2 ms"), (412_345, "412 ms"), (4_123_456, "4.12 s"), (999_900, "1.00 s")]
        {
            assert_eq!(duration(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn faults_name_the_prompt() {
        let Line::Asked(mut wrong) = asked("MISS", None, None, 1) else { return };
        wrong.fault = Some("expected an exact hit".to_owned());
        let lines = [asked("MISS", None, None, 1), Line::Asked(wrong)];
        assert_eq!(faults(&lines), ["\"Why?\": expected an exact hit"]);
    }
}
