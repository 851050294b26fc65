//! The servers answer, can be stopped and started again, and don't outlive the process that holds them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use tiermesh_testkit::{KafkaServer, Line, PostgresServer, SmallDisk, free_port, kafka, postgres, wait_for};

fn listens(address: &str) -> bool {
    TcpStream::connect(address.parse::<SocketAddr>().unwrap()).is_ok()
}

/// `127.0.0.1:1234` of `postgres://user:password@127.0.0.1:1234/database`.
fn address(url: &str) -> &str {
    url.split(['@', '/']).nth(3).unwrap()
}

#[test]
fn kafka_answers_and_is_shared() {
    assert!(listens(kafka()));
    assert_eq!(kafka(), kafka());
}

#[test]
fn each_call_gives_a_database_of_its_own() {
    let (one, other) = (postgres(), postgres());
    assert_ne!(one, other);
    assert_eq!(address(&one), address(&other));
    assert!(listens(address(&one)));
}

#[tokio::test]
async fn works_inside_tokio() {
    assert!(listens(kafka()));
    assert!(listens(address(&postgres())));
}

#[test]
fn kafka_stops_and_starts_again() {
    let server = KafkaServer::start();
    server.stop();
    assert!(!listens(server.bootstrap()));
    server.stop();
    server.restart();
    server.restart();
    assert!(listens(server.bootstrap()));
}

#[test]
fn postgres_stops_and_starts_again() {
    let server = PostgresServer::start();
    let database = server.database();
    server.stop();
    assert!(!listens(address(&database)));
    server.restart();
    assert_ne!(server.database(), database);
}

/// The process that the next test kills: prints where its servers are, and waits.
#[test]
#[ignore = "run by nothing_outlives_the_holder only"]
fn holder() {
    println!("\nholds {} {}", kafka(), address(&postgres()));
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn nothing_outlives_the_holder() {
    let temp = tempfile::tempdir().unwrap();
    // PostgreSQL runs as another user, who must be able to get there.
    std::fs::set_permissions(temp.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "holder", "--nocapture"])
        .env("TMPDIR", temp.path())
        .env_remove("TIERMESH_TEST_KAFKA")
        .env_remove("TIERMESH_TEST_POSTGRES")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.into_iter().find(|line| line.starts_with("holds ")).unwrap();
    let servers: Vec<&str> = line.split(' ').skip(1).collect();
    assert_eq!(servers.len(), 2);
    assert!(servers.iter().all(|server| listens(server)), "{line}");
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 2);

    holder.kill().unwrap();
    holder.wait().unwrap();
    let limit = Duration::from_secs(30);
    wait_for("the servers to go", limit, || !servers.iter().any(|server| listens(server)));
    wait_for("their directories to go", limit, || std::fs::read_dir(temp.path()).unwrap().count() == 0);
}

#[test]
fn a_dropped_server_is_gone() {
    let server = PostgresServer::start();
    let database = server.database();
    drop(server);
    assert!(!listens(address(&database)));
}

#[test]
fn a_free_port_can_be_bound() {
    assert!(std::net::TcpListener::bind(("127.0.0.1", free_port())).is_ok());
}

#[test]
#[should_panic(expected = "in vain for: the end of time")]
fn waiting_in_vain_says_for_what() {
    wait_for("the end of time", Duration::from_millis(50), || false);
}

#[test]
fn a_proxied_kafka_is_reached_by_the_proxy_as_long_as_its_line_is_open() {
    let (server, proxy) = KafkaServer::start_behind_proxy();
    assert!(listens(server.bootstrap()));
    let mut connection = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
    let mut asks = || {
        // Length; ApiVersions (18), version 0; correlation id 1; no client id.
        connection.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])?;
        let mut length = [0; 4];
        connection.read_exact(&mut length)?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        connection.read_exact(&mut answer)
    };
    asks().unwrap();
    proxy.set(Line::Slow(Duration::from_millis(1)));
    asks().unwrap();
    proxy.interrupt();
    assert!(asks().is_err(), "the connection went on though it was cut");
}

#[test]
fn a_small_disk_is_full_until_it_is_freed() {
    let disk = match SmallDisk::mount(2) {
        Ok(disk) => disk,
        Err(reason) => return eprintln!("NOT TESTED, small disks: {reason}"),
    };
    let write = || std::fs::write(disk.path().join("file"), [0; 100_000]);
    write().unwrap();
    std::fs::remove_file(disk.path().join("file")).unwrap();
    disk.fill();
    assert_eq!(write().unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    disk.free();
    write().unwrap();
}
