//! Each rule on a program that it is for, and on one that looks alike and is in order.

use std::fs;
use std::path::{Path, PathBuf};

use tophash_source::{Config, Finding, Rule, Severity, lint_texts};

/// A release for which every rule applies.
const GO: Option<(u32, u32)> = Some((1, 22));

fn data(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(of)
}

/// What is shown by default for a file.
fn shown(path: &Path) -> Vec<Finding> {
    let text = fs::read_to_string(path).expect("the test data is there");
    let report = lint_texts(&[("a.go", &text)], GO, &Config::default());
    assert!(report.passed_over.is_empty(), "{}: {:?}", path.display(), report.passed_over);
    report.findings.into_iter().filter(|finding| finding.severity >= Severity::Warning).collect()
}

#[test]
fn each_rule_finds_what_it_is_for_and_not_what_looks_alike() {
    for rule in Rule::ALL {
        let folder = data("rules").join(rule.name());
        let bad = shown(&folder.join("bad.go"));
        assert!(bad.iter().any(|finding| finding.rule == rule), "{rule}: {bad:#?}");
        assert!(bad.iter().all(|finding| finding.rule == rule), "{rule}: {bad:#?}");
        let good = shown(&folder.join("good.go"));
        assert!(good.is_empty(), "{rule}: {good:#?}");
    }
}

#[test]
fn leaks_that_were_reported_are_found_before_their_fix_and_not_after() {
    let mut folders: Vec<_> = fs::read_dir(data("leaks"))
        .expect("the test data is there")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    folders.sort();
    assert_eq!(folders.len(), 9);
    for folder in folders {
        let is_found = !shown(&folder.join("before.go")).is_empty();
        // There, a delete is in its place, and given a key that is made otherwise than the one stored.
        let is_out_of_reach = folder.ends_with("virtual-kubelet-1045");
        assert_eq!(is_found, !is_out_of_reach, "{}", folder.display());
        let after = shown(&folder.join("after.go"));
        assert!(after.is_empty(), "{}: {after:#?}", folder.display());
    }
}

#[test]
fn a_map_that_remembers_what_was_removed_needs_a_delete_that_nothing_new_brings() {
    let found = shown(&data("remembered/bad.go"));
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(finding.rule, Rule::UnboundedField);
    assert!(finding.message.contains("remembers"), "{finding:#?}");
    assert!(shown(&data("remembered/good.go")).is_empty());
}

#[test]
fn findings_say_where_entries_come_in_and_what_to_change() {
    for rule in Rule::ALL {
        for finding in shown(&data("rules").join(rule.name()).join("bad.go")) {
            assert!(finding.at.line > 1, "{finding:#?}");
            assert!(!finding.fix.is_empty() && !finding.absent.is_empty(), "{finding:#?}");
        }
    }
    let found = shown(&data("rules/unbounded-global/bad.go"));
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!((finding.subject.as_str(), finding.at.line), ("hits", 10));
    assert_eq!(finding.keys, Some("requests or users"));
    assert_eq!(finding.evidence[0].at.line, 17);
    assert_eq!(finding.evidence[0].what, "insert [r.RemoteAddr] in Count");
}

#[test]
fn a_comment_with_a_reason_takes_a_finding_back() {
    let text = fs::read_to_string(data("rules/unbounded-global/bad.go")).expect("it is there");
    let with = |comment: &str| {
        let text = text.replace("\thits =", &format!("\t{comment}\n\thits ="));
        lint_texts(&[("a.go", &text)], GO, &Config::default())
    };
    let taken = with("//tophash:ignore unbounded-global addresses of the lab's ten machines");
    assert!(taken.findings.is_empty());
    assert_eq!(taken.suppressed, 1);
    let unexplained = with("//tophash:ignore unbounded-global");
    assert_eq!(unexplained.findings.len(), 1);
    assert_eq!(unexplained.suppression_faults.len(), 1);
    assert_eq!(with("//tophash:ignore nan-key of another rule").findings.len(), 1);
}

