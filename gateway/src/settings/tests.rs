//! Files and variables to settings, and what is said about wrong ones.

use std::fs;

use super::*;

fn load(yaml: Option<&str>, env: &[(&str, &str)]) -> Result<LoadedSettings, Vec<String>> {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let Some(yaml) = yaml else { return Settings::load(None, env).map_err(|problems| told(&problems)) };
    let name = format!("signet-settings-{}-{:?}.yaml", std::process::id(), std::thread::current().id());
    let file = std::env::temp_dir().join(name);
    fs::write(&file, yaml).expect("a file");
    let loaded = Settings::load(Some(&file), env);
    fs::remove_file(&file).expect("removed");
    loaded.map_err(|problems| {
        let prefix = format!("{}:", file.display());
        told(&problems).iter().map(|line| line.replace(&prefix, "FILE:")).collect()
    })
}

fn told(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn defaults_need_no_file() {
    let LoadedSettings { settings, warnings } = load(None, &[]).expect("settings");
    let listens = |listener: &Listener| (listener.address.to_string(), listener.ssl, listener.http2);
    assert_eq!(
        settings.proxy_listen.iter().map(listens).collect::<Vec<_>>(),
        [("0.0.0.0:8000".to_owned(), false, false), ("0.0.0.0:8443".to_owned(), true, true)]
    );
    assert_eq!(settings.status_listen[0].address.to_string(), "127.0.0.1:8100");
    assert!(settings.threads >= 1 && settings.signing_threads >= 1);
    assert_eq!((settings.signing_queue, settings.upstream_keepalive_pool_size), (1024, 512));
    assert!((1..=settings.threads).contains(&settings.hashing_threads));
    assert_eq!(settings.hashing_queue, 128);
    assert_eq!(settings.upstream_keepalive_idle_timeout, Some(Duration::from_secs(60)));
    assert_eq!((settings.client_max_header_size, settings.client_max_uri_size), (32 * 1024, 16 * 1024));
    assert_eq!((settings.client_max_body_size, settings.real_ip_header.as_str()), (None, "x-real-ip"));
    assert_eq!(settings.client_header_timeout, Some(Duration::from_secs(60)));
    assert_eq!(settings.client_body_timeout, Some(Duration::from_secs(60)));
    assert!(!settings.preserve_header_case && !settings.real_ip_recursive);
    assert_eq!(settings, Settings::default());
    assert_eq!(warnings, []);
    assert_eq!(load(Some("# nothing\n"), &[]).expect("settings").settings, settings);
}

#[test]
fn a_variable_beats_the_file() {
    let yaml = "proxy_listen: 127.0.0.1:1\nstatus_listen: ['127.0.0.1:2', '[::1]:2 reuseport']\ntrusted_ips: 10.0.0.0/8, ::1\n\
                real_ip_recursive: on\nheaders: off\nlog_level: debug\nthreads: 2\nclient_max_body_size: 8m\n\
                upstream_keepalive_idle_timeout: 0\npreserve_header_case: on\n";
    let env = [
        ("SIGNET_PROXY_LISTEN", "127.0.0.1:3,127.0.0.1:4"),
        ("SIGNET_THREADS", "3"),
        ("PROXY_LISTEN", "x"),
        ("SIGNET_LOG_LEVEL", ""),
    ];
    let settings = load(Some(yaml), &env).expect("settings").settings;
    let ports = |listeners: &[Listener]| listeners.iter().map(|l| l.address.port()).collect::<Vec<_>>();
    assert_eq!((ports(&settings.proxy_listen), ports(&settings.status_listen)), (vec![3, 4], vec![2, 2]));
    assert_eq!((settings.threads, settings.trusted_ips.len(), settings.real_ip_recursive), (3, 2, true));
    assert!(!settings.headers.via && !settings.headers.request_id && settings.preserve_header_case);
    let off = load(Some(yaml), &[("SIGNET_PRESERVE_HEADER_CASE", "off")]).expect("settings").settings;
    assert!(!off.preserve_header_case);
    assert_eq!((settings.client_max_body_size, settings.upstream_keepalive_idle_timeout), (Some(8 << 20), None));
}

#[test]
fn signatures_are_made_by_ring_unless_openssl_is_asked_for() {
    let backend = |yaml: &str| load(Some(yaml), &[]).map(|loaded| loaded.settings.signing_backend);
    for (yaml, expected) in [("", SigningBackend::Ring), ("signing_backend: ring", SigningBackend::Ring)] {
        assert_eq!(backend(yaml), Ok(expected));
    }
    assert_eq!(backend("signing_backend: openssl"), Ok(SigningBackend::Openssl));
    let by_variable = load(Some("signing_backend: ring"), &[("SIGNET_SIGNING_BACKEND", "openssl")]);
    assert_eq!(by_variable.expect("settings").settings.signing_backend, SigningBackend::Openssl);
    let mistakes = backend("signing_backend: OpenSSL").expect_err("a mistake");
    assert_eq!(mistakes, ["FILE:1: signing_backend: expected `ring` or `openssl`"]);
}

/// The lines of our sample that are commented out, switched on: `#key: value`.
fn sample() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/signet.yaml");
    let text = fs::read_to_string(path).expect("conf/signet.yaml");
    let setting = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).map(str::to_owned);
    text.lines().map(|line| setting(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[test]
fn the_sample_shows_every_setting_at_its_default() {
    let sample = sample();
    let LoadedSettings { settings, warnings } = load(Some(&sample), &[]).expect("settings");
    assert_eq!(settings, Settings::default());
    assert_eq!(warnings, []);
    let mut all = Source::new([]);
    let _ = decode(&mut all);
    for key in all.asked() {
        assert!(sample.lines().any(|line| line.starts_with(&format!("{key}:"))), "{key} is not in conf/signet.yaml");
    }
}

#[test]
fn the_page_on_settings_has_a_row_for_each() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
    let page = fs::read_to_string(path).expect("docs/settings.md");
    let mut all = Source::new([]);
    let _ = decode(&mut all);
    for key in all.asked() {
        assert!(page.contains(&format!("| `{key}` |")), "{key} is not in docs/settings.md");
    }
}

#[test]
fn every_mistake_is_told_with_its_line_or_variable() {
    let yaml = "proxy_listen: 0.0.0.0:8443 http2\nproxy_listne: 127.0.0.1:1\nthreads: many\n\
                trusted_ips: [10.0.0.0/8, nowhere]\ninvalid_entities: drop\nheaders: {a: b}\ndrain_timeout: [1, 2]\n";
    let errors = load(Some(yaml), &[("SIGNET_LOG_FORMAT", "xml")]).expect_err("mistakes");
    assert_eq!(
        errors,
        [
            "SIGNET_LOG_FORMAT: expected text or json",
            "FILE:1: proxy_listen: `0.0.0.0:8443 http2`: `http2` needs `ssl`; HTTP/2 without TLS is not implemented yet",
            "FILE:2: proxy_listne: unknown setting `proxy_listne`; did you mean `proxy_listen`?",
            "FILE:3: threads: expected a number from 1 to 1024, or auto",
            "FILE:4: trusted_ips: `nowhere`: expected an address or a network such as 10.0.0.0/8",
            "FILE:5: invalid_entities: expected `reject` or `quarantine`",
            "FILE:6: headers: expected a value or a list of values",
            "FILE:7: drain_timeout: expected one value, found a list",
        ]
    );
}

#[test]
fn a_file_that_is_no_settings_file_is_told() {
    assert!(load(Some("- a\n"), &[]).expect_err("a mistake")[0].contains("expected settings"));
    assert!(load(Some("a: [\n"), &[]).expect_err("a mistake")[0].contains("is not YAML"));
    assert!(
        load(Some("threads: 1\nthreads: 2\n"), &[]).expect_err("a mistake")[0]
            .contains("FILE:2: threads: this key stands twice")
    );
    let missing = Settings::load(Some(Path::new("/nonexistent/signet.yaml")), []).expect_err("a mistake");
    assert!(missing[0].to_string().starts_with("/nonexistent/signet.yaml: cannot be read"));
}

#[test]
fn what_belongs_to_others_or_comes_later_is_a_warning() {
    let env = [("SIGNET_SERVICE_HOST", "10.0.0.1"), ("SIGNET_WORKER_STATE_UPDATE_FREQUENCY", "5")];
    let warnings = told(&load(None, &env).expect("settings").warnings);
    assert_eq!(warnings, ["SIGNET_SERVICE_HOST: unknown setting `service_host`"]);
}

#[test]
fn the_suite_decides_on_versions_unless_they_are_fewer() {
    use TlsVersion::{V1_0, V1_1, V1_2, V1_3};
    let versions = |yaml: &str| load(Some(yaml), &[]).map(|loaded| loaded.settings.tls.versions);
    for (yaml, expected) in [
        ("# nothing", vec![V1_2, V1_3]),
        ("ssl_cipher_suite: modern", vec![V1_3]),
        ("ssl_cipher_suite: modern\nssl_protocols: TLSv1.2 TLSv1.3", vec![V1_3]),
        ("ssl_protocols: TLSv1.3", vec![V1_3]),
        ("ssl_cipher_suite: old", vec![V1_0, V1_1, V1_2, V1_3]),
        ("ssl_cipher_suite: old\nssl_protocols: [TLSv1.1, TLSv1.2]", vec![V1_1, V1_2]),
        ("ssl_cipher_suite: custom\nssl_ciphers: ECDHE-RSA-AES128-GCM-SHA256", vec![V1_2, V1_3]),
    ] {
        assert_eq!(versions(yaml), Ok(expected), "{yaml}");
    }
    for (yaml, reason) in [
        ("ssl_protocols: TLSv1.1 TLSv1.2", "ssl_protocols: `TLSv1.1` is not safe; only `ssl_cipher_suite: old` has it"),
        ("ssl_protocols: SSLv3", "ssl_protocols: unknown version `SSLv3`"),
        ("ssl_protocols: TLSv1.2\nssl_cipher_suite: modern", "ssl_protocols: `ssl_cipher_suite` has none of these"),
        ("ssl_cipher_suite: custom", "ssl_cipher_suite: `custom` needs `ssl_ciphers`"),
        ("ssl_cipher_suite: best", "ssl_cipher_suite: expected modern, intermediate, old or custom"),
        ("ssl_ciphers: ECDHE-RSA-AES128-GCM-SHA256", "ssl_ciphers: counts only with `ssl_cipher_suite: custom`"),
        ("ssl_ciphers: NONSENSE\nssl_cipher_suite: intermediate", "ssl_ciphers: expected OpenSSL's names of ciphers"),
        ("ssl_cert: a.pem", "ssl_cert_key: `ssl_cert` needs its keys"),
        ("ssl_cert: a.pem\nssl_cert_key: a.key, b.key", "ssl_cert_key: expected one key for each certificate"),
    ] {
        let errors = versions(yaml).expect_err(yaml);
        assert!(errors.iter().any(|error| error.contains(reason)), "{yaml}: {errors:?}");
    }
}

#[test]
fn a_key_in_a_setting_is_a_path_or_a_text_and_never_shown() {
    let pem = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----";
    let encoded = openssl::base64::encode_block(pem.as_bytes());
    for key in [pem, &encoded] {
        let env = [("SIGNET_SSL_CERT", "/etc/a.pem"), ("SIGNET_SSL_CERT_KEY", key)];
        let settings = load(None, &env).expect("settings").settings;
        assert_eq!(settings.tls.certificates, [PemSource::File("/etc/a.pem".into())]);
        assert_eq!(settings.tls.keys, [PemSource::Text(pem.to_owned())]);
        assert!(!format!("{settings:?}").contains("c2VjcmV0"));
    }
}
