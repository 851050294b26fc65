//! The mesh that is measured: its processes, on a Kafka and a PostgreSQL of its own, or all in one with the embedded log.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;
use tiermesh_event_log::{EventLog, embedded::EmbeddedLog};
use tiermesh_testkit::PostgresServer;

use crate::{
    Failure,
    cluster::Cluster,
    processes::{cpu_seconds, cpu_seconds_of, own_cpu_seconds},
    service::Service,
};

/// What the mesh runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// Kafka and PostgreSQL.
    Kafka,
    /// `tiermesh up`: every service, and the embedded log.
    Embedded,
}

impl Backend {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kafka => "Kafka",
            Self::Embedded => "embedded (`up`, every service)",
        }
    }
}

/// A mesh that runs; dropped, all of it is gone.
pub struct Mesh {
    /// The first has the door.
    services: Vec<Service>,
    place: Place,
    directory: TempDir,
}

enum Place {
    Kafka { cluster: Box<Cluster>, _database: PostgresServer },
    Embedded { data: PathBuf },
}

/// CPU seconds used so far.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    /// By the mesh's own processes.
    pub mesh: f64,
    /// By the broker and the database.
    pub servers: f64,
    /// By this process: who sends and who looks.
    pub generator: f64,
}

impl Cpu {
    /// What was used since then.
    pub fn since(self, then: Self) -> Self {
        let Self { mesh, servers, generator } = then;
        Self { mesh: self.mesh - mesh, servers: self.servers - servers, generator: self.generator - generator }
    }
}

/// The mesh's partitions, as many as `up` has unless told otherwise.
pub const PARTITIONS: u32 = 8;

impl Mesh {
    /// Starts one and waits until it is ready: on Kafka ingest and these services, embedded all there are.
    ///
    /// # Errors
    /// If it doesn't get ready.
    pub fn start(backend: Backend, binary: &Path, others: &[&str]) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("tiermesh-bench-").tempdir()?;
        let path = directory.path();
        let (place, services) = match backend {
            Backend::Embedded => {
                let data = path.join("data");
                let arguments = ["up".as_ref(), "--data".as_ref(), data.as_os_str()];
                let service = Service::start(binary, "up", path, &arguments)?;
                (Place::Embedded { data }, vec![service])
            }
            Backend::Kafka => {
                let (cluster, database) = (Cluster::start(PARTITIONS)?, PostgresServer::start());
                let url = database.database();
                let start = |name: &&str| {
                    let arguments = ["serve", name, "--kafka", cluster.brokers(), "--store", &url];
                    Service::start(binary, name, path, &arguments)
                };
                let services = ["ingest"].iter().chain(others).map(start).collect::<Result<Vec<_>, _>>()?;
                (Place::Kafka { cluster: Box::new(cluster), _database: database }, services)
            }
        };
        Ok(Self { services, place, directory })
    }

    /// Where events enter.
    pub fn door(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.services[0].port).into()
    }

    /// The service that has the door: of an embedded mesh all of it.
    pub fn first(&self) -> &Service {
        &self.services[0]
    }

    /// Its log, for reading. Embedded, what is new is seen some milliseconds later than within the process.
    ///
    /// # Errors
    /// If it can't be opened.
    pub async fn log(&self) -> Result<Arc<dyn EventLog>, Failure> {
        match &self.place {
            Place::Kafka { cluster, .. } => cluster.log(),
            Place::Embedded { data } => Ok(Arc::new(EmbeddedLog::open_read_only(data.join("log")).await?)),
        }
    }

    /// What it has used so far.
    pub fn cpu(&self) -> Cpu {
        let mesh: f64 = self.services.iter().map(|service| cpu_seconds(service.process.id())).sum();
        let servers = cpu_seconds_of("kafka.Kafka") + cpu_seconds_of("postgres");
        Cpu { mesh, servers, generator: own_cpu_seconds() }
    }

    /// An error if one of its processes has ended.
    ///
    /// # Errors
    /// The end of its log.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.services.iter_mut().try_for_each(|service| service.process.check())
    }

    /// Stops it in good order; what it leaves behind stays as long as what is returned.
    ///
    /// # Errors
    /// If a process doesn't stop.
    pub fn stop(self) -> Result<TempDir, Failure> {
        self.services.into_iter().try_for_each(|service| service.process.stop())?;
        Ok(self.directory)
    }
}

/// How many records of a topic the log holds, without births.
///
/// # Errors
/// If the log doesn't answer.
pub async fn held(log: &dyn EventLog, topic: &str) -> Result<u64, Failure> {
    let mut held = 0;
    for partition in 0..log.partitions(topic).await? {
        held += log.extent(topic, partition).await?.end.saturating_sub(1);
    }
    Ok(held)
}
