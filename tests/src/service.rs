//! A service for a test: on a free port, with a temporary state, stopped at the end.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use driftline::config::Config;
use driftline::{Service, Surroundings};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::api::Api;

/// A service that runs in this process, and a client of it.
pub struct TestService {
    api: Api,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    _state: Option<TempDir>,
}

impl TestService {
    /// Starts a service with the given configuration; its address and state are set here.
    ///
    /// # Panics
    /// If the configuration does not hold or the service does not start.
    pub async fn start(config: &str) -> Self {
        Self::start_in(config, Path::new("")).await
    }

    /// As [`TestService::start`], with relative paths from `folder`.
    ///
    /// # Panics
    /// If the configuration does not hold or the service does not start.
    pub async fn start_in(config: &str, folder: &Path) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder can be made");
        let service = Self::start_with(config, folder, state.path()).await;
        Self { _state: Some(state), ..service }
    }

    /// As [`TestService::start_in`], with a state that outlives the service.
    ///
    /// # Panics
    /// If the configuration does not hold or the service does not start.
    pub async fn start_with(config: &str, folder: &Path, state: &Path) -> Self {
        Self::start_among(config, folder, state, Surroundings::default()).await
    }

    /// As [`TestService::start_with`], in other surroundings.
    ///
    /// # Panics
    /// If the configuration does not hold or the service does not start.
    pub async fn start_among(config: &str, folder: &Path, state: &Path, surroundings: Surroundings) -> Self {
        let environment = [
            ("DRIFTLINE_SERVER__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("DRIFTLINE_STATE__PATH".to_owned(), format!("{state:?}")),
        ];
        let config = Config::parse(config, "test", folder.to_owned(), environment.into_iter())
            .unwrap_or_else(|error| panic!("{error}"));
        let service =
            Service::start_in(config, false, surroundings).await.unwrap_or_else(|error| panic!("{error:?}"));
        // Models cannot be put before.
        while !service.health().snapshot().recovery.finished {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let url = format!("http://{}", service.address());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let ended = service.run(async { drop(stopped.await) }).await;
            ended.unwrap_or_else(|error| panic!("{error:?}"));
        });
        Self { api: Api::new(url), stop: Some(stop), running, _state: None }
    }

    /// Stops the service and sees that it ended well.
    ///
    /// # Panics
    /// If it did not.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.running.await.expect("the service ended well");
    }
}

impl Deref for TestService {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}
