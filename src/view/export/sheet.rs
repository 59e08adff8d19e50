//! The looks of the timeline for a picture that stands alone: the rules of `style/timeline.css`, with the values of one theme of
//! `style/tokens.css` in place of variables, since not every program that draws SVG knows variables.

/// Which of the two themes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

const TOKENS: &str = include_str!("../../../style/tokens.css");
const TIMELINE: &str = include_str!("../../../style/timeline.css");

/// What the sheet of the page calls the picture, and what a file calls it: the rules must not meet a page's own.
const HERE: &str = ".timeline ";
const THERE: &str = ".kafka-guarantees ";

/// Properties that mean something in a still picture.
const KEPT: [&str; 13] = [
    "fill",
    "stroke",
    "stroke-width",
    "stroke-dasharray",
    "stroke-linecap",
    "opacity",
    "display",
    "paint-order",
    "font-size",
    "font-weight",
    "font-family",
    "text-anchor",
    "color",
];

/// The value of a token.
pub fn token(name: &str, theme: Theme) -> String {
    let mut rest = TOKENS;
    while let Some(place) = rest.find("--") {
        rest = &rest[place + 2..];
        if let Some(value) = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')) {
            return of_theme(value.split(';').next().unwrap_or_default().trim(), theme);
        }
    }
    String::new()
}

/// The rules for elements with these classes and no others.
pub fn rules(theme: Theme, used: &[&str]) -> String {
    let mut out = String::new();
    let mut rest = TIMELINE;
    while let Some(open) = rest.find('{') {
        let selectors = rest[..open].rsplit("*/").next().unwrap_or_default().trim();
        let inside = &rest[open + 1..];
        // Media queries ask for a window: there is none.
        if selectors.starts_with('@') {
            rest = after_block(inside);
            continue;
        }
        let close = inside.find('}').unwrap_or(inside.len());
        rest = inside.get(close + 1..).unwrap_or_default();
        let wanted: Vec<String> = selectors
            .split(',')
            .map(str::trim)
            .filter(|selector| is_wanted(selector, used))
            .map(|selector| selector.replacen(HERE, THERE, 1))
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let mut properties = String::new();
        for declaration in inside[..close].split(';') {
            let Some((property, value)) = declaration.split_once(':') else { continue };
            if KEPT.contains(&property.trim()) {
                properties.push_str(property.trim());
                properties.push(':');
                properties.push_str(&resolve(value.trim(), theme));
                properties.push(';');
            }
        }
        if !properties.is_empty() {
            out.push_str(&wanted.join(","));
            out.push('{');
            out.push_str(&properties);
            out.push_str("}\n");
        }
    }
    out
}

fn after_block(inside: &str) -> &str {
    let mut depth = 1;
    for (place, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &inside[place + 1..];
        }
    }
    ""
}

/// Nothing that depends on a pointer or the focus, and nothing of the page around the picture.
fn is_wanted(selector: &str, used: &[&str]) -> bool {
    let Some(inside) = selector.strip_prefix(HERE) else { return false };
    let plain = !inside.contains([':', '[', '>', '+', '~', '*']);
    plain
        && inside
            .split([' ', '.'])
            .all(|part| part.is_empty() || part == "text" || is_tag(part) || used.contains(&part))
}

fn is_tag(part: &str) -> bool {
    matches!(part, "line" | "path" | "svg" | "rect" | "circle")
}

/// A value without variables. A record's own colour is the colour of the element.
fn resolve(value: &str, theme: Theme) -> String {
    let Some(open) = value.find("var(--") else { return pixels(&of_theme(value, theme)) };
    let inside = &value[open + 6..];
    let (variable, rest) = inside.split_at(closing(inside));
    let rest = rest.strip_prefix(')').unwrap_or(rest);
    let name = variable.split(',').next().unwrap_or_default().trim();
    let said = if name == "record" { "currentColor".to_owned() } else { token(name, theme) };
    let whole = format!("{}{said}{rest}", &value[..open]);
    if said.contains("var(--") { pixels(&whole) } else { resolve(&whole, theme) }
}

/// The place of the bracket that closes what is open.
fn closing(inside: &str) -> usize {
    let mut depth = 1;
    for (place, letter) in inside.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place;
        }
    }
    inside.len()
}

fn of_theme(value: &str, theme: Theme) -> String {
    let Some(both) = value.strip_prefix("light-dark(").and_then(|rest| rest.strip_suffix(')')) else {
        return value.to_owned();
    };
    let (light, dark) = both.split_once(',').unwrap_or((both, both));
    match theme {
        Theme::Light => light.trim().to_owned(),
        Theme::Dark => dark.trim().to_owned(),
    }
}

/// Sizes in `rem` as pixels at the usual 16 of a page.
fn pixels(value: &str) -> String {
    let rem = value.strip_suffix("rem").and_then(|number| number.parse::<f64>().ok());
    rem.map_or_else(|| value.to_owned(), |rem| format!("{}px", rem * 16.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_a_value_in_each_theme() {
        assert_eq!(token("paper", Theme::Light), "#fbfbf9");
        assert_eq!(token("paper", Theme::Dark), "#121417");
        assert_eq!(token("bold", Theme::Dark), "650");
        assert_eq!(token("no-such-token", Theme::Light), "");
    }

    #[test]
    fn rules_hold_no_variable_and_no_state_of_a_page() {
        let used = ["shaft", "body", "cell", "number", "copy", "tick", "lost", "arrow", "words", "again"];
        for theme in [Theme::Light, Theme::Dark] {
            let rules = rules(theme, &used);
            for word in ["var(", "light-dark", "hover", "focus", "@media", "rem", "cursor", ".lane"] {
                assert!(!rules.contains(word), "{word} in {rules}");
            }
            assert!(rules.contains(".kafka-guarantees .shaft{stroke:"), "{rules}");
            assert!(rules.contains("currentColor"), "{rules}");
            assert_eq!(rules.matches('{').count(), rules.matches('}').count());
        }
    }
}
