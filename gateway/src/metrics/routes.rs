//! The series of routes, written as text. With 10,000 routes that all had requests they are 500,000 lines: the library's
//! families of them would take several times the memory of the text, and the time.

use signet_plugin_api::{HiddenSeries, Source};

use crate::runtime::{
    RouteStats, Snapshot,
    stats::{BUCKETS, Counted},
};

/// Writes the series of the routes of a configuration: those of a removed route are gone with it.
pub(super) fn write(snapshot: &Snapshot, page: &mut Vec<u8>) {
    let shown = snapshot.routes.iter().map(|entry| (&*entry.stats, entry.hidden));
    let routes = shown.chain([(&*snapshot.unrouted, HiddenSeries::default())]).map(|(stats, hidden)| Labelled {
        labels: format!("route=\"{}\",service=\"{}\"", escaped(stats.route()), escaped(stats.service())),
        stats,
        hidden,
    });
    let routes: Vec<_> = routes.collect();
    requests(&routes, page);
    bandwidth(&routes, page);
    for (series, pick) in DURATIONS {
        durations(&routes, series, pick, page);
    }
}

/// The counters of one route, with their labels as they stand in the text.
struct Labelled<'s> {
    labels: String,
    stats: &'s RouteStats,
    hidden: HiddenSeries,
}

type Series = (&'static str, &'static str);

const REQUESTS: Series = ("signet_http_requests_total", "Requests by service, route, status code and who answered.");
const BANDWIDTH: Series =
    ("signet_bandwidth_bytes_total", "Bytes of bodies that were received from clients, and sent to them.");

/// Which of the times of a route.
type Pick = fn(&RouteStats) -> Counted;

const DURATIONS: [(Series, Pick); 3] = [
    (("signet_request_duration_seconds", "Time from the request's head to the end of the response."), |stats| {
        stats.total.counted()
    }),
    (
        ("signet_gateway_duration_seconds", "The part of it until the request was sent upstream, or all of it."),
        |stats| stats.gateway.counted(),
    ),
    (("signet_upstream_duration_seconds", "Time from there to the head of the upstream's response."), |stats| {
        stats.upstream.counted()
    }),
];

fn requests(routes: &[Labelled<'_>], page: &mut Vec<u8>) {
    let mut header = Some((REQUESTS, "counter"));
    for Labelled { labels, stats, .. } in routes.iter().filter(|route| !route.hidden.requests) {
        for sample in stats.samples() {
            begin(&mut header, page);
            let source = match sample.source {
                Source::Gateway => "gateway",
                Source::Upstream => "upstream",
            };
            let mut number = itoa::Buffer::new();
            let code = sample.code.map_or("other", |code| number.format(code));
            line(page, &[REQUESTS.0, "{code=\"", code, "\",", labels, ",source=\"", source, "\"} "]);
            count(page, sample.count);
        }
    }
}

fn bandwidth(routes: &[Labelled<'_>], page: &mut Vec<u8>) {
    let mut header = Some((BANDWIDTH, "counter"));
    for Labelled { labels, stats, .. } in routes.iter().filter(|route| !route.hidden.bandwidth) {
        let (ingress, egress) = stats.bandwidth();
        for (direction, bytes) in [("ingress", ingress), ("egress", egress)].into_iter().filter(|(_, bytes)| *bytes > 0)
        {
            begin(&mut header, page);
            line(page, &[BANDWIDTH.0, "{direction=\"", direction, "\",", labels, "} "]);
            count(page, bytes);
        }
    }
}

fn durations(routes: &[Labelled<'_>], series: Series, pick: Pick, page: &mut Vec<u8>) {
    let (name, _) = series;
    let mut header = Some((series, "histogram"));
    let bounds = BUCKETS.map(|bound| bound.to_string());
    let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
    for Labelled { labels, stats, .. } in routes.iter().filter(|route| !route.hidden.latencies) {
        let counted = pick(stats);
        if counted.buckets.iter().all(|count| *count == 0) {
            continue;
        }
        begin(&mut header, page);
        let mut total = 0;
        for (bound, bucket) in bounds.clone().zip(counted.buckets) {
            total += bucket;
            line(page, &[name, "_bucket{", labels, ",le=\"", bound, "\"} "]);
            count(page, total);
        }
        line(page, &[name, "_sum{", labels, "} ", &counted.sum.to_string(), "\n", name, "_count{", labels, "} "]);
        count(page, total);
    }
}

/// A family without series is none: its header comes with the first one.
fn begin(header: &mut Option<(Series, &str)>, page: &mut Vec<u8>) {
    if let Some(((name, help), kind)) = header.take() {
        line(page, &["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"]);
    }
}

fn line(page: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| page.extend_from_slice(part.as_bytes()));
}

fn count(page: &mut Vec<u8>, count: u64) {
    line(page, &[itoa::Buffer::new().format(count), "\n"]);
}

/// The value of a label (text format 0.0.4).
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