#[test]
fn a_comment_behind_code_says_nothing_of_the_next_line() {
    let text = fs::read_to_string(data("rules/unbounded-global/bad.go")).expect("it is there");
    let with = |comment: &str, other: &str| {
        let text = text.replace("\thits =", &format!("\tother = 1 {comment}\n\thits ="));
        let text = text.replace("\thits[", &format!("{other}\thits["));
        lint_texts(&[("a.go", &text)], GO, &Config::default())
    };
    let comment = "//tophash:ignore unbounded-global keys are few";
    assert_eq!(with(comment, "").suppressed, 0);
    assert_eq!(with(&format!("\n{comment}"), "").suppressed, 1);
    assert_eq!(with("", &format!("\t{comment}\n")).suppressed, 1);
    // One that can't be meant otherwise, and is not understood, is named.
    for misspelt in ["// tophash:ignore all they are few", "/*tophash:ignore all they are few*/"] {
        let report = with("", &format!("\t{misspelt}\n"));
        assert_eq!((report.findings.len(), report.suppression_faults.len()), (1, 1), "{misspelt}");
    }
}

#[test]
fn timers_are_found_before_they_are_collected_only() {
    let text = fs::read_to_string(data("rules/time-after-in-loop/bad.go")).expect("it is there");
    let count = |go| lint_texts(&[("a.go", &text)], go, &Config::default()).findings.len();
    assert_eq!(count(Some((1, 22))), 1);
    assert_eq!(count(Some((1, 23))), 0);
    assert_eq!(count(None), 0);
}

#[test]
fn a_delete_in_another_file_counts_and_one_in_a_test_would_not_be_read() {
    let insert = fs::read_to_string(data("rules/unbounded-global/bad.go")).expect("it is there");
    let delete =
        "//go:build plan9\n\npackage visits\n\nfunc Forget(a string) { delete(hits, a) }\n";
    let files = [("a.go", insert.as_str()), ("b.go", delete)];
    assert!(lint_texts(&files, GO, &Config::default()).findings.is_empty());
    assert_eq!(lint_texts(&files[..1], GO, &Config::default()).findings.len(), 1);
}

#[test]
fn rules_can_be_turned_off_and_made_more_severe() {
    let text = fs::read_to_string(data("rules/nan-key/bad.go")).expect("it is there");
    let with = |setting: &str| {
        let config = format!("[lint.rules]\nnan-key = \"{setting}\"\n");
        let config = Config::parse(&config).expect("it is well formed");
        lint_texts(&[("a.go", &text)], GO, &config).findings
    };
    assert!(with("off").is_empty());
    assert_eq!(with("critical")[0].severity, Severity::Critical);
}

#[test]
fn a_file_that_is_being_edited_is_read_as_far_as_it_is_whole() {
    let text = fs::read_to_string(data("rules/unbounded-global/bad.go")).expect("it is there");
    let broken =
        format!("{text}\nfunc unfinished(a string) {{\n\tif hits[a] >\n}}\n\nfunc last() {{}}\n");
    let lines = u32::try_from(text.lines().count()).expect("it is short");
    let report = lint_texts(&[("a.go", &broken)], GO, &Config::default());
    assert_eq!(report.files, 1);
    let [passed_over] = report.passed_over.as_slice() else { panic!("{report:?}") };
    assert_eq!(passed_over.parts, [(lines + 2, lines + 4)]);
    // Lines and columns are as before. What could not be read might hold what was looked for.
    let [finding] = report.findings.as_slice() else { panic!("{report:?}") };
    assert_eq!((finding.subject.as_str(), finding.at.line, finding.at.column), ("hits", 10, 2));
    assert_eq!(finding.severity, Severity::Info);
    assert!(finding.absent.ends_with("as far as they could be read"), "{finding:?}");
    // Of another map, it says nothing.
    let other = broken.replace("if hits[a] >", "if others[a] >");
    let report = lint_texts(&[("a.go", &other)], GO, &Config::default());
    assert_eq!(report.findings[0].severity, Severity::Critical);
}

