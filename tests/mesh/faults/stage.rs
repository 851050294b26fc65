//! The stage: a mesh of separate processes that reach broker and database by lines which can be cut; its load, its feed,
//! and what is asked of a fault: a line in a log, doctor's word, and that all goes on.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;
use tiermesh_churn_warning::ChurnWarningProcessor;
use tiermesh_event_log::kafka::{KafkaLog, KafkaSettings};
use tiermesh_scoring::{CutPointsProcessor, ScoringProcessor};
use tiermesh_testkit::{KafkaServer, PostgresServer, Proxy, wait_for};

use super::{
    feed::Feed,
    load::Load,
    report::{self, Row},
};
use crate::{
    compose_mesh::{delivered, to_be_told},
    mesh_process::{PATIENCE, Process, attempt, run},
    receiver::Receiver,
    running::{Mesh, PARTITIONS},
    undisturbed::{assert_nothing_lost, assert_undisturbed},
};

/// A member that doesn't speak is given up after 3 s; the default is for networks, not for tests.
const SESSIONS: &str = "session.timeout.ms=3000,heartbeat.interval.ms=500";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A mesh under load.
pub(super) struct Stage {
    // First: processes end before what they run on.
    pub(super) mesh: Mesh,
    pub(super) broker_line: Proxy,
    pub(super) database: PostgresServer,
    pub(super) database_line: Proxy,
    services: Vec<&'static str>,
    load: Option<Load>,
    feed: Feed,
    receiver: Receiver,
    routes: String,
    /// How long each log was when the present fault began.
    marks: BTreeMap<&'static str, usize>,
    /// How many events had been accepted by then.
    accepted_before: usize,
    rows: Vec<Row>,
}

