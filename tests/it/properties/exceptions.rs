//! Where "an idempotent producer does not duplicate" ends: each exception to the property, with a script that really
//! duplicates, and the same script without what makes it one.

use kafka_guarantees::engine::run;
use kafka_guarantees::scenario;

/// (why, the script, what is left out or put in its place to be without duplicates, duplicates)
const EXCEPTIONS: &[(&str, &str, (&str, &str), u32)] = &[
    (
        "P32 (recording cold-partition-duplicates): a partition that does not know the producer takes its second batch \
         after it has refused the first; the second's answer is lost, and both come again under the next epoch",
        "topic t replicas=B1,B2 min.insync.replicas=2\ntopic out replicas=B1,B3 min.insync.replicas=1\n\
         producer P acks=all delivery.timeout.ms=25000 request.timeout.ms=20000\nP send w0 to out\nwait P settled\n\
         B2 kill\nwait isr t = B1\nfault P Produce 2 request hold after 3\nfault P Produce 3 request hold\n\
         fault P Produce 4 request hold after 10\nfault P Produce 3 response cut\nP send r0..r1\nwait 400ms\n\
         B2 start\nwait isr t = B1,B2\nrelease P Produce\nwait P settled",
        ("P send w0 to out\n", "P send w0\n"),
        1,
    ),
    (
        "P43 (recording pid-expiry): the brokers have forgotten the producer when it tries again",
        "cluster producer.id.expiration.ms=1000\ntopic t replicas=B1,B2,B3 min.insync.replicas=2\n\
         producer P acks=all request.timeout.ms=4000 delivery.timeout.ms=20000\n\
         fault P Produce 1 response hold\nP send r0\nwait P settled",
        ("producer.id.expiration.ms=1000", "producer.id.expiration.ms=86400000"),
        1,
    ),
    (
        "P44 (recording snapshot-window): a restart leaves the last batch of a producer, and earlier ones are tried again",
        "topic t replicas=B1 min.insync.replicas=1\n\
         producer P acks=all request.timeout.ms=20000 delivery.timeout.ms=60000\nfault P Produce 1..2 response hold\n\
         P send r0..r1\nwait 500ms\nB1 stop\nB1 start\nwait P settled",
        ("P send r0..r1", "P send r1"),
        2,
    ),
    (
        "P59 (recording epoch-bump-duplicate): a later batch fails for good while an earlier one has no answer",
        "topic t replicas=B1,B2,B3 min.insync.replicas=1 max.message.bytes=2000\n\
         topic u replicas=B2,B3,B1 min.insync.replicas=1\n\
         producer P acks=all metadata.max.age.ms=200 request.timeout.ms=15000 delivery.timeout.ms=40000\n\
         P send w0\nP send w1 to u\nwait P settled\nfault P Produce 3 response hold\nP send r0\nwait 500ms\n\
         t leader B2\nwait 1s\nP send !big size=5000\nwait 1500ms\nlink P->B1 cut\nwait P settled",
        ("P send !big size=5000", "P send !big"),
        1,
    ),
    (
        "P35: the application sends again what it was told has failed",
        "topic t replicas=B1,B2,B3 min.insync.replicas=2\nproducer P acks=all delivery.timeout.ms=3000\n\
         fault P Produce 1..9 response cut\nP send r0\nwait P settled\nrelease P Produce\nP send r0\nwait P settled",
        ("release P Produce\nP send r0\n", "release P Produce\n"),
        1,
    ),
    (
        "P37: another instance of the producer, with another producer id",
        "topic t replicas=B1,B2,B3 min.insync.replicas=2\nproducer P acks=all\n\
         fault P Produce 1 response hold\nP send r0\nwait 300ms\nP crash\nP restart\nP send r0\nwait P settled",
        ("P restart\nP send r0\n", "P restart\n"),
        1,
    ),
    (
        "P38: another producer",
        "topic t replicas=B1,B2,B3 min.insync.replicas=2\nproducer P acks=all\nproducer Q acks=all\n\
         P send r0\nwait P settled\nQ send r0\nwait Q settled",
        ("Q send r0", "Q send r1"),
        1,
    ),
];

fn duplicates(script: &str) -> u32 {
    let text = format!("kafka-guarantees 1\nprofile recorder\n{script}");
    let setup = scenario::parse(&text).unwrap_or_else(|errors| panic!("{text}\n{errors:?}"));
    let run = run::run(&setup.into());
    assert!(run.error.is_none(), "{text}\n{:?}", run.error);
    run.observations().verdict.duplicates
}

#[test]
fn the_exceptions_to_idempotence_duplicate() {
    for (why, script, (what, instead), expected) in EXCEPTIONS {
        assert_eq!(duplicates(script), *expected, "{why}");
        let harmless = script.replacen(what, instead, 1);
        assert_ne!(harmless, *script, "{why}");
        assert_eq!(duplicates(&harmless), 0, "{why}: {harmless}");
    }
}
