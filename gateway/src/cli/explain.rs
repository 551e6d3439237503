//! `signet explain`: what becomes of a request, and why, without a gateway that runs.

use std::{
    fs,
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use openssl::x509::X509;
use signet_plugin_api::{CertificateChain, Registry};

use super::{fail, file::Read, settings};
use crate::{
    explain::{Asked, Explanation},
    proxy::Policy,
};

/// What `signet explain` is told.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Kong's declarative file, YAML or JSON
    #[arg(short = 'c', value_name = "FILE")]
    config: PathBuf,
    /// Process settings, YAML; SIGNET_<KEY> variables beat them
    #[arg(short = 's', value_name = "SETTINGS")]
    settings: Option<PathBuf>,
    /// The request: 'GET https://host/path', with HTTP/1.0 or HTTP/2 behind it where that matters
    #[arg(value_name = "REQUEST", value_parser = Asked::parse)]
    request: Asked,
    /// A header of the request; may be repeated. `Host` takes the place of the URL's
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Its body, as it is: `@` has no meaning
    #[arg(short = 'd', long = "data", value_name = "BODY", default_value = "", hide_default_value = true)]
    body: String,
    /// The address that the request comes from
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    client_ip: IpAddr,
    /// The client's certificate, with its intermediates behind it
    #[arg(long, value_name = "PEM")]
    client_cert: Option<PathBuf>,
    /// A consumer that every authentication plugin is to find, whatever the request has: id, username or custom_id
    #[arg(long, value_name = "NAME")]
    consumer: Option<String>,
    /// List every route, not just those that come near
    #[arg(long)]
    all: bool,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Explains one request. Exit code 2 when the file has a mistake, or that is no request.
pub(super) fn run(registry: &Registry, arguments: Arguments) -> ExitCode {
    match explained(registry, &arguments) {
        Ok(explanation) => match print(&explanation, &arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, format_args!("cannot write: {error}")),
        },
        Err(code) => code,
    }
}

fn explained(registry: &Registry, arguments: &Arguments) -> Result<Explanation, ExitCode> {
    let usage = |message: String| fail(2, format_args!("{message}"));
    let settings = settings(arguments.settings.as_deref())?;
    let mut asked = arguments.request.clone();
    arguments.headers.iter().try_for_each(|header| asked.header(header)).map_err(usage)?;
    asked.body = arguments.body.clone().into();
    asked.client_ip = arguments.client_ip;
    asked.consumer.clone_from(&arguments.consumer);
    asked.certificate = arguments.client_cert.as_deref().map(certificate).transpose().map_err(usage)?;
    let (read, policy) = (Read::file(&arguments.config, registry, &settings)?, Policy::of(&settings));
    let explainer = read.explainer(&policy, registry);
    let runtime = super::file::runtime()?;
    runtime.block_on(explainer.explain(&asked)).map_err(usage)
}

fn print(explanation: &Explanation, arguments: &Arguments) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match arguments.format {
        Format::Text => write!(out, "{}", explanation.text(arguments.all)),
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, explanation)?;
            writeln!(out)
        }
    }
}

fn certificate(path: &Path) -> Result<Arc<CertificateChain>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let pem = fs::read(path).map_err(|error| wrong(&error))?;
    let all = X509::stack_from_pem(&pem).map_err(|_| wrong(&"it has no certificates in PEM"))?;
    let der: Result<Vec<_>, _> = all.iter().map(|one| one.to_der().map(bytes::Bytes::from)).collect();
    let mut der = der.map_err(|error| wrong(&error))?.into_iter();
    let leaf = der.next().ok_or_else(|| wrong(&"it has no certificates in PEM"))?;
    Ok(Arc::new(crate::tls::chain(leaf, der.collect())))
}