impl Stage {
    /// Starts these services (name, service), puts policies in force and begins to send. `start_database` starts the
    /// database where the test wants it.
    pub(super) fn start(services: &[(&'static str, &str)], start_database: impl FnOnce() -> PostgresServer) -> Self {
        let (mesh, (broker_line, database)) = Mesh::on_servers(|| {
            let (broker, line) = KafkaServer::start_behind_proxy();
            let database = start_database();
            let url = database.database();
            (broker, url, (line, database))
        });
        mesh.create_topics();
        let database_line = Proxy::to(database.port());
        let receiver = Receiver::start(SECRET);
        let route = |name: &str, what: &str| {
            let webhook = format!("{{ url = \"{}\", secret = \"{SECRET}\" }}", receiver.url());
            format!("[[routes]]\nname = \"{name}\"\nwhat = \"{what}\"\nwebhook = {webhook}\n")
        };
        let routes = route("changes", "tier-changes") + &route("signals", "signals");
        let routes = mesh.file("routes.toml", routes.as_bytes());
        let feed = Feed::watch(Arc::new(KafkaLog::new(KafkaSettings::new(mesh.brokers())).unwrap()));
        let (marks, rows) = (BTreeMap::new(), Vec::new());
        let mut stage = Self {
            mesh,
            broker_line,
            database,
            database_line,
            services: Vec::new(),
            load: None,
            feed,
            receiver,
            routes,
            marks,
            accepted_before: 0,
            rows,
        };
        services.iter().for_each(|(name, service)| stage.launch(name, service, &[]));
        services.iter().for_each(|(name, _)| stage.mesh.process(name).wait_until_ready());
        let activate = ["policy", "activate", "abc", "lifecycle", "pyramid", "scorecard", "loss-signals"];
        let door = stage.urls("ingest").remove(0);
        run(&[&activate[..], &["--to", &door]].concat());
        stage.load = Some(Load::start(stage.urls("ingest")));
        stage.goes_on();
        stage
    }

    /// Starts one more process, without waiting for it.
    pub(super) fn launch(&mut self, name: &'static str, service: &str, more: &[&str]) {
        let (brokers, store) = self.lines();
        let mut arguments =
            vec!["serve", service, "--kafka", &brokers, "--store", &store, "--kafka-property", SESSIONS];
        if service == "notification" {
            arguments.extend(["--routes", &self.routes]);
        }
        arguments.extend(more);
        let mut process = Process::stopped(name, self.mesh.directory(), &arguments);
        process.launch();
        self.mesh.add(name, process);
        self.services.push(name);
    }

    /// Broker and database as processes reach them.
    fn lines(&self) -> (String, String) {
        let (from, to) = (self.database.port(), self.database_line.port());
        let store = self.mesh.store().replace(&format!(":{from}/"), &format!(":{to}/"));
        (format!("127.0.0.1:{}", self.broker_line.port()), store)
    }

    /// Where the processes listen whose name begins so.
    fn urls(&mut self, prefix: &str) -> Vec<String> {
        let names = self.services.iter().filter(|name| name.starts_with(prefix));
        names.copied().collect::<Vec<_>>().into_iter().map(|name| self.mesh.process(name).url()).collect()
    }

    /// A process that was stopped for good is asked for no longer.
    pub(super) fn forget(&mut self, name: &str) {
        self.services.retain(|service| *service != name);
    }

    /// A fault begins.
    pub(super) fn begin(&mut self, fault: &str) {
        self.note_events();
        self.rows.push(Row { fault: fault.to_owned(), rounds: 1, ..Row::default() });
        for name in self.services.clone() {
            let length = self.mesh.process(name).logged().len();
            self.marks.insert(name, length);
        }
        self.feed.begin();
    }

    /// Notes how many events were accepted since the present fault began.
    fn note_events(&mut self) {
        let (accepted, before) = (self.load.as_ref().unwrap().accepted(), self.accepted_before);
        if let Some(row) = self.rows.last_mut() {
            row.events = accepted - before;
        }
        self.accepted_before = accepted;
    }

    /// What is told of the present fault.
    pub(super) fn row(&mut self) -> &mut Row {
        self.rows.last_mut().unwrap()
    }

    /// The fault leaves a line with one of these groups of words in the log of one of these processes: who tells it first
    /// depends on what each of them was doing.
    pub(super) fn leaves_one_of(&mut self, names: &[&str], groups: &[&[&str]]) {
        let mut found = None;
        wait_for(&format!("a line of {names:?} with one of {groups:?}"), PATIENCE, || {
            found = groups.iter().find_map(|words| self.line_of(names, words));
            found.is_some()
        });
        self.row().lines.extend(found);
    }

    /// The fault leaves such a line in the log of one of these processes.
    pub(super) fn leaves_line(&mut self, names: &[&str], words: &[&str]) {
        self.leaves_one_of(names, &[words]);
    }

    fn line_of(&mut self, names: &[&str], words: &[&str]) -> Option<String> {
        names.iter().find_map(|name| {
            let from = self.marks.get(name).copied().unwrap_or_default();
            let logged = self.mesh.process(name).logged();
            let line = logged[from..].lines().find(|line| words.iter().all(|word| line.contains(word)))?;
            Some(format!("{name}: {}", without_time(line)))
        })
    }

    /// Doctor, asked as an operator would, finds something wrong that is told with these words.
    pub(super) fn doctor_names(&mut self, words: &[&str]) {
        self.doctor_says("wrong", &[words]);
    }

    /// It finds several things that are so, each told with a group of these words.
    pub(super) fn doctor_says(&mut self, state: &str, groups: &[&[&str]]) {
        let mut found = Vec::new();
        wait_for(&format!("doctor to name {groups:?}"), PATIENCE, || {
            let all = self.doctor(state);
            let of = |words: &&[&str]| all.iter().find(|finding| words.iter().all(|word| finding.contains(word)));
            found = groups.iter().filter_map(of).cloned().collect();
            if found.len() < groups.len() {
                eprintln!("doctor doesn't say all of {groups:?}: {all:?}");
            }
            found.len() == groups.len()
        });
        found.retain(|finding| !self.row().doctor.contains(finding));
        self.row().doctor.extend(found);
    }

    /// What doctor finds that is so.
    fn doctor(&mut self, state: &str) -> Vec<String> {
        let (brokers, store) = self.lines();
        let urls: Vec<String> = self.urls("").into_iter().flat_map(|url| ["--url".to_owned(), url]).collect();
        let mut arguments = vec!["doctor", "--json", "--quick", "--kafka", &brokers, "--store", &store];
        arguments.extend(urls.iter().map(String::as_str));
        doctor(&arguments, state)
    }

    /// Events come in, and lead to something.
    pub(super) fn goes_on(&mut self) {
        let load = self.load.as_ref().unwrap();
        let accepted = load.accepted();
        wait_for("events to be accepted", PATIENCE, || load.accepted() > accepted);
        let length = self.feed.length();
        wait_for("tier changes to come", PATIENCE, || self.feed.length() > length);
    }

    /// Nothing is accepted that can't be made durable.
    pub(super) fn accepts_nothing_for(&mut self, time: Duration) {
        let load = self.load.as_ref().unwrap();
        let accepted = load.accepted();
        std::thread::sleep(time);
        assert_eq!(load.accepted(), accepted, "events were accepted without a log to hold them");
    }

    /// All partitions but these go on, and what is found is told.
    pub(super) fn goes_on_beside(&mut self, standing: &[u32]) {
        self.goes_on();
        let (lengths, told) = (self.feed.lengths(), self.receiver.count());
        wait_for(&format!("all partitions but {standing:?} to go on"), PATIENCE, || {
            let now = self.feed.lengths();
            let mut partitions = (0..).zip(lengths.iter().zip(&now));
            partitions.all(|(partition, (before, now))| standing.contains(&partition) || now > before)
        });
        wait_for("deliveries to arrive", PATIENCE, || self.receiver.count() > told);
    }

    /// The fault is over: all goes on, and doctor has nothing to say. How long outputs stood still is noted.
    pub(super) fn recovers(&mut self) {
        self.feed.over();
        self.goes_on_beside(&[]);
        self.mesh.wait_until_folded();
        let went_on = self.feed.went_on_after().unwrap_or_else(|| panic!("a partition didn't go on"));
        let still = self.feed.longest();
        let mut last = Vec::new();
        wait_for("doctor to find nothing wrong", PATIENCE, || {
            last = self.doctor("wrong");
            if !last.is_empty() {
                eprintln!("doctor still says: {last:?}");
            }
            last.is_empty()
        });
        let row = self.row();
        (row.still, row.went_on) = (still, went_on);
        eprintln!("{}: {still:?} at most, {went_on:?} after\n  {:?}\n  {:?}", row.fault, row.lines, row.doctor);
    }

    /// The end: nothing that was accepted is lost, what was said is what it should be, who had to be told was told once.
    pub(super) fn finish(mut self, test: &str) {
        self.note_events();
        let sent = self.load.take().unwrap().stop();
        self.mesh.wait_until_folded();
        assert_nothing_lost(&self.mesh, &sent);
        let repeats = self.assert_undisturbed();
        self.assert_told();
        report::tell(test, sent.len(), repeats, &self.rows);
    }

    /// The same where partitions have stopped for good.
    pub(super) fn finish_stopped(mut self, test: &str) {
        self.note_events();
        let sent = self.load.take().unwrap().stop();
        assert_nothing_lost(&self.mesh, &sent);
        let repeats = self.assert_undisturbed();
        report::tell(test, sent.len(), repeats, &self.rows);
    }

    fn assert_undisturbed(&self) -> usize {
        assert_undisturbed(&self.mesh, &ScoringProcessor { partitions: PARTITIONS })
            + assert_undisturbed(&self.mesh, &CutPointsProcessor)
            + assert_undisturbed(&self.mesh, &ChurnWarningProcessor { partitions: PARTITIONS })
    }

    /// Every change and signal that has to be told arrived, under one id each.
    fn assert_told(&self) {
        let least = to_be_told(&self.mesh);
        assert!(!least.is_empty(), "nothing was to be told: the test tests nothing");
        let mut found = BTreeMap::new();
        wait_for("every delivery", PATIENCE, || {
            found = delivered(&self.mesh);
            let all = least.iter().all(|told| found.contains_key(told));
            if !all {
                // Looking reads the whole topic.
                std::thread::sleep(Duration::from_secs(1));
            }
            all
        });
        let (most, accepted) = (to_be_told(&self.mesh), self.receiver.accepted());
        for (told, ids) in &found {
            assert!(most.contains(told), "{told:?} was told, and nobody said it");
            assert!(ids.len() == 1 && ids.is_subset(&accepted), "{told:?} went by {ids:?}");
        }
        self.receiver.assert_honest();
    }
}

/// Runs doctor; what it finds wrong, or worth a note, each with its area.
pub(super) fn doctor(arguments: &[&str], state: &str) -> Vec<String> {
    let (_, text, told) = attempt(arguments);
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("doctor: {error}: {text} {told}"));
    let found = answer["findings"].as_array().unwrap().iter().filter(|finding| finding["state"] == state);
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    found.map(|finding| format!("{}: {}", text(finding, "area"), text(finding, "what"))).collect()
}

/// A line of a log as people read it, without when and where.
pub(super) fn without_time(line: &str) -> String {
    let from = ["ERROR ", " WARN ", " INFO "].iter().find_map(|level| line.find(level)).unwrap_or_default();
    line[from..].trim().to_owned()
}

/// A database on this machine's disk.
pub(super) fn on_disk() -> PostgresServer {
    PostgresServer::start()
}

/// Everything there is, scoring and ingest twice.
pub(super) const ALL: [(&str, &str); 7] = [
    ("ingest-1", "ingest"),
    ("ingest-2", "ingest"),
    ("scoring-1", "scoring"),
    ("scoring-2", "scoring"),
    ("churn-warning", "churn-warning"),
    ("notification", "notification"),
    ("console", "console"),
];

/// What a member says that was given up by its group, or deposed, and hears of it.
pub(super) const LOST: [&[&str]; 6] = [
    &["partition was lost: nothing saved"],
    &["`control` was lost"],
    &["deposed"],
    &["moved by another"],
    &["partitions revoked", "lost=true"],
    &["starting anew", "closed"],
];

/// Longer than a session lasts.
pub(super) const BEYOND_SESSION: Duration = Duration::from_secs(5);
