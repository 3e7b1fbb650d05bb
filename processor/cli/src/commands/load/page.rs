//! The report as one page that needs nothing else.
//!
//! Invariant: every word that comes from the command line, the cluster or the machine goes through `safe`.

use std::fmt::Write as _;

use gavel_runtime::load::{Arrivals, Latency, Report, Summary};
use jiff::Timestamp;

use super::plots;
use super::text::{decimal, grouped, time, traffic};
use crate::page::{self, safe};

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn page(report: &Report) -> String {
    let title = traffic(&report.plan.traffic);
    let mut html = page::begin(&format!("gavel load: {title}"), STYLE);
    let _ = write!(html, "<h1>{}</h1>", safe(&title));
    head(report, &mut html);
    if let Some(latency) = &report.latency {
        tiles(report, latency, &mut html);
        objectives(report, &mut html);
        curves(report, latency, &mut html);
        over_time(report, &mut html);
    }
    figures(report, &mut html);
    counts(report, &mut html);
    facts(report, &mut html);
    seconds(report, &mut html);
    page::end(html)
}

fn head(report: &Report, html: &mut String) {
    let run = &report.run;
    let _ = write!(
        html,
        "<p class=\"soft\">gavel load, run {}, {} on {}{}</p>",
        safe(&run.id),
        Timestamp::from_millisecond(run.started_at_ms)
            .map_or_else(|_| String::new(), |at| at.to_string()),
        safe(&run.host),
        if report.ended_early {
            "; <b class=\"bad\">ended early</b>"
        } else {
            ""
        }
    );
    if let Some(void) = &report.void {
        let withheld = if report.latency.is_none() {
            " Latencies are withheld: they would describe the generator."
        } else {
            ""
        };
        let _ = write!(
            html,
            "<p class=\"void\"><b class=\"bad\">This run is void</b>: {}.{withheld}</p>",
            safe(void)
        );
    }
}

fn tiles(report: &Report, latency: &Latency, html: &mut String) {
    html.push_str("<div class=\"tiles\">");
    let mut tile = |name: &str, figure: String| {
        let _ = write!(
            html,
            "<div class=\"tile\"><span>{name}</span><b>{figure}</b></div>"
        );
    };
    if let Some(all) = &latency.all {
        tile("p50", time(all.p50_us));
        tile("p99", time(all.p99_us));
        tile("p99.9", time(all.p99_9_us));
        tile("maximum", time(all.max_us));
    }
    tile("verdicts/s", decimal(report.rates.received_per_second));
    tile("missing", grouped(report.counts.missing));
    html.push_str("</div>");
}

fn objectives(report: &Report, html: &mut String) {
    for outcome in &report.slos {
        let (class, word) = if outcome.met {
            ("good", "met")
        } else {
            ("bad", "missed")
        };
        let _ = write!(
            html,
            "<p>{}: <b class=\"{class}\">{word}</b> ({})</p>",
            safe(&outcome.slo.to_string()),
            safe(&outcome.measured)
        );
    }
}

fn keys(keys: &[(&str, &str)], html: &mut String) {
    html.push_str("<p class=\"soft\">");
    for (class, name) in keys {
        let _ = write!(html, "<span class=\"key {class}\"></span>{name}");
    }
    html.push_str("</p>");
}

/// What each side of the latency is called; the most important last, which is drawn on top.
fn sides<'a>(
    report: &'a Report,
    latency: &'a Latency,
) -> Vec<(&'static str, &'static str, &'a Summary)> {
    let sides = [
        ("late", "sent late by (the generator)", &report.lateness),
        ("others", "the others", &latency.others),
        ("hot", "hot user", &latency.hot),
        ("all", "all verdicts", &latency.all),
    ];
    sides
        .into_iter()
        .filter_map(|(class, name, summary)| Some((class, name, summary.as_ref()?)))
        .collect()
}

fn curves(report: &Report, latency: &Latency, html: &mut String) {
    let sides = sides(report, latency);
    html.push_str("<h2>Latency by percentile</h2>");
    let named: Vec<_> = sides
        .iter()
        .map(|(class, name, _)| (*class, *name))
        .collect();
    keys(&named, html);
    let curves: Vec<_> = sides
        .iter()
        .map(|(class, _, summary)| (*class, *summary))
        .collect();
    html.push_str(&plots::percentiles(&curves));
    html.push_str(
        "<p class=\"soft\">From when a message was meant to leave until its verdict came. A verdict that did not come counts as 60 s.</p>",
    );
}

fn over_time(report: &Report, html: &mut String) {
    html.push_str("<h2>Latency over time</h2>");
    keys(&[("p50", "p50"), ("p99", "p99"), ("max", "maximum")], html);
    html.push_str(&plots::latencies(&report.seconds));
    html.push_str("<p class=\"soft\">Of the messages that were meant to leave in each second.</p><h2>Messages a second</h2>");
    keys(
        &[
            ("intended", "meant to leave"),
            ("sent", "left"),
            ("received", "verdicts that came"),
        ],
        html,
    );
    html.push_str(&plots::rates(&report.seconds));
}

