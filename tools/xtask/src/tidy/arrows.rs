//! The arrows between our crates, as the map draws them, and where dependencies may be declared.

use toml::{Table, Value};

use super::{Finding, Sources};

const RULE: &str = "arrows";

/// One crate and the crates of ours it may use, in code and in tests.
struct Arrows {
    package: &'static str,
    may_use: &'static [&'static str],
}

/// The map. A crate that is not in it is a finding; so is an arrow that is not.
const MAP: &[Arrows] = &[
    Arrows {
        package: "millrun-model",
        may_use: &[],
    },
    Arrows {
        package: "millrun-rings",
        may_use: &[],
    },
    Arrows {
        package: "millrun-journal",
        may_use: &[],
    },
    Arrows {
        package: "millrun-engine",
        may_use: &["millrun-model"],
    },
    Arrows {
        package: "millrun-protocol",
        may_use: &["millrun-model"],
    },
    Arrows {
        package: "millrun-transport",
        may_use: &[],
    },
    // The simulator is for its tests: queries are tested against the venue's real wire.
    Arrows {
        package: "millrun-cold",
        may_use: &[
            "millrun-model",
            "millrun-rings",
            "millrun-journal",
            "millrun-engine",
            "millrun-protocol",
            "millrun-venue-simulator",
        ],
    },
    Arrows {
        package: "millrun-client",
        may_use: &["millrun-model", "millrun-rings"],
    },
    // Re-execution needs the engine, and printing the bytes that were sent needs the codecs.
    Arrows {
        package: "millrun-replay",
        may_use: &[
            "millrun-model",
            "millrun-journal",
            "millrun-engine",
            "millrun-protocol",
        ],
    },
    // The sums of the running engine's own recorder, over any stretch of a journal.
    Arrows {
        package: "millrun-latency-report",
        may_use: &["millrun-model", "millrun-journal", "millrun-cold"],
    },
    Arrows {
        package: "millrun-strategy-example",
        may_use: &["millrun-model", "millrun-client"],
    },
    // Shares nothing with us: what it accepts is evidence only while it is written apart.
    Arrows {
        package: "millrun-venue-simulator",
        may_use: &[],
    },
    Arrows {
        package: "millrun",
        may_use: &[
            "millrun-model",
            "millrun-rings",
            "millrun-journal",
            "millrun-engine",
            "millrun-protocol",
            "millrun-transport",
            "millrun-cold",
            "millrun-client",
            "millrun-latency-report",
            "millrun-replay",
            "millrun-strategy-example",
            "millrun-venue-simulator",
        ],
    },
    // Builds in seconds and drives everything else as child processes.
    Arrows {
        package: "xtask",
        may_use: &[],
    },
    Arrows {
        package: "millrun-tests",
        may_use: &[
            "millrun-model",
            "millrun-rings",
            "millrun-journal",
            "millrun-engine",
            "millrun-protocol",
            "millrun-transport",
            "millrun-cold",
            "millrun-client",
            "millrun-replay",
            "millrun-venue-simulator",
        ],
    },
    Arrows {
        package: "millrun-benches",
        may_use: &[
            "millrun-model",
            "millrun-rings",
            "millrun-journal",
            "millrun-engine",
            "millrun-protocol",
            "millrun-transport",
            "millrun-cold",
            "millrun-client",
            "millrun-venue-simulator",
        ],
    },
];

/// Checks every package against the map, and every manifest for undeclared versions.
pub(super) fn check(sources: &Sources, findings: &mut Vec<Finding>) {
    for package in &sources.packages {
        let manifest = package.manifest_path.to_string_lossy();
        let Some(arrows) = MAP.iter().find(|arrows| arrows.package == package.name) else {
            let message = format!("the crate {} is not in the map of arrows", package.name);
            findings.push(Finding::new(&manifest, 1, RULE, message));
            continue;
        };
        for dependency in package
            .dependencies
            .iter()
            .filter(|used| used.path.is_some())
        {
            if !arrows.may_use.contains(&dependency.name.as_str()) {
                let message = format!("{} must not use {}", package.name, dependency.name);
                findings.push(Finding::new(&manifest, 1, RULE, message));
            }
        }
    }
    for file in &sources.texts {
        if file.path == "Cargo.toml" {
            check_reasons(&file.path, &file.text, findings);
        } else if file.path.ends_with("/Cargo.toml") {
            check_manifest(&file.path, &file.text, findings);
        }
    }
}

