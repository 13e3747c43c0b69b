//! What `lint` and `escape` write as SARIF, held against the standard's own JSON schema.
//!
//! The schema is fetched by a wide run. A run that finds none still checks what it demands of all that is
//! written here, by hand.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{folder, is_wide, say};
use serde_json::{Value, json};
use xtask::{schemas, toolchain};

/// Documents with findings of every rule, of every severity, with a file that was passed over and odd
/// names.
fn documents() -> Vec<(String, Value)> {
    let (_guard, dir) = folder();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../source/tests/data/rules");
    for entry in fs::read_dir(rules).unwrap() {
        let rule = entry.unwrap();
        let package = dir.join("a b").join(rule.file_name());
        fs::create_dir_all(&package).unwrap();
        fs::copy(rule.path().join("bad.go"), package.join("é.go")).unwrap();
    }
    fs::write(dir.join("go.mod"), "module example.org/all\n\ngo 1.22\n").unwrap();
    fs::write(dir.join("broken.go"), "package all\n\nfunc broken( {\n").unwrap();
    fs::write(dir.join("binary.go"), [0xff, 0xfe, 0]).unwrap();
    let printed = |command: &mut Command| -> Value {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let mut lint = Command::new(env!("CARGO_BIN_EXE_tophash"));
    lint.current_dir(&dir).args(["lint", "--format", "sarif", "--severity", "info"]);
    let mut nothing = Command::new(env!("CARGO_BIN_EXE_tophash"));
    nothing.current_dir(&dir).args(["lint", "nothing", "--format", "sarif"]);
    fs::create_dir(dir.join("nothing")).unwrap();
    let toolchain = toolchain::ensure("1.27").unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/escape");
    let mut escape = Command::new(env!("CARGO_BIN_EXE_tophash"));
    for (name, value) in toolchain.go(&fixture, "").get_envs() {
        if let Some(value) = value {
            escape.env(name, value);
        }
    }
    escape
        .env_remove("GOROOT")
        .current_dir(&fixture)
        .args(["escape", "./...", "--format", "sarif"]);
    escape.arg("--go").arg(toolchain.goroot());
    vec![
        ("lint".to_owned(), printed(&mut lint)),
        ("lint of nothing".to_owned(), printed(&mut nothing)),
        ("escape".to_owned(), printed(&mut escape)),
    ]
}

#[test]
fn documents_fit_the_standard_s_schema() {
    let documents = documents();
    for (name, document) in &documents {
        by_hand(name, document);
    }
    let results = |document: &Value| document["runs"][0]["results"].as_array().unwrap().len();
    assert!(results(&documents[0].1) >= 12 && results(&documents[2].1) >= 40);
    let Some(path) = schemas::sarif(is_wide()).unwrap() else {
        say("SARIF's schema is not there: a wide run fetches it");
        return;
    };
    let text = fs::read_to_string(path).unwrap();
    // The patterns of languages have a bracket too many, which JavaScript's expressions allow.
    let schema: Value = serde_json::from_str(&text.replace("{2}]?$", "{2}$")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, document) in &documents {
        let faults: Vec<_> = validator
            .iter_errors(document)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{name}: {faults:#?}");
    }
    // The validator is awake.
    let mut wrong = documents[0].1.clone();
    wrong["runs"][0]["results"][0]["level"] = json!("grave");
    assert!(!validator.is_valid(&wrong));
    wrong["runs"][0]["results"][0]["level"] = json!("error");
    wrong["runs"][0]["tool"]["driver"].as_object_mut().unwrap().remove("name");
    assert!(!validator.is_valid(&wrong));
}

/// What the schema demands: properties that must be there, and the values that some may have.
fn by_hand(name: &str, document: &Value) {
    assert_eq!(document["version"], "2.1.0", "{name}");
    for run in document["runs"].as_array().unwrap() {
        let driver = &run["tool"]["driver"];
        assert_eq!(driver["name"], "tophash", "{name}");
        let rules = driver["rules"].as_array().unwrap();
        let mut ids: Vec<_> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), rules.len(), "{name}");
        for rule in rules {
            assert!(!rule["shortDescription"]["text"].as_str().unwrap().is_empty(), "{name}");
        }
        for invocation in run["invocations"].as_array().unwrap() {
            assert!(invocation["executionSuccessful"].is_boolean(), "{name}");
            for told in invocation["toolExecutionNotifications"].as_array().unwrap() {
                assert!(told["message"]["text"].is_string(), "{name}");
                places(name, &told["locations"]);
            }
        }
        for result in run["results"].as_array().unwrap() {
            assert!(!result["message"]["text"].as_str().unwrap().is_empty(), "{name}");
            assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"], "{name}");
            assert!(!result["locations"].as_array().unwrap().is_empty(), "{name}");
            places(name, &result["locations"]);
            if !result["relatedLocations"].is_null() {
                places(name, &result["relatedLocations"]);
            }
            for flow in result["codeFlows"].as_array().into_iter().flatten() {
                for thread in flow["threadFlows"].as_array().unwrap() {
                    let steps = thread["locations"].as_array().unwrap();
                    assert!(!steps.is_empty(), "{name}");
                    places(name, &steps.iter().map(|step| step["location"].clone()).collect());
                }
            }
        }
    }
}

fn places(name: &str, list: &Value) {
    for place in list.as_array().unwrap() {
        let physical = &place["physicalLocation"];
        let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.is_ascii() && !uri.contains(' ') && !uri.is_empty(), "{name}: {uri}");
        if let Some(region) = physical["region"].as_object() {
            assert!(region["startLine"].as_u64().unwrap() >= 1, "{name}");
            assert!(region.get("startColumn").is_none_or(|column| column.as_u64().unwrap() >= 1));
        }
    }
}