fn figures(report: &Report, html: &mut String) {
    html.push_str(
        "<h2>Figures</h2><div class=\"wide\"><table><tr><th><th class=\"n\">messages<th class=\"n\">mean<th class=\"n\">p50<th class=\"n\">p90\
         <th class=\"n\">p99<th class=\"n\">p99.9<th class=\"n\">maximum</tr>",
    );
    let nothing = Latency {
        all: None,
        hot: None,
        others: None,
    };
    for (_, name, summary) in sides(report, report.latency.as_ref().unwrap_or(&nothing)) {
        let _ = write!(
            html,
            "<tr><td>{name}<td class=\"n\">{}",
            grouped(summary.messages)
        );
        let times = [
            summary.mean_us.round() as u64,
            summary.p50_us,
            summary.p90_us,
            summary.p99_us,
            summary.p99_9_us,
            summary.max_us,
        ];
        for us in times {
            let _ = write!(html, "<td class=\"n\">{}", time(us));
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></div>");
}

fn counts(report: &Report, html: &mut String) {
    let (counts, rates) = (&report.counts, &report.rates);
    let rows = [
        (
            "meant to leave",
            counts.intended,
            Some(rates.intended_per_second),
        ),
        ("left", counts.sent, Some(rates.sent_per_second)),
        (
            "acknowledged",
            counts.acknowledged,
            Some(rates.acknowledged_per_second),
        ),
        (
            "verdicts, each once",
            counts.received,
            Some(rates.received_per_second),
        ),
        ("missing", counts.missing, None),
        ("copies of verdicts", counts.copies, None),
        ("records of others", counts.foreign, None),
        ("delivery failures", counts.delivery_failures, None),
        ("warm-up: left", counts.warm_up_sent, None),
        ("warm-up: verdicts", counts.warm_up_received, None),
    ];
    html.push_str("<h2>Counts</h2><div class=\"wide\"><table><tr><th><th class=\"n\">messages<th class=\"n\">per second</tr>");
    for (name, count, rate) in rows {
        let rate = rate.map_or(String::new(), decimal);
        let _ = write!(
            html,
            "<tr><td>{name}<td class=\"n\">{}<td class=\"n\">{rate}</tr>",
            grouped(count)
        );
    }
    html.push_str("</table></div>");
}

fn facts(report: &Report, html: &mut String) {
    let (run, plan) = (&report.run, &report.plan);
    let load = |average: Option<f64>| {
        average.map_or("unknown".to_owned(), |average| format!("{average:.2}"))
    };
    let rows = [
        (
            "traffic",
            format!(
                "{}, {} arrivals, {} s of warm-up",
                traffic(&plan.traffic),
                match plan.traffic.arrivals {
                    Arrivals::Even => "even",
                    Arrivals::Poisson => "Poisson",
                },
                plan.traffic.warm_up_seconds
            ),
        ),
        (
            "users",
            format!(
                "{}, Zipf exponent {}{}",
                grouped(u64::from(plan.crowd.users)),
                plan.crowd.zipf_exponent,
                plan.crowd.hot_share.map_or(String::new(), |share| format!(
                    ", and one with {} % of all messages",
                    decimal(share * 100.0)
                ))
            ),
        ),
        (
            "texts",
            format!(
                "{} of {:.0} bytes on average, {}",
                grouped(plan.texts as u64),
                plan.text_mean_bytes,
                plan.framing
            ),
        ),
        ("community", plan.community.clone()),
        ("seed", plan.seed.to_string()),
        ("senders", plan.senders.to_string()),
        (
            "messages to",
            format!(
                "{}, {} partitions",
                run.messages_topic, run.messages_partitions
            ),
        ),
        (
            "verdicts from",
            format!(
                "{}, {} partitions",
                run.verdicts_topic, run.verdicts_partitions
            ),
        ),
        ("brokers", run.bootstrap_servers.clone()),
        (
            "client",
            format!(
                "linger {} ms, fetch wait {} ms at most",
                run.linger_ms, run.fetch_wait_max_ms
            ),
        ),
        (
            "machine",
            format!(
                "{}, {} cores, load average {} before and {} after",
                run.host,
                run.cores,
                load(run.load_average_before),
                load(run.load_average_after)
            ),
        ),
        (
            "versions",
            format!("gavel {}, librdkafka {}", run.gavel, run.librdkafka),
        ),
    ];
    html.push_str("<h2>How it was measured</h2><table class=\"facts\">");
    for (name, value) in rows {
        let _ = write!(html, "<tr><td>{name}<td>{}</tr>", safe(&value));
    }
    html.push_str("</table>");
}

fn seconds(report: &Report, html: &mut String) {
    if report.seconds.is_empty() {
        return;
    }
    html.push_str(
        "<details><summary>Every second</summary><div class=\"wide\"><table><tr><th class=\"n\">second<th class=\"n\">meant to leave<th \
         class=\"n\">left<th class=\"n\">verdicts<th class=\"n\">missing<th class=\"n\">p50<th class=\"n\">p99<th class=\"n\">maximum</tr>",
    );
    for second in &report.seconds {
        let counts = [
            second.intended,
            second.sent,
            second.received,
            second.missing,
        ]
        .map(grouped);
        let times =
            [second.p50_us, second.p99_us, second.max_us].map(|us| us.map_or("–".to_owned(), time));
        let _ = write!(html, "<tr><td class=\"n\">{}", second.second);
        for cell in counts.iter().chain(&times) {
            let _ = write!(html, "<td class=\"n\">{cell}");
        }
        html.push_str("</tr>");
    }
    html.push_str("</table></div></details>");
}
