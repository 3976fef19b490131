//! Where to look and with which credentials: the flags that all commands towards servers share.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use slotwright_core::model::Endpoint;
use slotwright_net::{Login, Secret, Target, Tls, TlsOptions};

use super::failure::Failure;
use crate::render;

/// The port of a server that does not say another.
const PORT: u16 = 6379;

/// Flags towards servers. Names are those of redis-cli where it has them.
#[derive(Args, Debug)]
pub struct TargetArgs {
    /// Nodes to begin with: host:port[,host:port...], redis:// or rediss:// (also valkey://)
    #[arg(value_name = "TARGET", env = "SLOTWRIGHT_TARGET", hide_env_values = true)]
    pub targets: Vec<String>,
    /// The ACL user
    #[arg(long, env = "SLOTWRIGHT_USER", help_heading = "Connection")]
    pub user: Option<String>,
    /// The password. Other users of this machine can see it; prefer --password-file, or one of
    /// SLOTWRIGHT_PASSWORD, REDISCLI_AUTH, VALKEYCLI_AUTH in the environment
    #[arg(
        short = 'a',
        long,
        alias = "password",
        value_name = "PASSWORD",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    pub pass: Option<String>,
    /// Do not warn about -a
    #[arg(long, value_parser = switch, env = "SLOTWRIGHT_NO_AUTH_WARNING", help_heading = "Connection")]
    pub no_auth_warning: bool,
    /// A file that holds the password
    #[arg(
        long,
        value_name = "FILE",
        env = "SLOTWRIGHT_PASSWORD_FILE",
        help_heading = "Connection"
    )]
    pub password_file: Option<PathBuf>,
    /// Ask for the password
    #[arg(long, value_parser = switch, env = "SLOTWRIGHT_ASKPASS", help_heading = "Connection")]
    pub askpass: bool,
    /// Speak TLS
    #[arg(long, value_parser = switch, env = "SLOTWRIGHT_TLS", help_heading = "Connection")]
    pub tls: bool,
    /// Certificates to trust, instead of the system's
    #[arg(long, value_name = "FILE", env = "SLOTWRIGHT_CACERT", help_heading = "Connection")]
    pub cacert: Option<PathBuf>,
    /// Our certificate, for servers that want one
    #[arg(
        long,
        value_name = "FILE",
        env = "SLOTWRIGHT_CERT",
        requires = "key",
        help_heading = "Connection"
    )]
    pub cert: Option<PathBuf>,
    /// The key of our certificate
    #[arg(
        long,
        value_name = "FILE",
        env = "SLOTWRIGHT_KEY",
        requires = "cert",
        help_heading = "Connection"
    )]
    pub key: Option<PathBuf>,
    /// The name that the servers' certificates are for
    #[arg(long, value_name = "NAME", env = "SLOTWRIGHT_SNI", help_heading = "Connection")]
    pub sni: Option<String>,
    /// Do not verify certificates
    #[arg(long, value_parser = switch, env = "SLOTWRIGHT_INSECURE", help_heading = "Connection")]
    pub insecure: bool,
    /// How long one look waits for its slowest node
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration,
        env = "SLOTWRIGHT_TIMEOUT", help_heading = "Connection")]
    pub timeout: Duration,
}

impl TargetArgs {
    /// What they say.
    ///
    /// # Errors
    /// When an address cannot be read, or a secret cannot be had.
    pub fn resolve(&self) -> Result<Target, Failure> {
        let mut seeds = Vec::new();
        let mut from_uri = Uri::default();
        for text in self.targets.iter().flat_map(|text| listed(text)) {
            let uri = parse(text)?;
            seeds.push(uri.endpoint.clone());
            from_uri = Uri {
                tls: from_uri.tls || uri.tls,
                user: uri.user.or(from_uri.user),
                password: uri.password.or(from_uri.password),
                ..from_uri
            };
        }
        if seeds.is_empty() {
            return Err(Failure::with_hint(
                "no node to begin with",
                "name one, such as 10.0.0.1:6379; several are separated by commas",
            ));
        }
        self.towards(seeds, from_uri)
    }

    /// What they say, with these addresses instead of those that are named.
    ///
    /// # Errors
    /// When a secret cannot be had.
    pub fn resolve_at(&self, seeds: Vec<Endpoint>) -> Result<Target, Failure> {
        self.towards(seeds, Uri::default())
    }

