//! Messages as lists of whole numbers. Each is said once, for writing and for reading.

use super::protocol::{FromWorker, PlanForm, ToWorker};
use crate::engine::measure::{Example, FaultKind, Histogram, Metrics, Tally};

/// A list that is written, or read from its beginning.
struct Words<'a> {
    written: Vec<u64>,
    /// None: it is written.
    read: Option<&'a [u64]>,
    /// Something was read that nobody wrote.
    wrong: bool,
}

impl Words<'_> {
    fn number(&mut self, number: &mut u64) {
        match &mut self.read {
            None => self.written.push(*number),
            Some([first, rest @ ..]) => (*number, self.read) = (*first, Some(rest)),
            Some([]) => (*number, self.wrong) = (0, true),
        }
    }

    fn small(&mut self, number: &mut u32) {
        let mut wide = u64::from(*number);
        self.number(&mut wide);
        *number = u32::try_from(wide).unwrap_or_default();
    }

    fn wide(&mut self, number: &mut u128) {
        let (mut low, mut high) = (*number as u64, (*number >> 64) as u64);
        self.number(&mut low);
        self.number(&mut high);
        *number = u128::from(high) << 64 | u128::from(low);
    }

    /// How many follow; no more than there are words.
    fn count(&mut self, known: usize) -> usize {
        let mut count = known as u64;
        self.number(&mut count);
        let most = self.read.map_or(known, <[u64]>::len);
        self.wrong |= count > most as u64;
        (count as usize).min(most)
    }

    fn text(&mut self, text: &mut String) {
        let mut bytes = std::mem::take(text).into_bytes();
        let count = self.count(bytes.len());
        bytes.resize(count, 0);
        for byte in &mut bytes {
            let mut wide = u64::from(*byte);
            self.number(&mut wide);
            *byte = wide as u8;
        }
        *text = String::from_utf8(bytes).unwrap_or_default();
    }

    fn pair(&mut self, pair: &mut Option<(u64, u64)>) {
        let (mut first, mut second) = pair.map_or((0, 0), |(first, second)| (first + 1, second));
        self.number(&mut first);
        self.number(&mut second);
        *pair = first.checked_sub(1).map(|first| (first, second));
    }

    fn histogram(&mut self, histogram: &mut Histogram) {
        let mut pairs: Vec<(u32, u64)> = histogram.pairs().collect();
        let count = self.count(pairs.len());
        pairs.resize(count, (0, 0));
        for (bin, count) in &mut pairs {
            self.small(bin);
            self.number(count);
        }
        match Histogram::from_pairs(pairs) {
            Some(read) => *histogram = read,
            None => self.wrong = true,
        }
    }

    fn tally(&mut self, tally: &mut Tally) {
        let Tally { runs, affected, x, y, xx, xy, yy, distribution, example } = tally;
        self.number(runs);
        self.number(affected);
        [x, y, xx, xy, yy].into_iter().for_each(|sum| self.wide(sum));
        self.histogram(distribution);
        let mut pair = example.map(|example| (u64::from(example.faults), example.run));
        self.pair(&mut pair);
        *example = pair.map(|(faults, run)| Example { faults: faults as u32, run });
    }

    fn metrics(&mut self, metrics: &mut Metrics) {
        let Metrics { runs, given_up, given_up_example, raised, states, faults, tallies, times } = metrics;
        [runs, given_up, &mut raised.0, &mut states.0]
            .into_iter()
            .chain(faults)
            .for_each(|number| self.number(number));
        let mut pair = given_up_example.map(|run| (run, 0));
        self.pair(&mut pair);
        *given_up_example = pair.map(|(run, _)| run);
        tallies.iter_mut().for_each(|tally| self.tally(tally));
        for times in times {
            times.groups.iter_mut().for_each(|group| self.histogram(group));
            self.pair(&mut times.longest);
        }
    }

    fn form(&mut self, form: &mut PlanForm) {
        self.text(&mut form.text);
        for (chance, lasts) in &mut form.faults {
            self.small(chance);
            self.number(lasts);
        }
        self.number(&mut form.seed);
    }

    /// Which of the kinds of messages, and which plan.
    fn head(&mut self, mut kind: u64, plan: &mut u32) -> u64 {
        self.number(&mut kind);
        self.small(plan);
        kind
    }
}

fn written(write: impl FnOnce(&mut Words)) -> Vec<u64> {
    let mut words = Words { written: Vec::new(), read: None, wrong: false };
    write(&mut words);
    words.written
}

fn read<T>(list: &[u64], read: impl FnOnce(&mut Words) -> Option<T>) -> Option<T> {
    let mut words = Words { written: Vec::new(), read: Some(list), wrong: false };
    let message = read(&mut words)?;
    (!words.wrong && words.read == Some(&[])).then_some(message)
}

