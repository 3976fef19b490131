//! TLS against a real server: mutual, expired, a wrong authority, and confusions.

use std::path::PathBuf;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use slotwright_core::observation::{Certificate, Said, Sighting, Silence};
use slotwright_core::scenario::Server;
use slotwright_net::{Limits, Target, Tls, TlsOptions, block_on, observe};
use tempfile::TempDir;

use super::real::Real;

/// Files of an authority and of two certificates that it signed.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: TempDir::new().expect("a folder") };
        let mut params = CertificateParams::new(Vec::new()).expect("names");
        // With the name of the authority a certificate would be taken for the authority's own.
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(params, key).expect("an authority");
        files.write("ca.crt", &ca.pem());
        files.sign("good", &ca, 2099);
        files.sign("expired", &ca, 2001);
        files
    }

    fn sign(&self, name: &str, ca: &CertifiedIssuer<'_, KeyPair>, last_year: i32) {
        let names = vec!["redis.example".to_owned(), "10.1.2.3".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, ca).expect("signed");
        self.write(&format!("{name}.crt"), &signed.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self, certificate: &str, clients: &str) -> Real {
        let path = |name: &str| self.path(name).display().to_string();
        let (cert, key) = (format!("{certificate}.crt"), format!("{certificate}.key"));
        Real::start_tls(&[
            "--tls-cert-file",
            &path(&cert),
            "--tls-key-file",
            &path(&key),
            "--tls-ca-cert-file",
            &path("ca.crt"),
            "--tls-auth-clients",
            clients,
            "--cluster-enabled",
            "yes",
            "--tls-cluster",
            "yes",
            "--cluster-announce-ip",
            "127.0.0.1",
        ])
    }

    fn trusting(&self, with_certificate: bool) -> TlsOptions {
        TlsOptions {
            cacert: Some(self.path("ca.crt")),
            cert: with_certificate.then(|| self.path("good.crt")),
            key: with_certificate.then(|| self.path("good.key")),
            ..TlsOptions::default()
        }
    }
}

fn target(real: &Real, options: Option<&TlsOptions>) -> Target {
    let mut target = Target::new(vec![real.at.clone()]);
    target.tls = options.map(|options| Tls::new(options).expect("readable files"));
    target
}

fn look(target: &Target) -> (Sighting, Option<bool>) {
    let mut seen = block_on(observe(target, &Limits::default())).expect("a runtime");
    let over_tls = seen.bus.first().and_then(|bus| bus.over_tls);
    (seen.sightings.remove(0), over_tls)
}

fn certificate(sighting: &Sighting) -> &Certificate {
    sighting.certificate.get().expect("it was shown")
}

#[test]
fn mutual_tls_lets_in_who_has_a_certificate() {
    let files = Files::new();
    let real = files.server("good", "yes");
    let (sighting, bus_over_tls) = look(&target(&real, Some(&files.trusting(true))));
    assert!(sighting.nodes.get().is_some(), "{:?}", sighting.ping);
    assert_eq!(bus_over_tls, Some(true));
    assert_eq!(certificate(&sighting).names, ["redis.example", "10.1.2.3"]);
    assert!(certificate(&sighting).client_auth);

    let (sighting, _) = look(&target(&real, Some(&files.trusting(false))));
    assert!(matches!(sighting.ping, Said::Nothing(Silence::Tls(_))), "{:?}", sighting.ping);
}

#[test]
fn an_expired_or_foreign_certificate_is_refused_and_shown() {
    let (files, others) = (Files::new(), Files::new());
    let real = files.server("expired", "no");
    let (sighting, _) = look(&target(&real, Some(&files.trusting(false))));
    let Said::Nothing(Silence::Tls(why)) = &sighting.ping else { panic!("{:?}", sighting.ping) };
    assert!(why.contains("expired"), "{why}");
    assert_eq!(certificate(&sighting).not_after_s, 978_307_200);

    let real = files.server("good", "no");
    let (sighting, _) = look(&target(&real, Some(&others.trusting(false))));
    let Said::Nothing(Silence::Tls(why)) = &sighting.ping else { panic!("{:?}", sighting.ping) };
    assert!(why.contains("UnknownIssuer") || why.contains("BadSignature"), "{why}");
    assert!(certificate(&sighting).not_after_s > 4_000_000_000);

    let insecure = TlsOptions { insecure: true, ..TlsOptions::default() };
    assert!(look(&target(&real, Some(&insecure))).0.nodes.get().is_some());
}

#[test]
fn tls_and_plain_are_told_apart() {
    let files = Files::new();
    let real = files.server("good", "no");
    let (sighting, _) = look(&target(&real, None));
    let why = sighting.ping.silence().expect("it wants TLS");
    assert!(matches!(why, Silence::Garbage(_) | Silence::Closed), "{why:?}");

    // A plain port takes our hello for the beginning of a line and waits for its end.
    let plain = Real::start(Server::Redis70, &["--cluster-enabled", "yes"]);
    let mut wrong = target(&plain, Some(&files.trusting(false)));
    wrong.timeout = Duration::from_secs(1);
    let (sighting, _) = look(&wrong);
    let why = sighting.ping.silence().expect("it does not speak TLS");
    assert!(matches!(why, Silence::Tls(_) | Silence::NoReply), "{why:?}");
}
