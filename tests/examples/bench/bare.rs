//! The least that a durable service can do: an axum handler that reads the body, and one thread that writes what has
//! come together and syncs it once.

use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use driftline_tests::child::Child;
use driftline_tests::ports;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::folder::Folder;
use crate::http::{connections, requests, warm};
use crate::options::Options;

/// A body, and whom to tell that it is on disk.
type Waiting = (Bytes, oneshot::Sender<()>);

/// Serves until it is stopped.
pub(crate) async fn serve(_: &Folder, options: &Options) {
    let (sender, receiver) = channel::<Waiting>();
    let file = File::create(options.text("file", "bare.log")).expect("the file can be made");
    std::thread::spawn(move || write(file, &receiver));
    // The service's limit.
    let limit = axum::extract::DefaultBodyLimit::max(16 << 20);
    let routes = Router::new().route("/v1/predictions", post(take)).layer(limit).with_state(sender);
    let listener =
        TcpListener::bind(("127.0.0.1", options.number("port", 0))).await.expect("the port is free");
    axum::serve(listener, routes).await.expect("a server does not end");
}

async fn take(State(sender): State<Sender<Waiting>>, body: Bytes) -> &'static str {
    let (durable, waiting) = oneshot::channel();
    sender.send((body, durable)).expect("the writer runs");
    waiting.await.expect("the writer tells");
    "{}"
}

fn write(mut file: File, bodies: &Receiver<Waiting>) {
    while let Ok(first) = bodies.recv() {
        let group: Vec<Waiting> = std::iter::once(first).chain(bodies.try_iter()).collect();
        group.iter().for_each(|(body, _)| file.write_all(body).expect("the disk has room"));
        file.sync_data().expect("the disk syncs");
        // Who asked may have gone.
        group.into_iter().for_each(|(_, durable)| {
            durable.send(()).ok();
        });
    }
}

/// Starts one as a process of its own, and sends it what the service is sent.
pub(crate) async fn measure(folder: &Folder, options: &Options) {
    let form = options.text("form", "single");
    let requests = requests(folder, form, options.number("rows", 100_000));
    let space = tempfile::tempdir().expect("a temporary folder can be made");
    let port = ports::free();
    let mut command = Command::new(std::env::current_exe().expect("a program knows where it is"));
    command.arg("bare-server").arg(folder.path("")).arg(format!("port={port}"));
    command.arg(format!("file={}", space.path().join("bodies").display()));
    let mut server = Child::spawn("the bare server", command, &space.path().join("log"));
    let address = format!("127.0.0.1:{port}");
    while TcpStream::connect(&address).await.is_err() {
        assert!(!server.has_ended(), "the bare server ended: {}", server.log_tail());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_, mut sent) = warm(&address, &requests, connections(options, form)).await;
    sent.tell(&format!("bare.{form}"));
    server.kill();
}
