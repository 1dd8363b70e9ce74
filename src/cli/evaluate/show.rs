//! Reports as tables for a terminal.

use comfy_table::{CellAlignment, Table, presets};

use super::{Latency, Point, pairs, replay};

/// Prints the report on pairs.
pub(super) fn pairs(report: &pairs::Report) -> anyhow::Result<()> {
    let all = &report.all;
    println!("{} near-misses, {} rewordings", all.near_misses, all.rewordings);
    let mut table = table(&["", "near-misses accepted", "rewordings kept", "wrong among accepted"]);
    for score in &all.scores {
        table.add_row([score.point.name(), percent(score.accepted), percent(score.kept), percent(score.wrong)]);
    }
    println!("{table}");
    if report.kinds.len() > 1 {
        by_kind(&report.kinds);
    }
    reasons(report);
    mistakes("accepted, though they differ", &report.wrongly_accepted);
    mistakes("refused, though they ask the same", &report.wrongly_refused);
    latency("decision alone, one candidate", report.latency_us);
    report.reading_us.into_iter().for_each(|reading| latency("second stage, one pair", reading));
    Ok(())
}

fn by_kind(kinds: &[pairs::Kind]) {
    let names = |kinds: &[pairs::Kind]| -> Vec<String> {
        kinds.first().map(|kind| kind.scores.iter().map(|score| score.point.name()).collect()).unwrap_or_default()
    };
    let names = names(kinds);
    let header = ["accepted / kept by kind", "pairs"].into_iter().chain(names.iter().map(|name| &**name));
    let mut table = table(&header.collect::<Vec<_>>());
    for kind in kinds {
        let cell = |score: &pairs::Score| match (kind.near_misses, kind.rewordings) {
            (0, _) => format!("kept {}", percent(score.kept)),
            (_, 0) => format!("accepted {}", percent(score.accepted)),
            _ => format!("{} / {}", percent(score.accepted), percent(score.kept)),
        };
        let head = [kind.tag.clone(), (kind.near_misses + kind.rewordings).to_string()];
        table.add_row(head.into_iter().chain(kind.scores.iter().map(cell)));
    }
    println!("\n{table}");
}

fn reasons(report: &pairs::Report) {
    let mut table = table(&["what the policy said", "near-misses", "rewordings"]);
    for (reason, (near_misses, rewordings)) in &report.reasons {
        table.add_row([(*reason).to_owned(), near_misses.to_string(), rewordings.to_string()]);
    }
    println!("\n{table}");
}

fn mistakes(what: &str, mistakes: &[pairs::Mistake]) {
    if mistakes.is_empty() {
        return;
    }
    println!("\n{what}, the most alike first:");
    for one in mistakes {
        let against = if one.against.is_empty() { String::new() } else { format!("  {}", one.against.join(", ")) };
        println!("  {:.3} {}{against}\n        {}\n        {}", one.similarity, one.tag, one.a, one.b);
    }
}

/// Prints the report on a log.
pub(super) fn log(report: &replay::Report) -> anyhow::Result<()> {
    println!("{} prompts, replayed in order: each looks among the earlier ones that missed", report.prompts);
    let mut table = table(&["", "hits by equality", "hits by meaning", "wrong among hits by meaning"]);
    for score in &report.scores {
        let wrong = score.wrong.map_or_else(|| "no classes".to_owned(), percent);
        table.add_row([Point::name(score.point), percent(score.exact), percent(score.semantic), wrong]);
    }
    println!("{table}");
    let mut table = self::table(&["why the policy missed", "prompts"]);
    for (reason, count) in &report.reasons {
        table.add_row([(*reason).to_owned(), count.to_string()]);
    }
    println!("\n{table}");
    if !report.false_hits.is_empty() {
        println!("\nfalse hits, the most alike first:");
    }
    for one in &report.false_hits {
        println!(
            "  {:.3} [{}] {}\n        [{}] {}",
            one.similarity, one.class, one.prompt, one.served_class, one.served
        );
    }
    latency("decision alone, up to eight candidates", report.latency_us);
    report.reading_us.into_iter().for_each(|reading| latency("second stage, one pair", reading));
    Ok(())
}

fn latency(of: &str, latency: Latency) {
    println!("\n{of}: p50 {:.0} us, p99 {:.0} us", latency.p50, latency.p99);
}

pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