    fn towards(&self, seeds: Vec<Endpoint>, from_uri: Uri) -> Result<Target, Failure> {
        let password = self.password()?.or(from_uri.password);
        let mut target = Target::new(seeds);
        target.login = password.map(|password| Login {
            user: self.user.clone().or(from_uri.user),
            password: Secret::new(password),
        });
        target.timeout = self.timeout;
        if self.tls || from_uri.tls || self.cacert.is_some() || self.cert.is_some() {
            target.tls = Some(self.tls()?);
        }
        Ok(target)
    }

    fn tls(&self) -> Result<Tls, Failure> {
        let options = TlsOptions {
            cacert: self.cacert.clone(),
            cert: self.cert.clone(),
            key: self.key.clone(),
            sni: self.sni.clone(),
            insecure: self.insecure,
        };
        Tls::new(&options).map_err(|error| Failure::Environment(error.to_string()))
    }

    /// File, flag, prompt, environment: the first that is given.
    fn password(&self) -> Result<Option<String>, Failure> {
        if let Some(file) = &self.password_file {
            let text = std::fs::read_to_string(file).map_err(|error| {
                Failure::Environment(format!("cannot read {}: {error}", file.display()))
            })?;
            return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
        }
        if let Some(password) = &self.pass {
            if !self.no_auth_warning {
                render::aside(
                    "Warning: Using a password with '-a' option on the command line interface \
                     may not be safe.",
                );
            }
            return Ok(Some(password.clone()));
        }
        if self.askpass {
            return Ok(Some(rpassword::prompt_password("Please input password: ")?));
        }
        let names = ["SLOTWRIGHT_PASSWORD", "REDISCLI_AUTH", "VALKEYCLI_AUTH"];
        Ok(names.into_iter().find_map(|name| std::env::var(name).ok()))
    }
}

/// What a URI says.
#[derive(Debug)]
struct Uri {
    endpoint: Endpoint,
    tls: bool,
    user: Option<String>,
    password: Option<String>,
}

impl Default for Uri {
    fn default() -> Self {
        Self { endpoint: Endpoint::new("", PORT), tls: false, user: None, password: None }
    }
}

/// The schemes that are understood, and whether TLS is spoken.
const SCHEMES: [(&str, bool); 4] =
    [("redis://", false), ("rediss://", true), ("valkey://", false), ("valkeys://", true)];

/// The scheme at the head of a text, and what follows.
fn scheme(text: &str) -> Option<(bool, &str)> {
    SCHEMES.iter().find_map(|(scheme, tls)| Some((*tls, text.strip_prefix(scheme)?)))
}

/// Splits a list at its commas, but not at those of a password: in a URI only what follows the
/// last `@` is addresses.
fn listed(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let own = rest.trim_start();
        let next_uri = own
            .match_indices(',')
            .map(|(at, _)| at)
            .find(|at| scheme(own.get(at + 1..).unwrap_or_default().trim_start()).is_some());
        let whole = own.get(..next_uri.unwrap_or(own.len())).unwrap_or_default();
        let login_ends = scheme(whole).and_then(|_| whole.rfind('@')).unwrap_or(0);
        let comma = whole.get(login_ends..).and_then(|places| places.find(','));
        let end = comma.map_or(whole.len(), |comma| login_ends + comma);
        parts.push(own.get(..end).unwrap_or_default().trim());
        rest = own.get(end + 1..).unwrap_or_default();
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// A word of the command line as it may be shown: without what stands before an `@`.
pub fn without_login(word: &str) -> String {
    match word.rsplit_once('@') {
        Some((_, place)) => format!("***@{place}"),
        None => word.to_owned(),
    }
}

/// Reads a URI or an address. What stands before an `@` is in no error: it may be a password, also
/// in part.
fn parse(text: &str) -> Result<Uri, Failure> {
    let (tls, rest) = match scheme(text) {
        Some(known) => known,
        None if text.contains("://") => {
            return Err(Failure::with_hint(
                "a target has a scheme that is none of ours",
                "redis://, rediss://, valkey:// and valkeys:// are understood",
            ));
        }
        None => (false, text),
    };
    let is_uri = rest.len() < text.len();
    let (login, place) = match rest.rsplit_once('@') {
        Some((login, place)) => (Some(login), place),
        None => (None, rest),
    };
    let place = place.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, password) = match login.map(|login| login.split_once(':').unwrap_or(("", login))) {
        Some((user, password)) => (Some(decoded(user)), Some(decoded(password))),
        None => (None, None),
    };
    let endpoint = endpoint(place).ok_or_else(|| {
        let what = if is_uri || text.contains('@') {
            "the address in a URI cannot be read".to_owned()
        } else {
            format!("no address: {place:?}")
        };
        Failure::with_hint(
            what,
            "an address is host:port, [IPv6]:port, or a host alone for port 6379; in a URI it \
             stands behind the last @, and a password may be percent-encoded",
        )
    })?;
    Ok(Uri { endpoint, tls, user: user.filter(|user| !user.is_empty()), password })
}

