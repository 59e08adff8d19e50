//! Where two observations differ, in words that a person can read.

use serde_json::Value;

/// So many entries of a list are shown from where it differs.
const SHOWN: usize = 4;

/// Adds to `out` where the engine's value differs from what was recorded.
pub fn differences(path: &str, recorded: &Value, engine: &Value, out: &mut Vec<String>) {
    compare(path, recorded, engine, true, out);
}

/// Adds to `out` where the engine's value lacks what is expected: of objects only the keys that are expected count.
pub fn missing(path: &str, expected: &Value, engine: &Value, out: &mut Vec<String>) {
    compare(path, expected, engine, false, out);
}

fn compare(path: &str, expected: &Value, engine: &Value, all_keys: bool, out: &mut Vec<String>) {
    match (expected, engine) {
        (Value::Object(expected), Value::Object(engine)) => {
            for (key, value) in expected {
                match engine.get(key) {
                    Some(other) => compare(&format!("{path}.{key}"), value, other, all_keys, out),
                    None => out.push(format!("{path}.{key}: expected {value}, the engine has none")),
                }
            }
            for key in engine.keys().filter(|key| all_keys && !expected.contains_key(*key)) {
                out.push(format!("{path}.{key}: expected none, the engine has {}", engine[key]));
            }
        }
        _ if expected == engine => {}
        (Value::Array(expected), Value::Array(engine)) => {
            let common = expected.iter().zip(engine).take_while(|(a, b)| a == b).count();
            out.push(format!(
                "{path}: {common} agree, then ({} expected, {} in the engine)\n      expected: {}\n      engine:   {}",
                expected.len(),
                engine.len(),
                shown(&expected[common..]),
                shown(&engine[common..]),
            ));
        }
        _ => out.push(format!("{path}: expected {expected}, engine {engine}")),
    }
}

fn shown(list: &[Value]) -> String {
    list.iter().take(SHOWN).map(Value::to_string).collect::<Vec<_>>().join("\n                ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_changed_expectation_is_noticed() {
        let recorded = json!({"a": ["x", "y"], "b": 1, "c": {"d": "e"}});
        for (path, changed) in [
            ("a", json!({"a": ["x", "z"], "b": 1, "c": {"d": "e"}})),
            ("a", json!({"a": ["x"], "b": 1, "c": {"d": "e"}})),
            ("b", json!({"a": ["x", "y"], "b": 2, "c": {"d": "e"}})),
            ("c.d", json!({"a": ["x", "y"], "b": 1, "c": {"d": "f"}})),
            ("c.d", json!({"a": ["x", "y"], "b": 1, "c": {}})),
            ("c.g", json!({"a": ["x", "y"], "b": 1, "c": {"d": "e", "g": 1}})),
            ("f", json!({"a": ["x", "y"], "b": 1, "c": {"d": "e"}, "f": 1})),
        ] {
            let mut out = Vec::new();
            differences("", &recorded, &changed, &mut out);
            assert_eq!(out.len(), 1, "{changed}");
            assert!(out[0].starts_with(&format!(".{path}:")), "{}", out[0]);
        }
        let mut out = Vec::new();
        differences("", &recorded, &recorded, &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn what_is_not_expected_is_not_missing() {
        let mut out = Vec::new();
        let engine = json!({"a": 1, "b": {"c": [], "d": 2}});
        missing("", &json!({"b": {"d": 2}}), &engine, &mut out);
        assert!(out.is_empty());
        missing("", &json!({"b": {"c": ["x"]}}), &engine, &mut out);
        assert_eq!(out.len(), 1);
    }
}
