//! The router alone: the time for one request must not depend on how many routes there are.
#![allow(clippy::expect_used, reason = "a bench that cannot build its router has nothing to measure")]
#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::{hint::black_box, sync::Arc};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use signet::runtime::router::{Query, Router};
use signet_plugin_api::{
    Route, Scheme,
    http::{HeaderMap, Method},
};

const SIZES: [usize; 2] = [10, 10_000];

/// What distinguishes the routes, and the request for one of them.
struct Shape {
    name: &'static str,
    route: fn(usize) -> Route,
    host: fn(usize) -> String,
    path: fn(usize) -> String,
}

const SHAPES: [Shape; 5] = [
    Shape {
        name: "prefixes",
        route: |n| paths(format!("/service-{n}/v1")),
        host: |_| "gateway.test".to_owned(),
        path: |n| format!("/service-{n}/v1/orders/17"),
    },
    Shape {
        name: "hosts",
        route: |n| Route { hosts: Some(vec![format!("service-{n}.example.com")]), ..paths("/v1".to_owned()) },
        host: |n| format!("service-{n}.example.com:8000"),
        path: |_| "/v1/orders/17".to_owned(),
    },
    Shape {
        name: "wildcards",
        route: |n| Route { hosts: Some(vec![format!("*.service-{n}.example.com")]), ..paths("/v1".to_owned()) },
        host: |n| format!("eu.service-{n}.example.com"),
        path: |_| "/v1/orders/17".to_owned(),
    },
    Shape {
        name: "regexes",
        route: |n| paths(format!("~/service-{n}/(?<id>[0-9]+)$")),
        host: |_| "gateway.test".to_owned(),
        path: |n| format!("/service-{n}/17"),
    },
    Shape {
        name: "absent",
        route: |n| paths(format!("/service-{n}/v1")),
        host: |_| "gateway.test".to_owned(),
        path: |n| format!("/service-{n}/v2/orders/17"),
    },
];

fn find(criterion: &mut Criterion) {
    for shape in &SHAPES {
        let mut group = criterion.benchmark_group(shape.name);
        for size in SIZES {
            let router = build(shape, size);
            // The same requests in each run, spread over all routes: more than a processor learns by heart.
            let requests: Vec<_> =
                (0..1024).map(|at| spread(at, size)).map(|n| ((shape.host)(n), (shape.path)(n))).collect();
            let (method, headers) = (Method::GET, HeaderMap::new());
            let mut turn = requests.iter().cycle();
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| {
                    let (host, path) = turn.next()?;
                    let query = Query {
                        method: &method,
                        host: Some(host),
                        path,
                        headers: &headers,
                        scheme: Scheme::Http,
                        port: 8000,
                        sni: None,
                    };
                    black_box(router.find(black_box(&query))).map(|found| found.route)
                });
            });
        }
    }
}

fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    group.sample_size(10);
    for shape in &SHAPES {
        let routes = routes(shape, 10_000);
        group.bench_function(shape.name, |bencher| {
            bencher.iter_with_large_drop(|| Router::build(&routes));
        });
    }
}

fn build(shape: &Shape, size: usize) -> Router {
    Router::build(&routes(shape, size)).expect("routes without mistakes")
}

fn routes(shape: &Shape, size: usize) -> Vec<Arc<Route>> {
    (0..size).map(shape.route).map(Arc::new).collect()
}

fn spread(at: usize, size: usize) -> usize {
    at.wrapping_mul(2_654_435_761) % size
}

fn paths(path: String) -> Route {
    Route { paths: Some(vec![path]), ..Route::new("") }
}

criterion_group!(benches, find, compile);
criterion_main!(benches);
