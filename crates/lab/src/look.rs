//! Looking at a cluster of the lab as a person would: `net::observe`, then the judgement.

use std::time::Duration;

use slotwright_core::diagnose::{Report, diagnose};
use slotwright_core::model::Endpoint;
use slotwright_core::scenario::Look;
use slotwright_net::{Limits, Login, Secret, Target, observe};
use tokio::runtime::{Builder, Runtime};

use crate::cluster::Cluster;
use crate::error::{Doing, Result};

/// How long one look may take. Frozen nodes use all of it.
const DEADLINE: Duration = Duration::from_secs(2);

/// Somebody who looks at one cluster again and again.
pub(crate) struct Onlooker {
    runtime: Runtime,
    target: Target,
    /// The look before, for findings that settle by themselves.
    before: Option<Report>,
}

impl Onlooker {
    /// Begins to look at a cluster. On the thread of the cluster: what is started here runs in the
    /// namespace of the thread.
    pub fn new(cluster: &mut Cluster, look: &Look) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let seeds = cluster
            .addresses(&look.named)
            .into_iter()
            .map(|address| Endpoint { host: address.ip().to_string(), port: address.port() });
        let mut target = Target::new(seeds.collect());
        target.timeout = DEADLINE;
        target.census = look.census;
        target.login = look
            .password
            .clone()
            .map(|password| Login { user: look.user.clone(), password: Secret::new(password) });
        Ok(Self { runtime: runtime.doing(|| "starting to look".to_owned())?, target, before: None })
    }

    /// Looks once. A finding that settles by itself counts when the look before had it too.
    pub fn look(&mut self) -> Report {
        let seen = self.runtime.block_on(observe(&self.target, Limits::default()));
        let report = diagnose(&seen);
        let confirmed = report.clone().confirmed_by(self.before.as_ref());
        self.before = Some(report);
        confirmed
    }
}
