//! `signet hash-password`: a password from standard input to the hash that a file may keep in its place.

use std::{
    io::{self, IsTerminal, Read, Write},
    process::ExitCode,
};

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use zeroize::Zeroizing;

use super::{fail, say};

/// The bytes of a password that are taken; a longer one would hardly fit into the head of a request.
const MAX_PASSWORD: usize = 4096;

/// bcrypt looks at no more bytes than these.
const MAX_BCRYPT_PASSWORD: usize = 72;

/// What `signet hash-password` is told.
#[derive(clap::Args)]
#[command(
    after_help = "The password is one line; the newline at its end is not part of it. From a terminal it is asked \
                        for, without being shown.\n\n    printf '%s' 'correct horse' | signet hash-password"
)]
pub(super) struct Arguments {
    /// bcrypt instead of argon2id, with this cost, 10 to 16 [default: 12]
    #[arg(long, value_name = "COST", num_args = 0..=1, default_missing_value = "12",
          value_parser = clap::value_parser!(u32).range(10..=16))]
    bcrypt: Option<u32>,
}

/// Prints the hash. Exit code 2 when there is no password that could be hashed.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let password = match read() {
        Ok(password) => password,
        Err(error) => return fail(1, format_args!("cannot read the password: {error}")),
    };
    if let Some(reason) = unusable(&password, arguments.bcrypt.is_some()) {
        return fail(2, format_args!("{reason}"));
    }
    let hash = match arguments.bcrypt {
        Some(cost) => bcrypt::hash(&*password, cost).map_err(|error| error.to_string()),
        None => argon2id(&password),
    };
    let hash = match hash {
        Ok(hash) => hash,
        Err(error) => return fail(1, format_args!("cannot hash the password: {error}")),
    };
    match writeln!(io::stdout(), "{hash}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, format_args!("cannot write: {error}")),
    }
}

/// What was typed twice, or all of standard input up to one byte more than is taken.
fn read() -> io::Result<Zeroizing<Vec<u8>>> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        loop {
            let first = Zeroizing::new(rpassword::prompt_password("Password: ")?);
            let second = Zeroizing::new(rpassword::prompt_password("Once more: ")?);
            if first == second {
                return Ok(Zeroizing::new(first.as_bytes().to_vec()));
            }
            say("They are not the same.");
        }
    }
    // Room for all of it, so that no copy is left behind by growing.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD + 3));
    stdin.lock().take(MAX_PASSWORD as u64 + 3).read_to_end(&mut text)?;
    if text.last() == Some(&b'\n') {
        text.pop();
        if text.last() == Some(&b'\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn unusable(password: &[u8], for_bcrypt: bool) -> Option<&'static str> {
    if password.is_empty() {
        return Some("the password is empty");
    }
    if password.contains(&b'\n') {
        return Some("the password is one line, and there are more");
    }
    if password.len() > MAX_PASSWORD {
        return Some("the password is longer than 4096 bytes");
    }
    if for_bcrypt && password.len() > MAX_BCRYPT_PASSWORD {
        return Some("bcrypt looks at 72 bytes only, and the password is longer: use argon2id");
    }
    if for_bcrypt && password.contains(&0) {
        return Some("bcrypt knows no password with a zero byte: use argon2id");
    }
    None
}

/// With what OWASP advises: 19 MiB, two passes, one lane.
fn argon2id(password: &[u8]) -> Result<String, String> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|error| error.to_string())?;
    let function = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    function.hash_password(password).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}
