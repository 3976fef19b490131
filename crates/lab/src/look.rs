//! Looking at a cluster of the lab as a person would: `net::observe`, then the judgement.

use std::time::Duration;

use slotwright_core::diagnose::{Report, diagnose};
use slotwright_core::model::Endpoint;
use slotwright_core::scenario::Look;
use slotwright_net::{Limits, Login, Secret, Target, block_on, observe};

use crate::cluster::Cluster;
use crate::error::{Doing, Result};

/// How long one look may take. Frozen nodes use all of it.
const DEADLINE: Duration = Duration::from_secs(2);

/// Somebody who looks at one cluster again and again.
pub(crate) struct Onlooker {
    target: Target,
    /// The look before, for findings that settle by themselves.
    before: Option<Report>,
}

impl Onlooker {
    /// Begins to look at a cluster. On the thread of the cluster: what is started here runs in the
    /// namespace of the thread.
    ///
    /// # Errors
    /// When TLS is to be spoken and its files cannot be read.
    pub fn new(cluster: &mut Cluster, look: &Look) -> Result<Self> {
        let (addresses, tls) = cluster.windows(&look.named)?;
        let seeds = addresses
            .into_iter()
            .map(|address| Endpoint { host: address.ip().to_string(), port: address.port() });
        let further = look.also_named.iter().filter_map(|name| name.parse().ok());
        let mut target = Target::new(seeds.chain(further).collect());
        target.tls = tls;
        target.timeout = DEADLINE;
        target.census = look.census;
        target.login = look
            .password
            .clone()
            .map(|password| Login { user: look.user.clone(), password: Secret::new(password) });
        Ok(Self { target, before: None })
    }

    /// What is looked at, and with whose login.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Looks once. A finding that settles by itself counts when the look before had it too.
    ///
    /// # Errors
    /// When the machine gives us no event queue.
    pub fn look(&mut self) -> Result<Report> {
        let seen = block_on(observe(&self.target, &Limits::default()));
        let report = diagnose(&seen.doing(|| "looking".to_owned())?);
        let confirmed = report.clone().confirmed_by(self.before.as_ref());
        self.before = Some(report);
        Ok(confirmed)
    }
}
