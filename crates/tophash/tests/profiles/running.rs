//! Profiles of running programs: asked by their URLs, by TLS, with headers, and within bounds.

use std::fs;
use std::process::{Command, Output};

use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;

use crate::oracle::{text, told, tophash};

struct Serving {
    running: Running,
    folder: tempfile::TempDir,
}

impl Serving {
    fn start() -> Self {
        let program = fixture::build("1.27", Fixture::Profiles, Symbols::Stripped).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        command.arg("serve").arg(folder.path());
        Self { running: Running::start_command(&mut command).unwrap(), folder }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address("ADDRESS\t"))
    }

    fn safe_url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address("TLS\t"))
    }

    fn address(&self, name: &str) -> &str {
        self.running.lines().iter().find_map(|line| line.strip_prefix(name)).unwrap()
    }
}

fn refused(output: &Output, word: &str) {
    assert_eq!(output.status.code(), Some(3), "{}", told(output));
    assert!(told(output).contains(word), "{word}: {}", told(output));
}

fn shows(output: &Output, word: &str) {
    assert!(output.status.success(), "{}", told(output));
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains(word), "{word}: {shown}");
}

#[test]
fn every_profile_is_asked_for_and_explained() {
    let serving = Serving::start();
    let ask = |path: &str| tophash(&[&serving.url(path)]);
    let heap = ask("/debug/pprof/heap?gc=1");
    shows(&heap, "main.fill");
    assert!(told(&heap).contains("collected before"), "{}", told(&heap));
    assert!(told(&ask("/debug/pprof/heap")).contains("?gc=1"));
    for root in ["", "/"] {
        let whole = ask(root);
        shows(&whole, "main.fill");
        assert!(told(&whole).contains("asked for /debug/pprof/heap"), "{}", told(&whole));
    }
    shows(&ask("/debug/pprof/allocs"), "main.churn");
    shows(&ask("/debug/pprof/goroutine"), "main.serve");
    shows(&ask("/debug/pprof/goroutineleak"), "goroutineleak");
    for name in ["block", "mutex", "threadcreate"] {
        assert!(ask(&format!("/debug/pprof/{name}")).status.success(), "{name}");
    }
    for name in ["heap", "allocs", "goroutine"] {
        let delta = ask(&format!("/debug/pprof/{name}?seconds=1"));
        assert!(delta.status.success(), "{name}: {}", told(&delta));
        assert!(told(&delta).contains("1 s apart"), "{name}: {}", told(&delta));
    }
    let time = ask("/debug/pprof/profile?seconds=1");
    assert!(time.status.success(), "{}", told(&time));
}

#[test]
fn what_is_no_profile_is_refused_by_name() {
    let serving = Serving::start();
    let ask = |path: &str| tophash(&[&serving.url(path)]);
    refused(&ask("/debug/pprof/nothing"), "no such profile");
    refused(&ask("/debug/pprof/heap?debug=1"), "without debug=1");
    refused(&ask("/debug/pprof/goroutine?debug=2"), "without debug=1");
    refused(&ask("/debug/pprof/"), "not a pprof profile");
    refused(&ask("/page"), "not a pprof profile");
    refused(&ask("/broken"), "answers 500");
    refused(&ask("/round"), "/round");
    refused(&ask("/cut"), "/cut");
    refused(&tophash(&["http://127.0.0.1:1/debug/pprof/heap"]), "can't be reached");
    refused(&tophash(&["http://[::1/debug"]), "is no URL");
    // The first profile is there, the second isn't: nothing is shown.
    let both = tophash(&[&serving.url("/debug/pprof/heap"), &serving.url("/nothing")]);
    refused(&both, "no such profile");
    assert!(both.stdout.is_empty());
}

#[test]
fn headers_go_where_they_are_meant_to_and_nowhere_else() {
    let serving = Serving::start();
    let secret = "Authorization: Bearer opensesame";
    let with = |path: &str, header: &str| tophash(&[&serving.url(path), "--header", header]);
    refused(&tophash(&[&serving.url("/guarded")]), "--header");
    shows(&with("/guarded", secret), "main.fill");
    shows(&with("/guarded", "authorization:Bearer opensesame"), "main.fill");
    shows(&tophash(&[&serving.url("/away")]), "main.fill");
    let away = with("/away", secret);
    refused(&away, "leads elsewhere");
    assert!(!told(&away).contains("opensesame"), "{}", told(&away));
    let bad = with("/guarded", "opensesame");
    assert!(!bad.status.success() && !told(&bad).contains("opensesame"), "{}", told(&bad));
    let split = with("/guarded", "Name: opensesame\r\nOther: x");
    assert!(!split.status.success() && !told(&split).contains("opensesame"), "{}", told(&split));
}

#[test]
fn an_answer_that_does_not_end_or_come_is_given_up() {
    let serving = Serving::start();
    let ask = |path: &str, options: &[&str]| {
        let url = serving.url(path);
        tophash(&[&[url.as_str()], options].concat())
    };
    refused(&ask("/slow", &["--timeout", "300ms"]), "--timeout");
    refused(&ask("/endless", &["--max-size", "16MiB"]), "more than 16MB");
    refused(&ask("/debug/pprof/heap", &["--max-size", "1KiB"]), "more than 1kB");
    // What the program takes by intent is added to what it may take.
    let slow = ask("/debug/pprof/allocs?seconds=6", &["--timeout", "5s"]);
    assert!(slow.status.success(), "{}", told(&slow));
}

#[test]
fn certificates_are_held_against_those_that_are_trusted() {
    let serving = Serving::start();
    let url = serving.safe_url("/debug/pprof/heap");
    let ask = |trusted: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tophash"));
        command.args(["profile", &url]).env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
        command.output().unwrap()
    };
    let authority = serving.folder.path().join("authority.pem");
    shows(&ask(text(&authority)), "main.fill");
    // That of another program of the same name.
    let other = Serving::start();
    refused(&ask(text(&other.folder.path().join("authority.pem"))), "certificate");
    let empty = serving.folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    refused(&ask(text(&empty)), "SSL_CERT_FILE");
    // TLS where there is none, and none where there is.
    let plain =
        serving.safe_url("/").replace(serving.address("TLS\t"), serving.address("ADDRESS\t"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_tophash"));
    refused(
        &command.args(["profile", &plain]).env("SSL_CERT_FILE", &authority).output().unwrap(),
        "can't be reached",
    );
    refused(&tophash(&[&serving.safe_url("/debug/pprof/heap").replace("https", "http")]), "400");
}