/// In a package every dependency says `workspace = true`, so that versions stand in one place.
fn check_manifest(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return findings.push(Finding::new(path, 1, RULE, error.to_string())),
    };
    // A workspace of its own (fuzz targets need a nightly toolchain) declares its own versions.
    if manifest.contains_key("workspace") {
        return;
    }
    let for_targets = manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flatten();
    let sections = for_targets.filter_map(|(_, section)| section.as_table());
    for section in sections.chain([&manifest]) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let table = section
                .get(kind)
                .and_then(Value::as_table)
                .into_iter()
                .flatten();
            for (name, declared) in table {
                if declared.get("workspace").and_then(Value::as_bool) != Some(true) {
                    let message = format!("{name} in [{kind}] must say `workspace = true`");
                    findings.push(Finding::new(path, 1, RULE, message));
                }
            }
        }
    }
}

/// In the workspace every outside dependency carries the reason it is worth having.
fn check_reasons(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let lines = text.lines().enumerate();
    let section = lines
        .skip_while(|(_, line)| line.trim() != "[workspace.dependencies]")
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('['));
    for (index, line) in section {
        let declares = !line.is_empty() && !line.starts_with('#');
        if declares && !line.contains("path =") && !line.contains(" # ") {
            let message = "an outside dependency needs a comment with its reason";
            findings.push(Finding::new(path, index + 1, RULE, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::{Dependency, Package};

    fn package(name: &str, uses: &[&str]) -> Package {
        let dependencies = uses
            .iter()
            .map(|used| Dependency {
                name: (*used).into(),
                path: Some("somewhere".into()),
            })
            .collect();
        Package {
            name: name.into(),
            manifest_path: "x/Cargo.toml".into(),
            dependencies,
            targets: Vec::new(),
        }
    }

    fn messages(packages: Vec<Package>) -> Vec<String> {
        let mut findings = Vec::new();
        check(
            &Sources {
                packages,
                ..Sources::default()
            },
            &mut findings,
        );
        findings
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn an_arrow_that_is_not_in_the_map_is_found() {
        assert_eq!(
            messages(vec![package("millrun-engine", &["millrun-model"])]),
            [""; 0]
        );
        assert_eq!(
            messages(vec![package("millrun-engine", &["millrun-journal"])]),
            ["millrun-engine must not use millrun-journal"]
        );
    }

    #[test]
    fn a_crate_that_is_not_in_the_map_is_found() {
        let found = messages(vec![package("millrun-extra", &[])]);
        assert_eq!(
            found,
            ["the crate millrun-extra is not in the map of arrows"]
        );
    }

    #[test]
    fn an_outside_dependency_is_not_an_arrow() {
        let mut engine = package("millrun-engine", &["fixed"]);
        engine.dependencies[0].path = None;
        assert_eq!(messages(vec![engine]), [""; 0]);
    }

    #[test]
    fn the_map_names_only_crates_that_it_lists_and_has_no_circle() {
        for (row, arrows) in MAP.iter().enumerate() {
            for used in arrows.may_use {
                let other = MAP.iter().position(|candidate| candidate.package == *used);
                let other = other.unwrap_or_else(|| panic!("{used} is not in the map"));
                let earlier = other < row || *used == "millrun-venue-simulator";
                assert!(earlier, "{} uses {used}, which comes later", arrows.package);
            }
        }
    }

    #[test]
    fn a_version_outside_the_workspace_table_is_found_in_every_kind_of_section() {
        let manifest = "[dependencies]\na.workspace = true\nb = \"1\"\n[dev-dependencies]\n\
                        c = { version = \"1\" }\n[build-dependencies]\nd = { path = \"../d\" }\n\
                        [target.'cfg(loom)'.dependencies]\ne = \"1\"\n\
                        f = { workspace = true, features = [\"x\"] }\n";
        let mut findings = Vec::new();
        check_manifest("x/Cargo.toml", manifest, &mut findings);
        let mut found: Vec<&str> = findings
            .iter()
            .map(|finding| finding.message.split_once(' ').unwrap().0)
            .collect();
        found.sort_unstable();
        assert_eq!(found, ["b", "c", "d", "e"]);
    }

    #[test]
    fn an_outside_dependency_without_a_reason_is_found_with_its_line() {
        let text = "[workspace]\n[workspace.dependencies]\n# Ours.\n\
                    model = { path = \"model\" }\n\n\
                    a = \"1\" # why\nb = \"1\"\n[workspace.lints.rust]\nc = \"deny\"\n";
        let mut findings = Vec::new();
        check_reasons("Cargo.toml", text, &mut findings);
        assert_eq!(
            findings
                .iter()
                .map(|finding| finding.line)
                .collect::<Vec<_>>(),
            [7]
        );
    }
}
