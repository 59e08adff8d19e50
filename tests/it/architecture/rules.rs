//! What may use what, and which words are not for the engine.

use super::source::Source;

/// The layers, lowest first. A module may use its own layer and those below. What is not named belongs to the
/// nearest module around it that is: `engine::world` to `engine`.
const LAYERS: &[&[&str]] = &[
    &["engine::sim"],
    // One layer, because the cluster is set up from the script's first part, a fault of the script is put on by
    // the network, and the actors note in the ledger what becomes of a record, in the meter when, and for a search who acted.
    &["engine::kafka", "engine::script", "engine::ledger", "engine::meter", "engine::notice"],
    &["engine"],
    &["scenario"],
    &["view", "worker", "fidelity"],
    &["ui", "api", "command_line"],
];

/// Files that only put the parts together.
const ROOTS: &[&str] = &["lib.rs", "main.rs"];

/// What may not stand in a file below one of these places, and what to use instead.
struct Ban {
    places: &'static [&'static str],
    /// A sequence of tokens, separated by spaces.
    words: &'static [&'static str],
    instead: &'static str,
}

const ENGINE: &[&str] = &["engine"];

const BANS: &[Ban] = &[
    Ban {
        places: ENGINE,
        words: &["HashMap"],
        instead: "a BTreeMap, or a Vec indexed by id: the order of a HashMap differs from run to run",
    },
    Ban {
        places: ENGINE,
        words: &["HashSet"],
        instead: "a BTreeSet, or a sorted Vec: the order of a HashSet differs from run to run",
    },
    Ban {
        places: ENGINE,
        words: &["std :: time", "Instant :: now", "SystemTime"],
        instead: "engine::sim::time: the engine has virtual time only",
    },
    // Not `.log(`: that is how a replica's log is called.
    Ban {
        places: ENGINE,
        words: &[". ln (", ". log2 (", ". log10 (", ". exp (", ". exp2 (", ". powf (", ". powi ("],
        instead: "integers and tables (engine::sim::random): the last bit of these differs from platform to platform",
    },
    Ban {
        places: ENGINE,
        words: &[
            ". sqrt (",
            ". sin (",
            ". cos (",
            ". tan (",
            ". cbrt (",
            ". hypot (",
            ". ln_1p (",
            ". exp_m1 (",
        ],
        instead: "integers and tables (engine::sim::random): the last bit of these differs from platform to platform",
    },
    Ban {
        places: ENGINE,
        words: &["async", "await", "std :: thread", "thread_local !"],
        instead: "an actor with a state machine: the engine is one thread and has one order of events",
    },
    Ban {
        places: ENGINE,
        words: &["println !", "print !", "eprintln !", "eprint !", "dbg !"],
        instead: "an entry in the trace (engine::sim::trace): the engine has no output",
    },
    Ban {
        places: ENGINE,
        words: &["std :: fs", "std :: net", "std :: env", "std :: process", "std :: io"],
        instead: "an argument: the engine sees nothing of the machine it runs on",
    },
    Ban {
        places: &["engine", "scenario", "view", "worker"],
        words: &["leptos", "web_sys", "js_sys", "wasm_bindgen"],
        instead: "plain values that ui or api hand over: everything below them is tested without a browser",
    },
];

/// What is wrong with a file, one sentence each.
pub fn judge(source: &Source) -> Vec<String> {
    if ROOTS.contains(&source.name.as_str()) {
        return Vec::new();
    }
    let Some(own) = layer(&source.module) else {
        let module = source.module.join("::");
        return vec![format!(
            "src/{}: which layer is {module}? Name it in LAYERS of this test.",
            source.name
        )];
    };
    let module = source.module.join("::");
    let mut faults = Vec::new();
    for (path, line) in &source.paths {
        let words: Vec<String> = path.split("::").map(str::to_owned).collect();
        if layer(&words).is_some_and(|used| used > own) {
            faults.push(format!(
                "src/{}:{line}: {module} may not use {path}, which is built on it",
                source.name
            ));
        }
    }
    for ban in BANS.iter().filter(|ban| ban.places.contains(&source.module[0].as_str())) {
        for words in ban.words {
            for line in source.lines_with(words) {
                let Ban { instead, .. } = ban;
                faults.push(format!(
                    "src/{}:{line}: `{words}` is not for this place; use {instead}",
                    source.name
                ));
            }
        }
    }
    faults
}

