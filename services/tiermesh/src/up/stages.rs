//! Services of one process in stages, which are stopped one after the other.

use tiermesh_processing::RunError;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// All stages, in the order in which they are stopped.
pub(super) struct Stages {
    stages: Vec<Stage>,
    failed: mpsc::UnboundedSender<RunError>,
    failures: Mutex<mpsc::UnboundedReceiver<RunError>>,
}

/// Services that are stopped together.
pub(super) struct Stage {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    failed: mpsc::UnboundedSender<RunError>,
}

impl Default for Stages {
    fn default() -> Self {
        let (failed, failures) = mpsc::unbounded_channel();
        Self { stages: Vec::new(), failed, failures: Mutex::new(failures) }
    }
}

impl Stages {
    /// One more stage, behind the others.
    pub(super) fn add(&mut self) -> &mut Stage {
        let failed = self.failed.clone();
        self.stages.push(Stage { stop: CancellationToken::new(), tasks: Vec::new(), failed });
        self.stages.last_mut().expect("one was pushed a line above")
    }

    /// Waits until a service has stopped with something that only a person can mend.
    pub(super) async fn failed(&self) -> String {
        match self.failures.lock().await.recv().await {
            Some(error) => error.to_string(),
            None => "every service has stopped".to_owned(),
        }
    }

    /// Stops one stage after the other, each when those before it have ended.
    pub(super) async fn stop(self) {
        for stage in self.stages {
            stage.stop.cancel();
            for task in stage.tasks {
                // How it ended is logged where it happens.
                let _ = task.await;
            }
        }
    }
}

impl Stage {
    /// Cancelled when the stage is to stop.
    pub(super) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a service in this stage.
    pub(super) fn run(&mut self, service: impl Future<Output = Result<(), RunError>> + Send + 'static) {
        let failed = self.failed.clone();
        self.tasks.push(tokio::spawn(async move {
            if let Err(error) = service.await {
                // Nobody listens any more only once the mesh is stopping.
                let _ = failed.send(error);
            }
        }));
    }
}