/// Every file of the rules' examples, with each of its lines cut off in the middle: what is whole is read.
#[test]
fn a_line_that_is_cut_off_costs_its_own_declaration_at_most() {
    let (mut broken, mut read) = (0, 0);
    for rule in Rule::ALL {
        let path = data("rules").join(rule.name()).join("bad.go");
        let text = fs::read_to_string(path).expect("it is there");
        let lines: Vec<&str> = text.lines().collect();
        for number in 1..lines.len() {
            let half = lines[number].len() / 2;
            let Some(start) = lines[number].get(..half) else { continue };
            let cut = [&lines[..number], &[start], &lines[number + 1..]].concat().join("\n");
            let report = lint_texts(&[("a.go", &cut)], GO, &Config::default());
            if let [passed_over] = report.passed_over.as_slice() {
                broken += 1;
                read += report.files;
                assert_eq!(report.files, usize::from(!passed_over.parts.is_empty()));
            }
        }
    }
    // What is left has a package clause and a declaration, nearly always.
    assert!(broken > 100 && read * 10 >= broken * 9, "{read} of {broken}");
}

/// A package with a map that this function fills, of which the parameters and the body are given.
fn filled(function: &str) -> Vec<Finding> {
    let text = format!(
        "package web\n\nimport (\n\t\"fmt\"\n\t\"net\"\n\t\"net/http\"\n\t\"strings\"\n\t\"sync\"\n\n\
         \t\"github.com/gorilla/mux\"\n)\n\n\
         type session struct{{ id, name string }}\n\ntype server struct {{ name string }}\n\n\
         type client struct {{ id string; on *server }}\n\nvar (\n\tmu sync.Mutex\n\
         \tknown = map[string]int{{}}\n)\n\nfunc {function}\n\n\
         func find(r *http.Request) *server {{ return nil }}\n"
    );
    let report = lint_texts(&[("a.go", &text)], GO, &Config::default());
    assert!(report.passed_over.is_empty(), "{text}\n{report:?}");
    report.findings
}

/// What the only finding of that says of the map.
fn filled_with(function: &str) -> (Severity, Option<&'static str>) {
    let found = filled(function);
    let [finding] = found.as_slice() else { panic!("{function}: {found:#?}") };
    (finding.severity, finding.keys)
}

#[test]
fn what_is_called_with_requests_or_connections_sets_nothing_up_whatever_its_name() {
    for name in [
        "handler",
        "handle",
        "Handle",
        "handleLogin",
        "HandleFunc",
        "startSession",
        "loadProfile",
        "parseToken",
        "registerDevice",
        "RegisterDevice",
        "mustRegister",
        "initSession",
        "setupUser",
        "configureUser",
        "provisionUser",
        "defineName",
        "declareName",
        "installApp",
        "mountHome",
        "publishPost",
        "addFlag",
        "addCommand",
        "newsletter",
    ] {
        let request = format!(
            "{name}(w http.ResponseWriter, r *http.Request) {{\n\
             \tmu.Lock()\n\tdefer mu.Unlock()\n\tknown[r.RemoteAddr] = 1\n}}"
        );
        let told = (Severity::Critical, Some("requests or users"));
        assert_eq!(filled_with(&request), told, "{name}");
        let connection = format!(
            "{name}(c net.Conn, line string) {{\n\
             \tmu.Lock()\n\tdefer mu.Unlock()\n\tknown[line] = 1\n}}"
        );
        assert_eq!(filled_with(&connection).0, Severity::Warning, "{name}");
    }
}

#[test]
fn what_registers_is_told_by_whole_words() {
    let severity = |name: &str, parameters: &str| {
        let body = "mu.Lock()\n\tdefer mu.Unlock()\n\tknown[name] = 1";
        filled_with(&format!("{name}(name string{parameters}) {{\n\t{body}\n}}")).0
    };
    for name in ["Register", "registerCodec", "MustRegister", "startAll", "InitCodecs"] {
        assert_eq!(severity(name, ""), Severity::Info, "{name}");
    }
    for name in ["registered", "starter", "parser", "loader", "reload", "definedBy"] {
        assert_eq!(severity(name, ""), Severity::Warning, "{name}");
    }
    // Who is given a handler registers it, and who is not is one.
    assert_eq!(severity("handle", ", handler http.Handler"), Severity::Info);
    assert_eq!(severity("HandleFunc", ", then func(string)"), Severity::Info);
    assert_eq!(severity("handle", ""), Severity::Warning);
    assert_eq!(severity("handleLine", ""), Severity::Warning);
}