/// The layer of a module or of something in it.
fn layer(path: &[String]) -> Option<usize> {
    (1..=path.len()).rev().find_map(|length| {
        let prefix = path[..length].join("::");
        LAYERS.iter().position(|layer| layer.contains(&prefix.as_str()))
    })
}

/// That each rule can be broken.
mod tests {
    use super::{Source, judge};

    fn faults(name: &str, text: &str) -> Vec<String> {
        judge(&Source::read(name, text))
    }

    #[test]
    fn an_arrow_upwards_is_found() {
        let rows = [
            ("engine/sim/queue.rs", "use crate::engine::kafka::types::*;"),
            ("engine/sim/queue.rs", "use super::super::kafka;"),
            ("engine/kafka/broker.rs", "use super::super::world::World;"),
            ("engine/kafka/broker.rs", "use crate::{engine::{sim::time::Time, world::{self, World}}};"),
            ("engine/kafka/broker.rs", "fn f() { let world = crate::engine::world::World::new(); }"),
            ("engine/kafka/config/mod.rs", "use super::super::check::Check;"),
            ("engine/world.rs", "use crate::scenario;"),
            ("scenario/mod.rs", "pub use crate::view::scene;"),
            ("view/scene.rs", "mod inner { use super::super::super::ui::App; }"),
            ("worker/mod.rs", "use\n  crate\n  ::api;"),
        ];
        for (name, text) in rows {
            assert!(!faults(name, text).is_empty(), "{name}: {text}");
        }
    }

    #[test]
    fn an_arrow_downwards_is_not() {
        let rows = [
            ("engine/sim/queue.rs", "use super::time::Time; use std::collections::BTreeMap;"),
            ("engine/kafka/out.rs", "use crate::engine::script::Setup; use super::types::*;"),
            ("engine/world.rs", "use super::{kafka::out::Stage, sim::time::Time};"),
            ("scenario/mod.rs", "use crate::engine::world::World;"),
            ("view/scene.rs", "use super::lanes; mod inner { use super::Scene; }"),
            ("ui/mod.rs", "use crate::{scenario, view::scene, worker}; use leptos::prelude::*;"),
            ("engine/sim/time.rs", "//! For crate::ui.\n/* use crate::ui; */ const S: &str = \"crate::ui\";"),
            ("engine/sim/time.rs", "#[cfg(test)]\nmod tests { use crate::engine::world::World; }"),
            ("lib.rs", "pub use crate::ui;"),
        ];
        for (name, text) in rows {
            assert_eq!(faults(name, text), Vec::<String>::new(), "{name}: {text}");
        }
    }

    #[test]
    fn a_banned_word_is_found_with_its_replacement() {
        let rows = [
            ("use std::collections::HashMap;", "BTreeMap"),
            ("fn f(seen: &HashSet<u32>) {}", "BTreeSet"),
            ("use std::time::Duration;", "engine::sim::time"),
            ("let x = (1.5f64).ln();", "tables"),
            ("let x = y.sqrt();", "tables"),
            ("async fn f() {}", "state machine"),
            ("println!(\"{x}\");", "trace"),
            ("let home = std::env::var(\"HOME\");", "argument"),
            ("use web_sys::Window;", "plain values"),
        ];
        for (text, instead) in rows {
            let faults = faults("engine/kafka/broker.rs", text);
            assert!(matches!(&faults[..], [fault] if fault.contains(instead)), "{text}: {faults:?}");
        }
        assert_eq!(faults("view/scene.rs", "use std::collections::HashMap;"), Vec::<String>::new());
        assert_eq!(faults("view/scene.rs", "use leptos::prelude::*;").len(), 1);
        let harmless = "// HashMap\nlet asynchronous = \"println!\"; let life: &'async_ str; value.ln;";
        assert_eq!(faults("engine/kafka/broker.rs", harmless), Vec::<String>::new());
    }

    #[test]
    fn a_place_is_named_by_file_and_line() {
        let faults = faults("engine/kafka/broker.rs", "\"\n\";\n// one\nuse crate::ui::App;\n");
        assert_eq!(
            faults,
            ["src/engine/kafka/broker.rs:4: engine::kafka::broker may not use ui::App, which is built on it"]
        );
    }

    #[test]
    fn a_module_of_no_layer_has_to_be_given_one() {
        assert!(faults("helpers.rs", "")[0].contains("which layer is helpers?"));
    }
}