const PREPARE: u64 = 1;
const FORGET: u64 = 2;
const RUN: u64 = 3;
const DONE: u64 = 4;
const REFUSED: u64 = 5;

impl ToWorker {
    /// As a list of numbers.
    pub fn to_words(mut self) -> Vec<u64> {
        written(|words| match &mut self {
            ToWorker::Prepare { plan, form } => {
                words.head(PREPARE, plan);
                words.form(form);
            }
            ToWorker::Forget { plan } => {
                words.head(FORGET, plan);
            }
            ToWorker::Run { plan, first, count } => {
                words.head(RUN, plan);
                words.number(first);
                words.number(count);
            }
        })
    }

    /// From such a list. None: nobody wrote it.
    pub fn from_words(list: &[u64]) -> Option<ToWorker> {
        read(list, |words| {
            let (mut plan, mut first, mut count) = (0, 0, 0);
            match words.head(0, &mut plan) {
                PREPARE => {
                    let faults = [(0, 0); FaultKind::ALL.len()];
                    let mut form = PlanForm { text: String::new(), faults, seed: 0 };
                    words.form(&mut form);
                    Some(ToWorker::Prepare { plan, form })
                }
                FORGET => Some(ToWorker::Forget { plan }),
                RUN => {
                    words.number(&mut first);
                    words.number(&mut count);
                    Some(ToWorker::Run { plan, first, count })
                }
                _ => None,
            }
        })
    }
}

impl FromWorker {
    /// As a list of numbers.
    pub fn to_words(mut self) -> Vec<u64> {
        written(|words| match &mut self {
            FromWorker::Done { plan, first, count, micros, sums } => {
                words.head(DONE, plan);
                [first, count, micros].into_iter().for_each(|number| words.number(number));
                words.metrics(sums);
            }
            FromWorker::Refused { message } => {
                words.head(REFUSED, &mut 0);
                words.text(message);
            }
        })
    }

    /// From such a list. None: nobody wrote it.
    pub fn from_words(list: &[u64]) -> Option<FromWorker> {
        read(list, |words| {
            let mut plan = 0;
            match words.head(0, &mut plan) {
                DONE => {
                    let (mut first, mut count, mut micros) = (0, 0, 0);
                    let mut sums = Box::<Metrics>::default();
                    for number in [&mut first, &mut count, &mut micros] {
                        words.number(number);
                    }
                    words.metrics(&mut sums);
                    Some(FromWorker::Done { plan, first, count, micros, sums })
                }
                REFUSED => {
                    let mut message = String::new();
                    words.text(&mut message);
                    Some(FromWorker::Refused { message })
                }
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::bench::Bench;
    use crate::worker::pool::Pool;

    #[test]
    fn messages_come_back_as_they_were() {
        let mix = crate::engine::measure::FaultMix::accelerated(
            2_000_000,
            crate::engine::sim::time::Span::seconds(1),
        );
        let workload = crate::scenario::measured::Workload::MATRIX;
        let campaign =
            crate::scenario::campaign::Campaign::matrix(None, workload, mix, 1, 20).expect("the matrix");
        let (mut pool, mut bench) = (Pool::new(campaign, 1, 1), Bench::default());
        let (mut kinds, mut answers) = (0, 0);
        for message in pool.next(0) {
            let list = message.clone().to_words();
            assert_eq!(ToWorker::from_words(&list).as_ref(), Some(&message));
            // A list that is cut short, or goes on, is nobody's.
            assert_eq!(ToWorker::from_words(&list[..list.len() - 1]), None);
            assert_eq!(ToWorker::from_words(&[list, vec![0]].concat()), None);
            kinds += 1;
            if let Some(answer) = bench.answer(message, &mut || 0) {
                let list = answer.clone().to_words();
                assert_eq!(FromWorker::from_words(&list), Some(answer));
                assert_eq!(FromWorker::from_words(&list[..list.len() - 1]), None);
                answers += 1;
            }
        }
        assert_eq!((kinds, answers), (4, 2));
        let refused = FromWorker::Refused { message: "so: ü".to_owned() };
        assert_eq!(FromWorker::from_words(&refused.clone().to_words()), Some(refused));
        let forget = ToWorker::Forget { plan: 7 };
        assert_eq!(ToWorker::from_words(&forget.clone().to_words()), Some(forget));
        for nonsense in [&[][..], &[9, 0], &[3, 0, 1], &[4, 0, 0, 0, 0, u64::MAX], &[1, 0, u64::MAX]] {
            assert_eq!(ToWorker::from_words(nonsense), None);
            assert_eq!(FromWorker::from_words(nonsense), None);
        }
    }
}