fn endpoint(place: &str) -> Option<Endpoint> {
    let bare = |host: &str| !host.is_empty() && !host.contains(char::is_whitespace);
    if let Some(inside) = place.strip_prefix('[') {
        let (host, port) = inside.split_once(']')?;
        let port = if port.is_empty() { PORT } else { port.strip_prefix(':')?.parse().ok()? };
        return bare(host).then(|| Endpoint::new(host, port));
    }
    match place.split_once(':') {
        Some((host, port)) if !port.contains(':') => {
            let port = port.parse().ok().filter(|port| *port != 0)?;
            bare(host).then(|| Endpoint::new(host, port))
        }
        // Two colons and no brackets: an IPv6 address alone.
        _ => bare(place).then(|| Endpoint::new(place, PORT)),
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What switches a flag on or off in the environment.
pub fn switch(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// `5s`, `500ms`, `2m`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("no time: {text:?}; write 5s, 500ms or 2m");
    let seconds = text.parse::<f64>().ok().map(|seconds| (seconds * 1000.0).max(0.0));
    let time = match seconds {
        Some(ms) => Duration::try_from_secs_f64(ms / 1000.0).map_err(|_| wrong())?,
        None => {
            let time: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
            Duration::try_from(time).map_err(|_| wrong())?
        }
    };
    if time.is_zero() || time > Duration::from_secs(86_400) { Err(wrong()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let at = |text: &str| parse(text).expect("an address").endpoint.to_string();
        assert_eq!(at("10.0.0.1"), "10.0.0.1:6379");
        assert_eq!(at("redis-0.redis:7000"), "redis-0.redis:7000");
        assert_eq!(at("[2001:db8::1]:7000"), "[2001:db8::1]:7000");
        assert_eq!(at("2001:db8::1"), "[2001:db8::1]:6379");
        assert_eq!(at("redis://10.0.0.1:7000/0"), "10.0.0.1:7000");
        for wrong in ["10.0.0.1:0", "10.0.0.1:port", "", "http://10.0.0.1", "a b:1"] {
            assert!(parse(wrong).is_err(), "{wrong:?} was read");
        }
    }

    #[test]
    fn a_uri_may_hold_credentials() {
        let uri = parse("rediss://app:p%40ss@10.0.0.1").expect("a URI");
        assert!(uri.tls);
        assert_eq!(uri.user.as_deref(), Some("app"));
        assert_eq!(uri.password.as_deref(), Some("p@ss"));
        assert_eq!(parse("redis://secret@h").expect("a URI").password.as_deref(), Some("secret"));
    }

    #[test]
    fn a_list_is_split_at_commas_that_are_no_part_of_a_password() {
        assert_eq!(listed("a:1, b:2,,c"), ["a:1", "b:2", "c"]);
        assert_eq!(listed("redis://u:p,q@a:1,b:2"), ["redis://u:p,q@a:1", "b:2"]);
        assert_eq!(
            listed("a:1,redis://:x,y@b:2,rediss://:z@c:3"),
            ["a:1", "redis://:x,y@b:2", "rediss://:z@c:3"]
        );
        assert_eq!(listed(" , "), Vec::<&str>::new());
    }

    #[test]
    fn signs_in_a_password_need_no_encoding() {
        for password in ["a/b", "a?b", "a#b", "a@b", "a:b", "a,b"] {
            let uri = parse(&format!("redis://app:{password}@h:7000/0")).expect("a URI");
            assert_eq!(uri.password.as_deref(), Some(password));
            assert_eq!(uri.endpoint.to_string(), "h:7000");
        }
    }

    #[test]
    fn no_error_shows_a_part_of_a_password() {
        for text in [
            "redis://:hunter2@h:port",
            "redis://hunter2",
            "redis://:hun/ter2",
            "http://:hunter2@h",
            "rediss://app:hunter2@",
            "app:hunter2@h:0",
            "redis://app:hunter2",
        ] {
            if let Err(failure) = parse(text) {
                assert!(!format!("{failure:?}").contains("ter2"), "{text}: {failure:?}");
            }
        }
        assert!(parse("redis://:hunter2@h:port").is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("0").is_err() && duration("soon").is_err());
    }
}