#[test]
fn keys_that_are_a_part_of_a_request_come_from_requests() {
    for key in [
        "r.Host",
        "r.URL.Path",
        "strings.ToLower(r.URL.Path)",
        "fmt.Sprintf(\"%s\", r.URL.Path)",
        "r.Header[\"X\"][0]",
        "r.TLS.ServerName",
        "mux.Vars(r)[\"id\"]",
        "url.Path",
        "session{r.URL.Path, \"\"}.id",
    ] {
        let function = format!(
            "serve(w http.ResponseWriter, r *http.Request) {{\n\turl := r.URL\n\
             \tmu.Lock()\n\tdefer mu.Unlock()\n\tknown[{key}]++\n}}"
        );
        let told = (Severity::Critical, Some("requests or users"));
        assert_eq!(filled_with(&function), told, "{key}");
    }
    // What is found for a request, or hangs on something by the name of a client, is none of theirs.
    let body = "mu.Lock()\n\tdefer mu.Unlock()\n\tknown[";
    for (parameters, key) in [("r *http.Request", "find(r).name"), ("c *client", "c.on.name")] {
        let told = filled_with(&format!("serve({parameters}) {{\n\t{body}{key}]++\n}}"));
        assert_eq!(told, (Severity::Warning, None), "{key}");
    }
}

#[test]
fn what_goes_from_a_map_in_a_map_leaves_the_outer_one_as_it_was() {
    let text = |leave: &str| {
        format!(
            "package web\n\nimport (\n\t\"net/http\"\n\t\"sync\"\n)\n\nvar (\n\tmu sync.Mutex\n\
             \trooms = map[string]map[string]int{{}}\n)\n\nfunc join(r *http.Request) {{\n\
             \tmu.Lock()\n\tdefer mu.Unlock()\n\troom := r.FormValue(\"room\")\n\
             \tif rooms[room] == nil {{\n\t\trooms[room] = map[string]int{{}}\n\t}}\n\
             \trooms[room][r.RemoteAddr]++\n}}\n\nfunc leave(room, who string) {{\n{leave}\n}}\n"
        )
    };
    let lines = |leave: &str| {
        let report = lint_texts(&[("a.go", &text(leave))], GO, &Config::default());
        let evidence = report.findings.iter().flat_map(|finding| &finding.evidence);
        evidence.map(|evidence| evidence.at.line).collect::<Vec<_>>()
    };
    // The outer one takes entries on line 18, those in it on line 20.
    for inner in ["\tdelete(rooms[room], who)", "\tin := rooms[room]\n\tdelete(in, who)"] {
        assert_eq!(lines(inner), [18], "{inner}");
    }
    assert_eq!(lines("\t_ = who"), [18, 20]);
    assert_eq!(lines("\tdelete(rooms, room)"), []);
    // With a constant, the outer one has an end.
    let few = text("\tdelete(rooms[room], who)").replace("r.FormValue(\"room\")", "\"lobby\"");
    assert!(lint_texts(&[("a.go", &few)], GO, &Config::default()).findings.is_empty());
}

#[test]
fn what_init_alone_calls_is_setup_also_through_thousands_of_functions() {
    let calls: String =
        (0..20_000).map(|n| format!("func f{n}(s string) {{ f{}(s) }}\n", n + 1)).collect();
    let of = |first: &str| {
        filled(&format!(
            "{first} {{ f0(\"a\") }}\n\n{calls}\n\
             func f20000(s string) {{ mu.Lock(); known[s] = 1; mu.Unlock() }}\n"
        ))
    };
    assert!(of("init()").is_empty());
    assert_eq!(of("Serve()").len(), 1);
}
