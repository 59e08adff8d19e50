//! Messages as lists of whole numbers. Each is said once, for writing and for reading.

use super::inquiry::{Answer, Ask, Fewest, News, Told};
use super::protocol::{FromWorker, PlanForm, ToWorker};
use crate::engine::check::Anomaly;
use crate::engine::futures::no_return::{Found, Moments};
use crate::engine::futures::odds::Place;
use crate::engine::kafka::types::RecordId;
use crate::engine::measure::{Example, FaultKind, Histogram, Metrics, Tally};
use crate::engine::sim::time::Time;
use crate::engine::sim::trace::EntryId;

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

impl Words<'_> {
    fn flag(&mut self, flag: &mut bool) {
        let mut number = u64::from(*flag);
        self.number(&mut number);
        *flag = number == 1;
    }

    fn time(&mut self, time: &mut Time) {
        self.number(&mut time.0);
    }

    /// A list, each of its members written by `each`.
    fn list<T: Clone>(&mut self, list: &mut Vec<T>, empty: T, mut each: impl FnMut(&mut Self, &mut T)) {
        let count = self.count(list.len());
        list.resize(count, empty);
        list.iter_mut().for_each(|member| each(self, member));
    }

    fn ask(&mut self, ask: &mut Ask) {
        match ask {
            Ask::Moments { text } | Ask::Shrink { text } => self.text(text),
            Ask::Odds { form, window, until } => {
                self.form(form);
                self.number(window);
                self.small(until);
            }
            Ask::Fewest { text, promise, faults, kinds, states } => {
                self.text(text);
                [promise, faults, kinds].into_iter().for_each(|number| self.small(number));
                self.number(states);
            }
        }
    }

    fn moments(&mut self, moments: &mut Moments) {
        let Moments { anomaly, record, broken_by, broken_at, no_return, no_return_at, time_ran_out } =
            moments;
        let mut place = *anomaly as u32;
        self.small(&mut place);
        *anomaly = Anomaly::ALL.get(place as usize).copied().unwrap_or(*anomaly);
        self.small(&mut record.0);
        self.small(&mut broken_by.0);
        self.time(broken_at);
        let mut pair = no_return.map(|entry| (u64::from(entry.0), 0));
        self.pair(&mut pair);
        *no_return = pair.map(|(entry, _)| EntryId(entry as u32));
        self.time(no_return_at);
        self.flag(time_ran_out);
    }

    fn found(&mut self, found: &mut Found) {
        let Found { moments, futures, one_of, unfinished, too_long } = found;
        self.list(moments, NO_MOMENTS, Self::moments);
        [futures, one_of, unfinished].into_iter().for_each(|number| self.small(number));
        self.flag(too_long);
    }

    fn place(&mut self, place: &mut Place) {
        let Place { entries, at, futures, bad } = place;
        self.small(entries);
        self.time(at);
        self.small(futures);
        bad.iter_mut().for_each(|number| self.small(number));
    }

    fn fewest(&mut self, fewest: &mut Fewest) {
        let Fewest { answer, faults, records, states, runs, reached } = fewest;
        [faults, records].into_iter().for_each(|number| self.small(number));
        [states, runs, reached].into_iter().for_each(|number| self.number(number));
        let mut kind = match answer {
            None => 0,
            Some(Answer::Found { .. }) => 1,
            Some(Answer::NoneWithin) => 2,
            Some(Answer::LimitReached) => 3,
        };
        self.number(&mut kind);
        if self.read.is_some() {
            *answer = match kind {
                1 => Some(Answer::Found { text: String::new(), lines: Vec::new() }),
                2 => Some(Answer::NoneWithin),
                3 => Some(Answer::LimitReached),
                _ => None,
            };
        }
        if let Some(Answer::Found { text, lines }) = answer {
            self.text(text);
            self.list(lines, String::new(), Self::text);
        }
    }

    fn told(&mut self, told: &mut Told) {
        let Told { done, micros, news } = told;
        self.flag(done);
        self.number(micros);
        match news {
            News::Moments { looked, of, found } => {
                self.small(looked);
                self.small(of);
                let mut is_there = found.is_some();
                self.flag(&mut is_there);
                if is_there {
                    self.found(found.get_or_insert_default());
                }
            }
            News::Odds { looked, of, places } => {
                self.small(looked);
                self.small(of);
                self.list(places, Place::default(), Self::place);
            }
            News::Fewest(fewest) => self.fewest(fewest),
            News::Shrunk { text, faults, before, runs } => {
                self.text(text);
                [faults, before, runs].into_iter().for_each(|number| self.small(number));
            }
            News::Refused(why) => self.text(why),
        }
    }
}

const NO_MOMENTS: Moments = Moments {
    anomaly: Anomaly::Lost,
    record: RecordId(0),
    broken_by: EntryId(0),
    broken_at: Time::ZERO,
    no_return: None,
    no_return_at: Time::ZERO,
    time_ran_out: false,
};

