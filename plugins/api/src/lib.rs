//! The contract between the Signet gateway and its plugins: everything that a plugin author needs, and nothing of the engine.
//!
//! Implement [`Plugin`] (what it is called, when it runs, how its configuration compiles) and [`Handler`] (what it does),
//! then add the type to the gateway's [`Registry`].

mod background;
mod body;
mod client;
mod config;
mod consumer;
mod context;
mod credential;
mod entity;
mod error;
mod handler;
mod identity;
mod keys;
mod logs;
mod meters;
mod plugin;
mod pool;
mod record;
mod registry;
mod rehearsal;
mod request;
mod resources;
mod response;
mod schema;
mod scope;
mod tls;

pub use async_trait::async_trait;
pub use background::{Background, Backgrounds};
pub use body::{BodyError, BodySource, BufferedBody};
pub use bytes::Bytes;
pub use client::{Client, Scheme};
pub use config::{RawConfig, boolean_word, decode, nearest};
pub use consumer::{Consumer, ConsumerGroup, Consumers};
pub use context::{Context, RequestId};
pub use credential::{
    CredentialKind, CredentialRecord, CredentialStore, CredentialStores, CredentialWarnings, RawCredential,
};
pub use entity::{Headers, PathHandling, Protocol, Route, Service};
pub use error::{ConfigError, PluginError};
pub use handler::Handler;
pub use http;
pub use http::{HeaderName, HeaderValue, Method, StatusCode};
pub use identity::{Claims, ClaimsError, Identity, Proof};
pub use keys::{KeySet, KeyState, KeyStatus, Keys, Overlap, Signer, SigningBackend, SigningFailed, SigningKey};
pub use logs::{Concealed, LogFile, LogFiles, REDACTED};
pub use meters::{CounterMeter, GaugeMeter, HiddenSeries, HistogramMeter, Labels, Meter, Meters};
pub use pingora_http::{RequestHeader, ResponseHeader};
pub use plugin::{Phase, Plugin};
pub use pool::{Busy, Job, JobQueue, WorkPool};
pub use record::{Latencies, PluginRun, Record, Source, Try, UpstreamRecord};
pub use registry::{Registration, Registry};
pub use rehearsal::{Rehearsal, Rehearsed};
pub use request::{Request, RequestSource, requested_host};
pub use resources::{CaCertificate, CaCertificates, KeySets, Names, Resources};
pub use response::{Body, Flow, Response};
pub use schemars::{self, JsonSchema};
pub use scope::Scope;
pub use tls::{CertificateChain, CertificateRequest, ClientCertificate, TlsConnection};
