//! How true the model is, for a reader of the page: what it covers, what it does not, and how it was compared with a real
//! Kafka. The figures are those of `FIDELITY.md`: a test writes both.

/// What the comparison came to, one line each, divided by tabs: what was compared, how many there are, how many agree, differ
/// with a reason, disagree, and lie outside the model.
const FIGURES: &str = include_str!("fidelity.tsv");

/// Stands in [`TEXT`] for the lines of the table.
const TABLE: &str = "{}";

/// What is said of it. It is the page's own and holds nothing of a reader's, so it may be markup; as such it is far smaller than
/// as components.
const TEXT: &str = "\
<p>Everything on this page is read off a run of a model of Apache Kafka 4.1.1, its brokers and its Java client.</p>\
<h3 class=label>Held against a real Kafka</h3>\
<p>A recorder ran scenario texts on a real cluster: three brokers and a controller of Apache Kafka 4.1.1 and the Java client. \
A proxy that knows Kafka's framing held and cut connections at exact requests; brokers were killed, stopped and frozen as \
processes, and their logs read from disk. The model runs the same texts. A test counts the figures; FIDELITY.md, beside the \
source, has every row.</p>\
<table><thead><tr><td></td><th scope=col>compared</th><th scope=col>agree</th><th scope=col>differ, reason known</th>\
<th scope=col>disagree</th><th scope=col>outside</th></tr></thead><tbody>{}</tbody></table>\
<h3 class=label>Modelled</h3>\
<ul><li>Connections as TCP gives them: in order, cut, held, or ended with a process. No message vanishes alone.</li>\
<li>The producer: batches, retries, time-outs, idempotence with its known defects, transactions of version 1 and 2.</li>\
<li>The brokers: replication, in-sync replicas, high watermark, leader epochs, truncation; kill, clean stop, power loss, lost \
disk.</li>\
<li>The controller and its elections, clean and unclean; the coordinators of transactions and of groups.</li>\
<li>The consumer: positions, both isolation levels, rebalances, commits by hand and automatic, resets.</li></ul>\
<h3 class=label>Not modelled</h3>\
<ul><li>The consumer protocol of KIP-848, share groups, quotas, tiered storage, compaction, compression.</li>\
<li>Timestamps of records; the speed of disks; a change of the number of partitions.</li>\
<li>Loss of the controller: it is one node that does not fail.</li>\
<li>Settings that are not modelled are refused with a message, never ignored.</li></ul>";

/// All of it, as markup.
pub fn html() -> String {
    let mut rows = String::new();
    for line in FIGURES.lines() {
        let mut cells = line.split('\t');
        let what = cells.next().unwrap_or_default();
        let meaning = match what {
            "outcomes" => "recordings: what clients were told, read and processed",
            "replica logs" => "recordings: every batch on every broker's disk",
            "wire" => "recordings: each client's requests, in order",
            _ => "known outcomes of Kafka under a given fault",
        };
        for part in ["<tr><th scope=row>", what, "<small>", meaning, "</small></th>"] {
            rows.push_str(part);
        }
        for cell in cells {
            rows.push_str("<td>");
            rows.push_str(cell);
        }
    }
    TEXT.replace(TABLE, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_add_up() {
        let lines: Vec<Vec<&str>> = FIGURES.lines().map(|line| line.split('\t').collect()).collect();
        let names: Vec<&str> = lines.iter().map(|line| line[0]).collect();
        assert_eq!(names, ["outcomes", "replica logs", "wire", "rows"]);
        for line in lines {
            let counts: Vec<u32> = line[1..].iter().map(|count| count.parse().expect("a number")).collect();
            assert_eq!(counts.len(), 5, "{line:?}");
            assert!(counts[0] > 0 && counts[1..].iter().sum::<u32>() == counts[0], "{line:?}");
        }
    }

    #[test]
    fn every_figure_is_in_the_table() {
        let html = html();
        assert!(!html.contains(TABLE));
        for line in FIGURES.lines() {
            let (what, counts) = line.split_once('\t').expect("a name and counts");
            let cells = format!("<td>{}", counts.replace('\t', "<td>"));
            let (_, row) = html.split_once(&format!("<th scope=row>{what}<small>")).expect("its row");
            let (_, row) = row.split_once("</th>").expect("its head");
            assert!(row.starts_with(&cells), "{what}: {row}");
        }
    }
}
