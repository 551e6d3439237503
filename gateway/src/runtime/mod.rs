//! What a request reads: the compiled configuration, immutable and shared.

pub mod background;
pub mod chain;
mod counters;
mod current;
pub mod resolver;
pub mod router;
mod snapshot;
pub mod stats;
mod upstream;
mod work;

pub use counters::Counters;
pub use current::Current;
pub(crate) use snapshot::CertificateEnd;
pub use snapshot::{Counts, RouteEntry, Snapshot};
pub use stats::{PluginStats, RouteStats};
pub use upstream::{Demand, NoAddress, SystemAuthorities, TlsTerms, Upstream, Verification};
pub use work::WorkThreads;