const PREPARE: u64 = 1;
const FORGET: u64 = 2;
const RUN: u64 = 3;
const DONE: u64 = 4;
const REFUSED: u64 = 5;
const GO_ON: u64 = 6;
const DROP: u64 = 7;
/// And the kinds of questions, and of news, after these.
const ASK: u64 = 10;
const TOLD: u64 = 20;

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
            ToWorker::Ask { inquiry, ask } => {
                let kind = match ask {
                    Ask::Moments { .. } => 0,
                    Ask::Odds { .. } => 1,
                    Ask::Fewest { .. } => 2,
                    Ask::Shrink { .. } => 3,
                };
                words.head(ASK + kind, inquiry);
                words.ask(ask);
            }
            ToWorker::GoOn { inquiry, micros } => {
                words.head(GO_ON, inquiry);
                words.number(micros);
            }
            ToWorker::Drop { inquiry } => {
                words.head(DROP, inquiry);
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
                GO_ON => {
                    words.number(&mut first);
                    Some(ToWorker::GoOn { inquiry: plan, micros: first })
                }
                DROP => Some(ToWorker::Drop { inquiry: plan }),
                kind => {
                    let text = String::new();
                    let mut ask = match kind.checked_sub(ASK)? {
                        0 => Ask::Moments { text },
                        1 => {
                            let faults = [(0, 0); FaultKind::ALL.len()];
                            Ask::Odds { form: PlanForm { text, faults, seed: 0 }, window: 0, until: 0 }
                        }
                        2 => Ask::Fewest { text, promise: 0, faults: 0, kinds: 0, states: 0 },
                        3 => Ask::Shrink { text },
                        _ => return None,
                    };
                    words.ask(&mut ask);
                    Some(ToWorker::Ask { inquiry: plan, ask })
                }
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
            FromWorker::Told { inquiry, told } => {
                let kind = match told.news {
                    News::Moments { .. } => 0,
                    News::Odds { .. } => 1,
                    News::Fewest(_) => 2,
                    News::Refused(_) => 3,
                    News::Shrunk { .. } => 4,
                };
                words.head(TOLD + kind, inquiry);
                words.told(told);
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
                kind => {
                    let news = match kind.checked_sub(TOLD)? {
                        0 => News::Moments { looked: 0, of: 0, found: None },
                        1 => News::Odds { looked: 0, of: 0, places: Vec::new() },
                        2 => News::Fewest(Fewest::default()),
                        3 => News::Refused(String::new()),
                        4 => News::Shrunk { text: String::new(), faults: 0, before: 0, runs: 0 },
                        _ => return None,
                    };
                    let mut told = Told { done: false, micros: 0, news };
                    words.told(&mut told);
                    Some(FromWorker::Told { inquiry: plan, told })
                }
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
        questions_and_answers_come_back(&mut bench);
        let refused = FromWorker::Refused { message: "so: ü".to_owned() };
        assert_eq!(FromWorker::from_words(&refused.clone().to_words()), Some(refused));
        let forget = ToWorker::Forget { plan: 7 };
        assert_eq!(ToWorker::from_words(&forget.clone().to_words()), Some(forget));
        for nonsense in [&[][..], &[9, 0], &[3, 0, 1], &[4, 0, 0, 0, 0, u64::MAX], &[1, 0, u64::MAX]] {
            assert_eq!(ToWorker::from_words(nonsense), None);
            assert_eq!(FromWorker::from_words(nonsense), None);
        }
    }

    /// Every kind of question, carried through by a bench, and every kind of news.
    fn questions_and_answers_come_back(bench: &mut Bench) {
        let preset = crate::scenario::presets::by_id("at-least-once-lost-acknowledgement").expect("a preset");
        let text = preset.text.to_owned();
        let faults = [(0, 0); FaultKind::ALL.len()];
        let asked = [
            (Ask::Moments { text: text.clone() }, true),
            (
                Ask::Odds {
                    form: PlanForm { text: text.clone(), faults, seed: 1 },
                    window: 1_000_000,
                    until: 40,
                },
                false,
            ),
            (Ask::Fewest { text: text.clone(), promise: 1, faults: 1, kinds: 1, states: 2000 }, true),
            (Ask::Fewest { text, promise: 99, faults: 1, kinds: 1, states: 1 }, true),
            (Ask::Shrink { text: preset.text.to_owned() }, true),
            (Ask::Moments { text: "nonsense".to_owned() }, true),
        ];
        for (inquiry, (ask, to_its_end)) in (0..).zip(asked) {
            let messages = [ToWorker::Ask { inquiry, ask }, ToWorker::GoOn { inquiry, micros: 0 }];
            for message in messages {
                assert_eq!(ToWorker::from_words(&message.clone().to_words()), Some(message.clone()));
                let answer = bench.answer(message, &mut || 0);
                let Some(mut answer) = answer else { continue };
                loop {
                    let list = answer.clone().to_words();
                    assert_eq!(FromWorker::from_words(&list).as_ref(), Some(&answer));
                    assert_eq!(FromWorker::from_words(&list[..list.len() - 1]), None);
                    let FromWorker::Told { told, .. } = &answer else { panic!("{answer:?}") };
                    if told.done || !to_its_end {
                        break;
                    }
                    let more = ToWorker::GoOn { inquiry, micros: 0 };
                    answer = bench.answer(more, &mut || 0).expect("an answer");
                }
            }
            let drop = ToWorker::Drop { inquiry };
            assert_eq!(ToWorker::from_words(&drop.clone().to_words()), Some(drop.clone()));
            assert_eq!(bench.answer(drop, &mut || 0), None);
        }
    }
}
